"""Opening of shards as a pack: the folder that `organza data pack` wrote, one of a WebDataset, or an address."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from organza.data.arrays import OpenFile, open_array
from organza.data.decode import Facts, Unreadable, glance
from organza.data.defaults import recommended_channels, recommended_size
from organza.data.pack import Pack
from organza.data.shards.foreign import listed
from organza.data.shards.manifest import LABELS, NAME, Manifest, read_manifest
from organza.data.shards.place import Address, Folder, Place, is_remote
from organza.data.shards.rows import Names, Pictures
from organza.data.size import Size
from organza.disk import cache_folder, make_folder
from organza.errors import UserError
from organza.progress import Progress
from organza.untrusted import printable

SAMPLED = 200
"""Images to choose a size and channels by, where the manifest tells none."""


def are_at(data: str | Path) -> bool:
    """Return True if data are shards: an address, a folder with their manifest, or one with tar files and no images beside them.

    >>> are_at("https://example.org/faces/manifest.json")
    True
    """
    if is_remote(data):
        return True
    folder = Path(data)
    folder = folder.parent if folder.name == NAME else folder
    if (folder / NAME).is_file():
        return True
    return folder.is_dir() and any(folder.glob("*.tar"))


def open_shards(
    data: str | Path,
    size: Size | None = None,
    channels: int | None = None,
    fit: str = "crop",
    progress: Progress | None = None,
) -> Pack:
    """Return the images of shards as a pack; nothing is decoded before it is used.

    Args:
        data: folder, its manifest, or the address of one.
        size: size of the images; None takes the manifest's, or decides by the first images.
        channels: 1, 3 or 4; None as for the size.
        fit: method of fitting the images: see `decode`.
        progress: callback (task, done, total).

    Raises:
        UserError: if the manifest or a shard cannot be read.
    """
    manifest, place, known = _found(data, progress)
    if size is None or channels is None:
        plain = size or manifest.size, channels or manifest.channels
        facts = [] if all(plain) else _sampled(manifest, place)
        size, channels = plain[0] or recommended_size(facts), plain[1] or recommended_channels(facts)
    images = Pictures(manifest, place, size, channels, fit)
    directory = cache_folder() / "shards" / f"derived-{manifest.fingerprint}"
    make_folder(directory)
    return Pack(
        directory=directory,
        images=images,
        names=Names(manifest),
        labels=None,
        classes=(),
        broken=(),
        fingerprint=f"{manifest.fingerprint}-{size}-{channels}-{fit}"[:64],
        fields=manifest.fields,
        known=known,
    )


def _found(data: str | Path, progress: Progress | None) -> tuple[Manifest, Place, Any]:
    """Return the manifest, the place of the shards, and the rows of their labels; None without labels."""
    if is_remote(data):
        url = str(data)
        place: Place = Address(url if url.endswith(".json") else f"{url.rstrip('/')}/{NAME}")
        manifest = read_manifest(place.manifest(), printable(url))
    else:
        folder = Path(data)
        folder = folder.parent if folder.name == NAME else folder
        if not (folder / NAME).is_file():
            manifest, place, kinds = listed(folder, progress)
            return manifest, place, None if kinds is None else OneHot(kinds, len(manifest.fields[0]["values"]))
        place = Folder(folder)
        manifest = read_manifest(place.manifest(), str(folder / NAME))
    if not manifest.labels:
        return manifest, place, None
    rows = open_array(place.file(LABELS, manifest.labels))
    if rows.ndim != 2 or len(rows) != manifest.count:
        raise UserError(f"{LABELS} of {printable(str(data))} has no row for each image; pack the shards again.")
    return manifest, place, rows


class OneHot:
    """Rows of one class each, float32 [N, classes], made when they are asked for.

    Args:
        kinds: class of each item, int64 [N].
        width: number of classes.

    >>> OneHot(np.array([1, 0]), 2)[[0]].tolist()
    [[0.0, 1.0]]
    """

    def __init__(self, kinds: np.ndarray, width: int):
        self.kinds, self.width = kinds, width
        self.shape = (len(kinds), width)

    def __len__(self) -> int:
        return len(self.kinds)

    def __getitem__(self, which: Any) -> np.ndarray:
        return np.eye(self.width, dtype=np.float32)[self.kinds[which]]


def _sampled(manifest: Manifest, place: Place) -> Sequence[Facts]:
    """Return the properties of the first images, without unreadable ones."""
    shard = manifest.shards[0]
    offsets = np.fromfile(place.file(shard.offsets, shard.index), "<u8").reshape(-1, 2)
    file = OpenFile(place.file(shard.file, shard.sha256, shard.bytes))
    facts = []
    for offset, length in offsets[:SAMPLED].tolist():
        content = bytearray(min(length, shard.bytes))
        file.read(memoryview(content), offset)
        try:
            facts.append(glance(bytes(content))[0])
        except Unreadable:
            continue
    return facts
