"""Spectral normalisation on the layers of a discriminator: what it promises, and how it goes together with the rest."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from organza.game import Duel
from organza.networks.dcgan import Discriminator
from organza.networks.layers import no_norm, normal, spectral
from organza.overrides import apply
from organza.penalties import r1, wgan_gp
from organza.recipes import get


def critic(passes: int = 60) -> Discriminator:
    torch.manual_seed(0)
    D = Discriminator((1, 32, 32), width=8, norm=no_norm, constraint=spectral)
    for _ in range(passes):
        D(torch.rand(2, 1, 32, 32))
    return D


def weighted(D: nn.Module) -> list[nn.Module]:
    return [layer for layer in D.modules() if isinstance(layer, nn.Conv2d)]


def test_every_layer_has_a_largest_singular_value_of_one():
    layers = weighted(critic())
    assert len(layers) == 4
    for layer in layers:
        assert torch.linalg.matrix_norm(layer.weight.flatten(1), 2).item() == pytest.approx(1, abs=1e-2)


def test_layers_keep_the_initialisation_they_were_given():
    originals = [layer.parametrizations.weight.original for layer in weighted(critic(0))]
    torch.manual_seed(0)
    plain = weighted(Discriminator((1, 32, 32), width=8, norm=no_norm))
    assert all(torch.equal(one, other.weight) for one, other in zip(originals, plain, strict=True))
    assert normal(nn.Conv2d(8, 64, 4)).weight.std().item() == pytest.approx(0.02, rel=0.05)


def test_in_use_it_is_a_fixed_function_and_its_state_can_be_copied_and_loaded():
    D = critic().eval()
    x = torch.rand(3, 1, 32, 32)
    again = critic(0)
    again.load_state_dict(D.state_dict())
    assert torch.equal(D(x), D(x))
    assert torch.equal(D(x), copy.deepcopy(D)(x))
    assert torch.equal(D(x), again.eval()(x))


@pytest.mark.parametrize("penalty", [r1, wgan_gp])
def test_penalties_reach_the_weights_below_it(penalty):
    D = critic()
    duel = Duel(D, torch.rand(4, 1, 32, 32).requires_grad_(), torch.rand(4, 1, 32, 32).requires_grad_())
    penalty(duel, duel.judge(duel.real), duel.judge(duel.fake)).mean().backward()
    for layer in weighted(D):
        gradient = layer.parametrizations.weight.original.grad
        assert gradient.isfinite().all()
        assert gradient.abs().sum() > 0


def test_it_can_be_set_by_name():
    recipe = apply(get("dcgan"), ["discriminator.constraint=spectral", "discriminator.norm=no_norm"])
    assert recipe.discriminator == get("sngan-hinge").discriminator
