"""Structure that goes on into holes: the few waves that explain what is known around them, without weights, of any size.

A few waves describe a stripe, an edge or a weave; what they say about a hole is a guess at what it hides. So the image is rebuilt
from its strong waves in overlapping windows, again and again, with less and less left out, and the known pixels are put back each
time: Guleryuz 2006, Nonlinear Approximation Based Image Recovery Using Adaptive Sparse Reconstructions and Iterated Denoising, IEEE
TIP 15. Frequency-selective extrapolation (Seiler and Kaup 2010) seeks the waves one by one in each window; this takes all that are strong.

Symbols: x [N, C, H, W]; W_k x its windows of 32x32 pixels, 16 apart, on a grid that moves by 8 from step to step; c their coefficients
for waves in all directions under a half sine; T_k a threshold that falls.

    x <- sum over windows of the waves with |c|^2 > T_k^2, summed over the channels,   in the hole;   x elsewhere
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from organza.networks.loops import repeated

SIDE, HOP = 32, 16
MARGIN = HOP
"""Pixels beyond the border that are taken as unknown, so that each pixel of the image lies in as many windows."""
HALF, WHOLE = 12, 8
"""Steps at half the size, and then at the full one."""
FIRST, NEXT, LAST = 1.0, 0.2, 0.02
"""First threshold at each of both sizes, and last one: waves of 0.15, 0.03 and 0.003 in [-1, 1] over a whole window."""


def continued(x: Tensor, known: Tensor) -> Tensor:
    """Return images whose holes are rebuilt from the strong waves around them, at half the size first, as there a window
    sees twice as far: [N, C, H, W].

    Args:
        x: images with a first guess in their holes, such as a smooth surface, [N, C, H, W], sides multiples of 32.
        known: mask of the known pixels, 1 or 0, [N, 1, H, W].

    >>> x = torch.sin(torch.arange(64.0) / 2).expand(1, 1, 64, 64); known = torch.ones_like(x); known[..., 24:40, 28:36] = 0
    >>> (continued(x * known, known) - x).abs().max().item() < 0.1
    True
    """
    count = F.avg_pool2d(known, 2)
    there = (count > 0).to(x.dtype)
    half = torch.where(count > 0, F.avg_pool2d(x * known, 2) / count.clamp_min(1e-6), F.avg_pool2d(x, 2))
    change = rebuilt(half, there, thresholds(FIRST, HALF)) - half
    guess = torch.where(known > 0, x, x + F.interpolate(change, scale_factor=2.0, mode="bilinear"))
    return rebuilt(guess, known, thresholds(NEXT, WHOLE))


def thresholds(first: float, steps: int) -> list[float]:
    """Return falling thresholds, even in logarithms.

    >>> [round(one, 3) for one in thresholds(1.0, 3)]
    [1.0, 0.141, 0.02]
    """
    return [first * (LAST / first) ** (k / max(steps - 1, 1)) for k in range(steps)]


def waves() -> Tensor:
    """Return cosines, then sines, of 0 to 16 periods in a window under a half sine, [34, 32]: a tight frame of windows at half a side."""
    places, periods = torch.arange(SIDE, dtype=torch.double) + 0.5, torch.arange(SIDE // 2 + 1, dtype=torch.double)
    size = torch.full_like(periods, math.sqrt(2 / SIDE))
    size[0] = size[-1] = math.sqrt(1 / SIDE)
    angle = math.tau / SIDE * periods[:, None] * places
    both = torch.cat([size[:, None] * angle.cos(), size[:, None] * angle.sin()])
    return (both * torch.sin(math.pi / SIDE * places)).float()


def rebuilt(x: Tensor, known: Tensor, falling: list[float]) -> Tensor:
    """Return the last x of the steps above, at one size: [N, C, H, W], sides multiples of 16.

    Args:
        x: images with a guess in their holes.
        known: mask of the known pixels.
        falling: threshold of each step.
    """
    filters = waves().to(x)
    wide = F.pad(x, (MARGIN,) * 4, mode="replicate")
    ground = F.interpolate(
        F.avg_pool2d(wide, HOP), scale_factor=float(HOP), mode="bilinear"
    )  # waves are what departs from it
    there = F.pad(known, (MARGIN,) * 4)

    def step(state: Tensor, threshold: Tensor) -> Tensor:
        detail, given, there = state[:, :channels], state[:, channels:-1], state[:, -1:]
        made = joined(strong(parted(detail, filters), threshold), filters)
        return moved(torch.cat([torch.where(there > 0, given, made), given, there], 1))

    channels, first = x.shape[1], wide - ground
    state = repeated(step, torch.cat([first, first, there], 1), torch.tensor(falling, dtype=x.dtype, device=x.device))
    back = HOP // 2 * len(falling)
    detail = torch.roll(state[:, :channels], (back, back), (2, 3))
    return (detail + ground)[..., MARGIN:-MARGIN, MARGIN:-MARGIN]


def moved(x: Tensor) -> Tensor:
    """Return images moved by half a hop along both sides; what leaves one border comes in at the other."""
    half = HOP // 2
    x = torch.cat([x[:, :, half:], x[:, :, :half]], 2)
    return torch.cat([x[..., half:], x[..., :half]], 3)


def parted(x: Tensor, filters: Tensor) -> Tensor:
    """Return the coefficients of windows of two by two cells, of which the last ends with the first cell: [N, C, H, W] to
    [N, C, H / 16, 34, W / 16, 34].
    """
    first, second = filters[:, :HOP], filters[:, HOP:]
    cells = x.unflatten(2, (-1, HOP))
    rows = first @ cells + following(second @ cells, 2)
    cells = rows.unflatten(4, (-1, HOP))
    return cells @ first.T + following(cells @ second.T, 4)


def joined(c: Tensor, filters: Tensor) -> Tensor:
    """Return the sum of windows from their coefficients, the inverse of `parted`: [N, C, H, W]."""
    first, second = filters[:, :HOP], filters[:, HOP:]
    rows = (c @ first + preceding(c @ second, 4)).flatten(4)
    return (first.T @ rows + preceding(second.T @ rows, 2)).flatten(2, 3)


def following(x: Tensor, axis: int) -> Tensor:
    """Return the next cell in the place of each."""
    return torch.cat([x.narrow(axis, 1, x.shape[axis] - 1), x.narrow(axis, 0, 1)], axis)


def preceding(x: Tensor, axis: int) -> Tensor:
    """Return the cell before in the place of each."""
    return torch.cat([x.narrow(axis, x.shape[axis] - 1, 1), x.narrow(axis, 0, x.shape[axis] - 1)], axis)


def strong(c: Tensor, threshold: Tensor) -> Tensor:
    """Return coefficients without those of weak waves. Products of cosines and sines are waves in two directions, mirror images of each
    other; each is kept or not by itself: cos u cos v - sin u sin v = cos(u + v).
    """
    cosines, sines = c.chunk(2, 3)
    (cc, cs), (sc, ss) = cosines.chunk(2, 5), sines.chunk(2, 5)
    rising, falling = (cc - ss, cs + sc), (cc + ss, cs - sc)
    rising, falling = ([part * kept(wave, threshold) for part in wave] for wave in (rising, falling))
    cosines = torch.cat([rising[0] + falling[0], rising[1] + falling[1]], 5)
    sines = torch.cat([rising[1] - falling[1], falling[0] - rising[0]], 5)
    return torch.cat([cosines, sines], 3) / 2


def kept(wave: tuple[Tensor, Tensor], threshold: Tensor) -> Tensor:
    """Return how much of a wave is kept: 0 if its power over all channels is below the threshold's, 1 above twice that. In between
    it grows, so that rounding, which differs from machine to machine, changes no wave from all to nothing.
    """
    power = (wave[0].square() + wave[1].square()).sum(1, keepdim=True)
    return (power / (4 * threshold**2) - 1).clamp(0, 1)
