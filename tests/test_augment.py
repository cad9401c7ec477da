"""Differentiable augmentation: what it does to images, and that both sides of a duel and both turns are changed alike."""

from __future__ import annotations

import pytest
import torch

from organza.augment import Augment, colour, cutout, jitter, translation
from organza.errors import UserError
from organza.game import Duel

ALL = slice(None)


@pytest.mark.parametrize("kind", [colour, translation, jitter, cutout])
def test_a_change_is_fixed_once_drawn_and_made_item_by_item(kind):
    torch.manual_seed(0)
    x = torch.rand(6, 3, 16, 24) * 2 - 1
    change = kind(x)
    changed = change(x, ALL)
    assert changed.shape == x.shape
    assert torch.equal(changed, change(x, ALL))
    assert torch.allclose(changed[2:5], change(x[2:5], slice(2, 5)))
    assert not torch.allclose(changed, x)
    assert len({item.sum().item() for item in kind(x[:1].repeat(6, 1, 1, 1))(x[:1].repeat(6, 1, 1, 1), ALL)}) > 1


@pytest.mark.parametrize("kind", [colour, translation, jitter, cutout])
def test_gradients_pass_through(kind):
    torch.manual_seed(0)
    x = torch.rand(4, 1, 8, 8, dtype=torch.float64, requires_grad=True)
    change = kind(x)
    assert torch.autograd.gradcheck(lambda y: change(y, ALL), x)


def test_gradients_pass_through_what_is_drawn_for_a_batch():
    torch.manual_seed(0)
    x = torch.rand(4, 1, 8, 8, requires_grad=True)
    Augment(1.0, (colour,)).drawn(x, 0, 1)(x, ALL).square().sum().backward()
    assert x.grad is not None
    assert (x.grad.flatten(1).abs().sum(1) > 0).all()


def test_translation_moves_whole_pictures_by_an_eighth_at_the_most():
    x = torch.zeros(200, 1, 16, 16)
    x[:, :, 8, 8] = 1
    moved = translation(x)(x, ALL)
    assert moved.sum() == 200
    where = moved.flatten(1).argmax(1)
    rows, columns = where // 16, where % 16
    assert set(rows.tolist()) == set(columns.tolist()) == {6, 7, 8, 9, 10}


def test_jitter_moves_by_coins_that_fell_heads_and_repeats_the_edge():
    torch.manual_seed(0)
    x = torch.zeros(4000, 1, 16, 16)
    x[:, :, 8, 8] = 1
    where = jitter(x)(x, ALL).flatten(1).argmax(1)
    shares = torch.bincount(where // 16, minlength=11)[6:11] / 4000
    assert shares.tolist() == pytest.approx([1 / 16, 4 / 16, 6 / 16, 4 / 16, 1 / 16], abs=0.03)
    stripes = torch.arange(4.0).repeat(50, 1, 4, 1)
    assert set(jitter(stripes)(stripes, ALL).unique().tolist()) == {0.0, 1.0, 2.0, 3.0}


def test_jitter_blurs_the_gradient_of_many_draws():
    torch.manual_seed(0)
    x = torch.zeros(4000, 1, 9, 9, requires_grad=True)
    jitter(x)(x, ALL)[:, 0, 4, 4].sum().backward()
    assert x.grad is not None
    row = torch.tensor([0, 0, 1, 4, 6, 4, 1, 0, 0]) / 16
    assert torch.allclose(x.grad.mean((0, 1)), row[:, None] * row, atol=0.02)


def test_some_kinds_are_always_there():
    torch.manual_seed(0)
    x = torch.rand(50, 1, 8, 8)
    assert not torch.equal(Augment(0.0, (cutout,), always=(jitter,)).drawn(x, 0, 1)(x, ALL), x)
    assert torch.equal(Augment(0.0, (cutout,)).drawn(x, 0, 1)(x, ALL), x)


def test_cutout_greys_a_rectangle():
    x = torch.ones(100, 2, 16, 16)
    gone = (cutout(x)(x, ALL) == 0).float().mean((1, 2, 3))
    assert gone.max() == pytest.approx(0.25)  # half of each side
    assert gone.min() >= 0.0625  # a corner: a quarter of each side


def test_colour_leaves_the_shapes():
    torch.manual_seed(0)
    x = torch.rand(5, 3, 8, 8)
    changed = colour(x)(x, ALL)
    for before, after in zip(x, changed, strict=True):
        grey = torch.stack([before.mean(0).flatten(), torch.ones(64)], 1)
        wanted = after.mean(0).flatten()[:, None]
        fitted = grey @ torch.linalg.lstsq(grey, wanted).solution
        assert torch.allclose(fitted, wanted, atol=1e-5)  # the grey of a pixel is changed by one straight line


def test_the_chance_is_the_share_of_changed_items():
    torch.manual_seed(0)
    x = torch.rand(4000, 1, 8, 8)
    for chance in (0.0, 0.3, 1.0):
        changed = Augment(chance, (colour,)).drawn(x, 0, 1)(x, ALL)
        assert (changed != x).flatten(1).any(1).float().mean().item() == pytest.approx(chance, abs=0.03)


def test_real_and_fake_of_a_duel_and_moved_pictures_are_changed_alike():
    seen = []
    x = torch.rand(8, 1, 8, 8)
    duel = Duel(lambda y: seen.append(y) or y.mean((1, 2, 3)), x, x.clone())
    duel.change = Augment().drawn(x, 0, 1)
    duel.judge(duel.real), duel.judge(duel.fake), duel.judge(x[:2], slice(0, 2))
    assert torch.equal(seen[0], seen[1])
    assert torch.allclose(seen[0][:2], seen[2])


def test_what_is_no_picture_is_refused():
    with pytest.raises(UserError, match="Augmentation is for images"):
        Augment().drawn(torch.zeros(2, 1, 4, 4, 4), 0, 1)
