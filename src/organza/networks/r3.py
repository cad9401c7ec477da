"""R3GAN's players: residual blocks of grouped convolutions without normalisation, for GPUs.

Huang et al. 2024, arXiv:2501.05441, section 4 and appendix; initialisation as in Fixup, Zhang et al. 2019, arXiv:1901.09321.
Symbols: z [N, z_dim]; h [N, width, H, W] feature maps; x [N, channels, H, W].

Differences from the paper: one width at all sizes, nearest-neighbour doubling and means of 2x2 pixels instead of a [1, 2, 1] filter, and
tanh at G's output, as codes and images lie in (-1, 1).
At width 768, on codes of 16x16, each player has 15 million weights. On a CPU a turn costs a hundred times one of `skips` at width 32.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from organza.networks import layers
from organza.networks.latent import code_shape, greatest_reduction
from organza.networks.layers import Shape, halvings

Layer = TypeVar("Layer", nn.Linear, nn.Conv2d)

SLOPE = 0.2
"""Slope of LeakyReLU below 0."""
GAIN = (2 / (1 + SLOPE**2)) ** 0.5
"""Factor that keeps the variance through it: He et al. 2015, arXiv:1502.01852, eq. 10."""
EXPANSION, GROUP, BLOCKS = 2, 16, 2
"""Feature maps within a block over those outside; of a group; blocks of a size. All from the paper's table of settings."""


class Block(nn.Module):
    """h -> h + C s(B s(A h)), s LeakyReLU: A and C 1x1, B 3x3 in groups of 16 maps where that divides them; at first C is 0.

    Args:
        width: feature maps of h.
        depth: blocks of the whole network, L; A and B begin L^(-1/4) times smaller (Fixup, section 3).

    >>> h = torch.randn(2, 16, 5, 5)
    >>> torch.equal(Block(16, 4)(h), h)
    True
    """

    def __init__(self, width: int, depth: int):
        super().__init__()
        wide = EXPANSION * width
        self.enter = nn.Conv2d(width, wide, 1, bias=False)
        self.mix = nn.Conv2d(wide, wide, 3, padding=1, groups=1 if wide % GROUP else wide // GROUP)
        self.leave = nn.Conv2d(wide, width, 1, bias=False)
        self.first = nn.Parameter(torch.zeros(wide, 1, 1))  # the bias of s(A h)
        _scaled(self.enter, depth**-0.25)
        _scaled(self.mix, GAIN * depth**-0.25)
        nn.init.zeros_(self.leave.weight)

    def forward(self, h: Tensor) -> Tensor:
        inner = F.leaky_relu(self.enter(h) + self.first, SLOPE)
        return h + self.leave(F.leaky_relu(self.mix(inner), SLOPE))


class Generator(layers.Generator):
    """z -> a learned 4x4 basis, each map times a number from z -> blocks at 4x4, 8x8, ... -> 1x1 convolution -> tanh.

    Args:
        shape: shape of the data, (channels, height, width).
        z_dim: size of the latent.
        width: feature maps at every size.

    >>> Generator((8, 16, 16), width=16)(torch.randn(2, 64)).shape
    torch.Size([2, 8, 16, 16])
    """

    def __init__(self, shape: Shape, *, z_dim: int = 64, width: int = 768):
        super().__init__()
        channels, height, across = shape
        doublings, base = halvings(height, across)
        depth = BLOCKS * (doublings + 1)
        self.z_dim = z_dim
        self.basis = nn.Parameter(torch.randn(width, *base))
        self.strength = _scaled(nn.Linear(z_dim, width, bias=False), 1.0)
        self.sizes = nn.ModuleList(_blocks(width, depth) for _ in range(doublings + 1))
        self.draw = _scaled(nn.Conv2d(width, channels, 1), 1.0)

    @property
    def levels(self) -> tuple[nn.Module, ...]:
        return (self.strength,)

    def forward(self, z: Tensor) -> Tensor:
        h = self.basis * self.strength(z)[:, :, None, None]
        for place, blocks in enumerate(self.sizes):
            h = blocks(F.interpolate(h, scale_factor=2.0) if place else h)
        return torch.tanh(self.draw(h))


class Discriminator(layers.Discriminator):
    """x -> 1x1 convolution -> blocks at each size down to 4x4 -> a weighted sum of each map -> logit.

    Args:
        shape: shape of the data, (channels, height, width).
        width: feature maps at every size.

    >>> Discriminator((8, 16, 16), width=16)(torch.zeros(3, 8, 16, 16)).shape
    torch.Size([3])
    """

    def __init__(self, shape: Shape, *, width: int = 768):
        super().__init__()
        channels, height, across = shape
        halved, base = halvings(height, across)
        depth = BLOCKS * (halved + 1)
        self.see = _scaled(nn.Conv2d(channels, width, 1), 1.0)
        self.sizes = nn.ModuleList(_blocks(width, depth) for _ in range(halved + 1))
        self.basis = _scaled(nn.Conv2d(width, width, base, groups=width, bias=False), 1.0)
        self.head = _scaled(nn.Linear(width, 1, bias=False), 1.0)

    def forward(self, x: Tensor) -> Tensor:
        h = self.see(x)
        for place, blocks in enumerate(self.sizes):
            h = blocks(F.avg_pool2d(h, 2) if place else h)
        return self.head(self.basis(h).flatten(1)).flatten()


class OfCodes(Discriminator):
    """D of the latent GAN: the same on codes, q -> logit.

    Args:
        shape: shape of the images, (channels, height, width).
        width: feature maps over f, as for `latent.Generator`.
        code: maps of a code.
        reduction: f, as for `latent.Generator`.

    >>> OfCodes((3, 64, 64), width=4)(torch.zeros(3, 8, 16, 16)).shape
    torch.Size([3])
    """

    def __init__(self, shape: Shape, *, width: int = 192, code: int = 8, reduction: int = 0):
        by = reduction or greatest_reduction(shape)
        super().__init__(code_shape(shape, code, by), width=by * width)

    def evidence(self, x: Tensor, encode: Callable[[Tensor], Tensor]) -> Tensor:
        return encode(x)


def _blocks(width: int, depth: int) -> nn.Sequential:
    return nn.Sequential(*(Block(width, depth) for _ in range(BLOCKS)))


def _scaled(layer: Layer, gain: float) -> Layer:
    """Initialise weights ~ N(0, gain^2 / inputs), biases 0."""
    nn.init.normal_(layer.weight, 0.0, gain * (layer.weight[0].numel()) ** -0.5)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer
