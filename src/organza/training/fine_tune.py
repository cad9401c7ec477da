"""Fine-tuning: start a run from the weights of another run, or of a folder that `organza export` wrote.

Both players start from their weights if the folder holds both; optimizers, schedules and the average start anew.
Wang et al. 2018, Transferring GANs, arXiv:1805.01677.
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


def origin(asked: TrainArgs, resumes: bool | None = None) -> Run | None:
    """Return the run or folder that a new run starts from; None for fresh weights, and for a run that resumes.

    Args:
        asked: request.
        resumes: True if the run has begun; None looks into its folder.

    Raises:
        UserError: if there is none.
    """
    if asked.start is None or (asked.folder.exists if resumes is None else resumes):
        return None
    return load(asked.start, recipe=None if asked.recipe == auto.AUTO else asked.recipe, modules=asked.modules)


def prepared(asked: TrainArgs, start: Run | None) -> TrainArgs:
    """Return a request with the recipe, size and channels of the weights it starts from, unless the user gave others."""
    if start is None:
        return asked
    left_open = asked.recipe in (None, auto.AUTO)
    return replace(
        asked,
        run=asked.folder.path,
        recipe=recorded(start.content["recipe"], start.own) if left_open else asked.recipe,
        size=asked.size or (f"{start.width}x{start.height}" if start.table is None else None),
        channels=asked.channels or (start.channels if start.table is None else None),
    )


def begin(state: TrainState, start: Run, folder: RunFolder) -> None:
    """Load the weights and save them as the first checkpoint, so that a run killed early resumes from them.

    Raises:
        UserError: if they do not fit the networks of the recipe and the data.
    """
    try:
        state.begin_with(start.saved.tensors, str(start.path))
    except Damaged as damage:
        raise UserError(
            f"{damage}; `start` needs weights of the same recipe, size, channels and labels: leave out `settings`, "
            "`size` and `labels`, or train without `start`."
        ) from None
    snapshot.save(state, folder)


def noted(start: Run | None) -> dict[str, Any]:
    """Return the entry of recipe.json for the weights that a run started from: their sha256, not their location."""
    if start is None:
        return {}
    return {"began_with": {"sha256": start.saved.digests["generator.safetensors"], "images": start.images}}
