"""PatchGAN: a discriminator that judges every patch of an image independently. Isola et al. 2017,
arXiv:1611.07004, section 3.2.2.

Symbols: x [N, channels, H, W] in [-1, 1]; the result is a map of logits [N, 1, h, w], one for each
patch. With three layers of stride 2 a patch is 70x70 pixels, with two 34x34, with one 16x16; with
none each pixel is judged alone.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from organza.errors import UserError
from organza.networks import layers
from organza.networks.dcgan import Norm
from organza.networks.layers import Shape, normal


def instance_norm(channels: int) -> nn.Module:
    """Return instance normalisation without weights, equal to batch norm for a batch of one, in
    training and evaluation.
    """
    return nn.InstanceNorm2d(channels)


class Discriminator(layers.Discriminator):
    """x (and the condition, as further channels) -> 4x4 convolutions with stride 2, two with stride
    1 -> a map of logits.

    Args:
        shape: shape of the images, (channels, height, width).
        condition: channels of the condition image, if D sees one; 0 for none.
        width: feature maps of the first layer; doubled with each further one, up to eight times.
        depth: number of layers with stride 2.
        norm: normalisation after each layer except the first and the last.

    >>> D = Discriminator((3, 64, 64), condition=1, width=8); x = torch.zeros(2, 3, 64, 64)
    >>> D(x, torch.zeros(2, 1, 64, 64)).shape
    torch.Size([2, 1, 6, 6])
    """

    def __init__(
        self, shape: Shape, *, condition: int = 0, width: int = 64, depth: int = 3, norm: Norm = instance_norm
    ):
        super().__init__()
        least = 4 * 2**depth if depth else 1
        if min(shape[1:]) < least:
            raise UserError(
                f"Images of {shape[2]}x{shape[1]} are too small for patches of {depth} halvings, which need {least} pixels a side; "
                f"use larger ones, or `settings=['discriminator.depth={max(min(shape[1:]).bit_length() - 3, 0)}']`."
            )
        maps = [shape[0] + condition, *(width * min(2**i, 8) for i in range(depth + 1))]
        kernel, pad = (4, 1) if depth else (1, 0)
        stack: list[nn.Module] = []
        unbiased = not isinstance(norm(1), nn.Identity)  # a normalisation cancels biases
        for i in range(depth + 1):
            stride = 2 if i < depth else 1  # the layer before the last keeps its size
            bias = i == 0 or not unbiased
            stack.append(nn.Conv2d(maps[i], maps[i + 1], kernel, stride, pad, bias=bias))
            stack += [norm(maps[i + 1])] if i else []
            stack.append(nn.LeakyReLU(0.2, True))
        stack.append(nn.Conv2d(maps[-1], 1, kernel, 1, pad))
        self.layers = normal(nn.Sequential(*stack))

    def forward(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        return self.layers(x if condition is None else torch.cat([x, condition], 1))
