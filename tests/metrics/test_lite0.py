"""The feature network is the published one."""

from typing import Any

import pytest
import torch
from efficientnet_lite_pytorch import EfficientNet
from torch import Tensor

from organza.metrics.extractors.efficientnet_lite import WEIGHTS, Lite0, pretrained


@pytest.fixture(scope="module")
def network() -> Lite0:
    return pretrained()


def reference(**settings) -> Any:
    network = EfficientNet.from_name("efficientnet-lite0", **settings)
    network.load_state_dict(WEIGHTS.published())
    return network.eval()


def reference_taps(network: Any, pixels: Tensor) -> list[Tensor]:
    taps = []
    hooks = [network._blocks[i].register_forward_hook(lambda *io: taps.append(io[-1])) for i in (2, 4, 10, 15)]
    network(pixels)
    for hook in hooks:
        hook.remove()
    return taps


@pytest.mark.parametrize(
    ("size", "settings"), [((224, 224), {}), ((96, 96), {"image_size": 96}), ((75, 101), {"image_size": None})]
)
@torch.no_grad()
def test_agrees_with_the_published_network(size: tuple[int, int], settings: dict, network: Lite0):
    published_network = reference(**settings)
    pixels = torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(0)) * 2 - 1
    pairs = [*zip(network(pixels), reference_taps(published_network, pixels), strict=True)]
    pairs += [(network.pooled(pixels), published_network.extract_features(pixels).mean((2, 3)))]
    pairs += [(network.logits(pixels), published_network(pixels))]
    for ours, theirs in pairs:
        assert ours.shape == theirs.shape
        assert (ours - theirs).abs().max() < 1e-4 * theirs.abs().max()
