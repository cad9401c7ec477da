"""Two domains of pictures: pairs that belong together, or two folders that know nothing of each other."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Any

import numpy as np
import torch
from torch import Tensor

from organza.data.batches import Batches, Order, channels_first, flips, mirrored, round_robin, split, to_float
from organza.data.pack import Pack
from organza.data.size import Size
from organza.data.source import Source
from organza.errors import UserError
from organza.seeding import stream

A, B = ("a", "A", "trainA"), ("b", "B", "trainB")


class Domains(Batches):
    """What pairs and unpaired domains share: two packs, a translated to b, {"a", "b"}.

    Args:
        source: a folder with the subfolders a and b.
        jitter: load the pictures this many pixels larger and show a random part of them, other in each pass.
        mirror: flip each training image left to right with a chance of one half.
    """

    images: tuple[np.ndarray, np.ndarray]  # uint8 [N, H, W, C] of a and of b

    def __init__(self, source: Source, packs: tuple[Pack, Pack], count: int, jitter: int, mirror: bool):
        super().__init__(count, source.seed)
        self.jitter, self.mirror = jitter, mirror
        self.broken = tuple(
            (f"{place}/{name}", reason) for place, pack in zip("ab", packs, strict=True) for name, reason in pack.broken
        )
        prints = [pack.fingerprint for pack in packs]
        self.fingerprint = hashlib.sha256(repr((prints, jitter)).encode()).hexdigest()
        self.directory = packs[0].directory

    def _shapes(self) -> None:
        (c, h, w), (d, y, x) = (channels_first(images) for images in self.images)
        self.source_shape, self.shape = (
            (c, h - self.jitter, w - self.jitter),
            (d, y - self.jitter, x - self.jitter),
        )

    def facts(self) -> dict[str, Any]:
        return super().facts() | {"source_shape": list(self.source_shape)}

    def shown(self, images: np.ndarray, positions: Sequence[int], side: str = "") -> Tensor:
        """Training images as they are shown at these positions: a part of each, perhaps mirrored."""
        images = mirrored(images, flips(self.seed, positions, side) if self.mirror else ())
        if self.jitter:
            corners = [
                torch.randint(self.jitter + 1, (2,), generator=stream(self.seed, f"corner{side}", k)).tolist()
                for k in positions
            ]
            images = np.concatenate([self.part(images[row : row + 1], y, x) for row, (y, x) in enumerate(corners)])
        return to_float(images)

    def part(self, images: np.ndarray, y: int | None = None, x: int | None = None) -> np.ndarray:
        """What is shown of images [N, H, W, C], from (y, x) on; the middle, for all but training."""
        top, left = (self.jitter // 2 if corner is None else corner for corner in (y, x))
        height, width = images.shape[1] - self.jitter, images.shape[2] - self.jitter
        return images[:, top : top + height, left : left + width]


class Pairs(Domains):
    """Pairs of pictures that belong together, {"a", "b"} of the same item: for Pix2Pix.

    Either two folders a/ and b/ with matching names, or a folder of pictures with the two halves side by side, a on the left.

    Args:
        source: where they are.
        jitter, mirror: see `Domains`; both sides of a pair alike.

    Raises:
        UserError: where names do not match (which).
    """

    unit = "pairs"

    def __init__(self, source: Source, *, jitter: int = 0, mirror: bool = False):
        a, b = source.within(*A), source.within(*B)
        if (a is None) != (b is None):
            raise UserError(f"{source.path} has only one of the folders a and b; pairs need both, with matching names.")
        size = _grown(source, jitter)
        if a and b:
            packs = (a.pack(size), b.pack(size))
            first, second = _matched(
                packs[0].names, packs[1].names, str(source.path), [*packs[0].broken, *packs[1].broken]
            )
        else:
            double = source.pack(Size(2 * size.width, size.height))
            packs, first = (double, double), np.arange(len(double))
            second = first
        super().__init__(source, packs, len(first), jitter, mirror)
        half = size.width
        self.images = (
            (packs[0].images[:, :, :half], packs[0].images[:, :, half:])
            if packs[0] is packs[1]
            else (packs[0].images, packs[1].images)
        )
        self.rows = (first, second)
        self._shapes()

    def at(self, positions: Sequence[int]) -> dict[str, Tensor]:
        which = self.order.at(positions)
        sides = zip("ab", self.images, self.rows, strict=True)
        return {name: self.shown(images[rows[which]], positions) for name, images, rows in sides}

    def referenced(self, positions: Sequence[int]) -> dict[str, Tensor]:
        which = round_robin(self.reference, positions)
        sides = zip("ab", self.images, self.rows, strict=True)
        return {name: to_float(self.part(images[rows[which]])) for name, images, rows in sides}

    def real(self) -> np.ndarray:
        return self.part(self.images[1][self.rows[1][self.reference]])


class Unpaired(Domains):
    """Two folders of pictures that know nothing of each other, {"a", "b"}: for CycleGAN, CUT and SimGAN.

    Args:
        source: a folder with the subfolders a and b.
        jitter, mirror: see `Domains`.

    Raises:
        UserError: where a folder is missing or empty.
    """

    def __init__(self, source: Source, *, jitter: int = 0, mirror: bool = False):
        a, b = source.within(*A), source.within(*B)
        if a is None or b is None:
            raise UserError(
                f"{source.path} needs two folders, a (to translate from) and b (to translate to); it lacks {'a' if a is None else 'b'}."
            )
        size = _grown(source, jitter)
        packs = (a.pack(size), b.pack(size))
        super().__init__(source, packs, len(packs[1]), jitter, mirror)
        self.images = (packs[0].images, packs[1].images)
        self.others = split(len(packs[0]))
        self.order_a = Order(self.others.train, source.seed + 1)  # another shuffle than that of b
        self._shapes()

    def at(self, positions: Sequence[int]) -> dict[str, Tensor]:
        return {
            "a": self.shown(self.images[0][self.order_a.at(positions)], positions, "a"),
            "b": self.shown(self.images[1][self.order.at(positions)], positions, "b"),
        }

    def referenced(self, positions: Sequence[int]) -> dict[str, Tensor]:
        sources = self.others.held_out if len(self.others.held_out) else self.others.train[:1000]
        return {
            "a": to_float(self.part(self.images[0][round_robin(sources, positions)])),
            "b": to_float(self.part(self.images[1][round_robin(self.reference, positions)])),
        }

    def real(self) -> np.ndarray:
        return self.part(self.images[1][self.reference])

    def facts(self) -> dict[str, Any]:
        return super().facts() | {"source_count": len(self.images[0])}


def _grown(source: Source, jitter: int) -> Size:
    """The size to load: as wished (64 if nobody does), and the jitter on top."""
    size = source.wanted or Size(64, 64)
    return Size(size.width + jitter, size.height + jitter)


def _matched(
    a: Sequence[str], b: Sequence[str], where: str, broken: Sequence[tuple[str, str]]
) -> tuple[np.ndarray, np.ndarray]:
    """The rows of two packs that belong together by their names without endings. A pair with a broken half is left out."""
    left = {str(PurePosixPath(name).with_suffix("")): row for row, name in enumerate(a)}
    right = {str(PurePosixPath(name).with_suffix("")): row for row, name in enumerate(b)}
    excused = {str(PurePosixPath(name).with_suffix("")) for name, _ in broken}
    lonely = [f"a/{name}" for name in left.keys() - right.keys() - excused]
    lonely += [f"b/{name}" for name in right.keys() - left.keys() - excused]
    if lonely:
        raise UserError(
            f"{len(lonely):,} pictures in {where} have no partner, for example {', '.join(sorted(lonely)[:3])}; "
            "a/ and b/ need the same names. For two sets that are no pairs use --recipe cyclegan-light."
        )
    both = sorted(left.keys() & right.keys())
    return np.array([left[name] for name in both]), np.array([right[name] for name in both])
