"""Snapshots of the training state: the tensors and facts in a checkpoint, and their restoration."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from organza.config import decode, encode, own_modules
from organza.disk import write_json
from organza.errors import UserError
from organza.game import Game
from organza.media.provenance import Provenance
from organza.recipes import current
from organza.run import checkpoint
from organza.run.checkpoint import Checkpoint, Damaged
from organza.run.folder import PLAN, RunFolder
from organza.run.forms import duration, named, natural, number, require_form
from organza.run.health import RunningStats, Vitals
from organza.run.moments import check_optimizer, optimizer_tensors, restore_optimizer
from organza.run.weights import check_tensors, restore_network
from organza.stop import Check, best, tie
from organza.training.evaluator import neutral
from organza.training.plan import Plan
from organza.training.state import TrainState

LARGEST = 1e150
"""Limit of measured values: 32-bit floats and sums of them are smaller, and the squares of larger
ones would be infinite."""


def _measured(value: Any) -> bool:
    """Return True for a number that a run can have measured, including infinity and NaN of diverged
    weights.
    """
    return number(value) and not LARGEST <= abs(value) < math.inf


def _sums(value: Any) -> bool:
    """Return True for the sums of a line of stats.jsonl. Losses are finite and norms positive, so
    none is minus infinity.
    """
    return isinstance(value, dict) and all(
        isinstance(told, tuple) and all(_measured(one) and one != -math.inf for one in told) for told in value.values()
    )


def _records(fields: Sequence[str], measured: int) -> Callable[[Any], bool]:
    """Return the form of records: an image count, a number of measured values, and others that may
    be None.
    """
    needed = fields[: measured + 1]

    def form(value: Any) -> bool:
        """Return True if a value is a list of such rows."""
        try:
            rows = [named(row, fields) for row in value]
        except (TypeError, ValueError):
            return False
        return all(
            row.keys() >= set(needed)
            and natural(row[fields[0]])
            and all(number(row[name]) for name in needed)
            and all(row[name] is None or _measured(row[name]) for name in row if name != fields[0])
            for row in rows
        )

    return form


def _pulse(value: Any) -> bool:
    """Return True for the facts of `RunningStats`: by name, the count of values, their sum, the largest
    and the last.
    """
    try:
        rows = [named(kept, RunningStats.FIELDS) for kept in value.values()]
    except (AttributeError, ValueError):
        return False
    return all(
        row.keys() == set(RunningStats.FIELDS) and all(map(_measured, row.values())) and row["count"] >= 1
        for row in rows
    )


FACTS = {
    "images": natural, "steps": natural, "seconds": duration, "history": _records(Check._fields, 4), "neutral": float | None,
    "sums?": _sums, "vitals?": _records(Vitals._fields, 2), "pulse?": _pulse,
    "planned at?": natural, "warm-up?": natural, "rollbacks?": natural, "unwell?": natural,
    "plan?": PLAN, "recipe?": dict, "data?": str, "seed?": int,
}  # fmt: skip
"""Form of the facts in a manifest that a resumed run needs."""
REMARKS = ("stop", "source", "expect")
"""Fields of a recipe that do not affect a step."""


def save(state: TrainState, folder: RunFolder) -> Path:
    """Write a checkpoint, update the pointers to the newest and the best, and remove checkpoints
    that are neither. Rank 0 writes, after a comparison with the weights of the others.
    """
    if state.world.size > 1:
        state.world.require_equal(checkpoint.digest(dict(state.game.state_dict())), "the weights")
    if not state.world.leads:
        state.mark_saved()
        return folder.checkpoints / checkpoint.name_for(state.images)
    path = checkpoint.save(folder.checkpoints, state.images, tensors(state), facts(state))
    state.mark_saved()
    keep = {checkpoint.name_for(state.planned_at)}
    if state.history:
        chosen = best(state.history)
        keep |= {checkpoint.name_for(chosen.images)}
        why = f"smallest distance to real images: {chosen.distance:.4f} ± {chosen.error:.4f}"
        why += f"; {tied}" if (tied := tie(state.history)) else ""
        told = {"checkpoint": checkpoint.name_for(chosen.images), "images": chosen.images, "why": why}
        write_json(folder.best, told)
    write_json(folder.latest, {"checkpoint": path.name, "images": state.images})
    checkpoint.retain(folder.checkpoints, keep)
    return path


def tensors(state: TrainState) -> dict[str, dict[str, Tensor]]:
    """Return all tensors that the next step depends on, by file."""
    game = state.game
    with state.averaged():
        sampled = state.average.network if state.recipe.average else game.G
        averaged = dict(sampled.state_dict())
    return {
        "generator": averaged,  # used for samples, and shared
        "generator_training": dict(game.G.state_dict()),
        "discriminator": dict(game.D.state_dict()),
        "generator_optimizer": optimizer_tensors(state.optimizers["generator"]),
        "discriminator_optimizer": optimizer_tensors(state.optimizers["discriminator"]),
    } | ({"memory": remembered} if (remembered := memory(game)) else {})


def made_by(state: TrainState) -> Provenance:
    """Return the provenance of current samples. Its hash is that of the generator in a checkpoint
    of this position, saved or not.
    """
    model = checkpoint.digest(tensors(state)["generator"])
    return Provenance(model, checkpoint.name_for(state.images), state.recipe.name, state.seed)


def weight(game: Game) -> int:
    """Estimate the bytes of a checkpoint: two copies of the generator, one of the discriminator,
    two moments of each weight.
    """
    G, D = (sum(value.nbytes for value in player.state_dict().values()) for player in (game.G, game.D))
    return 4 * G + 3 * D + sum(value.nbytes for value in memory(game).values())


def memory(game: Game) -> dict[str, Tensor]:
    """Return the game's own memory besides its players, such as pools of earlier fakes."""
    return {name: value for name, value in game.state_dict().items() if not name.startswith(("G.", "D."))}


def facts(state: TrainState) -> dict[str, Any]:
    """Return the rest of the state, facts for sampling and judging, and conditions of the next
    step.
    """
    return {
        "images": state.images,
        "steps": state.steps,
        "planned at": state.planned_at,
        "warm-up": state.alone,
        "seconds": state.seconds,
        "history": [check._asdict() for check in state.history],
        "neutral": neutral(state),
        "sums": state.sums,  # of the unfinished line of stats.jsonl
        "recipe": encode(state.recipe),
        "data": state.data.fingerprint,
        "seed": state.seed,
        "vitals": [one._asdict() for one in state.vitals],
        "pulse": state.running.facts(),
        "rollbacks": len(state.rollbacks),
        "unwell": state.unwell,
        "plan": vars(state.plan),
    }


def follow(state: TrainState, saved: Checkpoint | None, folder: RunFolder) -> bool:
    """Restore the other ranks from the checkpoint that rank 0 has restored. Return False if there is none.

    Args:
        state: training state of this rank.
        saved: rank 0's checkpoint; None on the others.
        folder: run folder.
    """
    world = state.world
    facts = world.decide(lambda: None if saved is None else saved.facts)
    if facts is None:
        return False
    tensors = world.hand_out({} if saved is None else saved.tensors)
    if not world.leads:
        restore(
            state, Checkpoint(folder.checkpoints / checkpoint.name_for(facts["images"]), tensors, facts, {}), folder
        )
    return True


def restore(state: TrainState, saved: Checkpoint, folder: RunFolder) -> None:
    """Restore the state from a checkpoint, after a check of all its parts.

    Raises:
        Damaged: if its weights do not match or are not finite, or a part is missing.
        UserError: if it belongs to another recipe, other data or another seed; names the first
            difference.
    """
    try:
        require_form(saved.facts, FACTS)
    except ValueError as error:
        raise Damaged(f"{saved.directory / checkpoint.MANIFEST} is not a manifest of a run: {error}") from None
    _same(saved, state)
    networks: dict[str, nn.Module] = {"generator_training": state.game.G, "discriminator": state.game.D}
    if state.recipe.average:
        networks["generator"] = state.average.network
    optimizers = {f"{name}_optimizer": optimizer for name, optimizer in state.optimizers.items()}
    remembered = memory(state.game)
    needed = (*networks, *optimizers, *(["memory"] if remembered else []))
    for name in needed:
        if name not in saved.tensors:
            raise Damaged(f"{saved.directory} has no {name}.safetensors")
    place = {name: str(saved.directory / f"{name}.safetensors") for name in needed}
    for name, network in networks.items():
        check_tensors(network.state_dict(), saved.tensors[name], place[name])
    for name, optimizer in optimizers.items():
        check_optimizer(optimizer, saved.tensors[name], place[name])
    if remembered:
        check_tensors(remembered, saved.tensors["memory"], place["memory"])
    images, steps, seconds, history, sums = _read(saved)
    vitals, running = _told_of_health(saved)

    for name, network in networks.items():
        restore_network(network, saved.tensors[name], place[name])
    for name, optimizer in optimizers.items():
        restore_optimizer(optimizer, saved.tensors[name], place[name])
    for name, value in remembered.items():
        value.copy_(saved.tensors["memory"][name])
    planned = saved.facts.get("plan")
    plan = (
        Plan(**planned) if planned and planned["budget"] == state.plan.budget else state.plan
    )  # the plan as corrected until then
    state.stand_at(
        images=images, steps=steps, seconds=seconds, history=history, sums=sums, vitals=vitals, running=running,
        planned_at=saved.facts.get("planned at", images), unwell=saved.facts.get("unwell", 0), plan=plan,
        alone=saved.facts.get("warm-up", state.recipe.alone(plan.images)),
    )  # fmt: skip
    folder.rewind(images)


def differences(old: Mapping[str, Any], new: Mapping[str, Any], own: Collection[str] = ()) -> list[str]:
    """Return the differences of two recipes in JSON that affect a step: "batch is 8, not 16".
    Compares values, not their names.

    Args:
        old: recipe as written by `encode`.
        new: recipe to compare with it.
        own: names of the user's own modules that both may name.

    >>> differences({"batch": 8, "source": "a"}, {"batch": 16, "source": "b"})
    ['batch is 8, not 16']
    """
    return [
        f"{field} is {_short(old.get(field))}, not {_short(new[field])}"
        for field in new
        if field not in REMARKS
        and old.get(field) != new[field]
        and _value(field, old.get(field), own) != _value(field, new[field], own)
    ]


def _value(field: str, form: Any, own: Collection[str]) -> Any:
    """Return the value of a recipe field from its JSON form, or the form itself if it has none."""
    if field == "name" and isinstance(form, str):
        return current(form)
    try:
        return decode(form, own)
    except UserError:
        return form


def canonical(form: Any, known: Any) -> Any:
    """Return an encoded recipe in the form of this version, with moved names and later settings
    brought up to date.

    Args:
        form: recipe of a manifest, perhaps by an earlier version.
        known: encoded recipe whose own modules it may name.
    """
    try:
        return encode(decode(form, own_modules(known)))
    except UserError:  # reported as a difference
        return form if isinstance(form, dict) else {}


def _number(value: Any) -> Any:
    """Return a number of a manifest, or None if it was not measured."""
    return None if value is None else float(value)


def _check(row: Mapping[str, Any]) -> Check:
    """Return an evaluation in a manifest."""
    return Check(**{name: int(value) if name == "images" else _number(value) for name, value in row.items()})


def _short(form: Any) -> str:
    if isinstance(form, dict):
        kind = next((form[k] for k in ("part", "value", "the") if k in form), "")
        rest = ", ".join(f"{k}={_short(v)}" for k, v in form.items() if k not in ("part", "value", "the"))
        return str(kind).partition(":")[2] + (f"({rest})" if rest else "")
    return str(form)


def _same(saved: Checkpoint, state: TrainState) -> None:
    """Check that a checkpoint is of this recipe, data and seed. Raises UserError if not."""
    told, where = saved.facts, saved.directory.parent.parent
    known = encode(state.recipe)
    own = own_modules(known)
    if found := differences(canonical(told["recipe"], known), known, own) if "recipe" in told else ():
        raise UserError(
            f"{where / 'recipe.json'} was changed: in the recipe that trained {saved.directory.name}, {found[0]}. "
            "Restore it, or train into another folder with `run`."
        )
    data, seed = state.data.fingerprint, state.seed
    for name, now, same in (("data", data, state.data.is_same), ("seed", seed, seed.__eq__)):
        if name in told and not same(told[name]):
            raise UserError(
                f"{where / 'recipe.json'} was changed: {saved.directory.name} was trained with {name} {told[name]}, not {now}. "
                "Restore it, or train into another folder with `run`."
            )


def _told_of_health(saved: Checkpoint) -> tuple[list[Vitals], RunningStats]:
    """Return the health records in a manifest, empty for an earlier version. Raises Damaged if they
    are invalid.
    """
    try:
        vitals = [Vitals(**named(row, Vitals._fields)) for row in saved.facts.get("vitals", [])]
        return vitals, RunningStats(
            {name: named(kept, RunningStats.FIELDS) for name, kept in saved.facts.get("pulse", {}).items()}
        )
    except (TypeError, ValueError, AttributeError, KeyError) as error:
        raise Damaged(f"{saved.directory / checkpoint.MANIFEST} is not a manifest of a run: {error}") from error


def _read(saved: Checkpoint) -> tuple[int, int, float, list[Check], dict[str, list[float]]]:
    """Return images, steps, seconds, history and sums in a manifest. Raises Damaged if they are
    invalid.
    """
    told = saved.facts
    try:
        images, steps, seconds = int(told["images"]), int(told["steps"]), float(told["seconds"])
        history = [_check(named(row, Check._fields)) for row in told["history"]]
        sums = {str(name): [float(value) for value in values] for name, values in told.get("sums", {}).items()}
    except (KeyError, TypeError, ValueError, OverflowError, AttributeError) as error:
        raise Damaged(f"{saved.directory / checkpoint.MANIFEST} is not a manifest of a run: {error}") from error
    if not all(sums.values()):
        raise Damaged(f"{saved.directory / checkpoint.MANIFEST} is not a manifest of a run: a sum of nothing")
    if images < 0 or steps < 0 or not (math.isfinite(seconds) and seconds >= 0):
        raise Damaged(
            f"{saved.directory / checkpoint.MANIFEST} has {images} images and {seconds} seconds, which are invalid"
        )
    return images, steps, seconds, history, sums
