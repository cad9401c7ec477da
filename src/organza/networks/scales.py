"""A discriminator at two scales: of the image, and of a reduced copy.  Wang et al. 2018, arXiv:1711.11585, section 3.2.

Symbols: x [N, channels, H, W]; x' the means of its squares of `factor` by `factor` pixels; D(x) = (d(M x), d'(M x')), two logits a
image, M of `colours`.

A single network soon relies on the strongest cue, outlines, and ignores colours and layout. The second
network sees nothing else, and costs little.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from organza.networks import conditional, dcgan, layers
from organza.networks.colours import seen
from organza.networks.layers import Shape, no_norm


class Discriminator(layers.Discriminator):
    """Two of DCGAN's discriminators, for x and x'; the logits are a map of two, so that a loss is computed for each.

    Args:
        shape: shape of the images, (channels, height, width).
        width: feature maps of the first layer for x; the network for x' begins with twice as many.
        norm: normalisation, a function of the number of feature maps. With `no_norm`, D scores each item independently.
        eye: function that builds the network for one scale, from (shape, width=..., norm=...).
        chroma: factor of the chromas before either network: `colours.seen`. 1 keeps red, green and blue.

    >>> Discriminator((3, 64, 64), width=8)(torch.zeros(5, 3, 64, 64)).shape
    torch.Size([5, 2])
    """

    def __init__(
        self,
        shape: Shape,
        *,
        width: int = 16,
        norm: dcgan.Norm = no_norm,
        eye: Callable[..., nn.Module] = dcgan.Discriminator,
        chroma: float = 1.0,
    ):
        super().__init__()
        channels, height, across = shape
        self.factor = next(factor for factor in (4, 2, 1) if _fits(height, factor) and _fits(across, factor))
        small = (channels, height // self.factor, across // self.factor)
        self.fine = eye(shape, width=width, norm=norm)
        self.coarse = eye(small, width=2 * width, norm=norm)
        self.seen = seen(channels, chroma)

    def forward(self, x: Tensor, *known: Tensor) -> Tensor:
        x = self.seen(x)
        return torch.stack([self.fine(x, *known), self.coarse(F.avg_pool2d(x, self.factor), *known)], 1)


class Projection(Discriminator):
    """The same with labels: (x, y) -> two logits an image, each by projection, `organza.networks.conditional.Projection`.

    Args:
        shape: shape of the images, (channels, height, width).
        labels: numbers in a row y.
        width: feature maps of the first layer for x.
        norm: normalisation, as above.
        chroma: factor of the chromas, as above.

    >>> D = Projection((3, 64, 64), labels=5, width=8)
    >>> D(torch.zeros(2, 3, 64, 64), torch.eye(5)[:2]).shape
    torch.Size([2, 2])
    """

    def __init__(self, shape: Shape, *, labels: int, width: int = 16, norm: dcgan.Norm = no_norm, chroma: float = 1.0):
        super().__init__(
            shape, width=width, norm=norm, eye=partial(conditional.Projection, labels=labels), chroma=chroma
        )
        self.labels = labels


def _fits(side: int, factor: int) -> bool:
    """Return True if a network can process a side reduced by this factor: it halves it until at least 4 pixels remain."""
    return side % (2 * factor) == 0 and side // factor >= 8
