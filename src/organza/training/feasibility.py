"""Feasibility of a recipe on data. Its networks are built without memory; if a size does not suit
them, the nearest suitable sizes are named.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

from organza.config.outline import outlined
from organza.data.batches import Batches
from organza.data.size import parse_size
from organza.errors import UserError, told
from organza.memory import memory
from organza.recipe import Recipe
from organza.training.uncompiled import built

LEAST = 8
"""Least pixels on each side: smaller images have nothing for a network to halve and double."""
STEPS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
"""Step of suitable sides, since networks halve images."""
CANNOT = "The recipe {name} with these settings cannot be trained on this data; undo a change of `settings`, or take another recipe"


def require_size(size: str | int | None) -> None:
    """Check that a requested size is valid for training images.

    Raises:
        UserError: if it is not a size, or a side is below 8 pixels.
    """
    if size is not None and min(parse_size(str(size))) < LEAST:
        raise UserError(f"`size` is {size}; each side must be at least {LEAST} pixels.")


def feasible(recipe: Recipe, data: Batches) -> None:
    """Check that a recipe and its optimizers can be built for data.

    Raises:
        UserError: if they cannot, or the weights need more memory than this machine has. If only
            the size is wrong, names the nearest suitable ones.
    """
    try:
        needed = _built(recipe, data)
    except UserError:
        if sizes := " and ".join(_suited(recipe, data)):
            size = _text(data.shape[1:])
            raise UserError(
                f"The recipe {recipe.name} cannot make {data.unit} of {size}; the nearest sizes that it can make: {sizes}."
            ) from None
        raise
    if needed > (has := memory()):
        raise UserError(
            f"The networks of {recipe.name} need {needed / 1e9:,.0f} GB of memory; there are {has / 1e9:,.0f} GB. Choose a smaller width."
        )


def _built(recipe: Recipe, data: Batches) -> int:
    """Return the bytes of a recipe's weights in training: weights, gradients and two moments."""
    with told(CANNOT.format(name=recipe.name)), outlined():
        game = recipe.build(data)
        for player, optimizer in zip((game.G, game.D), recipe.optimizers, strict=True):
            built(optimizer, player.parameters())
        return 4 * sum(weight.nbytes for weight in game.parameters())


def _suited(recipe: Recipe, data: Batches) -> Iterator[str]:
    """Yield the nearest smaller size that suits a recipe, and the nearest larger one, if there are
    any.
    """
    for down in (True, False):
        for step in STEPS:
            sides = tuple(
                max(LEAST, side // step * step if down else -(-side // step) * step) for side in data.shape[1:]
            )
            if sides != data.shape[1:] and _suits(recipe, data, sides):
                yield _text(sides)
                break


def _suits(recipe: Recipe, data: Batches, sides: tuple[int, ...]) -> bool:
    """Return True if the recipe can be built for images of this size."""
    other: Any = copy.copy(data)
    other.shape = (data.shape[0], *sides)
    if "source_shape" in vars(other):  # other layouts derive it from the shape
        other.source_shape = (other.source_shape[0], *sides)
    try:
        return bool(_built(recipe, other))
    except UserError:
        return False


def _text(sides: tuple[int, ...]) -> str:
    return "x".join(map(str, reversed(sides)))
