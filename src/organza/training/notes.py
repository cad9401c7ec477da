"""Notes before the first step: on the data, on the recipe, and a summary of the run."""

from __future__ import annotations

from collections.abc import Collection, Iterator

import torch

from organza.data.batches import Batches
from organza.distributed.world import World
from organza.recipe import Recipe
from organza.run.folder import RunFolder
from organza.training.accelerator import CPU, Accelerator
from organza.training.plan import Plan

FEW = 500
"""Images; a generator trained on fewer mostly repeats them."""


def data_notes(data: Batches, recipe: Recipe) -> Iterator[str]:
    """Yield notes on files that are left out, on the data, and on how little it is."""
    if data.broken:
        some = "; ".join(f"{name}: {reason}" for name, reason in data.broken[:3])
        more = f"; and {len(data.broken) - 3} more" if len(data.broken) > 3 else ""
        yield f"{len(data.broken)} of {data.count + len(data.broken)} files are left out ({some}{more})"
    yield from data.notes
    if data.count < recipe.batch:
        yield f"{data.count} {data.unit} are fewer than a batch of {recipe.batch}: each step repeats some of them; expect copies"
    elif data.count < FEW:
        yield f"{data.count} {data.unit} are few: the generator will tend to repeat them; {FEW} or more are better"


def name_notes(own: Collection[str]) -> list[str]:
    """Return a note if a recipe's values are defined in `__main__`, where no other program finds them."""
    if "__main__" not in own:
        return []
    return [
        "the recipe uses values that are defined in this script or notebook (`__main__`): this session can use the run, and no command or "
        "other program can; define them in a module, my_gan.py, and import it here"
    ]


def headline(
    recipe: Recipe, data: Batches, plan: Plan, folder: RunFolder, accelerator: Accelerator, world: World
) -> tuple[str, ...]:
    """Return data, recipe, machine and folder of a run in words, a line each."""
    channels, *space = data.shape
    held = len(data.parts.held_out)
    size = f", {'x'.join(map(str, reversed(space)))}, {channels} channel{'s' if channels > 1 else ''}"
    return (
        f"{data.count:,} {data.unit}{size if space else f' of {channels} columns'}; "
        + (
            f"{held:,} held out for evaluation"
            if held
            else "too few to hold any out: evaluated against the training images"
        ),
        f"recipe {recipe.name}, batch {recipe.batch}, budget {plan.budget}{' of training' if plan.seconds else ''}: "
        f"about {plan.images:,} images"
        + ("" if accelerator == CPU else f", on {accelerator}")
        + (f", {world.size} processes of" if world.size > 1 else ",")
        + (" one thread" if torch.get_num_threads() == 1 else f" {torch.get_num_threads()} threads"),
        f"run folder {folder.path}",
    )
