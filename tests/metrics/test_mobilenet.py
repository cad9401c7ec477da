"""MobileNetV2 against the paper's table, written out once more with its batch norms unfolded."""

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from organza.metrics.extractors.features import offline_extractor, second_opinion
from organza.metrics.extractors.mobilenet import WEIGHTS, pretrained

TABLE = [(1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)]


def normed(x: Tensor, kept: Iterator[Tensor], stride: int = 1, depthwise: bool = False) -> Tensor:
    weight, gamma, beta, mean, variance = (next(kept) for _ in range(5))
    x = F.conv2d(x, weight, None, stride, weight.shape[-1] // 2, groups=len(weight) if depthwise else 1)
    return F.batch_norm(x, mean, variance, gamma, beta, eps=1e-5)


def reference(x: Tensor) -> tuple[Tensor, Tensor]:
    """Pooled features and class scores, by the published tensors in their published order."""
    kept = iter([value for name, value in WEIGHTS.published().items() if "num_batches" not in name])
    x, width = F.relu6(normed(x, kept, 2)), 32
    for expansion, outputs, repeats, stride in TABLE:
        for index in range(repeats):
            inner = F.relu6(normed(x, kept)) if expansion > 1 else x
            step = stride if index == 0 else 1
            made = normed(F.relu6(normed(inner, kept, step, depthwise=True)), kept)
            x, width = (x + made if step == 1 and width == outputs else made), outputs
    pooled = F.relu6(normed(x, kept)).mean((2, 3))
    scores = F.linear(pooled, next(kept), next(kept))
    assert next(kept, None) is None
    return pooled, scores


@pytest.mark.parametrize("size", [(96, 96), (224, 224), (75, 101)])
@torch.no_grad()
def test_is_the_paper_s_network_with_the_published_weights(size: tuple[int, int]):
    network = pretrained()
    pixels = torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(0))
    for ours, theirs in zip((network.pooled(pixels), network.logits(pixels)), reference(pixels), strict=True):
        assert ours.shape == theirs.shape
        assert (ours - theirs).abs().max() < 1e-4 * theirs.abs().max()


@torch.no_grad()
def test_pixels_are_normalised_as_it_was_trained():
    images = torch.randint(0, 256, (3, 64, 64, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    planes = images.movedim(3, 1) / 255
    mean, deviation = (torch.tensor(v)[:, None, None] for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    expected, _ = reference((planes - mean) / deviation)
    assert (second_opinion(64)(images) - expected).abs().max() < 1e-4 * expected.max()


def test_the_two_extractors_say_who_they_are():
    first, second = offline_extractor().card(), second_opinion().card()
    assert first["name"] != second["name"]
    assert first["weights"] != second["weights"]
