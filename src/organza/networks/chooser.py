"""A network that enlarges pixel art: for each pixel of the result, weights of the pixels of a that are near it.

Kernel prediction, Bako et al. 2017, Kernel-predicting convolutional networks, ACM TOG 36(4), for images of few plain colours.

Symbols: a [N, C, H, W] in [-1, 1]; y [N, C, f H, f W]; f the factor; a_k the pixels of a at a distance k, of 5x5.

    y = sum_k w_k a_k,    w = softmax(s(a))

A weight near 1 copies a pixel, so that plain areas stay as they are to the bit and colours are those of the palette; a network that
adds details to repeated pixels has to know every colour exactly.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from organza.networks import layers
from organza.networks.enlarger import Block, require_factor
from organza.networks.layers import Shape
from organza.networks.refiner import he

NEAR = 2
"""Pixels of a on each side from which a pixel of the result may be copied."""


class Generator(layers.Translator):
    """a -> 3x3 convolution -> `blocks` residual blocks -> 3x3 convolution -> weights of 5x5 pixels of a -> pixel shuffle.

    Args:
        shape: shape of the large images, (channels, height, width).
        factor: pixels of the result for one of a, on each side: 1, 2 or 4.
        width: number of feature maps.
        blocks: number of residual blocks.
        sure: score of the pixel itself at first; those of the others are near 0.

    Raises:
        UserError: if the factor is another.

    >>> G = Generator((3, 32, 32), factor=2, width=8, blocks=1)
    >>> G(torch.zeros(2, 3, 16, 12)).shape, G.reach
    (torch.Size([2, 3, 32, 24]), 4)
    """

    def __init__(self, shape: Shape, *, factor: int = 1, width: int = 24, blocks: int = 4, sure: float = 4.0):
        super().__init__()
        if factor != 1:
            require_factor(factor)
        self.shape, self.factor = tuple(shape), factor
        self.reach = 2 + 2 * blocks
        count = (2 * NEAR + 1) ** 2
        self.enter = he(nn.Conv2d(shape[0], width, 3, 1, 1))
        self.blocks = nn.Sequential(*(Block(width) for _ in range(blocks)))
        self.leave = he(nn.Conv2d(width, count * factor**2, 3, 1, 1), 0.1)
        with torch.no_grad():
            assert self.leave.bias is not None
            self.leave.bias.view(count, -1)[count // 2] = sure

    def forward(self, a: Tensor) -> Tensor:
        """Return the large images, [N, C, f H, f W]: for each pixel the mean of those near it in a, by its softmax weights."""
        height, width = a.shape[2:]
        scores = self.leave(self.blocks(self.enter(a))).unflatten(1, (-1, self.factor**2))
        weights = scores.softmax(1)
        around = F.pad(a, (NEAR,) * 4, mode="replicate")
        side = range(2 * NEAR + 1)
        near = torch.stack([around[..., y : y + height, x : x + width] for y in side for x in side], 1)
        y = (weights[:, :, None] * near[:, :, :, None]).sum(1)  # [N, C, f^2, H, W]
        return F.pixel_shuffle(y.flatten(1, 2), self.factor).clamp(-1, 1)
