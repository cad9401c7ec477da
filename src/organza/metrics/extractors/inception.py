"""Inception-v3 in the variant of the Fréchet Inception distance: the features of published FIDs. Inference only.

Szegedy et al. 2015, "Rethinking the Inception Architecture for Computer Vision", https://arxiv.org/abs/1512.00567, table 1 and figures 5
to 7, with the departures of the network of 2015-12-05 that Heusel et al. 2017, https://arxiv.org/abs/1706.08500, use: averages
that exclude the border, a maximum in the last block, 1008 classes. The weights are those of torch-fidelity.

    image [N, 3, H, W] -> 299x299 -> stem /8 -> A 288 /8 -> B 768 /16 -> C 768 /16 -> D 1280 /32 -> E 2048 /32 -> mean [N, 2048]

22 million weights. Batch norm is folded into the convolutions, exactly, when the weights are converted.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from organza.metrics.extractors.bundled_weights import converted
from organza.metrics.extractors.downloaded_weights import Published, state_dict

EPSILON = 1e-3  # epsilon of the batch norms
SIDE = 299  # pixels a side of the input


class Seen(nn.Conv2d):
    """A convolution and a ReLU: [N, inputs, H, W] to [N, outputs, H', W']."""

    def forward(self, input: Tensor) -> Tensor:
        return F.relu(super().forward(input), inplace=True)


class Beside(nn.ModuleList):
    """Parallel branches, concatenated: [N, c, H, W] to [N, sum of theirs, H', W']."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([branch(x) for branch in self], 1)


def mean() -> nn.AvgPool2d:
    """Return a 3x3 average pooling that excludes the border, like TensorFlow's."""
    return nn.AvgPool2d(3, 1, 1, count_include_pad=False)


def line(*steps: nn.Module) -> nn.Sequential:
    return nn.Sequential(*steps)


def one(inputs: int, outputs: int) -> Seen:
    """Return a 1x1 convolution."""
    return Seen(inputs, outputs, 1)


def wide(inputs: int, outputs: int, length: int) -> Seen:
    """Return a 1 x length convolution."""
    return Seen(inputs, outputs, (1, length), padding=(0, length // 2))


def tall(inputs: int, outputs: int, length: int) -> Seen:
    """Return a length x 1 convolution."""
    return Seen(inputs, outputs, (length, 1), padding=(length // 2, 0))


def three(inputs: int, outputs: int) -> Seen:
    """Return a 3x3 convolution."""
    return Seen(inputs, outputs, 3, padding=1)


def half(inputs: int, outputs: int) -> Seen:
    """Return a 3x3 convolution that halves the size."""
    return Seen(inputs, outputs, 3, stride=2)


def block_a(c: int, pooled: int) -> Beside:
    """Return the block of figure 5: [N, c, 35, 35] to [N, 224 + pooled, 35, 35]."""
    return Beside([
        one(c, 64),
        line(one(c, 48), Seen(48, 64, 5, padding=2)),
        line(one(c, 64), three(64, 96), three(96, 96)),
        line(mean(), one(c, pooled)),
    ])  # fmt: skip


def block_b(c: int) -> Beside:
    """Return the first reduction block: [N, c, 35, 35] to [N, 480 + c, 17, 17]."""
    return Beside([half(c, 384), line(one(c, 64), three(64, 96), half(96, 96)), nn.MaxPool2d(3, 2)])


def block_c(c: int, m: int) -> Beside:
    """Return the block of figure 6: [N, c, 17, 17] to [N, 768, 17, 17], with m inner channels."""
    return Beside([
        one(c, 192),
        line(one(c, m), wide(m, m, 7), tall(m, 192, 7)),
        line(one(c, m), tall(m, m, 7), wide(m, m, 7), tall(m, m, 7), wide(m, 192, 7)),
        line(mean(), one(c, 192)),
    ])  # fmt: skip


def block_d(c: int) -> Beside:
    """Return the second reduction block: [N, c, 17, 17] to [N, 512 + c, 8, 8]."""
    return Beside([
        line(one(c, 192), half(192, 320)),
        line(one(c, 192), wide(192, 192, 7), tall(192, 192, 7), half(192, 192)),
        nn.MaxPool2d(3, 2),
    ])  # fmt: skip


def block_e(c: int, pool: nn.Module) -> Beside:
    """Return the block of figure 7: [N, c, 8, 8] to [N, 2048, 8, 8]."""
    return Beside([
        one(c, 320),
        line(one(c, 384), Beside([wide(384, 384, 3), tall(384, 384, 3)])),
        line(one(c, 448), three(448, 384), Beside([wide(384, 384, 3), tall(384, 384, 3)])),
        line(pool, one(c, 192)),
    ])  # fmt: skip


class Inception(nn.Module):
    """The network: pixels 0..255, [N, 3, H, W], to features. Its convolutions are in the order of LAYERS."""

    def __init__(self) -> None:
        super().__init__()
        self.body = line(
            half(3, 32), Seen(32, 32, 3), three(32, 64), nn.MaxPool2d(3, 2), one(64, 80), Seen(80, 192, 3), nn.MaxPool2d(3, 2),
            block_a(192, 32), block_a(256, 64), block_a(288, 64), block_b(288),
            block_c(768, 128), block_c(768, 160), block_c(768, 160), block_c(768, 192), block_d(768),
            block_e(1280, mean()), block_e(2048, nn.MaxPool2d(3, 1, 1)),
        )  # fmt: skip
        self.classifier = nn.Linear(2048, 1008)

    def pooled(self, pixels: Tensor) -> Tensor:
        """Compute the features averaged over the image, [N, 2048], which FID, KID and precision use."""
        return self.body((resized(pixels, SIDE) - 128) / 128).mean((2, 3))


def resized(pixels: Tensor, side: int) -> Tensor:
    """Resize by TensorFlow 1's bilinear interpolation, [N, C, H, W] to [N, C, side, side]: pixel i of n comes from i * n / side.

    Without a half-pixel offset and without averaging, so reductions are aliased: published FIDs depend on it.

    >>> resized(torch.tensor([[[[0.0, 4.0], [8.0, 12.0]]]]), 4)[0, 0]
    tensor([[ 0.,  2.,  4.,  4.],
            [ 4.,  6.,  8.,  8.],
            [ 8., 10., 12., 12.],
            [ 8., 10., 12., 12.]])
    """
    for axis in (3, 2):
        length = pixels.shape[axis]
        place = torch.arange(side, dtype=torch.float32) * torch.tensor(length / side)
        low = place.long()
        high = (low + 1).clamp_max(length - 1)
        share = (place - low).reshape(-1, *[1] * (3 - axis))
        below, above = pixels.index_select(axis, low), pixels.index_select(axis, high)
        pixels = below + (above - below) * share
    return pixels


STEM = ("Conv2d_1a_3x3", "Conv2d_2a_3x3", "Conv2d_2b_3x3", "Conv2d_3b_1x1", "Conv2d_4a_3x3")
A = ("1x1", "5x5_1", "5x5_2", "3x3dbl_1", "3x3dbl_2", "3x3dbl_3", "_pool")
B = ("3x3", "3x3dbl_1", "3x3dbl_2", "3x3dbl_3")
C = ("1x1", "7x7_1", "7x7_2", "7x7_3", "7x7dbl_1", "7x7dbl_2", "7x7dbl_3", "7x7dbl_4", "7x7dbl_5", "_pool")
D = ("3x3_1", "3x3_2", "7x7x3_1", "7x7x3_2", "7x7x3_3", "7x7x3_4")
E = ("1x1", "3x3_1", "3x3_2a", "3x3_2b", "3x3dbl_1", "3x3dbl_2", "3x3dbl_3a", "3x3dbl_3b", "_pool")
MIXED = {"5b": A, "5c": A, "5d": A, "6a": B, "6b": C, "6c": C, "6d": C, "6e": C, "7a": D, "7b": E, "7c": E}
LAYERS = (*STEM, *(f"Mixed_{block}.branch{branch}" for block, branches in MIXED.items() for branch in branches))
"""Published names of the convolutions, in the order of ours."""


def ours(published: dict[str, Tensor]) -> dict[str, Tensor]:
    """Convert the published state dict to the network's own, by its names in any order.

    Raises:
        KeyError: if a tensor is missing.
    """
    parts = ("conv.weight", "bn.weight", "bn.bias", "bn.running_mean", "bn.running_var")
    names = [*(f"{layer}.{part}" for layer in LAYERS for part in parts), "fc.weight", "fc.bias"]
    return converted(Inception(), {name: published[name] for name in names}, EPSILON)


WEIGHTS = Published(
    "inception",
    "Inception-v3 of 2015-12-05, as FID has it",
    "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/weights-inception-2015-12-05-6726825d.pth",
    95_628_359,
    "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2",
    "Apache 2.0",
    ours,
    state_dict,
)
