"""Several looks at each image: as it is, made half as large, and an eighth. What steers a run is the mean of their distances.

    distance(P, Q) = mean over s of MMD^2(f_s(P / s), f_s(Q / s))        s = 1, 2, 8

Symbols: f_s a network that sees images of so many pixels, P / s the images reduced by means over s x s pixels.

A network that was trained on photographs knows an outline from a blot, and hardly cares whether a face is green. On an image of 8x8 pixels
there is nothing but colours and layout to see (docs/lab-log.md, 23).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from organza.metrics.extractors.features import Extractor, planes

LOOKS = {1: 96, 2: 48, 8: 32}
"""By how much the image is reduced, and the pixels a side that the network then sees. The small looks cost a third of the first."""
LEAST = 4
"""Pixels of a side that are left of an image, however small."""


class Pyramid:
    """The features of several looks at an image: uint8 [N, H, W, C] to float32 [N, looks, dimension]. The first is the image as it is.

    Args:
        network: makes an extractor for a resolution.
        looks: reductions, and the resolution of each.

    >>> from organza.metrics.extractors.features import offline_extractor
    >>> Pyramid(offline_extractor)(np.zeros((2, 64, 64, 3), np.uint8)).shape
    torch.Size([2, 3, 1280])
    """

    def __init__(self, network: Callable[[int], Extractor], looks: dict[int, int] = LOOKS):
        self.looks = {reduction: network(resolution) for reduction, resolution in looks.items()}
        first = next(iter(self.looks.values()))
        self.name, self.dimension, self.about = first.name, first.dimension, first.card()

    def card(self) -> dict[str, Any]:
        """What the features depend on, ready for JSON: the card of the first look, and the others' reductions and resolutions."""
        smaller = {f"1/{by}": look.card().get("resolution") for by, look in self.looks.items() if by > 1}
        return self.about | {"also at": smaller}

    def __call__(self, images: np.ndarray | Tensor) -> Tensor:
        """uint8 [N, H, W, C], C in 1, 3, 4, to float32 [N, looks, dimension].

        Raises:
            UserError: what the extractors raise.
        """
        return torch.stack([look(reduced(images, by)) for by, look in self.looks.items()], 1)


def reduced(images: np.ndarray | Tensor, by: int) -> np.ndarray | Tensor:
    """Images of a fraction of the size, by means over areas, rounded: uint8 [N, H, W, C] to [N, max(H / by, 4), max(W / by, 4), C].

    Transparent images are laid on white first, and come out with three channels.

    >>> reduced(np.arange(64, dtype=np.uint8).reshape(1, 8, 8, 1), 2)[0, :, :, 0][0]
    tensor([ 4,  6,  8, 10], dtype=torch.uint8)
    """
    if by == 1:
        return images
    height, width = (max(side // by, min(LEAST, side)) for side in images.shape[1:3])
    found = []
    for start in range(0, len(images), 256):  # whole sets of large images would not fit in memory as floats
        part = images[start : start + 256]
        part = (
            torch.from_numpy(np.array(part)) if isinstance(part, np.ndarray) else part
        )  # memory-mapped ones are read-only
        part = (
            planes(part) if part.shape[-1] == 4 else part.movedim(-1, 1).float()
        )  # colours that cannot be seen are no colours
        found.append(adaptive_avg_pool2d(part, (height, width)).round().to(torch.uint8).movedim(1, -1))
    return torch.cat(found)


def looks_of(features: Tensor) -> tuple[Tensor, ...]:
    """The features of each look, [N, dimension] each: those of a `Pyramid` apart, any others as they are.

    >>> len(looks_of(torch.zeros(5, 3, 7))), len(looks_of(torch.zeros(5, 7)))
    (3, 1)
    """
    return features.unbind(1) if features.ndim == 3 else (features,)


def as_they_are(features: Tensor) -> Tensor:
    """The features of the images at their full size, [N, dimension]."""
    return looks_of(features)[0]
