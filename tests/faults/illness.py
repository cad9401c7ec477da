"""Illnesses that are forced on healthy runs, and the healthy runs beside them: is each noticed at the next evaluation, and nothing else?

The patients are small but really trained: cartoon faces at 32x32, until there are faces. What falls ill is a copy of a run that is well,
some steps behind an evaluation.
"""

from __future__ import annotations

import itertools
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from torch import nn

from organza.data import render_faces
from organza.data.batches import Batches
from organza.data.source import Source
from organza.metrics.extractors.features import offline_extractor
from organza.metrics.extractors.multiscale import Pyramid
from organza.recipe import Recipe
from organza.recipes import get
from organza.run import checkpoint
from organza.run.events import Evaluated, Saved, Tick
from organza.run.folder import RunFolder
from organza.run.health import Finding
from organza.schedule import Number, at
from organza.training import snapshot
from organza.training.evaluator import Evaluator
from organza.training.plan import Plan
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
RECIPES = ("dcgan", "dcgan-r1", "resize-r1", "swift", "few-shot")


def _times(rate: Number, by: float) -> Number:
    return rate * by if isinstance(rate, int | float) else lambda images, planned: by * at(rate, images, planned)


def rate_times_50(state: TrainState) -> None:
    """The learning rates of both players, times 50."""
    faster = [replace(chosen, rate=_times(chosen.rate, 50)) for chosen in state.recipe.optimizers]
    state.recipe = replace(state.recipe, generator_optimizer=faster[0], discriminator_optimizer=faster[1])


def generator_frozen(state: TrainState) -> None:
    """The generator is no longer trained."""
    state.recipe = replace(state.recipe, generator_optimizer=replace(state.recipe.generator_optimizer, rate=0.0))


def discriminator_reset(state: TrainState) -> None:
    """The discriminator forgets all that it learned."""
    fresh: nn.Module = state.recipe.build(state.data).D
    state.game.D.load_state_dict(fresh.state_dict())


def latents_duplicated(state: TrainState) -> None:
    """Every item of a batch gets the latent of the first."""
    genuine = state.latents

    def alike(purpose: str, positions: range) -> dict:
        drawn = genuine(purpose, positions)
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
    """

    def __init__(self, root: Path):
        self.root, self.seen = root, dict[str, list[list[Finding]]]()
        self.folder = render_faces(root / "faces", FACES, 32)
        self.evaluator: Evaluator | None = None

    def trainer(self, name: str, folder: RunFolder) -> Trainer:
        """A run of a recipe that stands at its beginning."""
        recipe: Recipe = replace(small(get(name), 12), batch=16, stop=(), warmup=0)
        data: Batches = recipe.data(Source(self.folder, size=32))
        self.evaluator = self.evaluator or Evaluator(Pyramid(offline_extractor), data, SAMPLES)
        planned = 2 * EVERY * CHECKS
        plan = Plan(f"{planned}img", planned, None, EVERY, 10 * planned, EVERY, EVERY)
        treatment = Treatment(folder, "continue")  # what is noticed is asked here, not what is done about it
        return Trainer(TrainState(recipe, data, plan, 0), folder, self.evaluator, treatment)

    def well(self, name: str) -> RunFolder:
        """The run of a recipe after `CHECKS` evaluations; what they found is in `seen`."""
        folder = RunFolder(self.root / name)
        if name not in self.seen:
            folder.begin()
            self.seen[name] = []
            for event in self.trainer(name, folder).events():
                if isinstance(event, Evaluated):
                    self.seen[name].append(_told(name, "well", event))
                if isinstance(event, Saved) and len(self.seen[name]) == CHECKS:
                    break
        return folder

    def gone_on(self, name: str, spoil: Callable[[TrainState], None] | None) -> list[Finding]:
        """What the next evaluation of a copy finds, which falls ill before it, or stays well."""
        how = spoil.__name__ if spoil else "still well"
        folder = RunFolder(shutil.copytree(self.well(name).path, self.root / f"{name}, {how}"))
        trainer = self.trainer(name, folder)
        snapshot.restore(trainer.state, checkpoint.load(checkpoint.existing(folder.checkpoints)[-1]), folder)
        begun, spoilt = trainer.state.images, spoil is None
        for event in trainer.events():
            if isinstance(event, Tick) and event.images >= begun + LATER and not spoilt:
                assert spoil is not None
                spoil(trainer.state)
                spoilt = True
            if isinstance(event, Evaluated):
                return _told(name, how, event)
        raise AssertionError("a run ended before its next evaluation")


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


def left_alone(patients: Patients, runs: int) -> Row:
    """Healthy runs: no evaluation of theirs finds anything grave, nor does one more."""
    tried, alarms = 0, []
    for name in list(reversed(RECIPES))[:runs]:
        later = patients.gone_on(name, None)
        checks = [*patients.seen[name], later]
        tried += len(checks)
        alarms += [f"{name} {one.name}" for found in checks for one in found if one.grave]
    return Row("evaluations of healthy runs, no false alarm", tried, tried - len(alarms), ", ".join(alarms))
