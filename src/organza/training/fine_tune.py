"""A run that begins with the weights of another: of a run, or of a folder that `organza export` wrote.

Both players go on where they were, as far as they went along; the optimizers, the schedules and the average begin anew. What the
generator knows of its former data it forgets as it learns the new: Wang et al. 2018, Transferring GANs, arXiv:1805.01677.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from organza.errors import UserError
from organza.inference.load import Run, load
from organza.recipe import recorded
from organza.run.checkpoint import Damaged
from organza.run.folder import RunFolder
from organza.training import auto, snapshot
from organza.training.request import TrainArgs
from organza.training.state import TrainState


def origin(asked: TrainArgs) -> Run | None:
    """Return the run or folder that a new run begins with; None for fresh weights, and for a run that goes on.

    Raises:
        UserError: there is none at the place that is named.
    """
    if asked.start is None or asked.folder.exists:
        return None
    return load(asked.start, recipe=None if asked.recipe == auto.AUTO else asked.recipe)


def prepared(asked: TrainArgs, start: Run | None) -> TrainArgs:
    """Return a request whose recipe, size and channels are those of the weights it begins with, as far as the user left them open."""
    if start is None:
        return asked
    left_open = asked.recipe in (None, auto.AUTO)
    return replace(
        asked,
        run=asked.folder.path,
        recipe=recorded(start.content["recipe"], start.own) if left_open else asked.recipe,
        size=asked.size or f"{start.width}x{start.height}",
        channels=asked.channels or start.channels,
    )


def begin(state: TrainState, start: Run, folder: RunFolder) -> None:
    """Take the weights, and save them as the run's first checkpoint: a run that is killed early begins with them again.

    Raises:
        UserError: they are of other networks than the recipe builds for this data.
    """
    try:
        state.begin_with(start.saved.tensors, str(start.path))
    except Damaged as damage:
        raise UserError(
            f"{damage}; a run can begin with weights of the same recipe, size, channels and labels alone: leave --set, --size and "
            "--labels out, or train without --from."
        ) from None
    snapshot.save(state, folder)


def noted(start: Run | None) -> dict[str, Any]:
    """Return what recipe.json says of the weights that a run began with: which, and not where they were."""
    if start is None:
        return {}
    return {"began_with": {"sha256": start.saved.digests["generator.safetensors"], "images": start.images}}
