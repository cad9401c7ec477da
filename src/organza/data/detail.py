"""Loss of detail when images are reduced in size, from their own pixels alone.

Symbols: x [N, C, H, W] in [-1, 1]; y is x reduced f times and enlarged again, by bicubic
interpolation; c the median colour of all pixels.
    kept = mean |grad y| / mean |grad x|        lost = mean |x - y| / mean |x - c|
Photographs and pixel art keep little of the contrast between neighbours, drawings with plain areas
half of it; thin lines and single dots lose almost everything.
"""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor
from torch.nn import functional as F

from organza.networks.ranges import covered


class Detail(NamedTuple):
    """Detail that remains after images are reduced and enlarged again.

    Args:
        kept: remaining share of the contrast between neighbours.
        lost: error, relative to that of a single colour for all pixels.
    """

    kept: float
    lost: float


def detail(x: Tensor, reduction: int) -> Detail:
    """Compute the detail that a reduction of images keeps and loses.

    Args:
        x: images [N, C, H, W] in [-1, 1]; a fourth channel is opacity.
        reduction: factor f of the reduction of both sides.

    >>> import torch
    >>> chequered = (torch.arange(16)[:, None] + torch.arange(16)).remainder(2).expand(1, 1, 16, 16) * 2.0 - 1
    >>> detail(chequered, 2).kept < 0.1, detail(torch.zeros(1, 1, 16, 16), 2).kept
    (True, 1.0)
    """
    x = covered(x, x)
    small = F.interpolate(x, scale_factor=1 / reduction, mode="bicubic", antialias=True)
    y = F.interpolate(small, size=x.shape[2:], mode="bicubic").clamp(-1, 1)
    colour = x.movedim(1, -1).flatten(0, -2).median(0).values[:, None, None]
    least = 1e-6  # images of one colour have no contrast to lose, and no error
    whole = contrast(x)
    return Detail(
        float(contrast(y) / whole) if whole > least else 1.0,
        float((x - y).abs().mean() / (x - colour).abs().mean().clamp_min(least)),
    )


def contrast(x: Tensor) -> Tensor:
    """Return the mean absolute difference of neighbours in images [N, C, H, W]."""
    return x.diff(dim=-1).abs().mean() + x.diff(dim=-2).abs().mean()
