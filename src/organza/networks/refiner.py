"""The refiner of synthetic images and its local discriminator: Shrivastava et al. 2017,
arXiv:1612.07828, sections 2 and 3.

Symbols: a [N, channels, H, W] synthetic images in [-1, 1]; h [N, width, H, W] feature maps; R(a) of
the same shape as a. Nothing changes the resolution, so R edits pixels and cannot move objects; D
returns a map of logits [N, 1, H/4, W/4], each for a patch of 23x23 pixels.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import relu

from organza.networks import layers
from organza.networks.layers import Shape


def he(layer: nn.Conv2d, share: float = 1.0) -> nn.Conv2d:
    """Initialise weights ~ N(0, share^2 2 / fan_in), biases 0. With 1, signals keep their size
    through a ReLU.

    He et al. 2015, arXiv:1502.01852.
    """
    nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    with torch.no_grad():
        layer.weight *= share
    nn.init.zeros_(layer.get_parameter("bias"))
    return layer


class Block(nn.Module):
    """h -> relu(h + conv(relu(conv(h)))), 3x3 convolutions at full resolution. Initially close to
    the identity.
    """

    def __init__(self, width: int):
        super().__init__()
        self.first, self.second = he(nn.Conv2d(width, width, 3, 1, 1)), he(nn.Conv2d(width, width, 3, 1, 1), 0.1)

    def forward(self, h: Tensor) -> Tensor:
        return relu(h + self.second(relu(self.first(h))))


class Refiner(layers.Translator):
    """a -> 3x3 convolution -> `blocks` residual blocks -> 1x1 convolution -> tanh. The receptive field is 3 + 4 blocks pixels wide.

    Args:
        shape: shape of the images, (channels, height, width).
        width: number of feature maps.
        blocks: number of residual blocks, at full resolution.

    >>> import torch; Refiner((1, 32, 32), width=8)(torch.zeros(2, 1, 35, 55)).shape
    torch.Size([2, 1, 35, 55])
    """

    def __init__(self, shape: Shape, *, width: int = 64, blocks: int = 4):
        super().__init__()
        self.shape = tuple(shape)
        channels = shape[0]
        self.layers = nn.Sequential(
            he(nn.Conv2d(channels, width, 3, 1, 1)),
            nn.ReLU(),
            *(Block(width) for _ in range(blocks)),
            he(
                nn.Conv2d(width, channels, 1), 0.1
            ),  # otherwise tanh saturates, and |R(a) - a| alone would never bring it back
            nn.Tanh(),
        )

    def forward(self, a: Tensor) -> Tensor:
        return self.layers(a)


class Discriminator(layers.Discriminator):
    """x -> two 3x3 convolutions with stride 2 -> 3x3 maximum -> 3x3 and 1x1 convolutions -> a map of logits.

    The paper's five convolutions with 96, 64, 32, 32 and 2 maps; of its two-channel softmax only
    the difference matters, which is the single logit here. The paper does not name the activation;
    LeakyReLU 0.2 is used.

    Args:
        shape: shape of the images, (channels, height, width).
        width: feature maps of the second layer; the first has half as many more, the others half as
            many.

    >>> import torch; Discriminator((1, 35, 55), width=8)(torch.zeros(2, 1, 35, 55)).shape
    torch.Size([2, 1, 9, 14])
    """

    def __init__(self, shape: Shape, *, width: int = 64):
        super().__init__()
        first, second, rest = width * 3 // 2, width, width // 2
        self.layers = nn.Sequential(
            he(nn.Conv2d(shape[0], first, 3, 2, 1)),
            nn.LeakyReLU(0.2, True),
            he(nn.Conv2d(first, second, 3, 2, 1)),
            nn.LeakyReLU(0.2, True),
            nn.MaxPool2d(3, 1, 1),
            he(nn.Conv2d(second, rest, 3, 1, 1)),
            nn.LeakyReLU(0.2, True),
            he(nn.Conv2d(rest, rest, 1)),
            nn.LeakyReLU(0.2, True),
            he(nn.Conv2d(rest, 1, 1), 0.1),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)
