"""Illnesses that are forced on healthy runs, and the healthy runs beside them: is each noticed at the next evaluation, and nothing else?"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor, nn

from organza.data.batches import Batches
from organza.data.source import Source
from organza.events import Evaluated, Tick
from organza.health import Finding, Vitals
from organza.metrics.memorisation import thumbnails
from organza.plan import Plan
from organza.recipe import Recipe, find
from organza.referee import Referee
from organza.run import RunFolder
from organza.schedule import Number, at
from organza.trainer import Trainer
from tests.contracts.discovery import small
from tests.drawings import drawing
from tests.faults.ground import Row

IMAGES, CHECKS, SAMPLES = 1280, 4, 200
SPOILT = IMAGES * 2 // CHECKS + 80  # some steps after the second evaluation
RECIPES = ("mlp", "dcgan", "dcgan-r1", "resize-r1", "swift")


def _times(rate: Number, by: float) -> Number:
    return rate * by if isinstance(rate, int | float) else lambda images, planned: by * at(rate, images, planned)


def rate_times_50(trainer: Trainer) -> None:
    """The learning rates of both players, times 50."""
    faster = [replace(chosen, rate=_times(chosen.rate, 50)) for chosen in trainer.recipe.optimizers]
    trainer.recipe = replace(trainer.recipe, generator_optimizer=faster[0], discriminator_optimizer=faster[1])


def generator_frozen(trainer: Trainer) -> None:
    """The generator is no longer trained."""
    trainer.recipe = replace(trainer.recipe, generator_optimizer=replace(trainer.recipe.generator_optimizer, rate=0.0))


def discriminator_reset(trainer: Trainer) -> None:
    """The discriminator forgets all that it learned."""
    fresh: nn.Module = trainer.recipe.build(trainer.data).D
    trainer.game.D.load_state_dict(fresh.state_dict())


def latents_duplicated(trainer: Trainer) -> None:
    """Every item of a batch gets the latent of the first."""
    genuine = trainer.latents

    def alike(purpose: str, positions: range) -> dict:
        drawn = genuine(purpose, positions)
        return {name: value[:1].expand_as(value).clone() for name, value in drawn.items()}

    trainer.latents = alike  # type: ignore[method-assign]


ILLNESSES: tuple[Callable[[Trainer], None], ...] = (
    rate_times_50,
    generator_frozen,
    discriminator_reset,
    latents_duplicated,
)


class Thumbnails:
    """Features that cost nothing: the pixels of a small copy. The illnesses are to be seen by any eye."""

    name, dimension = "thumbnails", 192

    def card(self) -> dict[str, Any]:
        """What the features depend on."""
        return {"name": self.name}

    def __call__(self, images: np.ndarray | Tensor) -> Tensor:
        """Pictures, uint8 [N, H, W, 3], to [N, 192]."""
        return thumbnails(np.asarray(images), 8)


class Patients:
    """Data and features for runs of several recipes.

    Args:
        root: an empty folder.
    """

    def __init__(self, root: Path):
        self.root, self.folder = root, root / "drawings"
        self.folder.mkdir(parents=True)
        for seed in range(600):
            drawing(seed).save(self.folder / f"{seed:03d}.png")
        self.referee: Referee | None = None

    def run(
        self, name: str, seed: int, spoil: Callable[[Trainer], None] | None
    ) -> Iterator[tuple[Vitals, list[Finding]]]:
        """What each evaluation of a run measured and found; the run falls ill between the second and the third."""
        recipe: Recipe = replace(small(find(name), 8), batch=16, stop=(), warmup=0)
        data: Batches = recipe.data(Source(self.folder, size=32, seed=seed))
        self.referee = self.referee or Referee(Thumbnails(), data, SAMPLES)
        every = IMAGES // CHECKS
        plan = Plan(f"{IMAGES}img", IMAGES, None, every, 10 * IMAGES, every, every)
        folder = RunFolder(self.root / f"{name}-{seed}-{spoil.__name__ if spoil else 'well'}")
        folder.begin()
        trainer = Trainer(recipe, data, folder, plan, seed, self.referee)
        spoilt = False
        for event in trainer.events():
            if isinstance(event, Tick) and event.images >= SPOILT and spoil and not spoilt:
                spoil(trainer)
                spoilt = True
            if isinstance(event, Evaluated):
                health: Mapping = event.line["health"]
                found = [Finding(**one) for one in health["findings"]]
                yield Vitals(**{key: value for key, value in health.items() if key in Vitals._fields}), found
                if spoilt:
                    return


def noticed(patients: Patients, times: int) -> Row:
    """Forced illnesses: found, as grave, at the first evaluation behind them."""
    kept, missed = 0, []
    for trial in range(times):
        spoil, name = ILLNESSES[trial % 4], RECIPES[trial // 4 % len(RECIPES)]
        *_, (vitals, found) = patients.run(name, trial, spoil)
        print(name, spoil.__name__, [one.name for one in found], vitals, file=sys.stderr, flush=True)
        kept += (well := any(one.grave for one in found))
        if not well:
            missed.append(f"{name} {spoil.__name__}")
    return Row("forced collapses, noticed at the next evaluation", times, kept, ", ".join(missed))


def left_alone(patients: Patients, times: int) -> Row:
    """Healthy runs: no evaluation of theirs finds anything grave."""
    kept, alarms = 0, []
    for trial in range(times):
        name = RECIPES[trial % len(RECIPES)]
        seen = list(patients.run(name, 100 + trial, None))
        for vitals, found in seen:
            print(name, "well", [one.name for one in found], vitals, file=sys.stderr, flush=True)
        wrong = [one.name for _, found in seen for one in found if one.grave]
        kept += not wrong
        alarms += [f"{name} {one}" for one in wrong]
    return Row("healthy runs, no false alarm", times, kept, ", ".join(alarms))
