"""The networks of BiGAN: Donahue, Krähenbühl and Darrell 2017, arXiv:1605.09782 (ALI: Dumoulin et al. 2017, arXiv:1606.00704).

Symbols: x [N, channels, H, W] in [-1, 1]; z [N, z_dim] ~ U(-1, 1); E(x) [N, z_dim]; a pair (x, z) is one point, [N, channels*H*W + z_dim].
The generator is DCGAN's, as in the paper; the encoder is its mirror image (the paper uses an AlexNet, for its features).
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod

import torch
from torch import Tensor, nn

from organza.networks import dcgan, layers
from organza.networks.dcgan import Norm, pyramid
from organza.networks.layers import Shape, batch_norm, normal
from organza.networks.priors import Prior, Uniform


def pair(x: Tensor, z: Tensor) -> Tensor:
    """Return data and a latent as one point of the product space: [N, *shape], [N, z_dim] -> [N, prod(shape) + z_dim].

    Methods for discriminators of points, such as gradient penalties, thus apply to pairs as well.

    >>> pair(torch.zeros(2, 3, 4, 4), torch.ones(2, 5)).shape
    torch.Size([2, 53])
    """
    return torch.cat([x.flatten(1), z], 1)


class Generator(dcgan.Generator):
    """DCGAN's generator with z ~ U(-1, 1). Takes the arguments of `dcgan.Generator`.

    >>> Generator((3, 32, 32), z_dim=50, width=8)(torch.zeros(2, 50)).shape
    torch.Size([2, 3, 32, 32])
    """

    def latent(self, stream: torch.Generator) -> Tensor:
        return torch.rand(self.z_dim, generator=stream) * 2 - 1

    @property
    def prior(self) -> Prior:
        return (Uniform(self.z_dim),)


class Encoder(layers.Encoder):
    """x -> ... -> 8x8 -> 4x4 -> z: DCGAN's discriminator with an unbounded output of z_dim numbers.

    Args:
        shape: shape of the images, (channels, height, width).
        z_dim: size of the latent.
        width: feature maps of the first layer; doubled with each halving of the resolution.
        norm: normalisation after each layer except the first and the last.

    >>> Encoder((3, 64, 64), z_dim=50, width=8)(torch.zeros(2, 3, 64, 64)).shape
    torch.Size([2, 50])
    """

    def __init__(self, shape: Shape, *, z_dim: int, width: int = 64, norm: Norm = batch_norm):
        super().__init__()
        features, (maps, *base) = pyramid(shape, width, norm)
        self.z_dim = z_dim
        self.layers = nn.Sequential(*features, normal(nn.Conv2d(maps, z_dim, (base[0], base[1]))))

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x).flatten(1)


class Discriminator(layers.Discriminator):
    """(x, z) -> logit: DCGAN's convolutions on x, one layer on z, two on both together.

    Args:
        shape: shape of the images, (channels, height, width).
        z_dim: size of the latent.
        width: feature maps of the first layer; doubled with each halving of the resolution. The other layers have 16 times as many units.
        norm: normalisation after each convolution except the first. With `no_norm`, D scores each pair independently.

    >>> D = Discriminator((3, 64, 64), z_dim=50, width=8); x, z = torch.zeros(2, 3, 64, 64), torch.zeros(2, 50)
    >>> D(pair(x, z)).shape
    torch.Size([2])
    """

    def __init__(self, shape: Shape, *, z_dim: int, width: int = 64, norm: Norm = batch_norm):
        super().__init__()
        features, reached = pyramid(shape, width, norm)
        units = 16 * width
        self.shape, self.z_dim = tuple(shape), z_dim
        self.of_x = nn.Sequential(*features, nn.Flatten())
        self.of_z = normal(nn.Sequential(nn.Linear(z_dim, units), nn.LeakyReLU(0.2, True)))
        self.of_both = normal(
            nn.Sequential(
                nn.Linear(prod(reached) + units, units),
                nn.LeakyReLU(0.2, True),
                nn.Linear(units, 1),
            )
        )

    def forward(self, pair: Tensor) -> Tensor:
        x, z = pair.split([prod(self.shape), self.z_dim], 1)
        features = self.of_x(x.unflatten(1, self.shape))
        return self.of_both(torch.cat([features, self.of_z(z)], 1)).flatten()

    def evidence(self, x: Tensor, encode: Callable[[Tensor], Tensor]) -> Tensor:
        return pair(x, encode(x))
