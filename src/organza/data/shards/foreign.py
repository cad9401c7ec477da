"""WebDataset folders that others wrote: tar files without a manifest, whose members are listed once and remembered in the cache."""

from __future__ import annotations

import hashlib
import json
import os
import tarfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from organza.data.decode import ENDINGS
from organza.data.shards.manifest import Manifest, Shard
from organza.data.shards.place import Folder
from organza.disk import cache_folder, make_folder, write
from organza.errors import UserError
from organza.progress import Progress
from organza.shell import quoted
from organza.untrusted import printable

MOST_CLASSES = 1_000
CLASS_BYTES = 64


class Member(NamedTuple):
    """One sample of a tar file: where its image begins, its length, and its class, "" if it has none."""

    offset: int
    length: int
    kind: str


class ForeignFolder(Folder):
    """Shards without a manifest: offsets come from a folder in the cache.

    Args:
        path: folder with the tar files.
        notes: folder in the cache.
    """

    def __init__(self, path: str | Path, notes: Path):
        super().__init__(path)
        self.notes = notes

    def file(self, name: str, sha256: str, length: int | None = None) -> Path:
        if name.endswith(".index"):
            return self.notes / name
        return super().file(name, sha256, length)


def listed(folder: Path, progress: Progress | None = None) -> tuple[Manifest, ForeignFolder, np.ndarray | None]:
    """Return the manifest of tar files in a folder, their place, and the class of each sample, int64 [N]; None without classes.

    Classes are the members .cls of samples, if every sample has one and they are few.

    Args:
        folder: folder with the tar files.
        progress: callback (task, done, total).

    Raises:
        UserError: if a tar file cannot be read, or none holds images.
    """
    files = sorted(path for path in folder.glob("*.tar") if path.is_file())
    stamp = [[path.name, path.stat().st_size, path.stat().st_mtime_ns] for path in files]
    digest = hashlib.sha256(json.dumps([os.fspath(folder.resolve()), stamp]).encode()).hexdigest()[:16]
    notes = cache_folder() / "shards" / f"listed-{digest}"
    make_folder(notes)
    shards, kinds = [], []
    for done, path in enumerate(files, 1):
        found = _remembered(notes, path) or _looked(notes, path)
        if found.offsets.shape[0]:
            shards.append(Shard(path.name, path.stat().st_size, len(found.offsets)))
            kinds += found.kinds
        if progress:
            progress("listing shards", done, len(files))
    if not shards:
        raise UserError(
            f"The tar files in {quoted(folder)} hold no images; a WebDataset has members such as 000001.jpg."
        )
    values = sorted(Counter(kinds), key=_number_or_text)
    if "" in values or not 1 < len(values) <= MOST_CLASSES:
        return Manifest(tuple(shards)), ForeignFolder(folder, notes), None
    places = {value: place for place, value in enumerate(values)}
    rows = np.array([places[kind] for kind in kinds])
    shares = (np.bincount(rows, minlength=len(values)) / len(rows)).tolist()
    facts = {"name": "class", "values": values, "shares": shares, "several": False}
    return Manifest(tuple(shards), fields=(facts,)), ForeignFolder(folder, notes), rows


class _Found(NamedTuple):
    offsets: np.ndarray
    kinds: list[str]


def _looked(notes: Path, path: Path) -> _Found:
    """List a tar file, and remember it."""
    members = list(_members(path))
    offsets = np.array([(one.offset, one.length) for one in members], "<u8").reshape(-1, 2)
    kinds = [one.kind for one in members]
    write(notes / f"{path.stem}.kinds", json.dumps(kinds).encode())
    write(notes / f"{path.stem}.index", offsets.tobytes())
    return _Found(offsets, kinds)


def _remembered(notes: Path, path: Path) -> _Found | None:
    """Return the index of a shard from an earlier reading, or None."""
    try:
        offsets = np.fromfile(notes / f"{path.stem}.index", "<u8").reshape(-1, 2)
        kinds = json.loads((notes / f"{path.stem}.kinds").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return _Found(offsets, kinds) if len(offsets) == len(kinds) else None


def _members(path: Path) -> Iterator[Member]:
    """Yield the samples of a tar file: consecutive members whose names are the same before the first dot."""
    try:
        with tarfile.open(path, "r:") as tar:
            key, image, kind = "", None, ""
            for member in tar:
                if not member.isreg():
                    continue
                head, _, ending = member.name.rpartition("/")[2].partition(".")
                name = f"{member.name.rpartition('/')[0]}/{head}"
                if name != key:
                    if image is not None:
                        yield Member(*image, kind)
                    key, image, kind = name, None, ""
                last = f".{ending.lower().rpartition('.')[2]}"
                if image is None and last in ENDINGS:
                    image = (member.offset_data, member.size)
                elif last == ".cls" and member.size <= CLASS_BYTES:
                    kind = _text(tar, member)
            if image is not None:
                yield Member(*image, kind)
    except (tarfile.TarError, OSError, EOFError) as error:
        raise UserError(
            f"The shard {quoted(path)} is damaged ({printable(str(error))[:80]}); copy it again."
        ) from error


def _text(tar: tarfile.TarFile, member: tarfile.TarInfo) -> str:
    file: Any = tar.extractfile(member)
    return printable(file.read(CLASS_BYTES).decode("utf-8", "replace").strip())


def _number_or_text(value: str) -> tuple[int, float, str]:
    return (0, float(value), "") if value.isdecimal() else (1, 0.0, value)
