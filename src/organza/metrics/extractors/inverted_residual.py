"""Inverted residuals, the blocks of the feature networks.

Sandler et al. 2018, "MobileNetV2: Inverted Residuals and Linear Bottlenecks", https://arxiv.org/abs/1801.04381, table 1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from torch import Tensor, nn
from torch.nn import functional as F

Convolution = Callable[..., nn.Conv2d]
"""Function of (inputs, outputs, kernel, stride, groups) that returns a convolution with its own padding rule."""


class Stage(NamedTuple):
    """One row of a paper's table: `repeats` blocks, of which the first changes resolution and channels."""

    expansion: int
    kernel: int
    stride: int
    inputs: int
    outputs: int
    repeats: int


class InvertedResidual(nn.Module):
    """A block that expands by a 1x1 convolution, filters each channel and projects back; with a residual if the shapes agree."""

    def __init__(self, convolution: Convolution, expansion: int, kernel: int, stride: int, inputs: int, outputs: int):
        super().__init__()
        inner = inputs * expansion
        self.expand = convolution(inputs, inner, 1) if expansion > 1 else None
        self.filter = convolution(inner, inner, kernel, stride, groups=inner)
        self.project = convolution(inner, outputs, 1)
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        inner = x if self.expand is None else F.relu6(self.expand(x), inplace=True)
        made = self.project(F.relu6(self.filter(inner), inplace=True))
        return x + made if self.residual else made


def stages(convolution: Convolution, table: Sequence[Stage]) -> nn.ModuleList:
    """Return the stages of a table, each a sequence of blocks.

    >>> from functools import partial
    >>> import torch
    >>> [stage] = stages(lambda i, o, kernel, stride=1, groups=1: nn.Conv2d(i, o, kernel, stride, kernel // 2, groups=groups),
    ...                  [Stage(6, 3, 2, 16, 24, 2)])
    >>> stage(torch.zeros(1, 16, 8, 8)).shape
    torch.Size([1, 24, 4, 4])
    """
    return nn.ModuleList(nn.Sequential(*_blocks(convolution, stage)) for stage in table)


def _blocks(convolution: Convolution, stage: Stage) -> Iterator[InvertedResidual]:
    expansion, kernel, stride, inputs, outputs, repeats = stage
    yield InvertedResidual(convolution, expansion, kernel, stride, inputs, outputs)
    for _ in range(repeats - 1):
        yield InvertedResidual(convolution, expansion, kernel, 1, outputs, outputs)
