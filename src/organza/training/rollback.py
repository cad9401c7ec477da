"""Rollback after mode collapse or divergence: to the last good checkpoint with one change; finally
to the beginning with another recipe.

The first rollback halves the learning rates and, after mode collapse or with a blind D, makes the
penalties three times as strict. The second restarts with the recipe that the trainer was given for
this, or rolls back once more. After the third the run ends, saved, and reports the time that this
spares.

The changes are a function of the images seen and of the list in recipe.json, so a rolled-back run
resumes exactly, from any of its checkpoints; an abandoned checkpoint is recognized by the number of
rollbacks that it recorded.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass

from organza.config import encode
from organza.disk import remove_tree, rename, safe_name
from organza.recipe import Recipe
from organza.run import checkpoint
from organza.run.checkpoint import Damaged
from organza.run.events import Event, RolledBack
from organza.run.folder import RunFolder
from organza.run.health import BEGINNING, GLANCES, Finding, Vitals, at_a_glance, findings
from organza.training import snapshot
from organza.training.diagnostics import glanced
from organza.training.state import Rollback, TrainState, current, factor, strictness

MOST = 3
Reason = tuple[str, str] | None
"""Reason for the end of a run: the kind, and a sentence."""


@dataclass(frozen=True)
class Treatment:
    """Permitted actions on mode collapse and divergence.

    Args:
        folder: run folder.
        on_collapse: rollback, stop or continue.
        fallback: function that returns another recipe to use, and its images a second; None for
            none.
    """

    folder: RunFolder
    on_collapse: str = "rollback"
    fallback: Callable[[], tuple[Recipe, float]] | None = None


def treated(state: TrainState, treatment: Treatment) -> Generator[Event, None, Reason]:
    """Act on grave findings of an evaluation, as the user chose."""
    ill = [found for found in findings(state.vitals) if found.grave] if state.vitals else []
    return (yield from answered(state, treatment, ill, state.vitals[:-1])) if ill else None


def seen_ill(state: TrainState, before: int, stats: bool) -> list[Finding]:
    """Return the faults that the steps show without an evaluation, once they require a rollback.

    An autoencoder that learned nothing is found at the end of its warm-up; a jump at once, since it
    is short but its damage remains; all others after `GLANCES` consecutive checks.

    Args:
        state: training state of the run.
        before: images seen before the last step.
        stats: True if a line of stats is due, to check the steps since the last one.
    """
    alone = state.alone
    ready = not (alone >= BEGINNING and before < alone <= state.images)
    if not ready and (why := state.world.decide(lambda: state.game.unready(state.data))):
        return [Finding("autoencoder", why, "another recipe, such as few-shot or swift", True)]
    if not stats:
        return []
    ill = at_a_glance(glanced(state), state.vitals)
    state.count_illness(bool(ill))
    if state.unwell < GLANCES and not any(one.name == "jump" for one in ill):
        return []
    state.count_illness(False)
    return ill


def answered(
    state: TrainState, treatment: Treatment, ill: Sequence[Finding], before: Sequence[Vitals]
) -> Generator[Event, None, Reason]:
    """Act on faults as the user chose.

    Args:
        state: training state of the run.
        treatment: permitted actions.
        ill: grave findings.
        before: earlier evaluations.
    """
    if treatment.on_collapse == "continue":
        return None
    why = "; ".join(f"{one.name}: {one.text}" for one in ill) + f" (at {state.images:,} images)"
    if treatment.on_collapse == "stop":
        return "collapse", why
    well = [end for end in range(1, len(before) + 1) if not any(one.grave for one in findings(before[:end]))]
    stricter = any(one.name in ("collapse", "blind discriminator") for one in ill)
    latest = before[well[-1] - 1].images if well else 0
    return (yield from taken_back(state, treatment, "collapse", why, latest, stricter, ill[0].advice))


def taken_back(
    state: TrainState,
    treatment: Treatment,
    kind: str,
    why: str,
    latest: int | None = None,
    stricter: bool = False,
    advice: str = "",
) -> Generator[Event, None, Reason]:
    """Roll back to the last good checkpoint with half the learning rate; the second time restart
    with another recipe; then stop.

    Args:
        state: training state of the run.
        treatment: permitted actions.
        kind: kind of the fault.
        why: reason in words.
        latest: largest images seen of an acceptable checkpoint; None uses the newest.
        stricter: True to make the penalties stricter, too.
        advice: advice for the user if nothing helps.

    Returns:
        None after a rollback, else the reason for the end of the run.
    """
    done = state.rollbacks
    other = treatment.fallback if done and not any(one.recipe for one in done) and _much_is_left(state) else None
    if other is None and len(current(done)) >= (MOST if not any(one.recipe for one in done) else 1):
        tried = (
            "and another recipe did not help" if any(one.recipe for one in done) else f"{MOST} rollbacks did not help"
        )
        return kind, f"{why}; {tried}. {_spared(state)}" + (f"Try {advice}." if advice else "")
    if other is not None:
        back = _begun_anew(state, treatment.folder, *other(), why)
        text = f"{why}: restarted with the recipe {back.recipe}"
    else:
        back = _back(state, treatment.folder, why, latest, stricter)
        rates, strict = factor(done, back.to), strictness(done, back.to)
        text = f"{why}: rolled back to {back.to:,} images, with the learning rates multiplied by {rates:g}"
        text += f" and the penalties by {strict:g}" if strict > 1 else ""
    treatment.folder.event("rolled back", text, **back._asdict(), rates=factor(done, back.to))
    yield RolledBack(text, back.to)
    return None


def _much_is_left(state: TrainState) -> bool:
    return _share(state) < 0.5


def _share(state: TrainState) -> float:
    """Return the spent share of the budget."""
    plan = state.plan
    return state.images / plan.images if plan.seconds is None else state.seconds / plan.seconds


def _spared(state: TrainState) -> str:
    share = 1 - _share(state)
    return f"The run ends early, saved; {share:.0%} of its budget is spared. " if share > 0.01 else ""


def _begun_anew(state: TrainState, folder: RunFolder, recipe: Recipe, rate: float, why: str) -> Rollback:
    """Restart with another recipe for the remaining time. The checkpoints of the first are kept in
    a folder with its name.

    Args:
        state: training state, which is reset to the beginning; its clock continues.
        folder: run folder.
        recipe: new recipe.
        rate: its images a second.
        why: reason in words.
    """
    seconds, at, plan = state.seconds, state.images, state.plan
    if (
        state.world.leads and folder.checkpoints.is_dir()
    ):  # first of all: a run killed after this restarts, fails again and returns here
        aside = folder.path / f"checkpoints-{safe_name(state.recipe.name)}"
        remove_tree(aside)
        rename(folder.checkpoints, aside)
    if plan.seconds is not None:
        plan = plan.of(max(recipe.batch, round((plan.seconds - seconds) * rate)))
    back = Rollback(0, at, why, recipe=recipe.name)
    state.rollbacks.append(back)
    state.begin_anew(recipe, plan)
    generator, discriminator = recipe.players(state.data)
    folder.write(
        folder.read()
        | {
            "recipe": encode(recipe),
            "players": {"generator": encode(generator), "discriminator": encode(discriminator)},
            "plan": vars(state.plan),
            "rollbacks": [one._asdict() for one in state.rollbacks],
        }
    )
    folder.rewind(0)
    state.set_clock(seconds)
    return back


def _back(
    state: TrainState, folder: RunFolder, why: str, latest: int | None = None, stricter: bool = False
) -> Rollback:
    """Roll a run back to its last good checkpoint, or to its beginning, and record it in
    recipe.json before anything is removed.

    Args:
        state: training state, which is restored there; its clock continues.
        folder: run folder.
        why: reason in words.
        latest: largest images seen of an acceptable checkpoint; None uses the newest.
        stricter: True if penalties are stricter from then on.
    """
    seconds, at = state.seconds, state.images
    if not snapshot.follow(state, _last_good(state, folder, latest) if state.world.leads else None, folder):
        state.begin()
        folder.rewind(0)
    back = Rollback(state.images, at, why, stricter)
    state.rollbacks.append(back)
    folder.write(folder.read() | {"rollbacks": [one._asdict() for one in state.rollbacks]})
    for directory in checkpoint.existing(folder.checkpoints) if state.world.leads else ():
        if int(directory.name) > back.to:
            checkpoint.remove(directory)
    state.set_clock(seconds)
    return back


def _last_good(state: TrainState, folder: RunFolder, latest: int | None) -> checkpoint.Checkpoint | None:
    """Restore the newest acceptable checkpoint, and return it; None if there is none."""
    found = [one for one in checkpoint.existing(folder.checkpoints) if latest is None or int(one.name) <= latest]
    saved = None
    while found and saved is None:
        directory = found.pop()
        try:
            saved = checkpoint.load(directory)
            if saved.facts.get("planned at", int(directory.name)) != int(directory.name):
                saved = None  # the position of a signal, which an uninterrupted run does not have
                continue
            snapshot.restore(state, saved, folder)
        except Damaged:
            saved = None
    return saved
