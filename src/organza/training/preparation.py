"""Preparation of a run, new or resumed: its recipe, data, evaluator, threads and plan, and what does not fit."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from typing import Any

import torch

from organza import overrides, recipes
from organza.data.batches import Batches
from organza.data.difference import difference
from organza.data.location import asked_of
from organza.data.source import Source
from organza.distributed.launched import local_rank
from organza.distributed.world import ALONE, World
from organza.errors import UserError, told
from organza.inference.load import Run
from organza.progress import Progress
from organza.recipe import Recipe
from organza.run.folder import RunFolder, Unwritten
from organza.run.forms import positive
from organza.training import auto, fine_tune
from organza.training.accelerator import Accelerator, choose
from organza.training.auto import Choice, fallback_for, recipe_for
from organza.training.evaluator import SAMPLES, Evaluator, extractor_of
from organza.training.feasibility import CANNOT, feasible, require_size
from organza.training.inspection import inspected, of_ones_own
from organza.training.plan import Budget, Plan, make_plan
from organza.training.request import TrainArgs
from organza.training.resume import recorded_in, require_same
from organza.training.speed import Pace, costs, faster, fewest, measure, pace, rates, trial

ROUGHLY = 0.3
"""Seconds in which the speed is measured for a budget in images: the intervals of a run depend on it, its length does not."""


@dataclass(frozen=True)
class Preparation:
    """A run before its first step, as each of its ranks prepares it.

    Args:
        asked: request.
        folder: run folder; rank 0 alone writes to it.
        before: recipe.json of an earlier part of this run; None for a new run.
        start: run whose weights a new run starts with, if any.
        recipe: recipe to train.
        reasons: reasons for the recipe if it was chosen automatically.
        data: data in the layout of the recipe.
        own: names of the user's own modules that the recipe's values are from.
        remarks: notes of the inspection of these values.
        accelerator: accelerator to train on.
        world: ranks that share the run.
    """

    asked: TrainArgs
    folder: RunFolder
    before: dict[str, Any] | None
    start: Run | None
    recipe: Recipe
    reasons: tuple[str, ...]
    data: Batches
    own: Collection[str]
    remarks: list[str]
    accelerator: Accelerator
    world: World

    @property
    def is_new(self) -> bool:
        """True if no earlier part of this run exists."""
        return self.before is None

    def compiled(self) -> Preparation:
        """Return the preparation with compiled networks if rank 0 measures that they are faster."""
        compiled = self.world.decide(lambda: faster(self.recipe, self.data, self.accelerator).compiled)
        return replace(self, accelerator=replace(self.accelerator, compiled=compiled))

    def threads(self) -> int:
        """Return the run's own number of threads, as others round differently; for a new run with a
        time budget, the measured best. Several ranks have those that their launcher gave them.
        """
        here = torch.get_num_threads()
        if self.world.size > 1:
            return here
        if self.before:
            known = _known_threads(self.before) or here
            return here if "OMP_NUM_THREADS" in os.environ else min(known, os.cpu_count() or 1)
        if Budget.parse(self.asked.length).seconds is None:
            return here  # so that the same command gives the same bytes
        return fewest(rates(self.recipe, self.data, self.accelerator))

    def evaluator(self) -> Evaluator | None:
        """Return the evaluator of the samples; None if none is wanted, or the data has too few items."""
        if not self.asked.evaluate or len(self.data.reference) < 3:  # a distance between sets needs three items in each
            return None
        return Evaluator(extractor_of(self.data), self.data, SAMPLES)

    def plan(self, evaluator: Evaluator | None) -> Plan:
        """Return the plan of the run so far, or one for a new budget by the speed measured here."""
        if self.before and self.asked.budget in (None, self.before["plan"]["budget"]):
            return Plan(**self.before["plan"])
        budget = Budget.parse(self.asked.length)
        # Only a time budget needs a good estimate of its images, and a short one needs less.
        state = trial(self.recipe, self.data, self.accelerator, self.world)
        time = min(3.0, 0.0025 * budget.seconds) if budget.seconds else ROUGHLY
        found = costs(state, measure(state, time), evaluator)
        if budget.seconds:
            found = found._replace(
                pace=pace(self.recipe, self.data, self.accelerator, self.world, found.rate, time / 2)
            )
        return make_plan(budget, len(self.data.parts.train), self.recipe.batch, found, self.recipe.alone)

    def fallback(self) -> Callable[[], tuple[Recipe, float]] | None:
        """Return a function that measures the recipe to use if this one cannot be cured; None for a recipe that the user
        named, which is never replaced, and if there is no other.
        """
        if not (self.reasons or (self.before or {}).get("chosen")):
            return None
        other = fallback_for(self.recipe, self.data)
        return None if other is None else lambda: (other, self._rate(other))

    def _rate(self, recipe: Recipe) -> float:
        """Return the speed of a recipe on this data, in images a second."""
        return measure(trial(recipe, self.data, self.accelerator, self.world), 1.0)


def prepare(asked: TrainArgs, world: World, progress: Progress | None = None) -> Preparation:
    """Prepare a run on one of the ranks that share it; nothing is written.

    Args:
        asked: request.
        world: ranks that share the run; rank 0's folder decides.
        progress: callback (task, done, total).

    Raises:
        UserError: if request, recipe, data and folder do not fit together.
    """
    accelerator = choose(asked.device, local_rank() if world.size > 1 else None)
    path = world.decide(lambda: str(asked.folder.path))
    asked = asked if world.leads else replace(asked, run=path)
    folder = asked.folder if world.leads else Unwritten(path)
    before = world.decide(lambda: earlier(asked))
    start = fine_tune.origin(asked, before is not None)
    asked = fine_tune.prepared(asked, start)
    recipe, reasons = resolve(asked, accelerator, before, progress, world)
    data = world.after_first(lambda: open_data(asked, recipe, before, progress))
    require_shares(recipe, world)
    feasible(recipe, data)  # reports a misfit before anything is written
    own = of_ones_own(recipe)
    with told(CANNOT.format(name=recipe.name), ours=("organza.training", "organza.data")):
        remarks = inspected(recipe, data) if own else []
    return Preparation(asked, folder, before, start, recipe, reasons, data, own, remarks, accelerator, world)


def require_shares(recipe: Recipe, world: World) -> None:
    """Check that the ranks can share every batch equally.

    Raises:
        UserError: if they cannot; names numbers that can.
    """
    if recipe.batch % world.size:
        fewer = max(n for n in range(1, world.size) if recipe.batch % n == 0)
        batch = -(-recipe.batch // world.size) * world.size
        raise UserError(
            f"The batch of {recipe.name} is {recipe.batch}, which {world.size} processes cannot share equally; "
            f"use {fewer} process{'es' * (fewer > 1)}, or `settings=['batch={batch}']`."
        )


def _known_threads(before: dict[str, Any]) -> int | None:
    """Return the number of threads that a run began with, or None if it is not valid."""
    known = before["versions"].get("threads")
    return known if positive(known) else None


def earlier(asked: TrainArgs) -> dict[str, Any] | None:
    """Return the recipe.json of an earlier part of this run; None for a new run."""
    require_size(asked.size)
    return asked.folder.read() if asked.folder.exists else None


def resolve(
    asked: TrainArgs,
    accelerator: Accelerator,
    before: dict[str, Any] | None,
    progress: Progress | None = None,
    world: World = ALONE,
) -> Choice:
    """Return the recipe to train, with the reasons if it was chosen automatically.

    Args:
        asked: request.
        accelerator: accelerator to measure recipes on.
        before: recipe.json of an earlier part of this run.
        progress: callback (task, done, total).
        world: ranks that share the batches.

    Raises:
        UserError: if the folder holds a run of another recipe; names the first difference.
    """
    folder = asked.folder
    if asked.recipe not in (None, auto.AUTO):
        choice = Choice(asked.recipe if isinstance(asked.recipe, Recipe) else recipes.get(asked.recipe), ())
    elif before:
        choice = Choice(recorded_in(folder, before, asked.own), ())
    else:
        source = Source.remembered(asked.place, asked.wishes(), progress)
        budget = Budget.parse(asked.length)
        gpu = accelerator.device.type == "cuda"
        choice = recipe_for(source, budget, Pace(accelerator, world), gpu, world)
    recipe = overrides.apply(choice.recipe, asked.settings)
    if before:
        require_same(folder, before, recipe)
    if asked.stop is not None:
        recipe = replace(recipe, stop=tuple(asked.stop))
    return Choice(recipe, choice.reasons)


def open_data(
    asked: TrainArgs, recipe: Recipe, before: dict[str, Any] | None, progress: Progress | None = None
) -> Batches:
    """Open the data in the layout of the recipe, with the size and channels of the run so far.

    Raises:
        UserError: if there is too little data, all items are equal, or the data changed since the
            run began.
    """
    wishes = asked.wishes()
    if before:
        known = {"pages": "first", "follow_links": False} | before["asked"]
        for name, now in wishes.items():
            if now is not None and now != known[name]:
                raise UserError(
                    f"{asked.folder.path} began with {name} {known[name]}; for {name} {now} name another folder with `run`."
                )
        own = asked_of(before, asked.folder.path, asked.place) if wishes["labels"] is None else before["asked"]
        wishes = known | own | {name: now for name, now in wishes.items() if now is not None}
    data = recipe.opened(Source.remembered(asked.place, wishes, progress))
    if before and not data.is_same(before["data"]["fingerprint"]):
        raise UserError(
            f"{asked.place} changed since {asked.folder.path} began: {difference(before['data'], data)}. A run resumes only with"
            f" the {data.unit} it began with: restore them and move new ones elsewhere, or begin a new run with another `run`."
        )
    return data
