"""DCGAN's generator with resize-convolutions: every layer doubles by copying pixels, then
convolves. Odena et al. 2016, Distill 1(10).

Symbols: as in `dcgan`. The kernel of a transposed convolution overlaps unevenly and draws
checkerboards that a young network has to unlearn first; resizing before the convolution avoids this
pattern. It costs about twice the arithmetic in G.
"""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn

from organza.networks import layers
from organza.networks.dcgan import Norm
from organza.networks.layers import Shape, batch_norm, halvings, normal


class Generator(layers.Generator):
    """z -> 4x4 -> 8x8 -> ... -> x: nearest-neighbour doubling, 3x3 convolution, batch norm, ReLU; at the end bilinear, 5x5, tanh.

    Args:
        shape: shape of the images, (channels, height, width).
        z_dim: size of the latent.
        width: feature maps before the last layer; doubled with each halving of the resolution.
        norm: normalisation after each layer except the last, a function of the number of feature
            maps.

    >>> import torch; Generator((3, 64, 64), width=8)(torch.randn(2, 100)).shape
    torch.Size([2, 3, 64, 64])
    """

    def __init__(self, shape: Shape, *, z_dim: int = 100, width: int = 40, norm: Norm = batch_norm):
        super().__init__()
        channels, height, across = shape
        doublings, base = halvings(height, across)
        maps = [width * 2**i for i in reversed(range(doublings))]
        self.z_dim = z_dim
        stack: list[nn.Module] = [
            nn.ConvTranspose2d(z_dim, maps[0], base, 1, 0, bias=False),  # on a single pixel: a linear layer
            norm(maps[0]),
            nn.ReLU(True),
        ]
        for wide, narrow in pairwise(maps):
            stack += [
                nn.Upsample(scale_factor=2, mode="nearest"),
                nn.Conv2d(wide, narrow, 3, padding=1, bias=False),
                norm(narrow),
                nn.ReLU(True),
            ]
        # Few maps are left here, so a wider kernel and smoother doubling are cheap, and their effect is visible.
        stack += [nn.Upsample(scale_factor=2, mode="bilinear"), nn.Conv2d(maps[-1], channels, 5, padding=2), nn.Tanh()]
        self.layers = normal(nn.Sequential(*stack))

    @property
    def levels(self) -> tuple[nn.Module, ...]:
        return (next(self.layers.children()),)

    def forward(self, z: Tensor) -> Tensor:
        return self.layers(z[:, :, None, None])
