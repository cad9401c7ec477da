"""Fine detail that images keep at each training size, beside what the size costs.

Symbols: x the images at the largest size, y the same reduced to a smaller one and enlarged again, by bicubic interpolation.
    kept = mean |grad y| / mean |grad x|
The same measure as `detail`, which `auto` chooses the size of codes by, with Pillow in place of torch, which takes seconds to import.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from PIL import Image

from organza.data.decode import decode
from organza.data.listing import Entry, Listing
from organza.data.size import Size

COSTS = {64: 1.0, 128: 2.3, 256: 8.7}
"""Training sizes, and the time of a step as a multiple of that at 64x64: benchmarks/sizes.py."""
SAMPLE = 24
"""Number of images to measure."""


class Resolution(NamedTuple):
    """A training size, and what it is worth.

    Args:
        side: pixels of each side.
        kept: share of the contrast between neighbours at the largest size that is kept.
        cost: time of a step as a multiple of that at 64x64.
    """

    side: int
    kept: float
    cost: float


def largest(middle: float) -> int:
    """Return the largest size that images of this many pixels a side fill; 0 if they are smaller than the smallest.

    >>> largest(1500), largest(200), largest(40)
    (256, 128, 0)
    """
    return max((side for side in COSTS if side <= middle), default=0)


def resolutions(pictures: Sequence[np.ndarray]) -> tuple[Resolution, ...]:
    """Compute what each size up to that of the images keeps of them.

    Args:
        pictures: squares at the largest size, uint8 [S, S, C] each.

    >>> chequered = (np.indices((128, 128)).sum(0) % 2 * 255).astype(np.uint8)[..., None]
    >>> [(one.side, one.kept < 0.1) for one in resolutions([chequered])]
    [(64, True), (128, False)]
    """
    if not pictures:
        return ()
    top = len(pictures[0])
    whole = sum(contrast(picture) for picture in pictures)
    found = []
    for side, cost in COSTS.items():
        if side <= top:
            left = sum(contrast(_through(picture, side)) for picture in pictures)
            found.append(Resolution(side, left / whole if whole else 1.0, cost))
    return tuple(found)


def measured(found: Listing, sound: Sequence[Entry], middle: float) -> tuple[Resolution, ...]:
    """Compute what each size keeps of a sample of a source's images, evenly spread; nothing if only the smallest suits them.

    Args:
        found: the source.
        sound: its readable images.
        middle: median of their shorter sides, in pixels.
    """
    side = largest(middle)
    if side <= min(COSTS):
        return ()
    step = max(1, len(sound) // SAMPLE)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's, on files that have been read before
        return resolutions([decode(found.read(entry), Size(side, side), 3) for entry in sound[::step][:SAMPLE]])


def in_words(worth: Sequence[Resolution]) -> list[tuple[str, str]]:
    """Return the sizes above the smallest as arguments, each with what it keeps and costs.

    >>> in_words([Resolution(64, 0.42, 1.0), Resolution(128, 1.0, 2.3)])
    [("size='128'", 'more detail: at 64, 42% of the contrast between neighbours is left; 2.3 times the time of an image')]
    """
    told = []
    for smaller, one in pairwise(worth):
        loss = f"at {smaller.side}, {smaller.kept:.0%} of the contrast between neighbours is left"
        told.append((f"size='{one.side}'", f"more detail: {loss}; {one.cost} times the time of an image"))
    return told


def contrast(picture: np.ndarray) -> float:
    """Return the mean absolute difference of neighbours, in levels.

    >>> contrast(np.array([[[0], [10]], [[0], [10]]], np.uint8))
    10.0
    """
    values = picture.astype(np.float32)
    return float(np.abs(np.diff(values, axis=0)).mean() + np.abs(np.diff(values, axis=1)).mean())


def _through(picture: np.ndarray, side: int) -> np.ndarray:
    """Return a square reduced to this many pixels a side and enlarged again."""
    top = len(picture)
    image = Image.fromarray(picture.squeeze(-1) if picture.shape[-1] == 1 else picture)
    if side < top:
        image = image.resize((side, side), Image.Resampling.BICUBIC).resize((top, top), Image.Resampling.BICUBIC)
    return np.asarray(image).reshape(picture.shape)
