"""How a run goes on: from its newest checkpoint that is whole, and only as the run that it was."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from organza import recipes
from organza.config import encode
from organza.errors import UserError
from organza.recipe import Recipe, recorded
from organza.run import checkpoint
from organza.run.checkpoint import Damaged
from organza.run.events import Event, Stopped, Warned
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
        folder: of the run.
        before: content of its recipe.json.
        own: names of the user's own modules that it may name.

    Raises:
        UserError: it holds no recipe.
    """
    try:
        return recorded(before["recipe"], own)
    except UserError as error:
        raise UserError(f"{folder.recipe} cannot be used: {error} Restore it, or train into another folder.") from None


def require_same(folder: RunFolder, before: dict[str, Any], recipe: Recipe) -> None:
    """Check that a recipe is that of the run, as far as it decides what a step does.

    Raises:
        UserError: it is another one; the first difference is named.
    """
    own = recipes.modules_of(recipe)
    old = recorded_in(folder, before, own)
    if found := snapshot.differences(encode(old), encode(recipe), own):
        raise UserError(
            f"{folder.path} belongs to a run with another recipe: its {found[0]}. "
            "Name another folder with --run, or leave out --recipe and --set to go on with the old one."
        )


def go_on(state: TrainState, folder: RunFolder, before: dict[str, Any] | None, plan: Plan) -> Iterator[Event]:
    """Restore the newest checkpoint that is whole, and say what was wrong with others and what can no longer be promised."""
    if before is None:
        return
    began = CPU.facts() | before["versions"]  # what did not say where it was trained was trained on a CPU
    for name, value in versions(state.machine).items():
        if began.get(name, value) != value:  # a run of an earlier version wrote down less
            yield Warned(
                f"{printable(name)} was {printable(str(began[name]))} when the run began and is {value} now: it goes on, "
                "but not to the same bits"
            )
    if vars(plan) != before["plan"]:
        folder.write(before | {"plan": vars(plan)})
    state.rollbacks.extend(Rollback(**named(one, Rollback._fields)) for one in before.get("rollbacks", ()))
    checkpoint.tidy(folder.checkpoints)  # a run that was killed in its last save makes no other
    found = checkpoint.existing(folder.checkpoints)
    for directory in reversed(found):
        try:
            saved = checkpoint.load(directory)
            if abandoned(int(directory.name), _known_rollbacks(saved), state.rollbacks):
                checkpoint.remove(directory)  # a rollback was cut short
                continue
            snapshot.restore(state, saved, folder)
        except Damaged as damage:
            older = (
                "going on from the checkpoint before"
                if directory != found[0]
                else "no other is left, so the run begins anew"
            )
            yield Warned(f"{damage}; {older}")
            continue
        return
    folder.rewind(0)


def _known_rollbacks(saved: checkpoint.Checkpoint) -> int:
    """The rollbacks before a checkpoint was written. Raises Damaged where its manifest tells of no number."""
    known = saved.facts.get("rollbacks", 0)
    if not natural(known):
        raise Damaged(f"{saved.directory} tells of {str(known)[:40]} rollbacks, which cannot be")
    return known


def already_ended(folder: RunFolder, state: TrainState, plan: Plan) -> Stopped | None:
    """Return the end of a run that is finished, lest it is trained further by accident; None for others."""
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
        return Stopped(kind, f"this run ended before: {last[0].get('text', kind)}", state.images)
    return None
