"""DCGAN: Radford, Metz and Chintala 2016, arXiv:1511.06434.

Symbols: z [N, z_dim]; h [N, C, H, W] feature maps; x [N, channels, H, W] in [-1, 1]; b the 4x4 (up
to 7x7) base of the pyramid. At 64x64 these are the two networks of the PyTorch tutorial, layer for
layer. Other sizes follow the same rule: the base is doubled until the size is reached, and the
width halves (in D doubles) each time.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

from torch import Tensor, nn

from organza.networks import layers
from organza.networks.layers import Constraint, Shape, batch_norm, free, halvings, normal

Norm = Callable[[int], nn.Module]


class Generator(layers.Generator):
    """z -> 4x4 -> 8x8 -> ... -> x: transposed 4x4 convolutions with stride 2, batch norm, ReLU; tanh at the end.

    Args:
        shape: shape of the images, (channels, height, width).
        z_dim: size of the latent.
        width: feature maps before the last layer; doubled with each halving of the resolution.
        norm: normalisation after each layer except the last, a function of the number of feature
            maps.

    >>> import torch; Generator((3, 64, 64), width=8)(torch.randn(2, 100)).shape
    torch.Size([2, 3, 64, 64])
    """

    def __init__(self, shape: Shape, *, z_dim: int = 100, width: int = 64, norm: Norm = batch_norm):
        super().__init__()
        channels, height, across = shape
        doublings, base = halvings(height, across)
        maps = [width * 2**i for i in reversed(range(doublings))]
        self.z_dim = z_dim
        stack: list[nn.Module] = [
            nn.ConvTranspose2d(z_dim, maps[0], base, 1, 0, bias=False),
            norm(maps[0]),
            nn.ReLU(True),
        ]
        for wide, narrow in pairwise(maps):
            stack += [nn.ConvTranspose2d(wide, narrow, 4, 2, 1, bias=False), norm(narrow), nn.ReLU(True)]
        stack += [nn.ConvTranspose2d(maps[-1], channels, 4, 2, 1, bias=False), nn.Tanh()]
        self.layers = normal(nn.Sequential(*stack))

    @property
    def levels(self) -> tuple[nn.Module, ...]:
        return (next(self.layers.children()),)

    def forward(self, z: Tensor) -> Tensor:
        return self.layers(z[:, :, None, None])


class Discriminator(layers.Discriminator):
    """x -> ... -> 8x8 -> 4x4 -> logit: 4x4 convolutions with stride 2, batch norm except on the first, LeakyReLU 0.2.

    Args:
        shape: shape of the images, (channels, height, width).
        width: feature maps of the first layer; doubled with each halving of the resolution.
        norm: normalisation after each layer except the first and the last. With `no_norm`, D scores
            each item independently.
        constraint: constraint on all weights, `free` or `spectral`.

    >>> import torch; D = Discriminator((3, 64, 64), width=8); x = torch.zeros(2, 3, 64, 64)
    >>> D(x).shape, D.probability(x).shape
    (torch.Size([2]), torch.Size([2]))
    """

    def __init__(self, shape: Shape, *, width: int = 64, norm: Norm = batch_norm, constraint: Constraint = free):
        super().__init__()
        self.features, (self.maps, *base) = pyramid(shape, width, norm)  # x to h, [N, maps, *base]
        self.base = (base[0], base[1])
        self.head = normal(nn.Conv2d(self.maps, 1, self.base, 1, 0, bias=False))
        constraint(self)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.features(x)).flatten()


def pyramid(shape: Shape, width: int, norm: Norm) -> tuple[nn.Sequential, Shape]:
    """Return the layers x -> ... -> 8x8 -> 4x4, and the shape of their output, (feature maps, height, width).

    Args:
        shape: shape of x, (channels, height, width).
        width: feature maps of the first layer; doubled with each halving.
        norm: normalisation after each layer except the first, a function of the number of feature
            maps.

    >>> pyramid((3, 64, 64), 8, batch_norm)[1]
    (64, 4, 4)
    """
    channels, height, across = shape
    doublings, base = halvings(height, across)
    maps = [width * 2**i for i in range(doublings)]
    # Without normalisation the layers have biases, which batch norm would cancel.
    biased = isinstance(norm(1), nn.Identity)
    stack: list[nn.Module] = [nn.Conv2d(channels, maps[0], 4, 2, 1, bias=biased), nn.LeakyReLU(0.2, True)]
    for narrow, wide in pairwise(maps):
        stack += [nn.Conv2d(narrow, wide, 4, 2, 1, bias=biased), norm(wide), nn.LeakyReLU(0.2, True)]
    features = nn.Sequential(*stack)
    normal(features)
    return features, (maps[-1], *base)
