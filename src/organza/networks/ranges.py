"""Ranges of images: how a network takes in images of [-1, 1], and what brings its last layer back into [-1, 1].

Symbols: x [N, C, H, W] images; h [N, C, H, W] what the last layer says; m, s the data's mean colour and standard deviation.

tanh has no gradient where it is nearly 1. Where one extreme colour fills most images, an absolute error drives the last layer there
within fifty steps, and nothing is learned afterwards (docs/lab-log.md, 61). `standard` cannot be driven there: its data have mean 0 and
deviation 1, and a clamp whose gradient is that of the identity leaves every pixel a way back.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

LEAST = 1 / 127.5
"""The deviation of one level of 8 bits: data that vary less are not enlarged further."""


class Range(nn.Module):
    """x -> x and h -> tanh(h): images as they are."""

    def enter(self, x: Tensor) -> Tensor:
        """Return what a network sees of images, [N, C, H, W]."""
        return x

    def leave(self, h: Tensor) -> Tensor:
        """Return images in [-1, 1] from what the last layer says, [N, C, H, W]."""
        return torch.tanh(h)

    def fit(self, images: Tensor) -> None:
        """Take in the statistics of images [N, C, H, W] in [-1, 1]; here there are none to take."""


class Standard(Range):
    """x -> (x - m) / s and h -> clamp(m + s h, -1, 1), its gradient that of m + s h everywhere.

    m is a colour, s one number for the colours and one for the opacity, so that colours keep their angles. Where pixels are transparent,
    colours are those of m: what cannot be seen is not to be learned.

    Args:
        channels: C; the fourth is opacity.

    >>> scale = Standard(1)
    >>> scale.fit(torch.tensor([-1.0, -0.8]).view(2, 1, 1, 1))
    >>> scale.enter(torch.tensor([-0.8]).view(1, 1, 1, 1)).item(), scale.leave(torch.tensor([50.0]).view(1, 1, 1, 1)).item()
    (1.0, 1.0)
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, channels: int):
        super().__init__()
        self.register_buffer("mean", torch.zeros(1, channels, 1, 1))
        self.register_buffer("deviation", torch.ones(1, channels, 1, 1))

    def enter(self, x: Tensor) -> Tensor:
        return (visible(x, self.mean) - self.mean) / self.deviation

    def leave(self, h: Tensor) -> Tensor:
        return clamped(torch.addcmul(self.mean, self.deviation, h))

    @torch.no_grad()
    def fit(self, images: Tensor) -> None:
        weight = opacity(images)
        total = weight.sum().clamp_min(1e-6)
        mean = (weight * images).sum((0, 2, 3), keepdim=True) / total
        spread = (weight * (images - mean) ** 2)[:, :3].sum() / (total * min(images.shape[1], 3))
        self.deviation.fill_(max(spread.sqrt().item(), LEAST))
        if images.shape[1] == 4:
            mean[:, 3] = images[:, 3].mean()
            self.deviation[:, 3] = images[:, 3].std(correction=0).clamp_min(LEAST)
        self.mean.copy_(mean)


def tanh(channels: int) -> Range:
    """Images as they are, and tanh behind the last layer."""
    return Range()


def standard(channels: int) -> Range:
    """Images of mean 0 and deviation 1, and a clamp that lets gradients through."""
    return Standard(channels)


def clamped(h: Tensor) -> Tensor:
    """Return h within [-1, 1]; gradients pass as if it were h.  Bengio et al. 2013, arXiv:1308.3432, the straight-through estimator.

    >>> h = torch.tensor([3.0], requires_grad=True)
    >>> clamped(h).backward(); h.grad
    tensor([1.])
    """
    return h + (h.clamp(-1, 1) - h).detach()


def opacity(x: Tensor) -> Tensor:
    """Return how much of each pixel can be seen, [N, 1, H, W] in [0, 1]; 1 for images without a fourth channel."""
    return (x[:, 3:4] + 1) / 2 if x.shape[1] == 4 else torch.ones_like(x[:, :1])


def visible(x: Tensor, ground: Tensor) -> Tensor:
    """Return images on a ground [1, C, 1, 1] as far as they are transparent, with their opacity.

    >>> x = torch.tensor([0.9, 0.9, 0.9, -1.0]).view(1, 4, 1, 1)
    >>> visible(x, torch.zeros(1, 4, 1, 1)).flatten()
    tensor([ 0.,  0.,  0., -1.])
    """
    if x.shape[1] != 4:
        return x
    return torch.cat([ground[:, :3] + opacity(x) * (x[:, :3] - ground[:, :3]), x[:, 3:]], 1)


def covered(y: Tensor, x: Tensor) -> Tensor:
    """Return y with colours as far as x is opaque, for images with opacity; others as they are. [N, C, H, W] each.

    >>> y, x = torch.ones(1, 4, 1, 1), -torch.ones(1, 4, 1, 1)
    >>> covered(y, x).flatten()
    tensor([0., 0., 0., 1.])
    """
    return torch.cat([opacity(x) * y[:, :3], y[:, 3:]], 1) if x.shape[1] == 4 else y
