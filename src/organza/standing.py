"""Where a run stands, beside its tensors: what a checkpoint's manifest keeps of a trainer, and how one goes on from it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from torch import nn

from organza import checkpoint
from organza.checkpoint import Checkpoint, Damaged
from organza.errors import UserError
from organza.health import Pulse, Vitals
from organza.part import encode
from organza.stop import Check

if TYPE_CHECKING:
    from organza.trainer import Trainer

REMARKS = ("stop", "source", "expect")
"""Fields of a recipe that do not decide what a step does."""


def facts(trainer: Trainer) -> dict[str, Any]:
    """The rest of the state, what those who only sample or judge need to know, and what the next step takes for granted."""
    return {
        "images": trainer.images,
        "steps": trainer.steps,
        "planned at": trainer.planned_at,
        "seconds": trainer.seconds,
        "history": [list(check) for check in trainer.history],
        "neutral": trainer.neutral(),
        "sums": trainer.sums,  # of the line of stats.jsonl that has begun
        "recipe": encode(trainer.recipe),
        "data": trainer.data.fingerprint,
        "seed": trainer.seed,
        "vitals": [list(one) for one in trainer.vitals],
        "pulse": trainer.pulse.kept,
        "rollbacks": len(trainer.rollbacks),
    }


def restore(trainer: Trainer, saved: Checkpoint) -> None:
    """Go on from a checkpoint. All of it is looked at before anything is changed.

    Raises:
        Damaged: where its weights do not fit or are not finite, or something is missing.
        UserError: where it is of another recipe, other data or another seed; the first difference is named.
    """
    _same(saved, trainer)
    networks: dict[str, nn.Module] = {"generator_training": trainer.game.G, "discriminator": trainer.game.D}
    if trainer.recipe.average:
        networks["generator"] = trainer.average.network
    optimizers = {f"{name}_optimizer": optimizer for name, optimizer in trainer.optimizers.items()}
    memory = trainer.memory()
    needed = (*networks, *optimizers, *(["memory"] if memory else []))
    for name in needed:
        if name not in saved.tensors:
            raise Damaged(f"{saved.directory} has no {name}.safetensors")
    place = {name: str(saved.directory / f"{name}.safetensors") for name in needed}
    for name, network in networks.items():
        checkpoint.check_tensors(network.state_dict(), saved.tensors[name], place[name])
    for name, optimizer in optimizers.items():
        checkpoint.check_optimizer(optimizer, saved.tensors[name], place[name])
    if memory:
        checkpoint.check_tensors(memory, saved.tensors["memory"], place["memory"])
    images, steps, seconds, history, sums = _read(saved)
    vitals, pulse = _told_of_health(saved)

    for name, network in networks.items():
        checkpoint.restore_network(network, saved.tensors[name], place[name])
    for name, optimizer in optimizers.items():
        checkpoint.restore_optimizer(optimizer, saved.tensors[name], place[name])
    for name, value in memory.items():
        value.copy_(saved.tensors["memory"][name])
    trainer.images, trainer.steps, trainer.seconds, trainer.history, trainer.sums = (
        images,
        steps,
        seconds,
        history,
        sums,
    )
    trainer.vitals, trainer.pulse, trainer.planned_at = vitals, pulse, saved.facts.get("planned at", images)
    trainer.saved_at, trainer.calibrated_at, trainer.tried_at = images, -1, -1
    trainer.look()
    trainer.folder.rewind(images)


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """In what two recipes in JSON differ, of what decides a step: "batch is 8, not 16".

    >>> differences({"batch": 8, "source": "a"}, {"batch": 16, "source": "b"})
    ['batch is 8, not 16']
    """
    return [
        f"{field} is {_short(old.get(field))}, not {_short(new[field])}"
        for field in new
        if field not in REMARKS and old.get(field) != new[field]
    ]


def _short(form: Any) -> str:
    if isinstance(form, dict):
        kind = next((form[k] for k in ("part", "value", "the") if k in form), "")
        rest = ", ".join(f"{k}={_short(v)}" for k, v in form.items() if k not in ("part", "value", "the"))
        return str(kind).partition(":")[2] + (f"({rest})" if rest else "")
    return str(form)


def _same(saved: Checkpoint, trainer: Trainer) -> None:
    told, where = saved.facts, saved.directory.parent.parent
    if found := differences(told.get("recipe") or {}, encode(trainer.recipe) if "recipe" in told else {}):
        raise UserError(
            f"{where / 'recipe.json'} was changed: in the recipe that trained {saved.directory.name}, {found[0]}. "
            "Restore it, or train into another folder with --run."
        )
    for name, now in (("data", trainer.data.fingerprint), ("seed", trainer.seed)):
        if told.get(name, now) != now:
            raise UserError(
                f"{where / 'recipe.json'} was changed: {saved.directory.name} was trained with {name} {told[name]}, not {now}. "
                "Restore it, or train into another folder with --run."
            )


def _told_of_health(saved: Checkpoint) -> tuple[list[Vitals], Pulse]:
    """What a manifest tells of the health; nothing in one of an earlier version. Raises Damaged where it cannot be."""
    try:
        return [Vitals(*values) for values in saved.facts.get("vitals", [])], Pulse(saved.facts.get("pulse"))
    except (TypeError, ValueError, AttributeError) as error:
        raise Damaged(f"{saved.directory / checkpoint.MANIFEST} is no manifest of a run: {error}") from error


def _read(saved: Checkpoint) -> tuple[int, int, float, list[Check], dict[str, list[float]]]:
    """Images, steps, seconds, history and sums of a manifest. Raises Damaged where they cannot be."""
    told = saved.facts
    try:
        images, steps, seconds = int(told["images"]), int(told["steps"]), float(told["seconds"])
        history = [Check(int(seen), *(float(value) for value in values)) for seen, *values in told["history"]]
        sums = {str(name): [float(value) for value in values] for name, values in told.get("sums", {}).items()}
    except (KeyError, TypeError, ValueError, OverflowError, AttributeError) as error:
        raise Damaged(f"{saved.directory / checkpoint.MANIFEST} is no manifest of a run: {error}") from error
    if images < 0 or steps < 0 or not (math.isfinite(seconds) and seconds >= 0):
        raise Damaged(
            f"{saved.directory / checkpoint.MANIFEST} tells of {images} images and {seconds} seconds, which cannot be"
        )
    return images, steps, seconds, history, sums
