"""Every network: shapes, range, gradients everywhere, each item scored alone, state round trip, sizes refused in words."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from torch import nn

from organza.errors import UserError
from organza.networks import dcgan, latent, r3, voxel
from organza.networks.layers import Discriminator, Encoder, Generator, Translator, no_norm
from tests.contracts.discovery import HEADS, NETWORKS, SHAPES, SMALLEST

MAKERS = {name: make for name, make in NETWORKS.items() if not issubclass(make, Discriminator | Encoder)}
ENCODERS = {name: make for name, make in NETWORKS.items() if issubclass(make, Encoder)}
DISCRIMINATORS = {name: make for name, make in NETWORKS.items() if issubclass(make, Discriminator)}


def usual(name: str) -> tuple[int, ...]:
    return SHAPES[name][0] if len(SHAPES[name][0]) != 3 else (3, 32, 32)


def built(name: str, shape: tuple[int, ...] | None = None) -> nn.Module:
    torch.manual_seed(0)
    return NETWORKS[name](shape or usual(name), **({"width": 4} | SMALLEST.get(name, {})))


def inputs(network: nn.Module, shape: tuple[int, ...] = (3, 32, 32), count: int = 4) -> tuple[torch.Tensor, ...]:
    """What the network is called with: latents for a generator, images for the others, and rows of labels where it takes them."""
    if isinstance(network, Generator):
        x = torch.stack([network.latent(torch.Generator().manual_seed(item)) for item in range(count)])
    else:
        x = torch.rand(count, *shape) * 2 - 1
    if isinstance(network, Translator) and network.masked:  # the left half is the hole, which the last channel marks
        x = torch.cat([x, torch.where(torch.arange(shape[2]) < shape[2] // 2, 1.0, -1.0).expand_as(x[:, :1])], 1)
    if isinstance(network, latent.Discriminator | latent.Concatenation | r3.OfCodes):
        x = network.evidence(x, latent.Encoder(shape, width=4))
    elif isinstance(network, Discriminator):  # one that judges latents too takes them from the first pixels here
        x = network.evidence(x, lambda x: x.flatten(1)[:, : network.z_dim])
    labels = getattr(network, "labels", 0)
    return (x, torch.eye(labels)[torch.arange(count) % labels]) if labels else (x,)


def test_discovery_finds_both_players_of_each_architecture():
    assert {"dcgan.Generator", "dcgan.Discriminator", "mlp.Generator", "mlp.Discriminator"} <= set(NETWORKS)


@pytest.mark.parametrize(("name", "shape"), [(name, shape) for name in MAKERS for shape in SHAPES[name]])
def test_what_is_made_has_its_shape_and_range(name: str, shape: tuple[int, ...]):
    network = built(name, shape)
    made = network(*inputs(network, shape))
    assert made.shape == (4, *shape)
    assert len(shape) == 1 or made.abs().max() <= 1  # columns have no bounds
    assert made.std() > 0


@pytest.mark.parametrize(("name", "shape"), [(name, shape) for name in DISCRIMINATORS for shape in SHAPES[name]])
def test_discriminator_gives_logits_and_one_probability_an_item(name: str, shape: tuple[int, ...]):
    network = built(name, shape).eval()
    given = inputs(network, shape)
    assert len(network(*given)) == 4
    chance = network.probability(*given)
    assert chance.shape == (4,)
    assert ((chance > 0) & (chance < 1)).all()


@pytest.mark.parametrize(("name", "shape"), [(name, shape) for name in ENCODERS for shape in SHAPES[name]])
def test_an_encoder_gives_a_latent_for_each_item(name: str, shape: tuple[int, ...]):
    network = built(name, shape)
    z = network(*inputs(network, shape))
    assert z.shape == (4, network.z_dim)
    assert z.std(0).min() > 0


@pytest.mark.parametrize("name", NETWORKS)
def test_every_weight_gets_a_gradient(name: str):
    network = built(name)
    for module in network.modules():
        if isinstance(module, r3.Block):  # its last layer begins at 0, and lets nothing through to the others
            torch.nn.init.normal_(module.leave.weight)
    given = inputs(network, usual(name), count=8)
    said = [network(*given), *(getattr(network, head)(*given) for head in HEADS.get(name, ()))]
    if isinstance(network, latent.Generator):  # its encoder has no part in what it makes
        said.append(network.decoder(network.encoder(said[0])))
    sum(values.square().sum() for values in said).backward()
    for weight, value in network.named_parameters():
        assert value.grad is not None, weight
        assert value.grad.abs().sum() > 0, weight


@pytest.mark.parametrize("name", NETWORKS)
def test_in_evaluation_mode_each_item_stands_alone(name: str):
    network = built(name).eval()
    given = inputs(network, usual(name))
    torch.testing.assert_close(network(*given)[:2], network(*(x[:2] for x in given)), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", NETWORKS)
def test_state_round_trip(name: str):
    one, other = built(name).eval(), built(name).eval()
    given = inputs(one, usual(name))
    with torch.no_grad():
        for weight in other.parameters():
            weight.add_(0.1)
    assert not torch.equal(one(*given), other(*given))
    other.load_state_dict(one.state_dict())
    assert torch.equal(one(*given), other(*given))


def test_without_norm_the_discriminator_scores_each_item_alone_while_it_trains():
    network = dcgan.Discriminator((3, 32, 32), width=4, norm=no_norm).train()
    x = torch.rand(4, 3, 32, 32)
    torch.testing.assert_close(network(x)[:2], network(x[:2]), rtol=1e-4, atol=1e-6)


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
    ("shape", "said"), [((3, 51, 51), "`size='52x52'`"), ((3, 66, 101), "`size='100x64'`"), ((3, 4, 4), "`size='8x8'`")]
)
def test_a_size_that_cannot_be_made_names_one_that_can(shape: tuple[int, ...], said: str):
    with pytest.raises(UserError, match=said):
        dcgan.Generator(shape)
    channels = shape[0]
    near = said.split("'")[1].split("x")
    network = dcgan.Generator((channels, int(near[1]), int(near[0])), width=4)
    assert network(*inputs(network, count=1)).shape == (1, channels, int(near[1]), int(near[0]))


def test_voxel_networks_are_the_papers_layer_for_layer():
    """3D-GAN's sizes at 64x64x64: z of 200, maps of 512, 256, 128, 64 and 1, kernels of 4, strides 1, 2, 2, 2, 2; D mirrors them."""
    G, D = voxel.Generator((1, 64, 64, 64)), voxel.Discriminator((1, 64, 64, 64))
    up = [layer for layer in G.layers if isinstance(layer, nn.ConvTranspose3d)]
    down = [layer for layer in D.layers if isinstance(layer, nn.Conv3d)]
    assert [c.in_channels for c in up] == [200, 512, 256, 128, 64]
    assert [c.out_channels for c in down] == [64, 128, 256, 512, 1]
    assert all(c.kernel_size == (4, 4, 4) for c in up + down)
    assert [c.stride[0] for c in up] == [1, 2, 2, 2, 2] == [c.stride[0] for c in reversed(down)]
    z = G.latent(torch.Generator().manual_seed(0))
    assert z.shape == (200,)
    assert 0 <= z.min() < 0.1 < 0.9 < z.max() < 1


@pytest.mark.parametrize("shape", [(1, 48, 48, 48), (1, 32, 32, 16), (1, 4, 4, 4), (3, 32, 32)])
def test_what_is_no_cube_of_a_power_of_two_is_refused(shape: tuple[int, ...]):
    for network in (voxel.Generator, voxel.Discriminator):
        with pytest.raises(UserError, match="`size=32`" if len(shape) == 4 else "`recipe='dcgan-r1'`"):
            network(shape)
