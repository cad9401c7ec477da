"""Features at several scales of each image: full size, half, and an eighth. The mean of their distances selects the best checkpoint.

    distance(P, Q) = mean over s of MMD^2(f_s(P / s), f_s(Q / s))        s = 1, 2, 8

Symbols: f_s a network with an input of so many pixels, P / s the images reduced by averages over s x s pixels.

A network trained on photographs distinguishes outlines from blots, but hardly reacts to a green face. An image of 8x8 pixels
contains only colours and layout (docs/lab-log.md, 23).
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
"""Reduction factors, with the pixels a side of the network's input. The small scales cost a third of the first."""
LEAST = 4
"""Least pixels a side of a reduced image."""


class Pyramid:
    """Features of an image at several scales: uint8 [N, H, W, C] to float32 [N, looks, dimension]. The first is the full size.

    Args:
        network: function that returns an extractor for a resolution.
        looks: reduction factors, with the resolution of each.

    >>> from organza.metrics.extractors.features import offline_extractor
    >>> Pyramid(offline_extractor)(np.zeros((2, 64, 64, 3), np.uint8)).shape
    torch.Size([2, 3, 1280])
    """

    def __init__(self, network: Callable[[int], Extractor], looks: dict[int, int] = LOOKS):
        self.looks = {reduction: network(resolution) for reduction, resolution in looks.items()}
        first = next(iter(self.looks.values()))
        self.name, self.dimension, self.about = first.name, first.dimension, first.card()

    def card(self) -> dict[str, Any]:
        """Return the conditions of the features, ready for JSON: the card of the first scale, and the other factors and resolutions."""
        smaller = {f"1/{by}": look.card().get("resolution") for by, look in self.looks.items() if by > 1}
        return self.about | {"also at": smaller}

    def __call__(self, images: np.ndarray | Tensor) -> Tensor:
        """Compute float32 [N, looks, dimension] of uint8 [N, H, W, C], C in 1, 3, 4.

        Raises:
            UserError: as in the extractors.
        """
        return torch.stack([look(reduced(images, by)) for by, look in self.looks.items()], 1)


def reduced(images: np.ndarray | Tensor, by: int) -> np.ndarray | Tensor:
    """Reduce images by averages over areas, rounded: uint8 [N, H, W, C] to [N, max(H / by, 4), max(W / by, 4), C].

    Transparent images are composited on white first, and have three channels afterwards.

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
        )  # colours of transparent pixels do not count
        found.append(adaptive_avg_pool2d(part, (height, width)).round().to(torch.uint8).movedim(1, -1))
    return torch.cat(found)


def looks_of(features: Tensor) -> tuple[Tensor, ...]:
    """Return the features of each scale, [N, dimension] each; features without scales are a single one.

    >>> len(looks_of(torch.zeros(5, 3, 7))), len(looks_of(torch.zeros(5, 7)))
    (3, 1)
    """
    return features.unbind(1) if features.ndim == 3 else (features,)


def as_they_are(features: Tensor) -> Tensor:
    """Return the features of the images at full size, [N, dimension]."""
    return looks_of(features)[0]
