"""Ranges of images: scaling of a network's input from [-1, 1], and of its last layer's output to
[-1, 1].

Symbols: x [N, C, H, W] images; h [N, C, H, W] output of the last layer; m, s the data's mean colour
and standard deviation.

tanh has no gradient near 1. If one extreme colour fills most images, an absolute error drives the
last layer there within fifty steps, and nothing is learned afterwards (docs/lab-log.md, 61). With
`standard` the data has mean 0 and deviation 1, and every pixel keeps a gradient. So it would with a
clamp; but tanh keeps plain areas plain, as it suppresses noise near its ends.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

LEAST = 1 / 127.5
"""Deviation of one level of 8 bits: data that varies less is not amplified further."""
LEAK = 0.05
"""Least derivative of `leaky_tanh`: that of tanh at 0.975, about three levels of 8 bits from the
end."""
MOST = 0.9
"""Largest absolute value of the mean after tanh: g grows without bounds towards 1."""


class Range(nn.Module):
    """x -> x and h -> tanh(h): images unchanged."""

    def enter(self, x: Tensor) -> Tensor:
        """Return a network's input for images, [N, C, H, W]."""
        return x

    def leave(self, h: Tensor) -> Tensor:
        """Return images in [-1, 1] from the last layer's output, [N, C, H, W]."""
        return torch.tanh(h)

    def fit(self, images: Tensor) -> None:
        """Compute the statistics of images [N, C, H, W] in [-1, 1]; this class needs none."""


class Standard(Range):
    """x -> (x - m) / s and h -> tanh(atanh(m) + g h), g = s / (1 - m^2), with a gradient that never
    vanishes: `leaky_tanh`.

    m is a colour, s one number for the colours and one for the opacity, so that colours keep their
    angles. At h = 0 an image is m, and varies with h as the data does. Transparent pixels have the
    colour m, so that invisible colours are not learned.

    Args:
        channels: number of channels C; the fourth is opacity.

    >>> scale = Standard(1)
    >>> scale.fit(torch.tensor([-1.0, -0.8]).view(2, 1, 1, 1))
    >>> round(scale.enter(torch.tensor([-0.8]).view(1, 1, 1, 1)).item(), 3), scale.leave(torch.tensor([90.0]).view(1, 1, 1, 1)).item()
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
        m = self.mean.clamp(-MOST, MOST)
        return leaky_tanh(torch.addcmul(m.atanh(), self.deviation / (1 - m * m), h))

    @torch.no_grad()
    def fit(self, images: Tensor) -> None:
        """Compute m and s from images [N, C, H, W], each pixel weighted by its opacity."""
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
    """Return unchanged images, with tanh after the last layer."""
    return Range()


def standard(channels: int) -> Range:
    """Return images of mean 0 and deviation 1, with a tanh that passes gradients."""
    return Standard(channels)


def leaky_tanh(h: Tensor) -> Tensor:
    """Return tanh(h), with gradients as if its derivative were at least `LEAK`.

    >>> h = torch.tensor([9.0], requires_grad=True)
    >>> leaky_tanh(h).backward(); h.grad
    tensor([0.0500])
    """
    return _LeakyTanh.apply(h) if h.requires_grad else h.tanh()


class _LeakyTanh(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, h: Tensor) -> Tensor:
        y = h.tanh()
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        (y,) = ctx.saved_tensors
        return gradients[0] * (1 - y * y).clamp_min(LEAK)


def opacity(x: Tensor) -> Tensor:
    """Return the opacity of each pixel, [N, 1, H, W] in [0, 1]; 1 for images without a fourth
    channel.
    """
    return (x[:, 3:4] + 1) / 2 if x.shape[1] == 4 else torch.ones_like(x[:, :1])


def visible(x: Tensor, ground: Tensor) -> Tensor:
    """Composite images on a ground [1, C, 1, 1] by their opacity, and keep the opacity.

    >>> x = torch.tensor([0.9, 0.9, 0.9, -1.0]).view(1, 4, 1, 1)
    >>> visible(x, torch.zeros(1, 4, 1, 1)).flatten()
    tensor([ 0.,  0.,  0., -1.])
    """
    if x.shape[1] != 4:
        return x
    return torch.cat([ground[:, :3] + opacity(x) * (x[:, :3] - ground[:, :3]), x[:, 3:]], 1)


def covered(y: Tensor, x: Tensor) -> Tensor:
    """Fade colours of y by the opacity of x, for images with opacity; return other images
    unchanged. [N, C, H, W] each.

    >>> y, x = torch.ones(1, 4, 1, 1), -torch.ones(1, 4, 1, 1)
    >>> covered(y, x).flatten()
    tensor([0., 0., 0., 1.])
    """
    return torch.cat([opacity(x) * y[:, :3], y[:, 3:]], 1) if x.shape[1] == 4 else y
