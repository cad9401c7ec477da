"""Resuming of a run: from its newest intact checkpoint, and only with the same settings."""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterator
from typing import Any

from organza import recipes
from organza.config import encode
from organza.errors import UserError
from organza.recipe import Recipe, recorded
from organza.run import checkpoint
from organza.run.checkpoint import Damaged
from organza.run.events import Event, Warned
from organza.run.folder import RunFolder, lines_of
from organza.run.forms import named, natural
from organza.stop import kind_of
from organza.training import snapshot
from organza.training.accelerator import CPU, versions
from organza.training.plan import Plan
from organza.training.state import Rollback, TrainState, abandoned
from organza.untrusted import printable


def recorded_in(folder: RunFolder, before: dict[str, Any], own: Collection[str]) -> Recipe:
    """Return the recipe of a run.

    Args:
        folder: run folder.
        before: content of its recipe.json.
        own: names of the user's own modules that it may name.

    Raises:
        UserError: if it holds no recipe.
    """
    try:
        return recorded(before["recipe"], own)
    except UserError as error:
        raise UserError(
            f"{folder.recipe} cannot be used: {error} If the file was changed, restore it; or train into another folder."
        ) from None


def require_same(folder: RunFolder, before: dict[str, Any], recipe: Recipe) -> None:
    """Check that a recipe is that of the run, in everything that affects a step.

    Raises:
        UserError: if it is another one; names the first difference.
    """
    own = recipes.modules_of(recipe)
    old = recorded_in(folder, before, own)
    if found := snapshot.differences(encode(old), encode(recipe), own):
        raise UserError(
            f"{folder.path} belongs to a run with another recipe: its {found[0]}. "
            "Name another folder with `run`, or leave out `recipe` and `settings` to resume with the old recipe."
        )


def go_on(state: TrainState, folder: RunFolder, before: dict[str, Any] | None, plan: Plan) -> Iterator[Event]:
    """Restore the newest intact checkpoint, and report damaged ones and lost guarantees."""
    if before is None:
        return
    # Earlier versions, which did not record these, trained in one process on a CPU.
    began = {"processes": 1} | CPU.facts() | before["versions"]
    for name, value in versions(state.accelerator, state.world.size).items():
        if began.get(name, value) != value:  # earlier versions recorded less
            yield Warned(
                f"{printable(name)} was {printable(str(began[name]))} when the run began and is now {value}: the run continues, "
                "but not bit-for-bit reproducibly"
            )
    if vars(plan) != before["plan"]:
        folder.write(before | {"plan": vars(plan)})
    state.rollbacks.extend(Rollback(**named(one, Rollback._fields)) for one in before.get("rollbacks", ()))
    saved = (yield from _newest(state, folder)) if state.world.leads else None
    if not snapshot.follow(state, saved, folder):
        folder.rewind(0)


def _newest(state: TrainState, folder: RunFolder) -> Generator[Event, None, checkpoint.Checkpoint | None]:
    """Restore the newest intact checkpoint and return it; None if there is none."""
    checkpoint.tidy(folder.checkpoints)  # remove traces of a run that was killed in its last save
    found = checkpoint.existing(folder.checkpoints)
    for directory in reversed(found):
        try:
            saved = checkpoint.load(directory)
            if abandoned(int(directory.name), _known_rollbacks(saved), state.rollbacks):
                checkpoint.remove(directory)  # a rollback was interrupted
                continue
            snapshot.restore(state, saved, folder)
        except Damaged as damage:
            older = (
                "resuming from the checkpoint before"
                if directory != found[0]
                else "there is no other checkpoint, so the run begins again"
            )
            yield Warned(f"{damage}; {older}")
            continue
        return saved
    return None


def _known_rollbacks(saved: checkpoint.Checkpoint) -> int:
    """Return the number of rollbacks before a checkpoint was written. Raises Damaged if its
    manifest has no valid number.
    """
    known = saved.facts.get("rollbacks", 0)
    if not natural(known):
        raise Damaged(f"{saved.directory} has {str(known)[:40]} as its number of rollbacks, which is invalid")
    return known


def already_ended(folder: RunFolder, state: TrainState, plan: Plan) -> tuple[str, str, int] | None:
    """Return the end of a finished run, so that it is not trained further by accident: the fields
    of a `Stopped`; None for others.
    """
    last = [line for line in lines_of(folder.events) if line.get("event") in ("stopped", "started", "resumed")][-1:]
    kind = last[0].get("kind") if last else None
    if not last or last[0]["event"] != "stopped" or last[0].get("images") != state.images:
        return None
    spent = state.seconds >= plan.seconds if plan.seconds is not None else state.images >= plan.images
    if kind == "budget" and not spent:
        return None
    if kind in ("budget", "plateau", "equilibrium", "faded"):
        if kind != "budget" and not any(kind_of(rule) == kind for rule in state.recipe.stop):
            return None
        return kind, f"this run ended before: {last[0].get('text', kind)}", state.images
    return None
