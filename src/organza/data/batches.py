"""Batches of training data: the held-out split, the order of the other items, and batches as
tensors.

Everything is a function of (seed, position): the k-th image of a run is the same for any batch size
and number of processes, and a resumed run continues with the same images.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from organza.data.arrays import Rows
from organza.data.classes import split_notes
from organza.data.shards.rows import Pictures, WindowedOrder
from organza.data.source import Source
from organza.networks.standard import Columns
from organza.seeding import permutation, stream


@dataclass(frozen=True)
class Split:
    """Indices of the training items and of the held-out items, which the players never see."""

    train: np.ndarray
    held_out: np.ndarray


def split(length: int, most: int = 1000, share: float = 0.1, least: int = 100) -> Split:
    """Hold out a tenth of the items, at most `most`; nothing if there are fewer than `least`.

    The split has a fixed seed, so that every run on the same data is evaluated against the same
    images. The held-out items are in random order, so that the first of them represent all, even if
    the data is sorted by class.
    >>> [len(part) for part in (split(20_000).held_out, split(500).held_out, split(99).held_out)]
    [1000, 50, 0]
    """
    count = min(most, int(length * share)) if length >= least else 0
    order = permutation(length, "held out", length).numpy()
    return Split(np.sort(order[count:]), order[:count])


def first_held(length: int, most: int = 1000, share: float = 0.1, least: int = 100) -> Split:
    """Hold out the first items, as many as `split` does: those of shards, which are packed in random order. One shard then has them all.

    >>> [len(part) for part in (first_held(20_000).held_out, first_held(500).held_out, first_held(99).held_out)]
    [1000, 50, 0]
    """
    count = min(most, int(length * share)) if length >= least else 0
    return Split(np.arange(count, length, dtype=np.int32), np.arange(count))


def to_float(images: np.ndarray | Tensor) -> Tensor:
    """Convert uint8 [N, ..., C] to float [-1, 1], [N, C, ...], in channels-last memory, at no extra
    cost.
    """
    values = torch.as_tensor(np.ascontiguousarray(images)) if isinstance(images, np.ndarray) else images
    return (values.float() / 127.5 - 1).movedim(-1, 1)


def to_uint8(images: Tensor) -> Tensor:
    """Convert float [-1, 1] [N, C, ...] to uint8 [N, ..., C], rounded and clamped."""
    return ((images.detach().float().clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).movedim(1, -1).contiguous()


class Order:
    """An endless sequence over `items`: a new shuffle for each pass, with direct access to any
    position.

    Args:
        items: indices to go through, [n].
        seed: random seed of the shuffles.
    """

    def __init__(self, items: np.ndarray, seed: int):
        self.items, self.seed = items, seed
        self._epoch, self._shuffle = -1, np.empty(0, np.int64)

    def at(self, positions: Sequence[int]) -> np.ndarray:
        """Return the items at these positions, int64 [len(positions)]."""
        return np.array([self._one(position) for position in positions], np.int64)

    def _one(self, position: int) -> int:
        epoch, place = divmod(position, len(self.items))
        if epoch != self._epoch:
            self._epoch, self._shuffle = epoch, permutation(len(self.items), self.seed, "order", epoch).numpy()
        return int(self.items[self._shuffle[place]])


def reference(parts: Split) -> np.ndarray:
    """Return the held-out items, or for very small data the first training items."""
    return parts.held_out if len(parts.held_out) else parts.train[:1000]


class Batches(ABC):
    """Data as a trainer uses it: batches by position, reference items by number, and facts about
    the data.

    Each layout (single images, labelled images, pairs, volumes ...) is a subclass in this folder,
    opened from a `Source`.

    Args:
        count: number of items.
        seed: random seed of the order.
        pictures: images of shards, which are held out and read in an order of their own; None for data in one piece.
        parts: training and held-out items; by default those of `split`.
    """

    unit = "images"  # plural name of the items
    rows, columns = 8, 8  # of a sample grid
    shape: tuple[int, ...]  # shape of generated items, channels first
    table: Columns | None = None  # names and scale of the columns of vectors
    border = 0  # pixels at the edges that the PSNR of brightness leaves out
    broken: tuple[tuple[str, str], ...] = ()  # files that were skipped, each with its reason
    notes: tuple[str, ...] = ()  # notes on ambiguous interpretations of the data
    fingerprint: str  # digest of content and settings
    former_fingerprints: tuple[str, ...] = ()  # fingerprints by earlier versions of the same data
    directory: Path  # folder in the cache for derived data

    def __init__(self, count: int, seed: int, pictures: Pictures | None = None, parts: Split | None = None):
        self.count, self.seed = count, seed
        self.parts = parts or (split(count) if pictures is None else first_held(count))
        self.order = (
            Order(self.parts.train, seed)
            if pictures is None
            else WindowedOrder(pictures, len(self.parts.held_out), seed)
        )

    @abstractmethod
    def at(self, positions: Sequence[int]) -> dict[str, Tensor]:
        """Return the training batch at these positions of the run: float [-1, 1] [N, C, ...] by the
        names that games use.
        """

    @abstractmethod
    def referenced(self, positions: Sequence[int]) -> dict[str, Tensor]:
        """Return reference items as a batch; numbers beyond the last start again at the first."""

    @abstractmethod
    def real(self) -> np.ndarray:
        """Return the reference items to compare with the generator's output, uint8 [N, ..., C]."""

    def finished(self, x: Tensor) -> Tensor:
        """Return generated items as their files hold them: uint8 [N, ..., C] of float [-1, 1]; vectors in their own units."""
        return to_uint8(x)

    def gallery(self, positions: Sequence[int]) -> dict[str, Tensor]:
        """Return the batch for sample grids: reference items, unless a layout has a better order
        for display.
        """
        return self.referenced(positions)

    def simply(self, positions: Sequence[int]) -> dict[str, np.ndarray]:
        """Return what simple methods make of the reference items of these numbers, uint8 [N, H, W, C] by their names; {} if
        the layout knows none.
        """
        return {}

    def groups(self, positions: Sequence[int]) -> tuple[str, ...]:
        """Return the group of each reference item, by which evaluations are told apart; () for one group."""
        return ()

    @property
    def reference(self) -> np.ndarray:
        """Items that the generator is evaluated against: the held-out ones, or training items for
        very small data.
        """
        return reference(self.parts)

    def spaced(self, most: int) -> np.ndarray:
        """Return at most so many training items that represent all: evenly spaced, or those of the first shards."""
        train = self.parts.train
        if len(train) <= most or isinstance(self.order, WindowedOrder):
            return train[:most]
        return train[np.linspace(0, len(train) - 1, most).round().astype(np.int64)]

    @property
    def reference_key(self) -> str:
        """Key of the reference items in their order, for cached values of each."""
        return f"{self.fingerprint}-{'held-out' if len(self.parts.held_out) else 'training'}, as drawn"

    @property
    def inputs(self) -> int:
        """Number of different reference batches of one item, as inputs for a translator without
        repetition.
        """
        return len(self.reference)

    def is_same(self, fingerprint: str) -> bool:
        """Return True if this data has the given fingerprint."""
        return fingerprint == self.fingerprint or fingerprint in self.former_fingerprints

    def facts(self) -> dict[str, Any]:
        """Return the facts for recipe.json, for inference and for comparison when a run resumes.
        JSON.
        """
        return {
            "count": self.count,
            "held_out": len(self.parts.held_out),
            "shape": list(self.shape),
            "fingerprint": self.fingerprint,
        }


class Images(Batches):
    """Single images, {"image"}, for games that generate images from noise.

    Args:
        source: location and settings of the images.
        mirror: True to flip each training image left to right with probability one half.

    >>> data = Images(Source("photos"))                 # doctest: +SKIP
    >>> data.at(range(64))["image"].shape               # doctest: +SKIP
    torch.Size([64, 3, 64, 64])
    """

    def __init__(self, source: Source, *, mirror: bool = False):
        self.pack = source.pack()
        pictures = self.pack.images if isinstance(self.pack.images, Pictures) else None
        super().__init__(len(self.pack), source.seed, pictures)
        self.mirror = mirror
        self.images = self.pack.images  # uint8 [N, H, W, C], read at each access
        self.broken, self.directory = self.pack.broken, self.pack.directory
        self.notes = (*self.pack.notes, *(() if pictures else split_notes(source.path, self.pack.names)))
        self.fingerprint, self.former_fingerprints = self.pack.fingerprint, self.pack.former_fingerprints
        self.shape = channels_first(self.images)

    def at(self, positions: Sequence[int]) -> dict[str, Tensor]:
        return self.items(self.order.at(positions), flips(self.seed, positions) if self.mirror else ())

    def referenced(self, positions: Sequence[int]) -> dict[str, Tensor]:
        return self.items(round_robin(self.reference, positions))

    def items(self, which: np.ndarray, flipped: Sequence[int] = ()) -> dict[str, Tensor]:
        """Return these items as a batch, with the rows in `flipped` mirrored."""
        return {"image": to_float(mirrored(self.images[which], flipped))}

    def real(self) -> np.ndarray:
        return self.images[self.reference]

    def facts(self) -> dict[str, Any]:
        scale = {kind: list(pair) for kind, pair in self.pack.scale.items()}
        return super().facts() | ({"scale": scale} if scale else {})


def channels_first(images: np.ndarray | Rows | Pictures) -> tuple[int, ...]:
    """Return the shape of one item for networks: [N, ..., C] to (C, ...)."""
    return (images.shape[-1], *images.shape[1:-1])


def round_robin(items: np.ndarray, positions: Sequence[int]) -> np.ndarray:
    """Return the items of these numbers, starting again after the last.

    >>> round_robin(np.array([5, 6, 7]), range(2, 5)).tolist()
    [7, 5, 6]
    """
    return items[np.asarray(positions) % len(items)]


def flips(seed: int, positions: Sequence[int], side: str = "") -> list[int]:
    """Return the rows of a batch to mirror: a random choice for each position of the run, and each
    side of it.
    """
    return [row for row, k in enumerate(positions) if torch.rand((), generator=stream(seed, f"mirror{side}", k)) < 0.5]


def mirrored(images: np.ndarray, rows: Sequence[int]) -> np.ndarray:
    """Flip some rows of images [N, H, W, C] left to right, in place, and return the images."""
    for row in rows:
        images[row] = images[row, :, ::-1].copy()
    return images
