"""How a run starts, or goes on: data, recipe, plan and folder are brought together, and what does not fit is said."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from organza import overrides, recipes
from organza.config import encode
from organza.data.batches import Batches
from organza.data.difference import difference
from organza.data.location import asked_of, remember, shared_name
from organza.data.source import Source
from organza.disk import require_room
from organza.errors import UserError, nearest, told
from organza.inference.load import Run, load
from organza.metrics.extractors.features import offline_extractor
from organza.metrics.extractors.multiscale import Pyramid
from organza.metrics.shapes import ShapeStatistics
from organza.progress import Progress
from organza.recipe import Recipe
from organza.report.at_end import reported
from organza.run import checkpoint
from organza.run.events import Begun, Busy, Event, Warned
from organza.run.folder import RunFolder
from organza.run.forms import positive
from organza.training import auto, fine_tune, snapshot
from organza.training.accelerator import CPU, Machine, choose, versions
from organza.training.auto import Choice, fallback_for, recipe_for
from organza.training.evaluator import Referee
from organza.training.feasibility import CANNOT, feasible, require_size
from organza.training.plan import Budget, Plan, make_plan
from organza.training.request import TrainArgs
from organza.training.resume import already_ended, go_on, recorded_in, require_same
from organza.training.rollback import Treatment
from organza.training.speed import Pace, costs, faster, fewest, measure, rates, threaded, trial
from organza.training.state import TrainState
from organza.training.trainer import Trainer

DEFAULT_BUDGET = "20m"
FEW = 500  # images; below, a generator mostly learns to repeat them


def train(
    data: str | Path, run: str | Path | None = None, show: Callable[[Event], None] | None = None, **request: Any
) -> Run:
    """Train a generator on a folder of images, or go on where the run was left, and return it.

    Args:
        data: a folder, a zip or an array file of images.
        run: the run's folder; runs/<name of the data> by default.
        show: is told of each event; nothing is shown by default.
        request: other fields of `TrainArgs`: recipe, budget, settings, size, channels, labels, seed, stop, evaluate, device and more.

    Raises:
        UserError: for anything the user can mend.

    >>> run = train("photos", budget="10m")    # doctest: +SKIP
    """
    asked = TrainArgs(data, run, **request)
    for event in train_events(asked):
        if show:
            show(event)
    return load(asked.folder.path, recipe=asked.recipe)


def train_events(asked: TrainArgs, progress: Progress | None = None) -> Iterator[Event]:
    """The events of a run from its preparation to its end. The run is locked meanwhile."""
    folder, machine = asked.folder, choose(asked.device)
    Budget.parse(asked.budget or DEFAULT_BUDGET)
    if asked.on_collapse not in (allowed := ("stop", "rollback", "continue")):
        raise UserError(
            f"--on-collapse is {asked.on_collapse}; it can be {', '.join(allowed)}.{nearest(asked.on_collapse, allowed)}"
        )
    start = fine_tune.origin(asked)
    asked = fine_tune.prepared(asked, start)
    (recipe, reasons), before = resolve(asked, machine, progress)
    data = open_data(asked, recipe, before, progress)
    feasible(recipe, data)  # what does not fit the data is said before anything is written
    folder.begin(anew=before is None)
    with folder.hold(), ExitStack() as settings:
        if before is None:
            folder.require_free()  # another process may have looked, too, before this one held it
        yield from _warnings(data, recipe)
        if asked.chosen.note:
            yield Warned(asked.chosen.note)
        yield Busy("measuring the real images and this machine's speed")
        referee = _referee(asked, data)
        settings.enter_context(threaded(_threads(asked, before, recipe, data, machine)))
        machine = faster(recipe, data, machine)
        with told(CANNOT.format(name=recipe.name)):
            plan = _plan(asked, before, recipe, data, referee, machine)
        if before is None:
            folder.require_free()  # measuring took seconds
            folder.write(_content(asked, recipe, data, plan, machine) | {"chosen": reasons} | fine_tune.noted(start))
        remember(folder.path, asked.data)
        state = TrainState(recipe, data, plan, data.seed, machine)
        chosen = reasons or (before or {}).get("chosen")  # who named a recipe is not given another
        fallback = _fallback(recipe, data, machine) if chosen else None
        yield from go_on(state, folder, before, plan)
        require_room(folder.checkpoints, snapshot.weight(state.game))
        if start is not None:
            fine_tune.begin(state, start, folder)
        if (ended := already_ended(folder, state, plan)) is not None:
            yield ended
            return
        folder.event(
            "resumed" if state.images else "started",
            f"{recipe.name}, {plan.images:,} images planned",
            images=state.images,
        )
        lines = (*_headline(recipe, data, plan, folder, machine), *reasons)
        yield Begun(lines, state.images, plan.images, tuple(state.history))
        treatment = Treatment(folder, asked.on_collapse, fallback)
        events = Trainer(state, folder, referee, treatment, asked.metadata).events()
        for event in reported(events, folder, data, recipe) if asked.report else events:
            if isinstance(event, Warned):
                folder.event("warned", event.text, images=state.images)
            yield event


def _threads(asked: TrainArgs, before: dict[str, Any] | None, recipe: Recipe, data: Batches, machine: Machine) -> int:
    """Those that the run began with, as other numbers round differently; those that are measured to do, where the clock decides anyhow."""
    here = torch.get_num_threads()
    if before:
        return here if "OMP_NUM_THREADS" in os.environ else min(_known_threads(before) or here, os.cpu_count() or 1)
    if Budget.parse(asked.budget or DEFAULT_BUDGET).seconds is None:
        return here  # the same command makes the same bytes
    return fewest(rates(recipe, data, machine))


def _fallback(recipe: Recipe, data: Batches, machine: Machine) -> Callable[[], tuple[Recipe, float]] | None:
    """Return what measures the recipe to take where this one cannot be cured."""
    other = fallback_for(recipe, data)
    return None if other is None else lambda: (other, measure(trial(other, data, machine), 1.0))


def _known_threads(before: dict[str, Any]) -> int | None:
    """The threads that a run began with, where it tells of a number that can be."""
    known = before["versions"].get("threads")
    return known if positive(known) else None


def resolve(
    asked: TrainArgs, machine: Machine, progress: Progress | None = None
) -> tuple[Choice, dict[str, Any] | None]:
    """The recipe to train, with the reasons where it was chosen for the user, and what recipe.json of an earlier part of this run says.

    Raises:
        UserError: where the folder holds a run of another recipe; the first difference is named.
    """
    require_size(asked.size)
    folder = asked.folder
    before = folder.read() if folder.exists else None
    if asked.recipe not in (None, auto.AUTO):
        choice = Choice(asked.recipe if isinstance(asked.recipe, Recipe) else recipes.get(asked.recipe), ())
    elif before:
        choice = Choice(recorded_in(folder, before, recipes.modules_of(asked.recipe)), ())
    else:
        source = Source.remembered(asked.data, asked.wishes(), progress)
        budget = Budget.parse(asked.budget or DEFAULT_BUDGET)
        choice = recipe_for(source, budget, Pace(machine))
    recipe = overrides.apply(choice.recipe, asked.settings)
    if before:
        require_same(folder, before, recipe)
    if asked.stop is not None:
        recipe = replace(recipe, stop=tuple(asked.stop))
    return Choice(recipe, choice.reasons), before


def open_data(
    asked: TrainArgs, recipe: Recipe, before: dict[str, Any] | None, progress: Progress | None = None
) -> Batches:
    """The data that the request names, laid out as the recipe wants it, of the size and channels of the run so far.

    Raises:
        UserError: where there is too little, all is alike, or the data changed since the run began.
    """
    wishes = asked.wishes()
    if before:
        known = {"pages": "first", "follow_links": False} | before["asked"]
        for name, now in wishes.items():
            if now is not None and now != known[name]:
                raise UserError(
                    f"{asked.folder.path} was begun with {name} {known[name]}; for {name} {now} name another folder with --run."
                )
        own = asked_of(before, asked.folder.path, asked.data) if wishes["labels"] is None else before["asked"]
        wishes = known | own | {name: now for name, now in wishes.items() if now is not None}
    data = recipe.data(Source.remembered(asked.data, wishes, progress))
    if before and not data.is_same(before["data"]["fingerprint"]):
        raise UserError(
            f"{asked.data} changed since {asked.folder.path} began: {difference(before['data'], data)}. A run goes on with"
            f" the {data.unit} it began with: move new ones elsewhere and put back the others, or begin a new one with another --run."
        )
    return data


def _warnings(data: Batches, recipe: Recipe) -> Iterator[Event]:
    if data.broken:
        some = "; ".join(f"{name}: {reason}" for name, reason in data.broken[:3])
        more = f"; and {len(data.broken) - 3} more" if len(data.broken) > 3 else ""
        yield Warned(f"{len(data.broken)} of {data.count + len(data.broken)} files are left out ({some}{more})")
    yield from map(Warned, data.notes)
    if data.count < recipe.batch:
        yield Warned(
            f"{data.count} {data.unit} are fewer than a batch of {recipe.batch}: each step repeats some of them; expect copies"
        )
    elif data.count < FEW:
        yield Warned(
            f"{data.count} {data.unit} are few: the generator will tend to repeat them; {FEW} or more are better"
        )


def _referee(asked: TrainArgs, data: Batches) -> Referee | None:
    if not asked.evaluate or len(data.reference) < 3:  # a distance between sets needs three of a kind
        return None
    volumes = len(data.shape) == 4
    return Referee(ShapeStatistics() if volumes else Pyramid(offline_extractor), data)


def _plan(
    asked: TrainArgs,
    before: dict[str, Any] | None,
    recipe: Recipe,
    data: Batches,
    referee: Referee | None,
    machine: Machine,
) -> Plan:
    if before and asked.budget in (None, before["plan"]["budget"]):
        return Plan(**before["plan"])
    budget = Budget.parse(asked.budget or DEFAULT_BUDGET)
    # Only a time needs a good guess at the images it comes to, and a short one can do with less.
    state = trial(recipe, data, machine)
    rate = measure(state, min(3.0, 0.0025 * budget.seconds) if budget.seconds else 0.3)
    return make_plan(budget, len(data.parts.train), recipe.batch, costs(state, rate, referee))


def _content(asked: TrainArgs, recipe: Recipe, data: Batches, plan: Plan, machine: Machine) -> dict[str, Any]:
    generator, discriminator = recipe.players(data)
    height, width = data.shape[-2:]
    return {
        "format": checkpoint.FORMAT,
        "recipe": encode(recipe),
        "players": {"generator": encode(generator), "discriminator": encode(discriminator)},
        "data": {"source": shared_name(asked.data), **data.facts()},
        "asked": replace(
            asked,
            size=asked.size or f"{width}x{height}",
            seed=data.seed,
            pages=asked.pages or "first",
            follow_links=bool(asked.follow_links),
        ).wishes(),
        "plan": vars(plan),
        "versions": versions(machine),
    }


def _headline(recipe: Recipe, data: Batches, plan: Plan, folder: RunFolder, machine: Machine) -> tuple[str, ...]:
    channels, *space = data.shape
    held = len(data.parts.held_out)
    return (
        f"{data.count:,} {data.unit}, {'x'.join(map(str, reversed(space)))}, {channels} channel{'s' if channels > 1 else ''}; "
        + (
            f"{held:,} held out to measure against"
            if held
            else "too few to hold any out: measured against the training images"
        ),
        f"recipe {recipe.name}, batch {recipe.batch}, budget {plan.budget}: about {plan.images:,} images"
        + ("" if machine == CPU else f", on {machine}")
        + (", one thread" if torch.get_num_threads() == 1 else f", {torch.get_num_threads()} threads"),
        f"run folder {folder.path}",
    )
