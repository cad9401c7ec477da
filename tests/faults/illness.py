"""Illnesses that are forced on healthy runs, and the healthy runs beside them: is each noticed and cured, and nothing else treated?

The patients are small but really trained: cartoon faces at 32x32, until there are faces. What falls ill is a copy of a run that is well,
some steps behind an evaluation. It stays so until it goes back behind what befell it, or, where its rates or latents are at fault, until it
takes another recipe.
"""

from __future__ import annotations

import itertools
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from torch import nn
from torch.optim import Optimizer

from organza.data import render_faces
from organza.data.batches import Batches
from organza.data.source import Source
from organza.metrics.extractors.features import offline_extractor
from organza.metrics.extractors.multiscale import Pyramid
from organza.recipe import Recipe
from organza.recipes import get
from organza.run import checkpoint
from organza.run.events import Evaluated, Event, Saved, Stopped, Tick
from organza.run.folder import RunFolder
from organza.run.health import Finding
from organza.training import snapshot
from organza.training.accelerator import CPU
from organza.training.evaluator import Evaluator
from organza.training.plan import Plan
from organza.training.recipe_json import content
from organza.training.request import TrainArgs
from organza.training.rollback import Treatment
from organza.training.state import TrainState
from organza.training.trainer import Trainer
from tests.contracts.discovery import small
from tests.faults.ground import Row

FACES, SAMPLES = 1500, 300
EVERY, CHECKS = 3000, 4
"""Images between evaluations, and how many of them a patient has behind it."""
LATER = 320
"""Images from the last evaluation to the illness."""
FOUND = 0.02
"""The share of the budget in which an illness is to be found."""
RECIPES = ("dcgan", "dcgan-r1", "resize-r1", "swift", "few-shot")


def _rates(state: TrainState, by: float, players: Iterable[str]) -> None:
    """Multiply the rates of these players' optimizers by a factor; another recipe brings optimizers of its own."""

    def multiply(optimizer: Optimizer, arguments: object, options: object) -> None:
        for group in optimizer.param_groups:
            group["lr"] = group["lr"] * by

    for name in players:
        state.optimizers[name].register_step_pre_hook(multiply)


def rate_times_50(state: TrainState) -> None:
    """The learning rates of both players, times 50."""
    _rates(state, 50.0, state.optimizers)


def generator_frozen(state: TrainState) -> None:
    """The generator is no longer trained."""
    _rates(state, 0.0, ["generator"])


def discriminator_reset(state: TrainState) -> None:
    """The discriminator forgets all that it learned."""
    fresh: nn.Module = state.recipe.build(state.data).D
    state.game.D.load_state_dict(fresh.state_dict())


def latents_duplicated(state: TrainState) -> None:
    """Every item of a batch gets the latent of the first, until another recipe is taken."""
    genuine, recipe = state.latents, state.recipe

    def alike(purpose: str, positions: range) -> dict:
        drawn = genuine(purpose, positions)
        if state.recipe is not recipe:
            return drawn
        return {name: value[:1].expand_as(value).clone() for name, value in drawn.items()}

    state.latents = alike  # type: ignore[method-assign]


ILLNESSES: tuple[Callable[[TrainState], None], ...] = (
    rate_times_50,
    generator_frozen,
    discriminator_reset,
    latents_duplicated,
)


class Patients:
    """Healthy runs of several recipes, trained when they are asked for, and copies of them that go on.

    Args:
        root: an empty folder.
        faces: images that they are trained on.
        every: images between evaluations.
        checks: evaluations that a patient has behind it.
        samples: samples in an evaluation.
    """

    def __init__(
        self, root: Path, faces: int = FACES, every: int = EVERY, checks: int = CHECKS, samples: int = SAMPLES
    ):
        self.root, self.seen = root, dict[str, list[list[Finding]]]()
        self.every, self.checks, self.planned, self.samples = every, checks, 3 * every * checks, samples
        self.folder = render_faces(root / "faces", faces, 32)
        self.evaluator: Evaluator | None = None

    def trainer(self, name: str, folder: RunFolder, on_collapse: str = "continue") -> Trainer:
        """Return a run of a recipe that stands at its beginning; what is noticed can be asked where nothing is done about it."""
        recipe = _patient(name)
        data: Batches = recipe.data(Source(self.folder, size=32))
        self.evaluator = self.evaluator or Evaluator(Pyramid(offline_extractor), data, self.samples)
        planned, every = self.planned, self.every
        plan = Plan(f"{planned}img", planned, None, planned // 200, 10 * planned, every, every)
        return Trainer(
            TrainState(recipe, data, plan, 0), folder, self.evaluator, Treatment(folder, on_collapse, self.other(name))
        )

    def other(self, name: str) -> Callable[[], tuple[Recipe, float]]:
        """Return what gives another recipe to take."""
        return lambda: (_patient("dcgan-r1" if name in ("swift", "few-shot") else "swift"), 100.0)

    def well(self, name: str) -> RunFolder:
        """The run of a recipe after its first evaluations; what they found is in `seen`."""
        folder = RunFolder(self.root / name)
        if name not in self.seen:
            folder.begin()
            asked = TrainArgs(self.folder, folder.path, size=32)
            state = self.trainer(name, folder).state
            folder.write(content(asked, state.recipe, state.data, state.plan, CPU))
            self.seen[name] = []
            for event in self.trainer(name, folder).events():
                if isinstance(event, Evaluated):
                    self.seen[name].append(_told(name, "well", event))
                if isinstance(event, Saved) and len(self.seen[name]) == self.checks:
                    break
        return folder

    def gone_on(self, name: str, spoil: Callable[[TrainState], None] | None) -> list[Finding]:
        """What the next evaluation of a copy finds, which falls ill before it, or stays well."""
        how = spoil.__name__ if spoil else "still well"
        folder = RunFolder(shutil.copytree(self.well(name).path, self.root / f"{name}, {how}"))
        trainer = self.trainer(name, folder)
        snapshot.restore(trainer.state, checkpoint.load(checkpoint.existing(folder.checkpoints)[-1]), folder)
        for event in fallen_ill(trainer, spoil) if spoil else trainer.events():
            if isinstance(event, Evaluated):
                return _told(name, how, event)
        raise AssertionError("a run ended before its next evaluation")

    def cured(self, name: str, spoil: Callable[[TrainState], None]) -> Outcome:
        """Return what comes of a copy that falls ill and is treated as runs are by default, until it ends."""
        folder = RunFolder(shutil.copytree(self.well(name).path, self.root / f"{name}, {spoil.__name__}, treated"))
        trainer = self.trainer(name, folder, "rollback")
        snapshot.restore(trainer.state, checkpoint.load(checkpoint.existing(folder.checkpoints)[-1]), folder)
        fell, last, ended = trainer.state.images + LATER, [], ""
        for event in fallen_ill(trainer, spoil):
            if isinstance(event, Evaluated):
                last = _told(name, f"{spoil.__name__}, treated", event)
            if isinstance(event, Stopped):
                ended = event.kind
        found = [one.at - fell for one in trainer.state.rollbacks]
        return Outcome(
            ended == "budget" and not any(one.grave for one in last), (found or [self.planned])[0] / self.planned
        )


class Outcome(NamedTuple):
    """What came of a treatment.

    Args:
        cured: it trained to the end of its budget, and its last evaluation found nothing grave.
        after: share of the budget from the illness to the first rollback.
    """

    cured: bool
    after: float


def _patient(name: str) -> Recipe:
    return replace(small(get(name), 12), batch=16, stop=(), warmup=0)


def fallen_ill(trainer: Trainer, spoil: Callable[[TrainState], None]) -> Iterator[Event]:
    """Train, and spoil the state `LATER` images on."""
    begun, spoilt = trainer.state.images, False
    for event in trainer.events():
        if isinstance(event, Tick) and event.images >= begun + LATER and not spoilt:
            spoil(trainer.state)
            spoilt = True
        yield event


def _told(name: str, how: str, event: Evaluated) -> list[Finding]:
    health: Mapping = event.line["health"]
    found = [Finding(**one) for one in health["findings"]]
    print(name, how, [one.name for one in found], health, file=sys.stderr, flush=True)
    return found


def noticed(patients: Patients, times: int) -> Row:
    """Forced illnesses: found, as grave, at the first evaluation behind them."""
    kept, missed = 0, []
    for name, spoil in list(itertools.product(reversed(RECIPES), ILLNESSES))[:times]:
        found = patients.gone_on(name, spoil)
        kept += (well := any(one.grave for one in found))
        if not well:
            missed.append(f"{name} {spoil.__name__}")
    return Row("forced collapses, noticed at the next evaluation", times, kept, ", ".join(missed))


def cured(patients: Patients, times: int) -> tuple[Row, Row]:
    """Forced illnesses, treated as by default: cured at the end of the budget, and found within a fiftieth of it; 15 of 20 are promised."""
    outcomes = {
        f"{name} {spoil.__name__}": patients.cured(name, spoil)
        for name, spoil in list(itertools.product(reversed(RECIPES), ILLNESSES))[:times]
    }
    lost = [name for name, outcome in outcomes.items() if not outcome.cured]
    late = [f"{name} {outcome.after:.1%}" for name, outcome in outcomes.items() if outcome.after > FOUND]
    return (
        Row("forced collapses, cured by the default treatment", times, times - len(lost), ", ".join(lost)),
        Row(f"forced collapses, found within {FOUND:.0%} of the budget", times, times - len(late), ", ".join(late)),
    )


def left_alone(patients: Patients, runs: int) -> Row:
    """Healthy runs: no evaluation of theirs finds anything grave, nor does one more."""
    tried, alarms = 0, []
    for name in list(reversed(RECIPES))[:runs]:
        later = patients.gone_on(name, None)
        checks = [*patients.seen[name], later]
        tried += len(checks)
        alarms += [f"{name} {one.name}" for found in checks for one in found if one.grave]
    return Row("evaluations of healthy runs, no false alarm", tried, tried - len(alarms), ", ".join(alarms))
