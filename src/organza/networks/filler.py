"""A network that fills holes. Its form is LaMa's (Suvorov et al. 2021, arXiv:2109.07161) with dilated convolutions
(Yu and Koltun 2016, arXiv:1511.07122; Iizuka et al. 2017) instead of Fourier ones, which a CPU computes faster.

Symbols: a = (x, m): image x [N, C, H, W] in [-1, 1] and mask m [N, 1, H, W], above 0 in the hole, in one tensor
[N, C + 1, H, W]; s a smooth filling of the hole from its surroundings; y = s + details in the hole, and x elsewhere, to the bit.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from organza.errors import UserError
from organza.networks import layers
from organza.networks.layers import Shape
from organza.networks.refiner import he

LEVELS = 5
"""Halvings of the smooth filling: it bridges holes of up to 2^5 pixels or twice as many."""
ROUNDS = 4
"""Steps towards a harmonic surface at each size."""


def smooth(x: Tensor, known: Tensor) -> Tensor:
    """Fill unknown pixels smoothly from the known ones around them: [N, C, H, W].

    Means of the known pixels in squares of 2, 4, ... 32 pixels a side; then, from the coarsest, the unknown squares take the values
    of the size before, joined linearly, and a few times the mean of their four neighbours, which is harmonic interpolation:
    pull-push, Gortler et al. 1996, The Lumigraph, section 3.4, with Jacobi's steps.

    Args:
        x: images, [N, C, H, W], sides multiples of 32.
        known: mask of the known pixels, 1 or 0, [N, 1, H, W].

    >>> x = torch.full((1, 1, 32, 32), 0.5); known = torch.ones_like(x); known[..., 8:20, 8:20] = 0
    >>> round(smooth(x * known, known)[0, 0, 14, 14].item(), 4)
    0.5
    """
    sums, counts = [x * known], [known]
    for _ in range(LEVELS):
        sums.append(F.avg_pool2d(sums[-1], 2))
        counts.append(F.avg_pool2d(counts[-1], 2))
    filled = sums[-1] / counts[-1].clamp_min(1e-6)
    for total, count in zip(reversed(sums[:-1]), reversed(counts[:-1]), strict=True):
        unknown = (count == 0).to(x.dtype)
        coarse = F.interpolate(filled, scale_factor=2.0, mode="bilinear")
        filled = (1 - unknown) * total / count.clamp_min(1e-6) + unknown * coarse
        for _ in range(ROUNDS):
            filled = filled + unknown * (neighbours(filled) - filled)
    return filled


def neighbours(x: Tensor) -> Tensor:
    """Return the mean of the four neighbours of each pixel; beyond the border the pixel itself: [N, C, H, W]."""
    wide = F.pad(x, (1, 1, 1, 1), mode="replicate")
    return (wide[..., :-2, 1:-1] + wide[..., 2:, 1:-1] + wide[..., 1:-1, :-2] + wide[..., 1:-1, 2:]) / 4


def require_multiples(shape: Shape, stride: int) -> None:
    """Check the sides of patches to fill.

    Raises:
        UserError: if a side is no multiple of the stride.
    """
    if shape[1] % stride or shape[2] % stride:
        near = "x".join(str(max(round(side / stride), 1) * stride) for side in (shape[2], shape[1]))
        raise UserError(
            f"Patches of {shape[2]}x{shape[1]} cannot be filled: both sides must be multiples of {stride}; try `size='{near}'`."
        )


class Block(nn.Module):
    """h -> h + conv(prelu(conv_d(h))), 3x3, the first dilated; close to the identity at first."""

    def __init__(self, width: int, dilation: int):
        super().__init__()
        self.layers = nn.Sequential(
            he(nn.Conv2d(width, width, 3, 1, dilation, dilation)),
            nn.PReLU(width, 0.2),
            he(nn.Conv2d(width, width, 3, 1, 1), 0.1),
        )

    def forward(self, h: Tensor) -> Tensor:
        return h + self.layers(h)


class Generator(layers.Translator):
    """a -> two halvings -> residual blocks with dilations 1, 2, 4, 8 -> two pixel shuffles, + s, only in the hole.

    Args:
        shape: shape of the images, (channels, height, width), sides multiples of 32.
        width: feature maps after the first halving; twice as many at a quarter of the size.
        rounds: number of passes through the four dilations.

    Raises:
        UserError: if a side is no multiple of 32.

    >>> G = Generator((3, 64, 64), width=8); a = torch.zeros(2, 4, 64, 64)
    >>> G(a).shape, G.translate(a[..., :50, :37]).shape
    (torch.Size([2, 3, 64, 64]), torch.Size([2, 3, 50, 37]))
    """

    stride = least = 2**LEVELS
    masked = True
    reach = 448  # of the layers 90 pixels; of the smooth filling 4 squares of each size, 252, and 96

    def __init__(self, shape: Shape, *, width: int = 24, rounds: int = 1):
        super().__init__()
        require_multiples(shape, self.stride)
        self.shape, wide = tuple(shape), 2 * width
        channels = shape[0]
        self.first = nn.Sequential(he(nn.Conv2d(channels + 1, width, 4, 2, 1)), nn.PReLU(width, 0.2))
        self.second = nn.Sequential(he(nn.Conv2d(width, wide, 4, 2, 1)), nn.PReLU(wide, 0.2))
        self.blocks = nn.Sequential(*(Block(wide, d) for _ in range(rounds) for d in (1, 2, 4, 8)))
        self.up = nn.Sequential(he(nn.Conv2d(wide, 4 * width, 3, 1, 1)), nn.PixelShuffle(2), nn.PReLU(width, 0.2))
        self.leave = nn.Sequential(he(nn.Conv2d(width, 4 * channels, 3, 1, 1), 0.1), nn.PixelShuffle(2))

    def forward(self, a: Tensor) -> Tensor:
        x, hole = a[:, :-1], (a[:, -1:] > 0).to(a.dtype)
        s = smooth(x, 1 - hole)
        h = self.first(torch.cat([s, 2 * hole - 1], 1))
        y = s + self.leave(h + self.up(self.blocks(self.second(h))))
        return torch.where(hole > 0, y.clamp(-1, 1), x)
