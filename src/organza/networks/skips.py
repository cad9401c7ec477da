"""Resize-convolutions with output skips: a picture is drawn at each size, and each doubling adds to the one before.

Output skips are those of StyleGAN2, Karras et al. 2020, arXiv:1912.04958, section 4.1; convolutions and normalisation as in `resize`.
Symbols: z [N, z_dim]; h [N, C, H, W] feature maps; y [N, channels, H, W] the picture so far, before tanh.

In `resize` the colour of a large area has to pass through every layer, each of which can spot it. Here the small pictures settle it
first, and cost next to nothing.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from organza.networks import layers
from organza.networks.dcgan import Norm
from organza.networks.layers import Shape, batch_norm, halvings, normal


class Generator(layers.Generator):
    """h doubles as in `resize`; y <- bilinear doubling of y + 1x1 convolution of h; at the full size a 5x5 convolution; x = tanh(y).

    Args:
        shape: of the images, (channels, height, width).
        z_dim: size of the latent.
        width: feature maps before the last layer; doubled with each halving of the resolution.
        norm: the normalisation behind each layer of h, a function of the number of feature maps.

    >>> Generator((3, 64, 64), width=8)(torch.randn(2, 100)).shape
    torch.Size([2, 3, 64, 64])
    """

    def __init__(self, shape: Shape, *, z_dim: int = 100, width: int = 16, norm: Norm = batch_norm):
        super().__init__()
        channels, height, across = shape
        doublings, base = halvings(height, across)
        maps = [width * 2**i for i in reversed(range(doublings))]
        self.z_dim = z_dim
        first = nn.ConvTranspose2d(z_dim, maps[0], base, 1, 0, bias=False)  # on a single pixel: a linear layer
        self.first = nn.Sequential(first, norm(maps[0]), nn.ReLU(True))
        self.doublings = nn.ModuleList([_doubling(wide, narrow, norm) for wide, narrow in pairwise(maps)])
        self.colours = nn.ModuleList([nn.Conv2d(count, channels, 1) for count in maps[:-1]])
        # Few maps are left, so a wider kernel and a smoother doubling are cheap here, where their faults would be seen.
        self.last = nn.Conv2d(maps[-1], channels, 5, padding=2)
        normal(self)

    def forward(self, z: Tensor) -> Tensor:
        h = self.first(z[:, :, None, None])
        y = z.new_zeros(())
        for colour, doubling in zip(self.colours, self.doublings, strict=True):
            y = _doubled(y + colour(h))
            h = doubling(h)
        return torch.tanh(self.last(_doubled(h)) + (_doubled(y) if self.colours else y))


class Doubling(nn.Module):
    """Nearest-neighbour doubling and a 3x3 convolution in one: the transposed convolution whose kernel is K, stride 2.

    K = w * ones(2, 2), 4x4, flipped: of the nine pixels under the kernel three times three share their value with a neighbour, so that four
    products a pixel do the work of nine. Gradients reach w through K.

    Args:
        wide, narrow: feature maps in and out.

    >>> layer, x = Doubling(3, 5), torch.randn(2, 3, 6, 6)
    >>> plain = F.conv2d(F.interpolate(x, scale_factor=2), layer.weight, padding=1)
    >>> torch.allclose(layer(x), plain, atol=1e-5)
    True
    """

    def __init__(self, wide: int, narrow: int):
        super().__init__()
        self.weight = nn.Parameter(0.02 * torch.randn(narrow, wide, 3, 3))  # as `normal` begins a convolution

    def forward(self, x: Tensor) -> Tensor:
        w = F.pad(self.weight, (1, 1, 1, 1))
        kernel = w[..., 1:, 1:] + w[..., 1:, :-1] + w[..., :-1, 1:] + w[..., :-1, :-1]
        return F.conv_transpose2d(x, kernel.transpose(0, 1).flip(2, 3), stride=2, padding=1)


def _doubled(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2, mode="bilinear")


def _doubling(wide: int, narrow: int, norm: Norm) -> nn.Sequential:
    return nn.Sequential(Doubling(wide, narrow), norm(narrow), nn.ReLU(True))
