"""Which item comes when: the split that is held out, the order of the rest, and batches as tensors.

Everything is a function of (seed, position): the k-th image of a run is the same whatever the batch size and the number of processes,
and a resumed run asks for the image it would have asked for.
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
from organza.data.source import Source
from organza.seeding import permutation, stream


@dataclass(frozen=True)
class Split:
    """Indices of the items to train on and of those that the generator's players never see."""

    train: np.ndarray
    held_out: np.ndarray


def split(length: int, most: int = 1000, share: float = 0.1, least: int = 100) -> Split:
    """Hold out a tenth of the items, `most` at the most; nothing where there are fewer than `least`.

    Chosen by a fixed seed, so that every run on the same data is judged against the same images. The held-out ones are in the order
    in which they were drawn: the first of them stand for all, though the data be sorted by kinds.

    >>> [len(part) for part in (split(20_000).held_out, split(500).held_out, split(99).held_out)]
    [1000, 50, 0]
    """
    count = min(most, int(length * share)) if length >= least else 0
    order = permutation(length, "held out", length).numpy()
    return Split(np.sort(order[count:]), order[:count])


def to_float(images: np.ndarray | Tensor) -> Tensor:
    """uint8 [N, ..., C] to float [-1, 1], [N, C, ...], in channels-last memory, which the copy costs nothing."""
    values = torch.as_tensor(np.ascontiguousarray(images)) if isinstance(images, np.ndarray) else images
    return (values.float() / 127.5 - 1).movedim(-1, 1)


def to_uint8(images: Tensor) -> Tensor:
    """float [-1, 1] [N, C, ...] to uint8 [N, ..., C], rounded; values outside are clamped."""
    return ((images.detach().float().clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).movedim(1, -1).contiguous()


class Order:
    """An endless sequence over `items`: a new shuffle for each pass, any position reachable at once.

    Args:
        items: the indices to go through, [n].
        seed: of the shuffles.
    """

    def __init__(self, items: np.ndarray, seed: int):
        self.items, self.seed = items, seed
        self._epoch, self._shuffle = -1, np.empty(0, np.int64)

    def at(self, positions: Sequence[int]) -> np.ndarray:
        """The items at these positions, int64 [len(positions)]."""
        return np.array([self._one(position) for position in positions], np.int64)

    def _one(self, position: int) -> int:
        epoch, place = divmod(position, len(self.items))
        if epoch != self._epoch:
            self._epoch, self._shuffle = epoch, permutation(len(self.items), self.seed, "order", epoch).numpy()
        return int(self.items[self._shuffle[place]])


def reference(parts: Split) -> np.ndarray:
    """The held-out items, or for very small data the first of those that are trained on."""
    return parts.held_out if len(parts.held_out) else parts.train[:1000]


class Batches(ABC):
    """What a trainer asks of data, whatever it is made of: batches by position, reference items by number, and what is known of it.

    A layout (single images, labelled ones, pairs, volumes ...) is one subclass in this folder, opened from a `Source`.

    Args:
        count: items.
        seed: of the order.
    """

    unit = "images"  # what its items are called
    rows, columns = 8, 8  # of a sample grid
    shape: tuple[int, ...]  # of what the generator makes, channels first
    broken: tuple[tuple[str, str], ...] = ()  # files that were left out, each with its reason
    notes: tuple[str, ...] = ()  # sentences about how the data was understood, where it could be understood otherwise
    fingerprint: str  # of content and settings
    former_fingerprints: tuple[str, ...] = ()  # that earlier versions gave the same data
    directory: Path  # in the cache, for what is derived from the data

    def __init__(self, count: int, seed: int):
        self.count, self.seed = count, seed
        self.parts = split(count)
        self.order = Order(self.parts.train, seed)

    @abstractmethod
    def at(self, positions: Sequence[int]) -> dict[str, Tensor]:
        """The training batch of these positions of the run: float [-1, 1] [N, C, ...] by the names that games ask for."""

    @abstractmethod
    def referenced(self, positions: Sequence[int]) -> dict[str, Tensor]:
        """Reference items as a batch; their numbers go round."""

    @abstractmethod
    def real(self) -> np.ndarray:
        """What the generator's output is compared with: the reference items, uint8 [N, ..., C]."""

    def gallery(self, positions: Sequence[int]) -> dict[str, Tensor]:
        """The batch behind the sample grids: reference items, unless a layout has a better order to look at."""
        return self.referenced(positions)

    @property
    def reference(self) -> np.ndarray:
        """The items that the generator is measured against: the held-out ones, or for very small data those trained on."""
        return reference(self.parts)

    @property
    def reference_key(self) -> str:
        """Stands for the reference items in their order, where something about each of them is kept."""
        return f"{self.fingerprint}-{'held-out' if len(self.parts.held_out) else 'training'}, as drawn"

    @property
    def inputs(self) -> int:
        """How many different reference batches of one item there are: what a translator can be asked without repeating itself."""
        return len(self.reference)

    def is_same(self, fingerprint: str) -> bool:
        """True if data of this fingerprint is this data."""
        return fingerprint == self.fingerprint or fingerprint in self.former_fingerprints

    def facts(self) -> dict[str, Any]:
        """What recipe.json keeps: what inference needs, and what a resumed run must find unchanged. JSON."""
        return {
            "count": self.count,
            "held_out": len(self.parts.held_out),
            "shape": list(self.shape),
            "fingerprint": self.fingerprint,
        }


class Images(Batches):
    """Single images, {"image"}: for games that make images from noise.

    Args:
        source: where they are.
        mirror: flip each training image left to right with a chance of one half.

    >>> data = Images(Source("photos"))                 # doctest: +SKIP
    >>> data.at(range(64))["image"].shape               # doctest: +SKIP
    torch.Size([64, 3, 64, 64])
    """

    def __init__(self, source: Source, *, mirror: bool = False):
        self.pack = source.pack()
        super().__init__(len(self.pack), source.seed)
        self.mirror = mirror
        self.images = self.pack.images  # uint8 [N, H, W, C]: only the asked items are read
        self.broken, self.directory = self.pack.broken, self.pack.directory
        self.notes = (*self.pack.notes, *split_notes(source.path, self.pack.names))
        self.fingerprint, self.former_fingerprints = self.pack.fingerprint, self.pack.former_fingerprints
        self.shape = channels_first(self.images)

    def at(self, positions: Sequence[int]) -> dict[str, Tensor]:
        return self.items(self.order.at(positions), flips(self.seed, positions) if self.mirror else ())

    def referenced(self, positions: Sequence[int]) -> dict[str, Tensor]:
        return self.items(round_robin(self.reference, positions))

    def items(self, which: np.ndarray, flipped: Sequence[int] = ()) -> dict[str, Tensor]:
        """These items as a batch, the rows in `flipped` mirrored."""
        return {"image": to_float(mirrored(self.images[which], flipped))}

    def real(self) -> np.ndarray:
        return self.images[self.reference]

    def facts(self) -> dict[str, Any]:
        scale = {kind: list(pair) for kind, pair in self.pack.scale.items()}
        return super().facts() | ({"scale": scale} if scale else {})


def channels_first(images: np.ndarray | Rows) -> tuple[int, ...]:
    """The shape of one item as networks see it: [N, ..., C] to (C, ...)."""
    return (images.shape[-1], *images.shape[1:-1])


def round_robin(items: np.ndarray, positions: Sequence[int]) -> np.ndarray:
    """The items of these numbers, beginning anew after the last.

    >>> round_robin(np.array([5, 6, 7]), range(2, 5)).tolist()
    [7, 5, 6]
    """
    return items[np.asarray(positions) % len(items)]


def flips(seed: int, positions: Sequence[int], side: str = "") -> list[int]:
    """The rows of a batch that are shown mirrored: a coin for each position of the run, and each side of it."""
    return [row for row, k in enumerate(positions) if torch.rand((), generator=stream(seed, f"mirror{side}", k)) < 0.5]


def mirrored(images: np.ndarray, rows: Sequence[int]) -> np.ndarray:
    """The images [N, H, W, C], some rows flipped left to right, in place."""
    for row in rows:
        images[row] = images[row, :, ::-1].copy()
    return images
