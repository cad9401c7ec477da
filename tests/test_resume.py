"""Exact resume: a run that is stopped again and again ends with the bytes of one that never was, whatever it is made of."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from organza.penalties import Penalty, r1
from organza.recipes import get
from tests.contracts.discovery import COVERING, RECIPES, covering, ingredients, small
from tests.contracts.material import Material, size_of
from tests.helpers import train, weights

STATE = ("generator", "generator_training", "discriminator", "generator_optimizer", "discriminator_optimizer")
CASES = {name: RECIPES[name] for name in COVERING} | {
    "lazy penalty": lambda: replace(get("dcgan-r1"), penalties=(Penalty(r1, every=3),))
}


@pytest.mark.parametrize("name", CASES)
def test_stopped_and_resumed_equals_uninterrupted_bit_for_bit(name: str, material: Material, tmp_path: Path):
    recipe = small(CASES[name](), 4, blocks=2)
    data, whole, parts = material(recipe), tmp_path / "whole", tmp_path / "parts"
    asked = {"budget": "56img", "size": size_of(recipe)}  # one budget, since schedules are fractions of it
    train(data, whole, recipe, **asked)
    twice = recipe.warmup or recipe.generator_warmup or name == "lazy penalty"
    for images in (24, 40) if twice else (32,):  # 24 lies in the warm-ups
        train(data, parts, recipe, until=images, **asked)
    train(data, parts, recipe, **asked)
    assert set(weights(whole)) - {"memory.safetensors"} == {f"{file}.safetensors" for file in STATE}
    assert weights(whole) == weights(parts)


def test_the_recipes_that_are_tried_hold_everything_that_recipes_are_made_of():
    made = {name: ingredients(make()) for name, make in RECIPES.items()}
    assert set().union(*(made[name] for name in COVERING)) == set().union(*made.values())
    assert {"organza.penalties:r1", "organza.games.latent:LatentGAN", "warm-up"} <= set().union(*made.values())
    assert len(covering(made)) < len(made)
    assert covering({"a": frozenset("xy"), "b": frozenset("x"), "c": frozenset("yz")}) == ["a", "c"]
