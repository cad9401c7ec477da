"""What there is to test: found by walking the package, so that nothing new escapes its contract."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypeVar

from organza import losses, networks, penalties, recipes
from organza.config import Partial, encode, walk
from organza.data.labels import Field, Labels
from organza.losses import Adversarial
from organza.networks.layers import Discriminator, Encoder, Generator, Translator
from organza.recipe import Recipe
from tests.helpers import WHOLE

K = TypeVar("K")
LOSSES = {name: value for name, value in vars(losses).items() if isinstance(value, Adversarial)}
PENALTIES = {
    name: value
    for name, value in vars(penalties).items()
    if inspect.isfunction(value) and list(inspect.signature(value).parameters)[:3] == ["duel", "real", "fake"]
}
NETWORKS = {
    f"{module.__name__.rpartition('.')[2]}.{name}": value
    for module in walk(networks)
    for name, value in vars(module).items()
    if inspect.isclass(value)
    and issubclass(value, Generator | Encoder | Translator | Discriminator)
    and value.__module__ == module.__name__
    and not module.__name__.endswith("layers")
}
SMALLEST: dict[str, dict[str, Any]] = {
    "bigan.Encoder": {"z_dim": 5},
    "bigan.Discriminator": {"z_dim": 5},
    "aae.Encoder": {"z_dim": 5},
    "aae.Discriminator": {"z_dim": 5},
    "conditional.Generator": {"labels": 5},
    "conditional.Concatenation": {"labels": 5},
    "conditional.Projection": {"labels": 5},
    "scales.Projection": {"labels": 5},
    "latent.Concatenation": {"labels": 5},
    "conditional.AuxiliaryClassifier": {"fields": Labels((Field("class", ("a", "b", "c"), (0.3, 0.3, 0.4)),))},
}
"""What a network's smallest variant needs beside its shape and a width of 4, by name; for example {"labels": 5}."""
HEADS: dict[str, tuple[str, ...]] = {
    "infogan.Discriminator": ("recognise",),
    "conditional.AuxiliaryClassifier": ("guesses",),
}
"""What a network offers beside `forward` with weights of its own, by name: methods of its input."""
PICTURES = [(1, 32, 32), (3, 64, 64), (4, 32, 48), (3, 32, 80)]
CUBES = [(1, 16, 16, 16), (1, 32, 32, 32)]
BY_32 = [(1, 32, 32), (3, 64, 64), (4, 32, 64), (3, 32, 96)]
ROWS = [(2,), (7,)]
OTHERS = {
    "vector.Generator": ROWS,
    "vector.Discriminator": ROWS,
    "voxel.Generator": CUBES,
    "voxel.Discriminator": CUBES,
    "filler.Generator": BY_32,
    "copier.Generator": BY_32,
}
SHAPES = {name: OTHERS.get(name, PICTURES) for name in NETWORKS}
"""The shapes of data that each network is tried on."""
RECIPES = recipes.everything()


def ingredients(recipe: Recipe) -> frozenset[str]:
    """What a recipe is made of: the names of its game, networks, layers, penalties, optimizers, data and changes; its warm-ups,
    turns and limits. Losses have no state and a contract of their own.
    """
    made = json.dumps(encode(replace(recipe, stop=(), adversarial=losses.minimax)))
    more = {
        "generator warm-up": bool(recipe.generator_warmup),
        "warm-up": recipe.warmup > 0,
        "several turns of D": recipe.discriminator_turns > 1,
        "several turns of G": recipe.generator_turns > 1,
        "no average": not recipe.average,
        "limit of D": recipe.discriminator_limit < 1,
    }
    return frozenset(re.findall(r'"(organza[\w.]*:\w+)"', made)) | {name for name, holds in more.items() if holds}


def covering(made: Mapping[K, frozenset[str]]) -> list[K]:
    """A few of these names that together have the ingredients of all: the one with most that are new, again and again.

    A contract that trains is tried on these: what a new recipe brings is under it, and nothing is trained twice.

    >>> covering({"a": frozenset("xy"), "b": frozenset("x"), "c": frozenset("yz")})
    ['a', 'c']
    """
    missing, chosen = set().union(*made.values()), []
    while missing:
        chosen.append(max(made, key=lambda name: len(made[name] & missing)))
        missing -= made[chosen[-1]]
    return chosen


COVERING = list(RECIPES) if WHOLE else covering({name: ingredients(make()) for name, make in RECIPES.items()})
"""Recipes that together hold everything that recipes are made of, but for losses; all of them in `make faults`."""


def small(made: Recipe, width: int = 8, blocks: int | None = None) -> Recipe:
    """A recipe's smallest variant: the same in all but its width, batch, pool, the length of its warm-ups, the distances that it copies
    from, and the number of equal blocks in a row if that is given.
    """
    sizes = {"width": width, "distances": (4,)} | ({} if blocks is None else {"blocks": blocks})

    def thin(part: Partial) -> Partial:
        part = part.given(**{name: thin(value) for name, value in part.settings.items() if isinstance(value, Partial)})
        taken = inspect.signature(part.make).parameters
        return part.given(**{name: size for name, size in sizes.items() if name in taken})

    game = made.game.given(pool=16) if "pool" in inspect.signature(made.game.make).parameters else made.game
    return replace(
        made,
        game=game,
        generator=thin(made.generator),
        discriminator=thin(made.discriminator),
        batch=8,
        generator_warmup=min(made.alone(64), 16),
        warmup=min(made.warmup, 16),
    )
