"""Patches of whole images, cut on the fly: with smaller copies, to learn enlarging; with holes, to learn filling.

Symbols: b [N, C, H, W] patches; a what G is given: b reduced by a factor, or b without a hole, with the hole's mask.

Each image is covered by cells of the patches' size. A step of the training takes a cell and moves, mirrors and turns
it, by the position in the run; evaluations take the cells of held-out images as they are. Images are held out whole.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from organza.data.batches import Batches, Split, round_robin, to_float, to_uint8
from organza.data.blocks import open_blocks
from organza.data.cache import digest
from organza.data.degradation import Bicubic, enlarged
from organza.data.masks import Masks
from organza.data.size import Size
from organza.data.source import Source
from organza.errors import UserError
from organza.seeding import permutation, stream
from organza.untrusted import printable

MARGIN = 16
"""Pixels around a patch that are degraded with it and cut off again, as a filter needs neighbours."""
KERNELS = ("nearest", "bilinear", "bicubic", "lanczos")
GROUPS = ("narrow", "medium", "wide")
"""Widths of holes in evaluations, in turn."""
MOST_HELD_OUT = 500
"""Most held-out patches; an evaluation uses no more."""


class Degradation(Protocol):
    """A degradation: see `organza.data.degradation`."""

    def __call__(self, image: np.ndarray, factor: int, stream: torch.Generator) -> np.ndarray: ...


class Cells(NamedTuple):
    """Positions of patches, int [n] each."""

    image: np.ndarray
    top: np.ndarray
    left: np.ndarray


def cover(sizes: np.ndarray, height: int, width: int) -> Cells:
    """Return evenly spaced cells that cover images, as many as fit without overlap.

    >>> cover(np.array([[10, 25]]), 10, 10).left.tolist()
    [0, 15]
    """
    rows = []
    for image, (high, wide) in enumerate(sizes.tolist()):
        tops = np.linspace(0, high - height, high // height).round().astype(int)
        lefts = np.linspace(0, wide - width, wide // width).round().astype(int)
        rows += [(image, top, left) for top in tops for left in lefts]
    return Cells(*np.array(rows, np.int64).reshape(-1, 3).T)


def split_by_image(cells: Cells, images: int) -> Split:
    """Hold out a tenth of the images, of fewer than 50 a fifth, at most five; none of fewer than five.

    >>> cells = Cells(np.arange(20) // 2, np.zeros(20, int), np.zeros(20, int))
    >>> parts = split_by_image(cells, 10); len(parts.train), len(parts.held_out)
    (16, 4)
    """
    count = max(min(images // 5, 5), images // 10)
    apart = np.isin(cells.image, permutation(images, "held out", images)[:count].numpy())
    held_out = np.flatnonzero(apart)
    order = permutation(len(held_out), "held-out patches", len(held_out)).numpy()
    return Split(np.flatnonzero(~apart), held_out[order][:MOST_HELD_OUT])


class Patches(Batches):
    """Patches {"b"} with what is known of them, {"a"}, in a subclass.

    Args:
        source: location and settings of the images; its size is that of the patches.
        size: pixels a side of a patch, if the source gives no size.
        longest: pixels of the longer side to which larger images are reduced first, as a photograph has little detail in a
            patch at its full size; 0 for none.
        mirror: True to flip each training patch left to right with probability one half.
        turn: True to turn each training patch by 0, 90, 180 or 270 degrees, if it is square.

    Raises:
        UserError: if no image is as large as a patch, or they are unreadable.
    """

    unit = "patches"
    margin = 0  # pixels around a patch that `degraded` is given too, where the image has them

    def __init__(self, source: Source, *, size: int, longest: int, mirror: bool, turn: bool):
        wanted = source.wanted or Size(size, size)
        self.height, self.width = wanted.height, wanted.width
        self.blocks = open_blocks(source, longest)
        fits = np.asarray(np.all(self.blocks.sizes >= np.array([self.height, self.width]), axis=1))
        if not fits.any():
            raise UserError(_too_small(source, wanted, self.blocks.sizes))
        sizes = np.where(fits[:, None], self.blocks.sizes, 0)
        cells = cover(sizes, self.height, self.width)
        super().__init__(len(cells.image), source.seed, parts=split_by_image(cells, len(sizes)))
        self.cells, self.firsts, self.sizes = cells, self.blocks.firsts, sizes
        self.mirror, self.turn = mirror, turn and self.height == self.width
        small = [
            (printable(self.blocks.names[k]), f"it is smaller than a patch of {wanted}") for k in np.flatnonzero(~fits)
        ]
        self.broken = (*self.blocks.broken, *small)
        self.directory = self.blocks.directory
        self.shape = (self.blocks.channels, self.height, self.width)
        self.fingerprint = digest({"patches": type(self).__name__, "blocks": self.blocks.fingerprint, "size": wanted})
        self.notes = self._notes(int(fits.sum()))

    def _notes(self, images: int) -> tuple[str, ...]:
        out = len(np.unique(self.cells.image[self.parts.held_out]))
        held = f"{out} of them held out whole" if out else "too few to hold one out"
        return (f"{images:,} image{'s' * (images != 1)}, {held}; patches are cut from them anew in each pass",)

    @property
    @abstractmethod
    def source_shape(self) -> tuple[int, ...]:
        """Shape of what G is given, channels first."""

    @abstractmethod
    def given(self, region: np.ndarray, inner: tuple[int, int], item: int, draws: torch.Generator) -> np.ndarray:
        """Return what G is given of a patch, uint8 [H', W', C'].

        Args:
            region: patch with its margin, uint8 [rows, columns, C].
            inner: row and column of the patch in it.
            item: number of the patch, in an evaluation; position in the training.
            draws: random numbers of this patch.
        """

    def at(self, positions: Sequence[int]) -> dict[str, Tensor]:
        made = [self._moved(int(cell), k) for cell, k in zip(self.order.at(positions), positions, strict=True)]
        return _batch(made)

    def referenced(self, positions: Sequence[int]) -> dict[str, Tensor]:
        made = []
        for cell, k in zip(round_robin(self.reference, positions), positions, strict=True):
            number = k % len(self.reference)
            region, inner = self.region(*(int(part[cell]) for part in self.cells))
            made.append(self._pair(region, inner, number, stream("held-out patch", number)))
        return _batch(made)

    def real(self) -> np.ndarray:
        place = (self.height, self.width)
        found = np.empty((len(self.reference), *place, self.shape[0]), np.uint8)
        for row, cell in enumerate(self.reference):
            region, (y, x) = self.region(*(int(part[cell]) for part in self.cells))
            found[row] = region[y : y + place[0], x : x + place[1]]
        return found

    def facts(self) -> dict[str, Any]:
        return super().facts() | {"source_shape": list(self.source_shape)}

    def region(self, image: int, top: int, left: int) -> tuple[np.ndarray, tuple[int, int]]:
        """Return the patch at a position with its margin, and the row and column of the patch in it."""
        high, wide = self.sizes[image].tolist()
        step = max(self.margin, 1)
        above, before = (min(self.margin, near // step * step) for near in (top, left))
        below = min(self.margin, (high - top - self.height) // step * step)
        after = min(self.margin, (wide - left - self.width) // step * step)
        rows, columns = above + self.height + below, before + self.width + after
        first = int(self.firsts[image])
        return self.blocks.region(first, wide, top - above, left - before, rows, columns), (above, before)

    def _moved(self, cell: int, position: int) -> tuple[np.ndarray, np.ndarray]:
        """Return a training patch and what G is given of it, moved by up to half a patch."""
        draws = stream(self.seed, "patch", position)
        image, top, left = (int(part[cell]) for part in self.cells)
        y, x, flip, quarter = torch.rand(4, generator=draws).tolist()
        high, wide = self.sizes[image].tolist()
        top = min(max(top + round((y - 0.5) * self.height), 0), high - self.height)
        left = min(max(left + round((x - 0.5) * self.width), 0), wide - self.width)
        region, inner = self.region(image, top, left)
        turns = int(quarter * 4) if self.turn else 0
        return self._oriented(region, inner, position, draws, self.mirror and flip < 0.5, turns)

    def _oriented(
        self, region: np.ndarray, inner: tuple[int, int], item: int, draws: torch.Generator, mirrored: bool, turns: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return what G is given of a patch and the patch, both mirrored and turned."""
        a, b = (np.rot90(part[:, ::-1] if mirrored else part, turns) for part in self._pair(region, inner, item, draws))
        return a, b

    def _pair(
        self, region: np.ndarray, inner: tuple[int, int], item: int, draws: torch.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        y, x = inner
        return self.given(region, inner, item, draws), region[y : y + self.height, x : x + self.width]


class Reduced(Patches):
    """Patches and their smaller copies, {"a", "b"}: to learn enlarging.

    Args:
        source: location and settings of the images.
        factor: pixels of a large patch for one of the small, on each side.
        size: pixels a side of a large patch, if the source gives no size; a multiple of the factor.
        degrade: function from a large patch to the small one: see `organza.data.degradation`.
        longest, mirror, turn: see `Patches`.

    Raises:
        UserError: if the size is no multiple of the factor, or no image is as large as a patch.

    >>> data = Reduced(Source("photos"), factor=4)          # doctest: +SKIP
    >>> data.at(range(16))["a"].shape                       # doctest: +SKIP
    torch.Size([16, 3, 16, 16])
    """

    def __init__(
        self,
        source: Source,
        *,
        factor: int,
        size: int = 64,
        longest: int = 600,
        degrade: Degradation = Bicubic(),  # noqa: B008 (a frozen value)
        mirror: bool = True,
        turn: bool = True,
    ):
        super().__init__(source, size=size, longest=longest, mirror=mirror, turn=turn)
        if self.height % factor or self.width % factor:
            raise UserError(
                f"`size` is {self.width}x{self.height}; both sides must be multiples of the factor, {factor}."
            )
        self.factor, self.border, self.degrade = factor, factor, degrade
        self.fingerprint = digest({"of": self.fingerprint, "factor": factor, "degrade": repr(degrade)})

    margin = MARGIN

    @property
    def source_shape(self) -> tuple[int, ...]:
        channels, height, width = self.shape
        return (channels, height // self.factor, width // self.factor)

    def simply(self, positions: Sequence[int]) -> dict[str, np.ndarray]:
        small = to_uint8(self.referenced(positions)["a"]).numpy()
        kernels = {name: Image.Resampling[name.upper()] for name in KERNELS}
        return {
            name: np.stack([enlarged(image, self.factor, kernel) for image in small])
            for name, kernel in kernels.items()
        }

    def _oriented(
        self, region: np.ndarray, inner: tuple[int, int], item: int, draws: torch.Generator, mirrored: bool, turns: int
    ) -> tuple[np.ndarray, np.ndarray]:
        # before the reduction: the pixel that is kept of a cell has the same place in all patches, mirrored or not
        return self._pair(*oriented(region, inner, self.width, mirrored, turns), item, draws)

    def given(self, region: np.ndarray, inner: tuple[int, int], item: int, draws: torch.Generator) -> np.ndarray:
        small = self.degrade(region, self.factor, draws)
        y, x = (side // self.factor for side in inner)
        return small[y : y + self.height // self.factor, x : x + self.width // self.factor]


def oriented(
    region: np.ndarray, inner: tuple[int, int], side: int, mirrored: bool, turns: int
) -> tuple[np.ndarray, tuple[int, int]]:
    """Return a region, [H, W, C], mirrored left to right and turned by quarters, and the place of its patch.

    Args:
        region: patch with its margin.
        inner: row and column of the patch.
        side: width of the patch; it is square if it is turned.
        mirrored: True to mirror it before.
        turns: number of quarters, counterclockwise.

    >>> region = np.arange(12).reshape(3, 4, 1)
    >>> turned, (y, x) = oriented(region, (0, 2), 1, False, 1); int(turned[y, x, 0]), int(region[0, 2, 0])
    (2, 2)
    """
    y, x = inner
    if mirrored:
        region, x = region[:, ::-1], region.shape[1] - x - side
    for _ in range(turns):
        y, x = region.shape[1] - x - side, y
        region = np.rot90(region)
    return region, (y, x)


class Masked(Patches):
    """Patches with holes, {"a", "b"}: a is the patch without the hole's pixels, and the mask as a last channel.

    In evaluations the widths of the holes take turns: narrow, medium, wide.

    Args:
        source: location and settings of the images.
        size: pixels a side of a patch, if the source gives no size.
        masks: holes to draw: see `organza.data.masks`.
        longest, mirror, turn: see `Patches`.

    Raises:
        UserError: if no image is as large as a patch.
    """

    def __init__(
        self,
        source: Source,
        *,
        size: int = 64,
        longest: int = 640,
        masks: Masks = Masks(),  # noqa: B008 (a frozen value)
        mirror: bool = True,
        turn: bool = False,
    ):
        super().__init__(source, size=size, longest=longest, mirror=mirror, turn=turn)
        self.masks = masks

    @property
    def source_shape(self) -> tuple[int, ...]:
        return (self.shape[0] + 1, *self.shape[1:])

    def given(self, region: np.ndarray, inner: tuple[int, int], item: int, draws: torch.Generator) -> np.ndarray:
        hole = self.masks.drawn(self.height, self.width, draws)
        return with_hole(region, hole)

    def referenced(self, positions: Sequence[int]) -> dict[str, Tensor]:
        made = []
        for cell, k in zip(round_robin(self.reference, positions), positions, strict=True):
            number = k % len(self.reference)
            b, _ = self.region(*(int(part[cell]) for part in self.cells))
            hole = self.masks.of(GROUPS[number % len(GROUPS)]).drawn(self.height, self.width, stream("hole", number))
            made.append((with_hole(b, hole), b))
        return _batch(made)

    def groups(self, positions: Sequence[int]) -> tuple[str, ...]:
        return tuple(GROUPS[k % len(self.reference) % len(GROUPS)] for k in positions)

    def simply(self, positions: Sequence[int]) -> dict[str, np.ndarray]:
        given = to_uint8(self.referenced(positions)["a"]).numpy()
        image, hole = given[..., :-1], given[..., -1:] > 0
        known = (image * ~hole).sum((1, 2), keepdims=True) / (~hole).sum((1, 2), keepdims=True)
        mean = np.where(hole, np.rint(known), image).astype(np.uint8)
        return {"nearest pixel": nearest_known(image, hole[..., 0]), "mean colour": mean}


def nearest_known(images: np.ndarray, hole: np.ndarray) -> np.ndarray:
    """Return images with each pixel of the hole equal to a known one that is the fewest steps away, uint8 [N, H, W, C].

    Args:
        images: uint8 [N, H, W, C].
        hole: bool [N, H, W]; some pixel of each image is known.

    >>> nearest_known(np.array([[[[3], [0], [0], [9]]]], np.uint8), np.array([[[False, True, True, False]]])).ravel().tolist()
    [3, 3, 9, 9]
    """
    filled, unknown = images.copy(), hole.copy()
    while unknown.any():
        before, left = filled.copy(), unknown.copy()
        for axis, step in ((1, 1), (1, -1), (2, 1), (2, -1)):
            known = ~np.roll(left, step, axis)
            edge = [slice(None)] * 3
            edge[axis] = slice(0, 1) if step == 1 else slice(-1, None)
            known[tuple(edge)] = False  # rolled in from the other side
            take = unknown & known
            filled[take] = np.roll(before, step, axis)[take]
            unknown &= ~known
    return filled


def with_hole(image: np.ndarray, hole: np.ndarray) -> np.ndarray:
    """Return an image without the pixels of a hole, which become grey, and its mask, uint8 [H, W, C + 1].

    >>> with_hole(np.full((1, 2, 1), 9, np.uint8), np.array([[True, False]])).tolist()
    [[[128, 255], [9, 0]]]
    """
    known = np.where(hole[..., None], np.uint8(128), image)
    return np.concatenate([known, np.where(hole, np.uint8(255), np.uint8(0))[..., None]], 2)


def _batch(made: Sequence[tuple[np.ndarray, np.ndarray]]) -> dict[str, Tensor]:
    a, b = zip(*made, strict=True)
    return {"a": to_float(np.stack(a)), "b": to_float(np.stack(b))}


def _too_small(source: Source, wanted: Size, sizes: np.ndarray) -> str:
    """Return the message for data without an image as large as a patch."""
    high, wide = sizes[np.argmax(sizes.min(1))].tolist()
    least = max(8, min(high, wide) // 32 * 32 or min(high, wide) // 8 * 8)
    return (
        f"No image in {source.path} is as large as a patch of {wanted}; the largest is {wide}x{high}: "
        f"use larger images, or smaller patches with `size='{least}'`."
    )
