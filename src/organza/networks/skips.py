"""Resize-convolutions with output skips and self-modulation: an image is drawn at each size, and z
modulates every layer.

Output skips are those of StyleGAN2, Karras et al. 2020, arXiv:1912.04958, section 4.1;
self-modulation is of Chen et al. 2019, arXiv:1810.01365, section 2; convolutions as in `resize`.
Symbols: z [N, z_dim]; w [N, hidden] the modulations' input from z; h [N, C, H, W] feature maps; y
[N, channels, H, W] the image so far, before tanh.

In `resize` the colour of a large area passes through every layer, each of which can disturb it.
Here the small images determine it first, and z directly determines the strength of each feature
map: the maps draw shapes, z colours them. Both cost almost nothing.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from organza.networks import layers
from organza.networks.colours import drawn
from organza.networks.dcgan import Norm
from organza.networks.layers import Shape, batch_norm, halvings, normal


class Generator(layers.Generator):
    """w = relu(W z); at each size y <- y + 1x1 convolution of h, doubled, h <- `Modulated`(h, w); x
    = tanh(M^T (y + 3x3 convolution of h)).

    Args:
        shape: shape of the images, (channels, height, width).
        z_dim: size of the latent.
        width: feature maps at the full size, and at half of it; doubled with each further halving.
        hidden: size of w.
        norm: normalisation after each layer of h, a function of the number of feature maps.
        chroma: factor of the chromas of y, if it has lightness and chromas: `colours.drawn`. With
            1, y is red, green and blue.

    >>> Generator((3, 64, 64), width=8)(torch.randn(2, 100)).shape
    torch.Size([2, 3, 64, 64])
    """

    def __init__(
        self,
        shape: Shape,
        *,
        z_dim: int = 100,
        width: int = 16,
        hidden: int = 64,
        norm: Norm = batch_norm,
        chroma: float = 1.0,
    ):
        super().__init__()
        channels, height, across = shape
        doublings, base = halvings(height, across)
        maps = [width * 2**i for i in reversed(range(doublings))]
        self.z_dim = z_dim
        first = nn.ConvTranspose2d(z_dim, maps[0], base, 1, 0, bias=False)  # on a single pixel: a linear layer
        self.first = normal(nn.Sequential(first, norm(maps[0]), nn.ReLU(True)))
        self.mapping = nn.Linear(z_dim, hidden)
        self.doublings = nn.ModuleList(
            Modulated(wide, narrow, hidden, norm) for wide, narrow in pairwise([*maps, width])
        )
        self.colours = nn.ModuleList(nn.Conv2d(count, channels, 1) for count in maps)
        self.last = nn.Conv2d(width, channels, 3, padding=1)
        for layer in (self.colours, self.last):
            normal(layer)
        self.drawn = drawn(channels, chroma)

    @property
    def levels(self) -> tuple[nn.Module, ...]:
        return (self.first, *(doubling.get_submodule("modulation") for doubling in self.doublings))

    def forward(self, z: Tensor) -> Tensor:
        """Return the sum of the images that all sizes draw, [N, C, H, W]."""
        w = F.relu(self.mapping(z))
        h = self.first(z[:, :, None, None])
        y = z.new_zeros(())
        for colour, doubling in zip(self.colours, self.doublings, strict=True):
            y = _doubled(y + colour(h))
            h = doubling(h, w)
        return torch.tanh(self.drawn(y + self.last(h)))


class Modulated(nn.Module):
    """h -> relu((1 + a) norm(h') + b), h' the doubling of h, (a, b) = A w + c a number for each
    map.  Chen et al. 2019, eq. 2.

    Args:
        wide: number of input feature maps.
        narrow: number of output feature maps.
        hidden: size of w.
        norm: normalisation, a function of the number of feature maps.

    >>> Modulated(8, 4, 16, batch_norm)(torch.randn(2, 8, 6, 6), torch.randn(2, 16)).shape
    torch.Size([2, 4, 12, 12])
    """

    def __init__(self, wide: int, narrow: int, hidden: int, norm: Norm):
        super().__init__()
        self.doubling = Doubling(wide, narrow)
        self.norm = normal(norm(narrow))
        self.modulation = normal(nn.Linear(hidden, 2 * narrow))

    def forward(self, h: Tensor, w: Tensor) -> Tensor:
        scale, shift = self.modulation(w)[:, :, None, None].chunk(2, 1)
        return F.relu(torch.addcmul(shift, self.norm(self.doubling(h)), 1 + scale))


class Doubling(nn.Module):
    """Nearest-neighbour doubling and a 3x3 convolution in one: the transposed convolution whose
    kernel is K, stride 2.

    K = w * ones(2, 2), 4x4, flipped: of the nine pixels under the kernel, three times three share
    their value with a neighbour, so that four products a pixel suffice instead of nine. Gradients
    reach w through K.

    Args:
        wide: number of input feature maps.
        narrow: number of output feature maps.

    >>> layer, x = Doubling(3, 5), torch.randn(2, 3, 6, 6)
    >>> plain = F.conv2d(F.interpolate(x, scale_factor=2), layer.weight, padding=1)
    >>> torch.allclose(layer(x), plain, atol=1e-5)
    True
    """

    def __init__(self, wide: int, narrow: int):
        super().__init__()
        self.weight = nn.Parameter(0.02 * torch.randn(narrow, wide, 3, 3))  # the initialisation of `normal`

    def forward(self, x: Tensor) -> Tensor:
        w = F.pad(self.weight, (1, 1, 1, 1))
        kernel = w[..., 1:, 1:] + w[..., 1:, :-1] + w[..., :-1, 1:] + w[..., :-1, :-1]
        return F.conv_transpose2d(x, kernel.transpose(0, 1).flip(2, 3), stride=2, padding=1)


def _doubled(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2, mode="bilinear")
