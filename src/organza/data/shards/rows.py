"""The images of shards as one array, whose rows are read and decoded at each access, and the order in which a run reads them."""

from __future__ import annotations

import threading
import warnings
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from organza.data.arrays import OpenFile
from organza.data.decode import Unreadable, decode
from organza.data.shards.manifest import Manifest
from organza.data.shards.place import Place
from organza.data.size import Size
from organza.errors import UserError
from organza.seeding import permutation

OPEN = 64
"""Shards that are kept open."""
WINDOW = 512 * 2**20
"""Bytes of the shards that are shuffled together. It is part of the order, so it never depends on the machine."""


class Pictures:
    """Images of shards, uint8 [N, H, W, C], used like an array: `images[3]`, `images[[5, 1]]`, `len(images)`. Results are copies.

    An image that cannot be decoded is replaced by the next of its shard, with a warning.

    Args:
        manifest: the shards.
        place: folder or address with them.
        size: size of the images.
        channels: their channels.
        fit: method of fitting them: see `decode`.
    """

    dtype = np.dtype(np.uint8)
    ndim = 4

    def __init__(self, manifest: Manifest, place: Place, size: Size, channels: int, fit: str = "crop"):
        self.manifest, self.place = manifest, place
        self.fitting = (size, channels, fit)
        self.starts = np.array(manifest.starts)
        self.shape = (manifest.count, size.height, size.width, channels)
        self.replaced = 0
        self._open: OrderedDict[int, tuple[OpenFile, np.ndarray]] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return self.shape[0]

    def __iter__(self) -> Iterator[np.ndarray]:
        return (self[item] for item in range(len(self)))

    def __getitem__(self, which: Any) -> np.ndarray:
        if isinstance(which, tuple):
            return self[which[0]][which[1:]] if isinstance(which[0], int) else self[which[0]][(slice(None), *which[1:])]
        if isinstance(which, int | np.integer):
            return self._one(range(len(self))[int(which)])
        if isinstance(which, slice):
            which = range(*which.indices(len(self)))
        chosen = np.asarray(which)
        if chosen.dtype == bool:
            chosen = np.flatnonzero(chosen)
        rows = np.empty((len(chosen), *self.shape[1:]), np.uint8)
        for place in np.argsort(chosen, kind="stable"):  # shard by shard
            rows[place] = self._one(range(len(self))[int(chosen[place])])
        return rows

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return self[:].astype(dtype or self.dtype, copy=False)

    def _one(self, item: int) -> np.ndarray:
        """Return one image, or the next of its shard that can be decoded if it is damaged."""
        shard = int(np.searchsorted(self.starts, item, "right")) - 1
        first = item - int(self.starts[shard])
        file, offsets = self._opened(shard)
        for step in range(len(offsets)):
            offset, length = offsets[(first + step) % len(offsets)].tolist()
            content = bytearray(length)
            try:
                file.read(memoryview(content), offset)
                return decode(bytes(content), *self.fitting)
            except Unreadable as reason:
                self.replaced += 1
                name = self.manifest.shards[shard].file
                warnings.warn(f"image {first + step} of {name} is replaced by the next: {reason}", stacklevel=2)
        raise UserError(f"None of the images of {self.manifest.shards[shard].file} can be used; pack it again.")

    def _opened(self, number: int) -> tuple[OpenFile, np.ndarray]:
        """Return a shard and its index, opened and verified; the least recently used one is closed."""
        with self._lock:
            if number in self._open:
                self._open.move_to_end(number)
                return self._open[number]
            shard = self.manifest.shards[number]
            path = self.place.file(shard.file, shard.sha256, shard.bytes)
            index = self.place.file(shard.offsets, shard.index)
            offsets = np.fromfile(index, "<u8").reshape(-1, 2)
            ends = offsets.sum(1)
            if len(offsets) != shard.count or (len(ends) and int(ends.max()) > shard.bytes) or (offsets > 2**53).any():
                raise UserError(f"{index} does not fit {shard.file}; copy both again, or pack the shards again.")
            self._open[number] = OpenFile(path), offsets
            while len(self._open) > OPEN:
                self._open.popitem(last=False)
            return self._open[number]


class Names(Sequence[str]):
    """Names of the samples, SHARD#NUMBER, made when they are asked for.

    Args:
        manifest: the shards.
    """

    def __init__(self, manifest: Manifest):
        self.manifest, self.starts = manifest, np.array(manifest.starts)

    def __len__(self) -> int:
        return int(self.starts[-1])

    def __getitem__(self, which: Any) -> Any:
        if isinstance(which, slice):
            return [self[item] for item in range(*which.indices(len(self)))]
        item = range(len(self))[which]
        shard = int(np.searchsorted(self.starts, item, "right")) - 1
        return f"{self.manifest.shards[shard].file}#{item - int(self.starts[shard])}"


class WindowedOrder:
    """An endless sequence over the samples of shards: in each pass the shards in a new order, and those of a window shuffled together.

    The sample at a position is a function of seed and position, so that a run continues anywhere, with any number of processes.

    Args:
        pictures: images of the shards.
        held: number of samples at the beginning that are left out.
        seed: random seed of the shuffles.
    """

    def __init__(self, pictures: Pictures, held: int, seed: int):
        self.pictures, self.seed = pictures, seed
        starts = np.maximum(pictures.starts, held)
        self.ranges = list(pairwise(starts.tolist()))
        self.count = int(starts[-1] - starts[0])
        largest = max(shard.bytes for shard in pictures.manifest.shards)
        self.window = max(2, WINDOW // max(largest, 1))
        self._pass: tuple[int, np.ndarray, np.ndarray] = (-1, np.empty(0, np.int64), np.empty(0, np.int64))
        self._shuffled: tuple[tuple[int, int], np.ndarray] = ((-1, -1), np.empty(0, np.int64))

    def at(self, positions: Iterable[int]) -> np.ndarray:
        """Return the samples at these positions, int64."""
        return np.array([self._one(position) for position in positions], np.int64)

    def _one(self, position: int) -> int:
        """Return the item at one position of the order."""
        number, place = divmod(position, self.count)
        if number != self._pass[0]:
            order = permutation(len(self.ranges), self.seed, "shards", number).numpy()
            counts = np.array([self.ranges[shard][1] - self.ranges[shard][0] for shard in order])
            ends = [counts[begin : begin + self.window].sum() for begin in range(0, len(order), self.window)]
            self._pass = number, order, np.concatenate([[0], np.cumsum(ends)])
        _, order, starts = self._pass
        window = int(np.searchsorted(starts, place, "right")) - 1
        if self._shuffled[0] != (number, window):
            self._shuffled = (number, window), self._items(order, number, window)
        return int(self._shuffled[1][place - int(starts[window])])

    def _items(self, order: np.ndarray, number: int, window: int) -> np.ndarray:
        """Return the samples of a window in their order, and let the next window be fetched."""
        chosen = order[window * self.window : (window + 1) * self.window]
        after = order[(window + 1) * self.window : (window + 2) * self.window]
        shards = self.pictures.manifest.shards
        self.pictures.place.prepare([shards[shard] for shard in (*chosen, *after)])
        items = np.concatenate([np.arange(*self.ranges[shard]) for shard in chosen])
        return items[permutation(len(items), self.seed, "window", number, window).numpy()]
