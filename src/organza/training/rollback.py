"""Going back: from an illness to the last good checkpoint, with one thing changed; at last to the beginning, with another recipe.

The first time the rates are halved, and where samples grew alike or D is blind the penalties are three times as strict. The second time
the run begins anew with the recipe that the trainer was given for this, or goes back once more. After the third it ends, saved, and says
how much time that spares.

What was changed is a function of the images seen and of the list in recipe.json, so a rolled-back run resumes exactly, from any of its
checkpoints; a checkpoint that was left behind is told by how many rollbacks it knew of.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from organza.config import encode
from organza.disk import remove_tree, rename, safe_name
from organza.recipe import Recipe
from organza.run import checkpoint
from organza.run.checkpoint import Damaged
from organza.run.events import Event, Warned
from organza.run.health import BEGINNING, GLANCES, Finding, Vitals, at_a_glance, findings
from organza.training import snapshot
from organza.training.diagnostics import glanced

if TYPE_CHECKING:
    from organza.training.trainer import Trainer

MOST = 3
STRICTER = 3.0
"""What the penalties' weights are multiplied by where D was blind or samples grew alike: one step of the usual grid of their weights."""
Reason = tuple[str, str] | None
"""Why a run ends: the kind, and a sentence."""


class Rollback(NamedTuple):
    """One time that a run was taken back.

    Args:
        to: images seen at the checkpoint that it went on from; 0 is the beginning.
        at: images seen when it fell ill.
        why: in words.
        stricter: the penalties are stricter from then on.
        recipe: name of the recipe that was taken from then on; "" keeps it.
    """

    to: int
    at: int
    why: str
    stricter: bool = False
    recipe: str = ""


def current(rollbacks: Sequence[Rollback]) -> Sequence[Rollback]:
    """Return the rollbacks since another recipe was taken, or all.

    >>> [one.at for one in current([Rollback(0, 9, "ill"), Rollback(0, 8, "ill", recipe="swift"), Rollback(4, 7, "ill")])]
    [7]
    """
    last = max((k + 1 for k, one in enumerate(rollbacks) if one.recipe), default=0)
    return rollbacks[last:]


def strictness(rollbacks: Sequence[Rollback], images: int) -> float:
    """Return what the penalties' weights are multiplied by.

    >>> strictness([Rollback(100, 150, "alike", stricter=True)], 120)
    3.0
    """
    return STRICTER ** sum(one.stricter and one.to <= images for one in current(rollbacks))


def factor(rollbacks: Sequence[Rollback], images: int) -> float:
    """What the learning rates are multiplied by: a half for each rollback to an earlier point.

    >>> factor([Rollback(100, 150, "nan"), Rollback(200, 250, "nan")], 120)
    0.5
    """
    return 0.5 ** sum(one.to <= images for one in current(rollbacks))


def abandoned(images: int, known: int, rollbacks: Sequence[Rollback]) -> bool:
    """Was a checkpoint left behind by a later rollback?

    Args:
        images: seen at the checkpoint.
        known: rollbacks before it was written.
        rollbacks: all of them.

    >>> abandoned(140, 0, [Rollback(100, 150, "nan")]), abandoned(140, 1, [Rollback(100, 150, "nan")])
    (True, False)
    """
    return any(one.to < images for one in rollbacks[known:])


def treated(trainer: Trainer) -> Generator[Event, None, Reason]:
    """After an evaluation: what is done about a grave illness, as the user wished."""
    ill = [found for found in findings(trainer.vitals) if found.grave] if trainer.vitals else []
    return (yield from answered(trainer, ill, trainer.vitals[:-1])) if ill else None


def seen_ill(trainer: Trainer, before: int, stats: bool) -> list[Finding]:
    """Return the illnesses that the steps show without an evaluation, once they are to be treated.

    An autoencoder that learned nothing is told at the end of its time alone; a jump at once, as it does not last and what it broke does;
    all else where it shows `GLANCES` in a row.

    Args:
        trainer: of the run.
        before: images seen before the last step.
        stats: a line of stats is due: the steps since the last one are looked at.
    """
    alone = trainer.recipe.generator_warmup
    if alone >= BEGINNING and before < alone <= trainer.images and (why := trainer.game.unready(trainer.data)):
        return [Finding("autoencoder", why, "another recipe, such as few-shot or swift", True)]
    if not stats:
        return []
    ill = at_a_glance(glanced(trainer), trainer.vitals)
    trainer.unwell = trainer.unwell + 1 if ill else 0
    if trainer.unwell < GLANCES and not any(one.name == "jump" for one in ill):
        return []
    trainer.unwell = 0
    return ill


def answered(trainer: Trainer, ill: Sequence[Finding], before: Sequence[Vitals]) -> Generator[Event, None, Reason]:
    """Do about an illness what the user wished.

    Args:
        trainer: of the run.
        ill: grave findings.
        before: evaluations before it.
    """
    if trainer.on_collapse == "continue":
        return None
    why = "; ".join(f"{one.name}: {one.text}" for one in ill) + f" (at {trainer.images:,} images)"
    if trainer.on_collapse == "stop":
        return "collapse", why
    well = [end for end in range(1, len(before) + 1) if not any(one.grave for one in findings(before[:end]))]
    stricter = any(one.name in ("collapse", "blind discriminator") for one in ill)
    latest = before[well[-1] - 1].images if well else 0
    return (yield from taken_back(trainer, "collapse", why, latest, stricter, ill[0].advice))


def taken_back(
    trainer: Trainer, kind: str, why: str, latest: int | None = None, stricter: bool = False, advice: str = ""
) -> Generator[Event, None, Reason]:
    """Go back to the last good checkpoint with half the rate; the second time to the beginning with another recipe; then stop.

    Args:
        trainer: of the run.
        kind: of the illness.
        why: in words.
        latest: no checkpoint of more images will do; None takes the newest.
        stricter: penalties are to be stricter, too.
        advice: what the user may try where nothing helped.

    Returns:
        None where the run went back, else why it ends.
    """
    done = trainer.rollbacks
    other = trainer.fallback if done and not any(one.recipe for one in done) and _much_is_left(trainer) else None
    if other is None and len(current(done)) >= (MOST if not any(one.recipe for one in done) else 1):
        tried = (
            "and another recipe did not help" if any(one.recipe for one in done) else f"{MOST} rollbacks did not help"
        )
        return kind, f"{why}; {tried}. {_spared(trainer)}" + (f"Try {advice}." if advice else "")
    if other is not None:
        back = _begun_anew(trainer, *other(), why)
        text = f"{why}: begun anew with the recipe {back.recipe}"
    else:
        back = _back(trainer, why, latest, stricter)
        rates, strict = factor(done, back.to), strictness(done, back.to)
        text = f"{why}: back at {back.to:,} images, with the learning rates multiplied by {rates:g}"
        text += f" and the penalties by {strict:g}" if strict > 1 else ""
    trainer.folder.event("rolled back", text, **back._asdict(), rates=factor(done, back.to))
    yield Warned(text)
    return None


def _much_is_left(trainer: Trainer) -> bool:
    return _share(trainer) < 0.5


def _share(trainer: Trainer) -> float:
    """Return the share of the budget that is spent."""
    plan = trainer.plan
    return trainer.images / plan.images if plan.seconds is None else trainer.seconds / plan.seconds


def _spared(trainer: Trainer) -> str:
    share = 1 - _share(trainer)
    return f"The run ends early, saved; {share:.0%} of its budget is spared. " if share > 0.01 else ""


def _begun_anew(trainer: Trainer, recipe: Recipe, rate: float, why: str) -> Rollback:
    """Begin anew with another recipe for the time that is left. The checkpoints of the first are kept aside, under its name.

    Args:
        trainer: is left standing at the beginning; its clock goes on.
        recipe: to take.
        rate: its images a second.
        why: in words.
    """
    folder, seconds, at, plan = trainer.folder, trainer.seconds, trainer.images, trainer.plan
    if (
        folder.checkpoints.is_dir()
    ):  # before all else: a run killed behind it begins anew, falls ill and comes here again
        aside = folder.path / f"checkpoints-{safe_name(trainer.recipe.name)}"
        remove_tree(aside)
        rename(folder.checkpoints, aside)
    if plan.seconds is not None:
        trainer.plan = plan.of(max(recipe.batch, round((plan.seconds - seconds) * rate)))
    back = Rollback(0, at, why, recipe=recipe.name)
    trainer.recipe = recipe
    trainer.rollbacks.append(back)
    trainer.begin()
    generator, discriminator = recipe.players(trainer.data)
    folder.write(
        folder.read()
        | {
            "recipe": encode(recipe),
            "players": {"generator": encode(generator), "discriminator": encode(discriminator)},
            "plan": vars(trainer.plan),
            "rollbacks": [list(one) for one in trainer.rollbacks],
        }
    )
    folder.rewind(0)
    trainer.seconds = seconds
    return back


def _back(trainer: Trainer, why: str, latest: int | None = None, stricter: bool = False) -> Rollback:
    """Take a run back to its last good checkpoint, or to its beginning, and note it in recipe.json before anything is removed.

    Args:
        trainer: is left standing there; its clock goes on.
        why: in words.
        latest: no checkpoint of more images will do; None takes the newest.
        stricter: penalties are to be stricter from then on.
    """
    folder, seconds, at = trainer.folder, trainer.seconds, trainer.images
    found = [one for one in checkpoint.existing(folder.checkpoints) if latest is None or int(one.name) <= latest]
    saved = None
    while found and saved is None:
        directory = found.pop()
        try:
            saved = checkpoint.load(directory)
            if saved.facts.get("planned at", int(directory.name)) != int(directory.name):
                saved = None  # a signal happened to come there: the uninterrupted run has no such place to go back to
                continue
            snapshot.restore(trainer, saved)
        except Damaged:
            saved = None
    if saved is None:
        trainer.begin()
        folder.rewind(0)
    back = Rollback(trainer.images, at, why, stricter)
    trainer.rollbacks.append(back)
    folder.write(folder.read() | {"rollbacks": [list(one) for one in trainer.rollbacks]})
    for directory in checkpoint.existing(folder.checkpoints):
        if int(directory.name) > back.to:
            checkpoint.remove(directory)
    trainer.seconds = seconds
    return back
