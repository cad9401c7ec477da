"""Every game, by way of recipes that hold everything: each turn leaves the other player alone; losses are finite."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch

from organza.game import Batch, Game, NonFinite, StepOutput, TrainProgress, discriminator_loss, generator_loss, update
from organza.penalties import Penalty, r1
from organza.recipe import Recipe
from organza.recipes import get
from tests.contracts.discovery import COVERING, RECIPES, small
from tests.contracts.material import Material


def setting(recipe: Recipe, material: Material) -> tuple[Game, Batch]:
    torch.manual_seed(0)
    data = material.opened(recipe)
    game = small(recipe).build(data)
    streams = [torch.Generator().manual_seed(item) for item in range(8)]
    return game, data.at(range(8)) | game.latents(streams)


def same(one: torch.nn.Module, other: torch.nn.Module) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))


@pytest.mark.parametrize("name", COVERING)
def test_each_turn_leaves_the_other_player_untouched(name: str, material: Material):
    recipe = RECIPES[name]()
    game, batch = setting(recipe, material)
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
            player,
            optimizer.build(player.parameters()),
            lambda loss=loss, made=made: loss(game, batch, made, TrainProgress()),
        )
        assert all(term.isfinite() for term in turn.terms.values())
        assert set(turn.metrics) >= ({"D(x)", "D(G(z))", "D accuracy"} if player is game.D else {"gradient"})
        assert not any(
            weight.requires_grad for weight in player.parameters()
        )  # its opponent's turn computes no gradient of it
        assert not same(player, before)
        assert same(opponent, rival)
        assert all(weight.grad is None for weight in opponent.parameters())


def test_a_term_that_is_not_finite_is_named_and_changes_nothing(material: Material):
    game, _ = setting(get("dcgan"), material)
    before = copy.deepcopy(game.D)

    def broken() -> StepOutput:
        total = next(game.D.parameters()).sum()
        return StepOutput({"fine": total, "r1": total * float("nan")}, {})

    with pytest.raises(NonFinite, match="r1 is nan"):
        update(game.D, torch.optim.SGD(game.D.parameters(), lr=1.0), broken)
    assert same(game.D, before)


def test_a_gradient_that_is_not_finite_is_named_and_changes_nothing(material: Material):
    game, _ = setting(get("dcgan"), material)
    before = copy.deepcopy(game.D)

    def steep() -> StepOutput:  # a root at 0: the value is 0, its slope is not finite
        return StepOutput({"fine": (next(game.D.parameters()).sum() * 0).sqrt()}, {})

    with pytest.raises(NonFinite, match="gradient"):
        update(game.D, torch.optim.SGD(game.D.parameters(), lr=1.0), steep)
    assert same(game.D, before)


def test_a_lazy_penalty_keeps_its_average_weight(material: Material):
    recipe = replace(get("dcgan-r1"), penalties=(Penalty(r1, weight=2.0),))
    game, batch = setting(recipe, material)
    made = game.play(batch)
    always = discriminator_loss(game, batch, made, TrainProgress(step=0)).terms["r1"]
    game.penalties = (Penalty(r1, weight=2.0, every=4),)
    lazy = [discriminator_loss(game, batch, made, TrainProgress(step=step)).terms.get("r1") for step in range(4)]
    assert lazy[1:] == [None, None, None]
    assert always.item() > 0
    torch.testing.assert_close(lazy[0], 4 * always, rtol=1e-4, atol=0)  # a new critic's slopes are tiny


@pytest.mark.parametrize("name", COVERING)
def test_what_is_made_is_measured_against_the_real_of_its_kind(name: str, material: Material):
    recipe = RECIPES[name]()
    game, batch = setting(recipe, material)
    data = material.opened(recipe)
    made = game.eval().make(batch)
    assert made.shape == (8, *data.shape) == batch[game.output].shape
    assert data.real().shape[1:] == (*data.shape[1:], data.shape[0])
    assert all(len(part) == 8 for part in game.shown(batch, made))
