"""Which image comes when: the split that is held out, the order of the rest, and batches as tensors.

Everything is a function of (seed, position): the k-th image of a run is the same whatever the batch size and the number of processes,
and a resumed run asks for the image it would have asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from organza.seeding import permutation, stream


@dataclass(frozen=True)
class Split:
    """Indices of the items to train on and of those that the generator's players never see."""

    train: np.ndarray
    held_out: np.ndarray


def split(length: int, most: int = 1000, share: float = 0.1, least: int = 100) -> Split:
    """Hold out a tenth of the items, `most` at the most; nothing where there are fewer than `least`.

    Chosen by a fixed seed, so that every run on the same data is judged against the same images.

    >>> [len(part) for part in (split(20_000).held_out, split(500).held_out, split(99).held_out)]
    [1000, 50, 0]
    """
    count = min(most, int(length * share)) if length >= least else 0
    order = permutation(length, "held out", length).numpy()
    return Split(np.sort(order[count:]), np.sort(order[:count]))


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


class Batches:
    """The training batches of a pack of images, by name as games ask for them: {"image": float [-1, 1] [N, C, ...]}.

    Args:
        images: uint8 [N, ..., C], possibly memory-mapped; only the asked items are read.
        parts: which items to train on and which are held out.
        seed: of the order and of the mirroring.
        mirror: flip each training image left to right with a chance of one half.
    """

    def __init__(self, images: np.ndarray, parts: Split, seed: int, mirror: bool = False):
        self.images, self.parts, self.seed, self.mirror = images, parts, seed, mirror
        self.order = Order(parts.train, seed)
        *space, channels = images.shape[1:]
        self.shape = (channels, *space)

    def at(self, positions: Sequence[int]) -> dict[str, Tensor]:
        """The batch of these positions of the run."""
        pictures = self.images[self.order.at(positions)]
        if self.mirror:
            for row, position in enumerate(positions):
                if torch.rand((), generator=stream(self.seed, "mirror", position)) < 0.5:
                    pictures[row] = pictures[row, :, ::-1]
        return {"image": to_float(pictures)}

    @property
    def reference(self) -> np.ndarray:
        """The items that the generator is measured against: the held-out ones, or for very small data those trained on."""
        return self.parts.held_out if len(self.parts.held_out) else self.parts.train[:1000]

    def referenced(self, count: int) -> dict[str, Tensor]:
        """A batch of `count` reference items, repeated where there are fewer."""
        return {"image": to_float(self.images[np.resize(self.reference, count)])}
