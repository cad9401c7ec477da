"""Every adversarial loss: who is happier when, shapes, values by hand, and extremes."""

from __future__ import annotations

import math

import pytest
import torch

from organza.losses import Adversarial, probability
from tests.contracts.discovery import LOSSES

BY_HAND = {  # D's loss at r = 1, f = -2; G's loss at r = 1, f = -2
    "minimax": (math.log1p(math.exp(-1)) + math.log1p(math.exp(-2)), -math.log1p(math.exp(-2))),
    "nonsaturating": (math.log1p(math.exp(-1)) + math.log1p(math.exp(-2)), math.log1p(math.exp(2))),
    "lsgan": (2.0, 4.5),
    "hinge": (0.0, 2.0),
    "wasserstein": (-3.0, 2.0),
    "relativistic": (math.log1p(math.exp(-3)), math.log1p(math.exp(3))),
    "relativistic_average": (
        2 * math.log1p(math.exp(-3)),
        2 * math.log1p(math.exp(3)),
    ),  # alone, each is its own average
}


def test_every_loss_has_a_value_computed_by_hand():
    assert set(BY_HAND) == set(LOSSES)


@pytest.mark.parametrize("name", LOSSES)
def test_value_by_hand(name: str):
    loss, (discriminator, generator) = LOSSES[name], BY_HAND[name]
    real, fake = torch.tensor([1.0]), torch.tensor([-2.0])
    assert loss.discriminator(real, fake).item() == pytest.approx(discriminator, abs=1e-6)
    assert loss.generator(real, fake).item() == pytest.approx(generator, abs=1e-6)


@pytest.mark.parametrize("name", LOSSES)
def test_the_discriminator_is_happier_right_than_wrong(name: str):
    middle = LOSSES[name].neutral or 0.0
    high, low = torch.tensor([middle + 0.4]), torch.tensor([middle - 0.4])
    assert LOSSES[name].discriminator(high, low) < LOSSES[name].discriminator(low, high)


@pytest.mark.parametrize("name", LOSSES)
def test_the_generator_is_happier_fooling(name: str):
    real = torch.tensor([0.3])
    assert LOSSES[name].generator(real, torch.tensor([0.6])) < LOSSES[name].generator(real, torch.tensor([-0.6]))


@pytest.mark.parametrize("shape", [(4,), (4, 1, 3, 3)])
@pytest.mark.parametrize("name", LOSSES)
def test_shape_is_kept(name: str, shape: tuple[int, ...]):
    loss: Adversarial = LOSSES[name]
    for side in (loss.discriminator, loss.generator):
        assert side(torch.randn(shape), torch.randn(shape)).shape == shape


@pytest.mark.parametrize("real", [-1e4, 1e4])
@pytest.mark.parametrize("fake", [-1e4, 1e4])
@pytest.mark.parametrize("name", LOSSES)
def test_extreme_logits_stay_finite(name: str, real: float, fake: float):
    r, f = torch.tensor([real], requires_grad=True), torch.tensor([fake], requires_grad=True)
    value = LOSSES[name].discriminator(r, f) + LOSSES[name].generator(r, f)
    value.sum().backward()
    assert value.isfinite().all()
    assert r.grad is not None
    assert r.grad.isfinite().all()
    assert f.grad is not None
    assert f.grad.isfinite().all()


def test_probability_is_one_for_real_and_a_half_at_the_neutral_logit():
    assert probability(torch.tensor([20.0, -20.0, 0.5]), 0.5).tolist() == pytest.approx([1.0, 0.0, 0.5], abs=1e-6)
    assert probability(torch.zeros(3, 1, 2, 2)).shape == (3,)


def test_a_map_of_logits_is_averaged_after_the_sigmoid():
    logits = torch.tensor([[[[0.0, 4.0]]], [[[-4.0, -4.0]]]])
    by_hand = [(0.5 + 1 / (1 + math.exp(-4))) / 2, 1 / (1 + math.exp(4))]
    assert probability(logits).tolist() == pytest.approx(by_hand, abs=1e-6)


def test_the_relativistic_average_keeps_the_places_of_a_map_apart():
    real, fake = torch.randn(4, 1, 2, 2), torch.randn(4, 1, 2, 2)
    loss = LOSSES["relativistic_average"]
    for side in (loss.discriminator, loss.generator):
        corner = side(real[..., :1, :1], fake[..., :1, :1])
        torch.testing.assert_close(side(real, fake)[..., :1, :1], corner)


def test_the_relativistic_average_compares_with_the_mean_of_the_other_side():
    real, fake = torch.tensor([2.0, 0.0]), torch.tensor([-1.0, -3.0])  # means 1 and -2
    by_hand = [math.log1p(math.exp(-2 - r)) + math.log1p(math.exp(f - 1)) for r, f in ((2.0, -1.0), (0.0, -3.0))]
    loss = LOSSES["relativistic_average"]
    assert loss.discriminator(real, fake).tolist() == pytest.approx(by_hand, abs=1e-6)
    assert loss.generator(fake, real).tolist() == pytest.approx(by_hand, abs=1e-6)
    fake.requires_grad_()
    loss.generator(real, fake)[:1].sum().backward()
    assert fake.grad is not None
    assert (fake.grad < 0).all()  # the whole batch of fakes is raised, through its mean
