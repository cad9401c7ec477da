"""Content of recipe.json: the resolved recipe, the data, the request, the plan and the versions of a run."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from organza.config import encode
from organza.data.batches import Batches
from organza.data.location import shared_name
from organza.distributed.world import ALONE, World
from organza.recipe import Recipe
from organza.run import checkpoint
from organza.training.accelerator import Accelerator, versions
from organza.training.plan import Plan
from organza.training.request import TrainArgs


def content(
    asked: TrainArgs, recipe: Recipe, data: Batches, plan: Plan, accelerator: Accelerator, world: World = ALONE
) -> dict[str, Any]:
    """Return the content of recipe.json."""
    generator, discriminator = recipe.players(data)
    size = "x".join(map(str, data.shape[:-3:-1])) if len(data.shape) > 1 else None  # width x height
    return {
        "format": checkpoint.FORMAT,
        "recipe": encode(recipe),
        "players": {"generator": encode(generator), "discriminator": encode(discriminator)},
        "data": {"source": shared_name(asked.place), **data.facts()},
        "asked": replace(
            asked,
            size=asked.size or size,
            seed=data.seed,
            pages=asked.pages or "first",
            follow_links=bool(asked.follow_links),
        ).wishes(),
        "plan": vars(plan),
        "versions": versions(accelerator, world.size),
    }
