"""Memorisation: distances of samples to their nearest training images, relative to those of unseen
real images.

In the spirit of Meehan et al. 2020, "A non-parametric test to detect data-copying in generative
models", arXiv:2004.05675: the samples of a generator that learned the data are as far from the
training images as new data is; copies are nearer.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d, adaptive_avg_pool3d

from organza.metrics.kernels import BLOCK, Estimate, checked, squared_distances

RARE = 0.01
"""Share of unseen real images that are as near to a training image as a near-copy is."""


class Memorisation(NamedTuple):
    """Nearness of samples to training images.

    Args:
        nearness: median distance of fakes to their nearest training image, over that of unseen
            reals: 1 = learned, below = copies.
        copies: share of fakes that are nearer than all but RARE of the unseen reals: about RARE
            without copies. Its error includes the sampling of the fakes, and of the few unseen
            reals that determine the threshold.
        nearest: index of the nearest training image of each fake, [n].
        distances: distance of each fake to it, [n].
    """

    nearness: Estimate
    copies: Estimate
    nearest: Tensor
    distances: Tensor


def memorisation(training: Tensor, fake: Tensor, unseen: Tensor | None = None) -> Memorisation:
    """Measure the nearness of fakes to the training images, relative to that of real images that
    were not trained on.

    Poor samples are far from everything, copies or not: only for a good generator is this evidence
    against copying. Images that are in the data twice, once on each side of the split, make the
    measure lenient.

    Args:
        training: features [t, d], t >= 3.
        fake: features [n, d], n >= 3.
        unseen: features of held-out reals [m, d]; without them, each training image is compared
            with the others.

    Raises:
        UserError: if there are too few rows, or features differ in dimension or are not finite.

    >>> draw = torch.Generator().manual_seed(0)
    >>> training, unseen, fresh = (torch.randn(200, 16, generator=draw) for _ in range(3))
    >>> memorisation(training, fresh, unseen).copies.value < 0.05
    True
    >>> memorisation(training, torch.cat([fresh[:150], training[:50] + 0.01]), unseen).copies.value > 0.24
    True
    """
    training, fake = checked(training, fake)
    distances, which = nearest(fake, training)
    if unseen is None:
        usual, _ = nearest(training, training, itself=True)
    else:
        usual, _ = nearest(checked(training, unseen)[1], training)
    # Rounding in the squared distances leaves copies at about 1e-7 of their length, not at 0.
    least = 1e-6 * training.square().sum(1).mean().sqrt()
    limit = usual.quantile(RARE).clamp(min=least)
    share = (distances <= limit).double().mean().item()
    counted, limited = max(share * (1 - share), RARE * (1 - RARE)) / len(fake), RARE * (1 - RARE) / len(usual)
    return Memorisation(
        _ratio_of_medians(distances, usual, least), Estimate(share, math.sqrt(counted + limited)), which, distances
    )


def thumbnails(items: np.ndarray | Tensor, side: int = 16) -> Tensor:
    """Return images or volumes as vectors of [0, 1], averaged down to 16x16 or 8x8x8, so that a
    shift of a pixel changes little.

    Args:
        items: uint8 [N, H, W, C], or [N, D, H, W, C].
        side: side of an image in pixels; half of it for volumes. Smaller items stay unchanged.

    >>> thumbnails(np.zeros((2, 64, 48, 3), np.uint8)).shape
    torch.Size([2, 768])
    >>> thumbnails(np.full((2, 12, 32, 1), 255, np.uint8)).shape
    torch.Size([2, 192])
    """
    flat, parts = items.ndim == 4, []
    most = side if flat else side // 2
    for start in range(0, len(items), 512):
        part = items[start : start + 512]
        # copied, as memory-mapped arrays are read-only
        some = torch.from_numpy(np.array(part)) if isinstance(part, np.ndarray) else part
        x = some.movedim(-1, 1).float() / 255
        parts.append(_averaged(x, most).flatten(1))
    return torch.cat(parts)


def _averaged(x: Tensor, most: int) -> Tensor:
    """Return images or volumes, [N, C, ...], averaged down to at most `most` values a side."""
    *deep, height, width = (min(most, length) for length in x.shape[2:])
    return adaptive_avg_pool3d(x, (deep[0], height, width)) if deep else adaptive_avg_pool2d(x, (height, width))


def nearest(x: Tensor, among: Tensor, itself: bool = False) -> tuple[Tensor, Tensor]:
    """Return each row's distance to its nearest row among others, and the index of that: [n, d],
    [m, d] -> [n], [n].

    With `itself`, the rows are among the others, and each is not compared with itself.

    >>> nearest(torch.tensor([[0.0], [1.0], [3.0]]), torch.tensor([[0.0], [1.0], [3.0]]), itself=True)[1].tolist()
    [1, 0, 1]
    """
    distances, which = [], []
    for start in range(0, len(x), BLOCK):
        block = squared_distances(x[start : start + BLOCK], among)
        if itself:
            block = block.diagonal_scatter(torch.full((len(block),), torch.inf, dtype=block.dtype), start)
        least = block.min(1)
        distances.append(least.values.sqrt())
        which.append(least.indices)
    return torch.cat(distances), torch.cat(which)


def _ratio_of_medians(x: Tensor, y: Tensor, least: Tensor, draws: int = 200) -> Estimate:
    """Return median(x) / median(y) and its bootstrap error."""
    source = torch.Generator().manual_seed(0)

    def medians(values: Tensor) -> Tensor:
        again = torch.randint(len(values), (draws, len(values)), generator=source)
        return values[again].median(1).values.clamp(min=least)

    ratio = x.median() / y.median().clamp(min=least)
    return Estimate(ratio.item(), (medians(x) / medians(y)).std().item())
