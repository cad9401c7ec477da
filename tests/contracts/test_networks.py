"""Every network: shapes, range, gradients everywhere, each item scored alone, state round trip, sizes refused in words."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from torch import nn

from organza.errors import UserError
from organza.networks import dcgan
from organza.networks.layers import Discriminator, Generator, no_norm
from tests.contracts.discovery import NETWORKS

SHAPES = [(1, 32, 32), (3, 64, 64), (4, 32, 48), (3, 16, 40)]
GENERATORS = {name: make for name, make in NETWORKS.items() if issubclass(make, Generator)}
DISCRIMINATORS = {name: make for name, make in NETWORKS.items() if issubclass(make, Discriminator)}


def inputs(make: type, network: nn.Module, shape: tuple[int, ...], count: int) -> torch.Tensor:
    if isinstance(network, Generator):
        return torch.stack([network.latent(torch.Generator().manual_seed(item)) for item in range(count)])
    return torch.rand(count, *shape) * 2 - 1


def test_discovery_finds_both_players_of_each_architecture():
    assert {"dcgan.Generator", "dcgan.Discriminator", "mlp.Generator", "mlp.Discriminator"} <= set(NETWORKS)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("name", GENERATORS)
def test_generator_shape_and_range(name: str, shape: tuple[int, ...]):
    network = GENERATORS[name](shape, width=4)
    made = network(inputs(GENERATORS[name], network, shape, 3))
    assert made.shape == (3, *shape)
    assert made.abs().max() <= 1
    assert made.std() > 0


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("name", DISCRIMINATORS)
def test_discriminator_gives_one_logit_and_one_probability(name: str, shape: tuple[int, ...]):
    network = DISCRIMINATORS[name](shape, width=4).eval()
    x = inputs(DISCRIMINATORS[name], network, shape, 3)
    assert network(x).shape == (3,)
    chance = network.probability(x)
    assert ((chance > 0) & (chance < 1)).all()
    torch.testing.assert_close(chance, torch.sigmoid(network(x)))


@pytest.mark.parametrize("name", NETWORKS)
def test_every_weight_gets_a_gradient(name: str):
    torch.manual_seed(0)
    network = NETWORKS[name]((3, 32, 32), width=4)
    network(inputs(NETWORKS[name], network, (3, 32, 32), 8)).square().sum().backward()
    for weight, value in network.named_parameters():
        assert value.grad is not None, weight
        assert value.grad.abs().sum() > 0, weight


@pytest.mark.parametrize("name", NETWORKS)
def test_in_evaluation_mode_each_item_stands_alone(name: str):
    torch.manual_seed(0)
    network = NETWORKS[name]((3, 32, 32), width=4).eval()
    x = inputs(NETWORKS[name], network, (3, 32, 32), 4)
    torch.testing.assert_close(network(x)[:2], network(x[:2]), rtol=1e-4, atol=1e-6)


def test_without_norm_the_discriminator_scores_each_item_alone_while_it_trains():
    network = dcgan.Discriminator((3, 32, 32), width=4, norm=no_norm).train()
    x = torch.rand(4, 3, 32, 32)
    torch.testing.assert_close(network(x)[:2], network(x[:2]), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", NETWORKS)
def test_state_round_trip(name: str):
    one, other = (NETWORKS[name]((1, 32, 32), width=4).eval() for _ in range(2))
    x = inputs(NETWORKS[name], one, (1, 32, 32), 2)
    assert not torch.equal(one(x), other(x))
    other.load_state_dict(one.state_dict())
    assert torch.equal(one(x), other(x))


def test_dcgan_is_the_tutorials_layer_for_layer():
    """The PyTorch tutorial's sizes at 64x64: nz 100, ngf 64, ndf 64, nc 3."""
    G, D = dcgan.Generator((3, 64, 64)), dcgan.Discriminator((3, 64, 64))
    maps = [100, 512, 256, 128, 64, 3]
    up = [layer for layer in G.layers if isinstance(layer, nn.ConvTranspose2d)]
    assert [(c.in_channels, c.out_channels) for c in up] == list(pairwise(maps))
    assert [c.stride for c in up] == [(1, 1), *[(2, 2)] * 4]
    assert sum(p.numel() for p in G.parameters()) == 3_576_704  # as the tutorial's generator
    assert sum(p.numel() for p in D.parameters()) == 2_765_568  # as the tutorial's discriminator
    assert all(c.kernel_size == (4, 4) and c.bias is None for c in up)
    weights = torch.cat([c.weight.flatten() for c in up])
    assert abs(weights.std().item() - 0.02) < 2e-4


@pytest.mark.parametrize(
    ("shape", "said"), [((3, 50, 50), "--size 48x48"), ((3, 64, 100), "--size 96x64"), ((3, 4, 4), "--size 8x8")]
)
def test_a_size_that_cannot_be_made_names_one_that_can(shape: tuple[int, ...], said: str):
    with pytest.raises(UserError, match=said):
        dcgan.Generator(shape)
    channels = shape[0]
    near = said.split()[1].split("x")
    assert dcgan.Generator((channels, int(near[1]), int(near[0])), width=4) is not None
