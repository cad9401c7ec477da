"""Images of any size in the cache, decoded once and stored as blocks of equal size, so that any region of any image is
read at each access with a few reads.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from organza.data.arrays import Rows
from organza.data.cache import Damage, PackFiles, digest, in_use, load, recall, remember, store
from organza.data.decode import Unreadable, decode, size_of
from organza.data.defaults import recommended_channels, sampled
from organza.data.folder import Entry, Listing, listing
from organza.data.parallel import in_order
from organza.data.size import Size
from organza.data.source import Source
from organza.disk import cache_folder
from organza.errors import UserError
from organza.untrusted import printable

FORMAT = 1  # version of the blocks: increased if the same images give other bytes
BLOCK = 64  # pixels a side
MOST_OF_ONE = 2**22
"""Most pixels that are kept of an image: its middle."""
MOST_OF_ALL = 2**30
"""Most pixels of all images together, three gigabytes in colour; with more images, less is kept of each."""


@dataclass(frozen=True)
class Blocks:
    """Whole images as blocks of 64x64 pixels; the last ones of a row or column repeat the edge.

    Args:
        directory: folder of the files in the cache.
        blocks: uint8 [blocks of all images, 64, 64, C], row by row.
        names: name of each image.
        sizes: height and width of each image, int [N, 2].
        broken: skipped files, each with the reason.
        fingerprint: sha256 of the images and of the settings.
    """

    directory: Path
    blocks: Rows
    names: tuple[str, ...]
    sizes: np.ndarray
    broken: tuple[tuple[str, str], ...]
    fingerprint: str

    def __len__(self) -> int:
        return len(self.names)

    @property
    def channels(self) -> int:
        return self.blocks.shape[3]

    @property
    def firsts(self) -> np.ndarray:
        """Index of the first block of each image, int [N]."""
        counts = np.prod(-(-self.sizes // BLOCK), axis=1)
        return np.concatenate([[0], np.cumsum(counts)[:-1]]).astype(np.int64)

    def region(self, first: int, width: int, top: int, left: int, rows: int, columns: int) -> np.ndarray:
        """Return a region of an image, uint8 [rows, columns, C].

        Args:
            first: index of the image's first block: see `firsts`.
            width: width of the image.
            top: first row of the region, within the image.
            left: its first column.
            rows: its height.
            columns: its width.
        """
        across = -(-width // BLOCK)
        up, down = top // BLOCK, -(-(top + rows) // BLOCK)
        begin, end = left // BLOCK, -(-(left + columns) // BLOCK)
        parts = [self.blocks[first + row * across + begin : first + row * across + end] for row in range(up, down)]
        whole = np.stack(parts).transpose(0, 2, 1, 3, 4).reshape((down - up) * BLOCK, (end - begin) * BLOCK, -1)
        y, x = top - up * BLOCK, left - begin * BLOCK
        return whole[y : y + rows, x : x + columns]


def open_blocks(source: Source, longest: int = 0) -> Blocks:
    """Decode the images of a source at their own sizes, or return those in the cache if nothing changed.

    Args:
        source: location and settings; its size is that of patches, and changes nothing here.
        longest: pixels of the longer side to which larger images are reduced; 0 for none.

    Raises:
        UserError: if the source does not exist, holds no readable images, or there is no room in the cache.
    """
    if source.channels == 4:
        raise UserError(
            "`channels` is 4; it must be 1 (grey) or 3 (colour) here: opacity is kept as it is, not learned."
        )
    packs = cache_folder() / "packs"
    found = listing(source.path, follow_links=source.follow_links)
    seen = digest(
        {"blocks": FORMAT, "source": os.fsdecode(os.path.realpath(source.path)), "entries": found.stamp,
         "channels": source.channels, "longest": longest}
    )  # fmt: skip
    known = recall(packs, seen)
    if known is None:
        known = _stored(packs, found, source, longest)
        remember(packs, seen, *known)
    return _opened(*known)


def _stored(packs: Path, found: Listing, source: Source, longest: int) -> tuple[Path, dict[str, Any]]:
    """Write the blocks of all images to a new pack; return its folder, and the broken files."""
    facts, count = sampled(found), len(found.entries)
    channels = source.channels or min(recommended_channels(facts), 3)
    most = max(min(MOST_OF_ONE, MOST_OF_ALL // count), BLOCK * BLOCK)
    usual = np.mean([min(math.prod(within(fact.size, longest)), most) for fact in facts] or [most])
    decoded = in_order(lambda entry: _decoded(found, entry, channels, longest, most), found.entries, chunk=1)
    told: dict[str, Any] = {}

    def fill(files: PackFiles) -> dict[str, Any]:
        """Write the blocks of every usable image, and return the facts about them."""
        names, sizes, broken = [], [], list(found.problems)
        for done, (entry, image) in enumerate(decoded, 1):
            if isinstance(image, str):
                broken.append((printable(entry.name), image))
            else:
                names.append(entry.name)
                sizes.append(list(image.shape[:2]))
                for block in cut(image):
                    files.append(entry.name, block)
            if source.progress:
                source.progress("packing images", done, count)
        if not names:
            reasons = "; ".join(f"{name}: {reason}" for name, reason in broken[:3])
            raise UserError(f"None of the {count} images in {source.path} can be used ({reasons}).")
        told["broken"] = broken
        settings = {"blocks": FORMAT, "channels": channels, "longest": longest, "sizes": sizes}
        return settings | {"fingerprint": digest({**files.content, **settings}), "images": names}

    blocks = round(1.3 * count * (usual / BLOCK**2 + 1))  # an estimate, for the room on the disk
    return store(packs, (blocks, BLOCK, BLOCK, channels), fill), told


def within(size: Size, longest: int) -> Size:
    """Return a size reduced until its longer side is at most so many pixels; 0 for no limit.

    >>> within(Size(4000, 3000), 1600), within(Size(4000, 3000), 0)
    (Size(width=1600, height=1200), Size(width=4000, height=3000))
    """
    share = min(1.0, longest / max(size)) if longest else 1.0
    return Size(*(max(1, round(side * share)) for side in size))


def _decoded(found: Listing, entry: Entry, channels: int, longest: int, most: int) -> np.ndarray | str:
    """Return the middle of an image at its own size or reduced, uint8 [H, W, C], or the reason why it cannot be used."""
    try:
        content = found.read(entry)
        size = Size(content.shape[1], content.shape[0]) if isinstance(content, np.ndarray) else size_of(content)
        return middle(decode(content, within(size, longest), channels), most)
    except Unreadable as reason:
        return str(reason)


def middle(image: np.ndarray, most: int) -> np.ndarray:
    """Return the middle of an image, of its own proportions and of at most so many pixels.

    >>> middle(np.zeros((300, 400, 3), np.uint8), 30_000).shape
    (150, 200, 3)
    """
    height, width = image.shape[:2]
    share = min(1.0, (most / (height * width)) ** 0.5)
    rows, columns = max(1, int(height * share)), max(1, int(width * share))
    top, left = (height - rows) // 2, (width - columns) // 2
    return image[top : top + rows, left : left + columns]


def cut(image: np.ndarray) -> np.ndarray:
    """Return an image as blocks row by row, uint8 [n, 64, 64, C]; the last ones repeat the edge.

    >>> cut(np.zeros((65, 64, 3), np.uint8)).shape
    (2, 64, 64, 3)
    """
    height, width, channels = image.shape
    down, across = -(-height // BLOCK), -(-width // BLOCK)
    whole = np.pad(image, ((0, down * BLOCK - height), (0, across * BLOCK - width), (0, 0)), mode="edge")
    return whole.reshape(down, BLOCK, across, BLOCK, channels).swapaxes(1, 2).reshape(-1, BLOCK, BLOCK, channels)


def _opened(directory: Path, told: dict[str, Any]) -> Blocks:
    """Return the blocks of a pack, after a check that its sizes and blocks belong together."""
    try:
        blocks, manifest = load(directory)
        sizes = np.array(manifest["sizes"], np.int64).reshape(-1, 2)
        names: Sequence[str] = manifest["images"]
        if len(names) != len(sizes) or np.prod(-(-sizes // BLOCK), axis=1).sum() != len(blocks):
            raise ValueError("its sizes are not those of its blocks")
    except Damage as error:
        raise UserError(
            f"The pack {directory} was changed or removed while it was opened; run the same command again."
        ) from error
    broken = tuple((str(name), str(reason)) for name, reason in told["broken"])
    return Blocks(directory, in_use(blocks, directory), tuple(map(str, names)), sizes, broken, manifest["fingerprint"])
