"""Where a run stands: what a checkpoint keeps of a trainer, its tensors and the facts beside them, and how one goes on from it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from organza.config import decode, encode, own_modules
from organza.disk import write_json
from organza.errors import UserError
from organza.game import Game
from organza.media.provenance import Provenance
from organza.run import checkpoint
from organza.run.checkpoint import Checkpoint, Damaged
from organza.run.folder import PLAN
from organza.run.forms import duration, natural, number, require_form
from organza.run.health import Pulse, Vitals
from organza.stop import Check, best, tie
from organza.training.plan import Plan

if TYPE_CHECKING:
    from organza.training.trainer import Trainer

LARGEST = 1e150
"""Of what was measured: 32-bit floats and sums of them are smaller, and the squares of larger ones would be infinite."""


def _measured(value: Any) -> bool:
    """Return True for a number that a run can have measured: of weights that grew beyond all bounds, infinity and NaN too."""
    return number(value) and not LARGEST <= abs(value) < math.inf


def _sums(value: Any) -> bool:
    """Return True for what each step of a line of stats.jsonl told. Losses are finite and sizes positive, so none is minus infinity."""
    return isinstance(value, dict) and all(
        isinstance(told, tuple) and all(_measured(one) and one != -math.inf for one in told) for told in value.values()
    )


def _pulse(value: Any) -> bool:
    """Return True for what `Pulse` keeps: by name how many readings, their sum, the largest and the last."""
    return isinstance(value, dict) and all(
        isinstance(kept, tuple) and len(kept) == 4 and all(map(_measured, kept)) and kept[0] >= 1
        for kept in value.values()
    )


def _rows(measured: int) -> Callable[[Any], bool]:
    """The form of rows: an image count, so many numbers that were measured, and others that are None where nothing could be."""

    def form(value: Any) -> bool:
        return isinstance(value, tuple) and all(
            isinstance(row, tuple)
            and len(row) > measured
            and natural(row[0])
            and all(number(item) for item in row[1 : 1 + measured])
            and all(item is None or _measured(item) for item in row[1:])
            for row in value
        )

    return form


FACTS = {
    "images": natural, "steps": natural, "seconds": duration, "history": _rows(4), "neutral": float | None,
    "sums?": _sums, "vitals?": _rows(2), "pulse?": _pulse,
    "planned at?": natural, "rollbacks?": natural, "unwell?": natural,
    "plan?": PLAN, "recipe?": dict, "data?": str, "seed?": int,
}  # fmt: skip
"""What a manifest tells those who go on from its checkpoint."""
REMARKS = ("stop", "source", "expect")
"""Fields of a recipe that do not decide what a step does."""


def save(trainer: Trainer) -> Path:
    """Write a checkpoint, say which is the newest and which the best, and remove those that are neither."""
    path = checkpoint.save(trainer.folder.checkpoints, trainer.images, tensors(trainer), facts(trainer))
    trainer.saved_at = trainer.images
    keep = {checkpoint.name_for(trainer.planned_at)}
    if trainer.history:
        chosen = best(trainer.history)
        keep |= {checkpoint.name_for(chosen.images)}
        why = f"smallest distance to real images: {chosen.distance:.4f} ± {chosen.error:.4f}"
        why += f"; {tied}" if (tied := tie(trainer.history)) else ""
        told = {"checkpoint": checkpoint.name_for(chosen.images), "images": chosen.images, "why": why}
        write_json(trainer.folder.best, told)
    write_json(trainer.folder.latest, {"checkpoint": path.name, "images": trainer.images})
    checkpoint.retain(trainer.folder.checkpoints, keep)
    return path


def tensors(trainer: Trainer) -> dict[str, dict[str, Tensor]]:
    """All tensors that the next step depends on, by file."""
    game = trainer.game
    with trainer.averaged():
        sampled = trainer.average.network if trainer.recipe.average else game.G
        averaged = dict(sampled.state_dict())
    return {
        "generator": averaged,  # what is sampled and shared
        "generator_training": dict(game.G.state_dict()),
        "discriminator": dict(game.D.state_dict()),
        "generator_optimizer": checkpoint.optimizer_tensors(trainer.optimizers["generator"]),
        "discriminator_optimizer": checkpoint.optimizer_tensors(trainer.optimizers["discriminator"]),
    } | ({"memory": remembered} if (remembered := memory(game)) else {})


def made_by(trainer: Trainer) -> Provenance:
    """What is said of pictures made now. The hash is that of the generator in a checkpoint of this instant, saved or not."""
    model = checkpoint.digest(tensors(trainer)["generator"])
    return Provenance(model, checkpoint.name_for(trainer.images), trainer.recipe.name, trainer.seed)


def weight(game: Game) -> int:
    """The bytes of a checkpoint, roughly: two of the generator, one of the discriminator, two moments of each weight."""
    G, D = (sum(value.nbytes for value in player.state_dict().values()) for player in (game.G, game.D))
    return 4 * G + 3 * D + sum(value.nbytes for value in memory(game).values())


def memory(game: Game) -> dict[str, Tensor]:
    """What the game itself remembers beside its players: pools of earlier fakes and the like."""
    return {name: value for name, value in game.state_dict().items() if not name.startswith(("G.", "D."))}


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
        "unwell": trainer.unwell,
        "plan": vars(trainer.plan),
    }


def restore(trainer: Trainer, saved: Checkpoint) -> None:
    """Go on from a checkpoint. All of it is looked at before anything is changed.

    Raises:
        Damaged: where its weights do not fit or are not finite, or something is missing.
        UserError: where it is of another recipe, other data or another seed; the first difference is named.
    """
    try:
        require_form(saved.facts, FACTS)
    except ValueError as error:
        raise Damaged(f"{saved.directory / checkpoint.MANIFEST} is no manifest of a run: {error}") from None
    _same(saved, trainer)
    networks: dict[str, nn.Module] = {"generator_training": trainer.game.G, "discriminator": trainer.game.D}
    if trainer.recipe.average:
        networks["generator"] = trainer.average.network
    optimizers = {f"{name}_optimizer": optimizer for name, optimizer in trainer.optimizers.items()}
    remembered = memory(trainer.game)
    needed = (*networks, *optimizers, *(["memory"] if remembered else []))
    for name in needed:
        if name not in saved.tensors:
            raise Damaged(f"{saved.directory} has no {name}.safetensors")
    place = {name: str(saved.directory / f"{name}.safetensors") for name in needed}
    for name, network in networks.items():
        checkpoint.check_tensors(network.state_dict(), saved.tensors[name], place[name])
    for name, optimizer in optimizers.items():
        checkpoint.check_optimizer(optimizer, saved.tensors[name], place[name])
    if remembered:
        checkpoint.check_tensors(remembered, saved.tensors["memory"], place["memory"])
    images, steps, seconds, history, sums = _read(saved)
    vitals, pulse = _told_of_health(saved)

    for name, network in networks.items():
        checkpoint.restore_network(network, saved.tensors[name], place[name])
    for name, optimizer in optimizers.items():
        checkpoint.restore_optimizer(optimizer, saved.tensors[name], place[name])
    for name, value in remembered.items():
        value.copy_(saved.tensors["memory"][name])
    trainer.images, trainer.steps, trainer.seconds, trainer.history, trainer.sums = (
        images,
        steps,
        seconds,
        history,
        sums,
    )
    trainer.vitals, trainer.pulse, trainer.planned_at = vitals, pulse, saved.facts.get("planned at", images)
    trainer.unwell = saved.facts.get("unwell", 0)
    if (planned := saved.facts.get("plan")) and planned["budget"] == trainer.plan.budget:
        trainer.plan = Plan(**planned)  # as it was corrected until then
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


def canonical(form: Any, known: Any) -> Any:
    """Return an encoded recipe as this version writes it: names that moved and settings that came later are brought up to date.

    Args:
        form: recipe of a manifest, as an earlier version may have written it.
        known: encoded recipe whose own modules it may name.
    """
    try:
        return encode(decode(form, own_modules(known)))
    except UserError:  # told as a difference
        return form if isinstance(form, dict) else {}


def _number(value: Any) -> Any:
    """A number of a manifest, or None where nothing was measured."""
    return None if value is None else float(value)


def _short(form: Any) -> str:
    if isinstance(form, dict):
        kind = next((form[k] for k in ("part", "value", "the") if k in form), "")
        rest = ", ".join(f"{k}={_short(v)}" for k, v in form.items() if k not in ("part", "value", "the"))
        return str(kind).partition(":")[2] + (f"({rest})" if rest else "")
    return str(form)


def _same(saved: Checkpoint, trainer: Trainer) -> None:
    told, where = saved.facts, saved.directory.parent.parent
    known = encode(trainer.recipe)
    if found := differences(canonical(told["recipe"], known), known) if "recipe" in told else ():
        raise UserError(
            f"{where / 'recipe.json'} was changed: in the recipe that trained {saved.directory.name}, {found[0]}. "
            "Restore it, or train into another folder with --run."
        )
    data, seed = trainer.data.fingerprint, trainer.seed
    for name, now, same in (("data", data, trainer.data.is_same), ("seed", seed, seed.__eq__)):
        if name in told and not same(told[name]):
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
        history = [Check(int(seen), *map(_number, values)) for seen, *values in told["history"]]
        sums = {str(name): [float(value) for value in values] for name, values in told.get("sums", {}).items()}
    except (KeyError, TypeError, ValueError, OverflowError, AttributeError) as error:
        raise Damaged(f"{saved.directory / checkpoint.MANIFEST} is no manifest of a run: {error}") from error
    if not all(sums.values()):
        raise Damaged(f"{saved.directory / checkpoint.MANIFEST} is no manifest of a run: a sum of nothing")
    if images < 0 or steps < 0 or not (math.isfinite(seconds) and seconds >= 0):
        raise Damaged(
            f"{saved.directory / checkpoint.MANIFEST} tells of {images} images and {seconds} seconds, which cannot be"
        )
    return images, steps, seconds, history, sums
