"""Smooth surfaces over the holes of images, without weights: biharmonic interpolation from coarse to fine, of any size.

Symbols: x [N, C, H, W]; known [N, 1, H, W], 1 where a pixel is given; L u the mean of a pixel's four neighbours less the pixel itself.

    L L u = 0  in the hole,   u = x  elsewhere

That is the surface which bends least: Chui and Mhaskar 2010, MRA contextual-recovery extension of smooth functions on manifolds.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from organza.networks.filler import neighbours
from organza.networks.loops import repeated

STEPS = (4, 8, 8, 10, 10)
"""Steps at each size, from the coarsest, a sixteenth, to the full one. Each carries a value two pixels of its size far."""


def biharmonic(x: Tensor, known: Tensor) -> Tensor:
    """Fill unknown pixels with a surface that bends little, nearly the biharmonic one: [N, C, H, W].

    Known pixels are averaged in squares of 2, 4, ... 2^levels pixels a side; then, from the coarsest, the unknown squares take the
    values of the size before, joined linearly, and a few steps of u <- u - w L L u, whose lengths w are the reciprocal roots of
    Chebyshev's polynomial on the eigenvalues that the coarser size leaves, 4 / (k^2 / 2) to 4: Saad 2003, Iterative Methods for Sparse
    Linear Systems, section 12.3. In photographs the holes of 6 to 13
    pixels come out with the PSNR of an exact solution, those of 16 to 29 pixels 0.5 dB below it (docs/lab-log.md, 90).

    Args:
        x: images, [N, C, H, W], sides multiples of 2^levels.
        known: mask of the known pixels, 1 or 0, [N, 1, H, W].

    >>> import torch; x = torch.linspace(-1, 1, 64).expand(1, 1, 64, 64); known = torch.ones_like(x); known[..., 20:30, 20:30] = 0
    >>> (biharmonic(x * known, known) - x).abs().max().item() < 0.01
    True
    """
    sums, counts = [x * known], [known]
    for _ in STEPS:
        sums.append(F.avg_pool2d(sums[-1], 2))
        counts.append(F.avg_pool2d(counts[-1], 2))
    filled = sums[-1] / counts[-1].clamp_min(1e-6)
    for total, count, steps in zip(reversed(sums[:-1]), reversed(counts[:-1]), STEPS, strict=True):
        unknown = (count == 0).to(x.dtype)
        coarse = F.interpolate(filled, scale_factor=2.0, mode="bilinear")
        filled = (1 - unknown) * total / count.clamp_min(1e-6) + unknown * coarse
        filled = relaxed(filled, unknown, steps)
    return filled.clamp(-1, 1)


def relaxed(x: Tensor, unknown: Tensor, steps: int) -> Tensor:
    """Return x after a few steps at one size, [N, C, H, W]."""
    sizes = torch.tensor(lengths(steps), dtype=x.dtype, device=x.device)
    return repeated(lambda x, length: x - length * unknown * bent(x), x, sizes)


def bent(x: Tensor) -> Tensor:
    """Return L L x, whose eigenvalues are between 0 and 4: [N, C, H, W]."""
    curved = neighbours(x) - x
    return neighbours(curved) - curved


def lengths(steps: int) -> list[float]:
    """Return the lengths of Chebyshev's steps, short and long ones in turns, so that rounding does not grow.

    >>> [round(length, 3) for length in lengths(2)]
    [0.27, 0.436]
    """
    low, high = min(8 / steps**2, 2.0), 4.0
    roots = [math.cos(math.pi * (2 * k + 1) / (2 * steps)) for k in range(steps)]
    ordered = sorted(1 / ((high + low) / 2 + (high - low) / 2 * root) for root in roots)
    return [ordered[k // 2 if k % 2 == 0 else -1 - k // 2] for k in range(steps)]
