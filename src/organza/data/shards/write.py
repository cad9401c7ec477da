"""Packing of images into shards."""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from organza.data.labels import Labelled, Labels
from organza.data.shards.manifest import LABELS, NAME, Manifest, Shard
from organza.data.shards.place import sha256_of
from organza.data.size import Size
from organza.data.source import Source
from organza.disk import cannot_write, make_folder, write_whole
from organza.errors import UserError
from organza.progress import Progress
from organza.seeding import permutation

SMALLEST = 2**20
"""Least size of a shard in bytes."""
BLOCK = 512
"""Bytes of a tar header, and of the blocks that members fill."""


def write_shards(
    source: Source, out: str | Path, shard_bytes: int, labelled: bool = False, progress: Progress | None = None
) -> Manifest:
    """Write the images of a source as shards, each about as large, in random order, lossless PNG at one size.

    Random order, so that each shard represents all: a run shuffles within a window of shards, and holds out items of the first.

    Args:
        source: data; its seed is the seed of the order.
        out: new or empty folder.
        shard_bytes: size of a shard.
        labelled: True to write the labels of the source too.
        progress: callback (task, done, total).

    Raises:
        UserError: if the folder is not empty, a shard is too small, or the source cannot be read.
    """
    folder = Path(out)
    if shard_bytes < SMALLEST:
        raise UserError(f"`shard_size` is {shard_bytes:,} bytes; it must be at least 1MB.")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f"{folder} is not an empty folder; name a new one.")
    pack = source.pack()
    data = Labelled(source) if labelled else None
    order = permutation(len(pack), source.seed, "shards").numpy()
    try:
        make_folder(folder)
        shards = tuple(_written(pack.images, order, folder, shard_bytes, data, progress))
        digest = "" if data is None else _labels(folder / LABELS, data.known[order])
    except OSError as error:
        raise UserError(cannot_write(folder, error)) from error
    fields = () if data is None else tuple(data.labels.facts())
    manifest = Manifest(shards, Size(pack.width, pack.height), pack.channels, fields, digest)
    write_whole(folder / NAME, manifest.written())  # last: without it the folder is not a data set
    return manifest


def _written(
    images: Any, order: np.ndarray, folder: Path, most: int, data: Labelled | None, progress: Progress | None
) -> Iterator[Shard]:
    """Write shard after shard, and yield their entries."""
    done = 0
    while done < len(order):
        name = f"{len(list(folder.glob('*.tar'))):05d}"
        offsets: list[tuple[int, int]] = []
        path = folder / f"{name}.tar"
        with path.open("xb") as file, tarfile.TarFile(fileobj=file, mode="w", format=tarfile.USTAR_FORMAT) as tar:
            while done < len(order) and (not offsets or tar.offset < most):
                item = int(order[done])
                png = _png(images[item])
                offsets.append((tar.offset + BLOCK, len(png)))
                _add(tar, f"{done:09d}.png", png)
                if data is not None:
                    _add(tar, f"{done:09d}.json", json.dumps(_told(data.labels, data.known[item])).encode())
                done += 1
                if progress:
                    progress("writing shards", done, len(order))
        index = np.array(offsets, "<u8").tobytes()
        _flush(folder / f"{name}.index", index)
        yield Shard(path.name, path.stat().st_size, len(offsets), sha256_of(path), hashlib.sha256(index).hexdigest())


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)  # time 0 and no owner: the same images give the same bytes
    tar.addfile(member, io.BytesIO(content))


def _png(image: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image).save(file, "PNG", compress_level=6)
    return file.getvalue()


def _told(labels: Labels, row: np.ndarray) -> dict[str, Any]:
    """Return the labels of one item for other readers: a value, a list of tags, or a number by field."""
    told: dict[str, Any] = {}
    place = 0
    for field in labels.fields:
        part = row[place : place + field.width]
        place += field.width
        if not field.values:
            mean, deviation = field.shares
            told[field.name] = float(part[0]) * deviation + mean
        else:
            chosen = [value for value, on in zip(field.values, part, strict=True) if on > 0.5]
            told[field.name] = chosen if field.several else (chosen or [None])[0]
    return told


def _labels(path: Path, rows: np.ndarray) -> str:
    file = io.BytesIO()
    np.save(file, np.ascontiguousarray(rows, np.float32), allow_pickle=False)
    _flush(path, file.getvalue())
    return hashlib.sha256(file.getvalue()).hexdigest()


def _flush(path: Path, content: bytes) -> None:
    with path.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
