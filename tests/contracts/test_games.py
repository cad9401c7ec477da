"""Every game, by way of the recipes that use it: each turn leaves the other player alone; losses are finite; warm-up moves D only."""

from __future__ import annotations

import copy

import pytest
import torch

from organza.game import Batch, Game, Moment, NonFinite, Turn, discriminator_loss, generator_loss, update
from tests.contracts.discovery import RECIPES, data_of, small

SHAPE = (3, 32, 32)


def setting(name: str) -> tuple[Game, Batch]:
    torch.manual_seed(0)
    game = small(RECIPES[name]()).build(data_of(SHAPE))
    streams = [torch.Generator().manual_seed(item) for item in range(8)]
    return game, {"image": torch.rand(8, *SHAPE) * 2 - 1} | game.latents(streams)


def same(one: torch.nn.Module, other: torch.nn.Module) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))


@pytest.mark.parametrize("name", RECIPES)
def test_each_turn_leaves_the_other_player_untouched(name: str):
    game, batch = setting(name)
    recipe = RECIPES[name]()
    for player, opponent, loss, optimizer in (
        (game.D, game.G, discriminator_loss, recipe.discriminator_optimizer),
        (game.G, game.D, generator_loss, recipe.generator_optimizer),
    ):
        game.requires_grad_(False)
        game.G.requires_grad_(True)
        made = game.play(batch)
        game.zero_grad(set_to_none=True)
        before, rival = copy.deepcopy(player), copy.deepcopy(opponent)
        turn = update(
            player, optimizer.build(player.parameters()), lambda loss=loss, made=made: loss(game, batch, made, Moment())
        )
        assert all(term.isfinite() for term in turn.terms.values())
        assert not same(player, before)
        assert same(opponent, rival)
        assert all(weight.grad is None for weight in opponent.parameters())


@pytest.mark.parametrize("name", RECIPES)
def test_probabilities_are_read_from_the_discriminators_turn(name: str):
    game, batch = setting(name)
    turn = discriminator_loss(game, batch, game.play(batch))
    assert 0 < turn.readings["D(x)"] < 1
    assert 0 < turn.readings["D(G(z))"] < 1


def test_a_term_that_is_not_finite_is_named_and_changes_nothing():
    game, _ = setting("dcgan")
    before = copy.deepcopy(game.D)

    def broken() -> Turn:
        total = next(game.D.parameters()).sum()
        return Turn({"fine": total, "r1": total * float("nan")}, {})

    with pytest.raises(NonFinite, match="r1 is nan"):
        update(game.D, torch.optim.SGD(game.D.parameters(), lr=1.0), broken)
    assert same(game.D, before)


def test_a_lazy_penalty_keeps_its_average_weight():
    from dataclasses import replace

    from organza.penalties import Penalty, r1

    recipe = replace(small(RECIPES["dcgan-r1"]()), penalties=(Penalty(r1, weight=2.0),))
    torch.manual_seed(0)
    game = recipe.build(data_of(SHAPE))
    batch = {"image": torch.rand(8, *SHAPE)} | game.latents([torch.Generator() for _ in range(8)])
    made = game.play(batch)
    always = discriminator_loss(game, batch, made, Moment(step=0)).terms["r1"]
    game.penalties = (Penalty(r1, weight=2.0, every=4),)
    lazy = [discriminator_loss(game, batch, made, Moment(step=step)).terms.get("r1") for step in range(4)]
    assert lazy[1:] == [None, None, None]
    torch.testing.assert_close(lazy[0], 4 * always)
