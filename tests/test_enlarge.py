"""Enlarging: the contrasts that a texture is described by, and noise that is a function of the image."""

from __future__ import annotations

import math

import torch
from torch.testing import assert_close

from organza.games.enlarge import Enlarge, contrasts
from organza.losses import relativistic
from organza.networks import enlarger


def test_contrasts_of_stripes_are_those_computed_by_hand():
    stripes = torch.tensor([-0.25, 0.25]).repeat(16, 8)[
        None, None
    ]  # columns in turn: across 0.5, down and crosswise 0, nothing at half the size
    least = 0.002
    found = contrasts(stripes, least)[0]
    large = 6 * 6
    none = torch.full((large,), math.log(least))
    across = torch.full((large,), math.log(0.25 + least**2) / 2)
    wanted = torch.cat([none, across, none])
    assert_close(found[: 3 * large], wanted)
    assert_close(found[3 * large :], torch.full((len(found) - 3 * large,), math.log(least)))


def test_contrasts_ask_for_detail_and_not_for_its_place():
    draws = torch.Generator().manual_seed(0)
    b = 0.1 * torch.randn(1, 3, 32, 32, generator=draws)
    other = 0.1 * torch.randn(1, 3, 32, 32, generator=draws)
    smooth, wanted = torch.zeros_like(b), contrasts(b)
    assert (contrasts(other) - wanted).abs().mean() < 0.2 * (contrasts(smooth) - wanted).abs().mean()
    assert (other - b).abs().mean() > (smooth - b).abs().mean()  # the absolute error prefers the smooth one


def test_contrasts_of_an_even_image_have_a_finite_gradient():
    x = torch.zeros(1, 1, 16, 16, requires_grad=True)
    contrasts(x).sum().backward()
    assert x.grad is not None
    assert x.grad.isfinite().all()


def test_the_texture_is_a_term_of_the_game_and_not_of_the_warm_up():
    def game(texture: float) -> Enlarge:
        G = enlarger.Generator((3, 32, 32), factor=2, width=4, blocks=1)
        D = enlarger.Discriminator((3, 32, 32), condition=3, width=4)
        return Enlarge(G, D, relativistic, factor=2, texture=texture)

    b = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    batch, true = {"a": b[..., ::2, ::2], "b": b}, {"b": b}
    assert "texture" not in game(0.0).extra_generator_terms(batch, true)
    assert "texture" not in game(3.0).warm_up_terms(batch, true)
    assert game(3.0).extra_generator_terms(batch, true)["texture"] == 0
    smooth = {"b": torch.full_like(b, 0.5)}
    apart = (contrasts(smooth["b"]) - contrasts(b)).abs().mean()
    assert_close(game(3.0).extra_generator_terms(batch, smooth)["texture"], 3 * apart)


def test_noise_is_spread_evenly_without_a_pattern_and_the_same_in_every_part():
    ramp = (
        100 + 0.3 * torch.arange(48.0) + 0.2 * torch.arange(40.0)[:, None]
    ).round()  # a smooth surface in whole levels
    a = (ramp / 127.5 - 1).expand(1, 3, 40, 48)
    x = enlarger.noise(a, 4)
    assert x.shape == (1, 1, 160, 192)
    assert x.abs().max() <= 1
    assert abs(x.mean()) < 0.02
    assert abs(x.std() - 3**-0.5) < 0.02
    for down, across in ((0, 1), (1, 0), (4, 0), (0, 4), (4, 4)):
        here, there = x[..., down:, across:], x[..., : 160 - down, : 192 - across]
        assert abs((here * there).mean()) < 0.02, (down, across)  # of a variance of a third
    assert torch.equal(enlarger.noise(a[..., 7:30, 5:25], 4)[..., 4:-4, 4:-4], x[..., 32:116, 24:96])


def test_the_strength_of_the_noise_begins_at_zero_and_is_learned():
    a = torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(0)) - 0.5
    G = enlarger.Generator((3, 16, 16), factor=2, width=4, blocks=1, grain=True)
    assert G.grain is not None
    before = G(a)
    before.square().sum().backward()
    assert G.grain.grad is not None
    assert G.grain.grad.abs() > 0
    with torch.no_grad():
        G.grain.fill_(0.1)
        assert_close(G(a), before + 0.1 * enlarger.noise(a, 2))
        assert torch.equal(G(a), G(a))
