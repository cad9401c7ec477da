"""The pool of earlier fakes: what goes in, what comes out, and that it is part of a run's state."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from organza.game import Duel, Game, discriminator_loss, generator_loss
from organza.games.image_pool import Pool
from organza.losses import lsgan


def numbered(first: int, count: int) -> Tensor:
    return torch.arange(first, first + count).float().reshape(count, 1, 1, 1).expand(count, 3, 2, 2)


def test_while_there_is_room_fakes_are_kept_and_returned_as_they_are():
    pool = Pool(4, (3, 2, 2))
    assert torch.equal(pool.exchange(numbered(1, 3)), numbered(1, 3))
    assert pool.filled == 3
    assert torch.equal(pool.items[:3], numbered(1, 3))
    assert not pool.items[3:].any()


def test_a_full_pool_gives_an_old_fake_for_every_second_one_and_keeps_that_in_its_place():
    torch.manual_seed(0)
    pool = Pool(50, (3, 2, 2))
    pool.exchange(numbered(0, 50))
    old = 0
    for first in range(50, 2050, 10):
        new, before = numbered(first, 10), {*pool.items[:, 0, 0, 0].tolist()}
        shown = pool.exchange(new)
        after = {*pool.items[:, 0, 0, 0].tolist()}
        replaced = shown[:, 0, 0, 0] != new[:, 0, 0, 0]
        old += int(replaced.sum())
        given, kept = {*shown[:, 0, 0, 0].tolist()}, {*new[:, 0, 0, 0].tolist()}
        assert given | after == before | kept  # nothing is lost, and nothing shown twice
        assert len(after) == 50
        assert given.isdisjoint(after)
    assert old / 2000 == pytest.approx(0.5, abs=0.04)


def test_no_fake_stays_for_ever():
    torch.manual_seed(0)
    pool = Pool(10, (3, 2, 2))
    for first in range(0, 1000, 10):
        pool.exchange(numbered(first, 10))
    assert pool.items.min() > 800


def test_a_pool_of_none_gives_back_what_it_got():
    assert torch.equal(Pool(0, (3, 2, 2)).exchange(numbered(1, 5)), numbered(1, 5))


def test_what_comes_out_has_no_gradient_and_is_no_view_of_what_is_kept():
    pool = Pool(2, (3, 2, 2))
    shown = pool.exchange(numbered(1, 2).clone().requires_grad_())
    assert not shown.requires_grad
    shown.zero_()
    assert torch.equal(pool.items, numbered(1, 2))


def test_a_restored_pool_goes_on_as_the_first_would_have():
    torch.manual_seed(0)
    one, other = Pool(3, (3, 2, 2)), Pool(3, (3, 2, 2))
    one.exchange(numbered(1, 5))
    other.load_state_dict(one.state_dict())
    torch.manual_seed(7)
    expected = one.exchange(numbered(10, 8))
    torch.manual_seed(7)
    assert torch.equal(other.exchange(numbered(10, 8)), expected)


class Remembering(Game):
    """A game whose D meets fakes of a pool."""

    def __init__(self):
        super().__init__(nn.Linear(1, 1), nn.Linear(1, 1), lsgan)
        self.pool = Pool(1, (1,))

    def play(self, batch):
        return {"image": self.G(batch["z"])}

    def duels(self, batch, made):
        return [Duel(self.D, batch["image"], made["image"], replay=self.pool.exchange)]


def test_the_pool_is_met_in_the_discriminators_turn_and_not_in_the_generators():
    torch.manual_seed(0)
    game = Remembering()
    batch = {"z": torch.ones(1, 1), "image": torch.ones(1, 1)}
    generator_loss(game, batch, game.play(batch))
    assert game.pool.filled == 0
    game.pool.exchange(torch.tensor([[100.0]]))
    met = set()
    for _ in range(20):
        game.pool.items.fill_(100.0)
        met.add(round(discriminator_loss(game, batch, game.play(batch)).terms["discriminator"].item(), 4))
    assert len(met) == 2  # the fake of now, and the one of before
