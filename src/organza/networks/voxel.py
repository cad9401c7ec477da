"""3D-GAN: Wu et al. 2016, Learning a Probabilistic Latent Space of Object Shapes via 3D
Generative-Adversarial Modeling, arXiv:1610.07584.

Symbols: z [N, z_dim], each number from U(0, 1); h [N, C, D, H, W] feature maps; x
[N, channels, D, H, W] in [-1, 1]. At 64x64x64 these are the paper's networks: five volumetric
convolutions with kernels of 4x4x4, 512, 256, 128, 64 and 1 feature maps in G and the mirror image
in D, no pooling, no linear layers. Other cubes follow the same rule: the 4x4x4 base is doubled
until the side is reached, and the width halves (in D doubles) each time. The paper's generator ends
in a sigmoid since its data is in [0, 1]; here a tanh, for data in [-1, 1].
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor, nn

from organza.errors import UserError
from organza.networks import layers
from organza.networks.layers import Shape, normal
from organza.networks.priors import Prior, Uniform

Norm = Callable[[int], nn.Module]
BASE = 4  # side of the smallest cube


def batch_norm(channels: int) -> nn.Module:
    """Return batch normalisation for feature maps [N, C, D, H, W]."""
    return nn.BatchNorm3d(channels)


def layer_norm(channels: int) -> nn.Module:
    """Return a normalisation of each item over all feature maps: without batch statistics, which
    are costly for volumes.
    """
    return nn.GroupNorm(1, channels)


def doublings(shape: Shape) -> int:
    """Return the number of doublings from the base to a cube of this shape (C, D, H, W).

    >>> doublings((1, 64, 64, 64)), doublings((1, 32, 32, 32))
    (4, 3)

    Raises:
        UserError: if the data is not cubes with a side of 8, 16, 32, 64 ...
    """
    if len(shape) != 4:
        raise UserError(
            f"This network makes volumes, and the data has shape {'x'.join(map(str, shape))}; for images use `recipe='dcgan-r1'`."
        )
    side = shape[1]
    if len(set(shape[1:])) > 1 or side < 2 * BASE or side & (side - 1):
        size = "x".join(map(str, shape[1:]))
        raise UserError(f"This network makes cubes of 16, 32 or 64 voxels a side, not {size}; try `size=32`.")
    return (side // BASE).bit_length() - 1


class Generator(layers.Generator):
    """z -> 4x4x4 -> 8x8x8 -> ... -> x: transposed 4x4x4 convolutions with stride 2, batch norm, ReLU; tanh at the end.

    Args:
        shape: shape of the volumes, (channels, depth, height, width), a cube.
        z_dim: size of the latent.
        low: lower end of z ~ U(low, 1): 0 as in the paper; with -1 all samples do not share a mean
            of z.
        width: feature maps before the last layer; doubled with each halving of the side.
        norm: normalisation after each layer except the last, a function of the number of feature
            maps.

    >>> Generator((1, 32, 32, 32), width=4)(torch.rand(2, 200)).shape
    torch.Size([2, 1, 32, 32, 32])
    """

    def __init__(self, shape: Shape, *, z_dim: int = 200, low: float = 0.0, width: int = 64, norm: Norm = batch_norm):
        super().__init__()
        maps = [width * 2**i for i in reversed(range(doublings(shape)))]
        self.z_dim, self.low = z_dim, low
        stack: list[nn.Module] = [
            nn.ConvTranspose3d(z_dim, maps[0], BASE, 1, 0, bias=False),
            norm(maps[0]),
            nn.ReLU(True),
        ]
        for wide, narrow in pairwise(maps):
            stack += [nn.ConvTranspose3d(wide, narrow, 4, 2, 1, bias=False), norm(narrow), nn.ReLU(True)]
        stack += [nn.ConvTranspose3d(maps[-1], shape[0], 4, 2, 1), nn.Tanh()]
        self.layers = normal(nn.Sequential(*stack))

    def latent(self, stream: torch.Generator) -> Tensor:
        """Draw one z ~ U(low, 1) from its own stream, [z_dim]."""
        return self.low + (1 - self.low) * torch.rand(self.z_dim, generator=stream)

    @property
    def prior(self) -> Prior:
        return (Uniform(self.z_dim, self.low),)

    def forward(self, z: Tensor) -> Tensor:
        return self.layers(z[:, :, None, None, None])


class Discriminator(layers.Discriminator):
    """x -> ... -> 8x8x8 -> 4x4x4 -> logit: 4x4x4 convolutions with stride 2, batch norm except on the first, LeakyReLU 0.2.

    Args:
        shape: shape of the volumes, (channels, depth, height, width), a cube.
        width: feature maps of the first layer; doubled with each halving of the side.
        norm: normalisation after each layer except the first and the last. With `no_norm`, D scores
            each item independently.

    >>> Discriminator((1, 32, 32, 32), width=4)(torch.zeros(2, 1, 32, 32, 32)).shape
    torch.Size([2])
    """

    def __init__(self, shape: Shape, *, width: int = 64, norm: Norm = batch_norm):
        super().__init__()
        maps = [width * 2**i for i in range(doublings(shape))]
        biased = isinstance(norm(1), nn.Identity)  # a normalisation cancels biases
        stack: list[nn.Module] = [nn.Conv3d(shape[0], maps[0], 4, 2, 1), nn.LeakyReLU(0.2, True)]
        for narrow, wide in pairwise(maps):
            stack += [nn.Conv3d(narrow, wide, 4, 2, 1, bias=biased), norm(wide), nn.LeakyReLU(0.2, True)]
        stack += [nn.Conv3d(maps[-1], 1, BASE, 1, 0)]
        self.layers = normal(nn.Sequential(*stack))

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x).flatten()
