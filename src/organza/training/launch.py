"""Launch of a run, new or resumed: brings data, recipe, plan and folder together, and reports what
does not fit.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any, Literal

import torch

from organza import overrides, recipes
from organza.config import encode
from organza.data.batches import Batches
from organza.data.difference import difference
from organza.data.given import Data
from organza.data.location import asked_of, remember, shared_name
from organza.data.source import Source
from organza.disk import require_room
from organza.display.console import preparing
from organza.display.live import followed
from organza.distributed.launched import joined, local_rank, restarted, speaks
from organza.distributed.world import ALONE, World
from organza.errors import UserError, nearest, told, users_sentence
from organza.inference.load import Run, load
from organza.metrics.extractors.features import offline_extractor
from organza.metrics.extractors.multiscale import Pyramid
from organza.metrics.shapes import ShapeStatistics
from organza.progress import Progress
from organza.recipe import Recipe
from organza.report.at_end import reported
from organza.run import checkpoint
from organza.run.events import NAMES, Begun, Busy, Evaluated, Event, Stopped, Warned
from organza.run.folder import RunFolder, Unwritten
from organza.run.forms import positive
from organza.stop import Rule
from organza.training import auto, fine_tune, snapshot
from organza.training.accelerator import AUTO, CPU, Accelerator, choose, versions
from organza.training.auto import Choice, fallback_for, recipe_for
from organza.training.evaluator import SAMPLES, Evaluator
from organza.training.feasibility import CANNOT, feasible, require_size
from organza.training.inspection import inspected, of_ones_own
from organza.training.plan import Budget, Plan, make_plan
from organza.training.request import TrainArgs
from organza.training.resume import already_ended, go_on, recorded_in, require_same
from organza.training.rollback import Treatment
from organza.training.signals import Interrupted
from organza.training.speed import Pace, costs, faster, fewest, measure, rates, threaded, trial
from organza.training.state import TrainState
from organza.training.trainer import Trainer

log = logging.getLogger("organza")
DEFAULT_BUDGET = "20m"
OURS = (
    "organza.training", "organza.data", "organza.metrics", "organza.run", "organza.evaluation", "organza.distributed",
)  # fmt: skip
"""Packages in which no setting of a recipe can be at fault while the machine is measured."""
FEW = 500  # images; a generator trained on fewer mostly repeats them
ROUGHLY = 0.3
"""Seconds in which the speed is measured for a budget in images: the intervals of a run depend on it, its length does not."""


def train(
    data: Data,
    run: str | Path | None = None,
    *,
    recipe: str | Recipe | None = None,
    budget: str | None = None,
    settings: Sequence[str] = (),
    size: str | int | None = None,
    channels: int | None = None,
    labels: str | None = None,
    seed: int | None = None,
    stop: Sequence[Rule] | None = None,
    evaluate: bool = True,
    device: str = AUTO,
    report: bool = True,
    on_collapse: Literal["rollback", "stop", "continue"] = "rollback",
    metadata: bool = True,
    pages: Literal["first", "all"] | None = None,
    follow_links: bool | None = None,
    start: str | Path | None = None,
    modules: Sequence[str] = (),
    progress: bool = True,
    on_event: Callable[[Event], object] | None = None,
) -> Run:
    """Train a generator on images, or resume the run, and return it. None is the value of the run
    so far, else the default.

    Args:
        data: folder, zip or array file of images; or the images themselves: an array or tensor
            [N, H, W], [N, H, W, C] or [N, C, H, W], a list of Pillow images, or a torch Dataset of
            images or of (image, label).
        run: run folder; by default runs/<name of the data>, or runs/<name>-2 and so on if that
            belongs to other data.
        recipe: name of a recipe (see `list_recipes`), or a `Recipe`; None or "auto" chooses one by
            the data, the budget and the machine.
        budget: time (10m), images (500kimg) or passes (20epochs); 20m by default.
        settings: field=value changes to the recipe, such as "batch=32".
        size: pixels, 64 or "96x64", width x height.
        channels: 1, 3 or 4.
        labels: columns of labels.csv, or a label table: see `Source`.
        seed: random seed; 0 by default.
        stop: rules that may end the run before its budget, from `organza.stop`; () for none; None
            uses the recipe's.
        evaluate: True to evaluate the samples during training.
        device: auto, cpu, cuda, cuda:1 or mps; a run may resume on another one.
        report: True to write report.html at the end.
        on_collapse: action on mode collapse or divergence: "rollback" (to the last good checkpoint
            with half the learning rate, then with another recipe if auto chose this one), "stop"
            or "continue".
        metadata: True to mark the files of sample grids as synthetic.
        pages: "first" to use the first page or frame of a file as an image, "all" to use each.
        follow_links: True to follow links in the data folder that lead outside of it.
        start: run or exported folder whose weights a new run starts with.
        modules: names of your own modules that a run to resume has its networks from.
        progress: True to show progress, in a terminal or a notebook; False for silence.
        on_event: callback for each event of `organza.run.events`.

    Raises:
        UserError: for any mistake that the user can fix.
        KeyboardInterrupt: if the run was asked to stop, by Ctrl-C for example; it is saved, and the
            same call resumes it.

    >>> run = train("photos", budget="10m")    # doctest: +SKIP
    """
    asked = TrainArgs(
        data, run, recipe, budget, settings, size, channels, labels, seed, stop, evaluate, device, report,
        on_collapse, metadata, pages, follow_links, start, modules,
    )  # fmt: skip
    last: Event | None = None
    for last in _shown(asked) if progress and speaks() else train_events(asked):
        if on_event:
            on_event(last)
    if isinstance(last, Stopped) and last.kind in NAMES:
        raise Interrupted(last.kind)
    return load(asked.folder.path, recipe=asked.recipe, modules=asked.modules, device=device)


def _shown(asked: TrainArgs) -> Iterator[Event]:
    """Yield the events of a run, displaying them."""
    with preparing() as told:
        events = train_events(asked, told)
        first = next(events)
    yield from followed(chain([first], events))


def train_events(asked: TrainArgs, progress: Progress | None = None) -> Iterator[Event]:
    """Yield the events of a run from its preparation to its end. The run is locked in the meantime.

    Each is also logged by the logger "organza": notes as warnings; the beginning, evaluations and
    the end as information.

    Args:
        asked: arguments of the run.
        progress: callback (task, done, total) for work before training.

    Raises:
        UserError: for any mistake that the user can fix.
        RankFailed: if another process of the run fails.
    """
    for event in _joined(asked, progress):
        if isinstance(event, Warned):
            log.warning(event.text)
        elif isinstance(event, Begun):
            log.info("; ".join(event.lines))
        elif isinstance(event, Evaluated):
            log.info(
                "distance %.4f ± %.4f at %d images seen", event.check.distance, event.check.error, event.check.images
            )
        elif isinstance(event, Stopped):
            log.info("stopped at %d images seen: %s", event.images, event.reason)
        yield event


def _joined(asked: TrainArgs, progress: Progress | None) -> Iterator[Event]:
    """Yield the events of a run that the ranks of this program share."""
    Budget.parse(asked.budget or DEFAULT_BUDGET)
    if asked.on_collapse not in (allowed := ("stop", "rollback", "continue")):
        raise UserError(
            f"`on_collapse` is {asked.on_collapse}; it must be {' or '.join(allowed)}.{nearest(asked.on_collapse, allowed)}"
        )
    last: Event | None = None
    with joined(users_sentence) as world:
        for event in _events(asked, world, progress if world.leads else None):
            if isinstance(event, Stopped):
                last = event  # yielded when all ranks have left, as a consumer may ask for no more
            else:
                yield event
    if last is not None:
        yield last


def _events(asked: TrainArgs, world: World, progress: Progress | None) -> Iterator[Event]:
    """Yield the events of a run, on one of the ranks that share it. Each prepares the same; rank 0's
    folder and clock decide.
    """
    accelerator = choose(asked.device, local_rank() if world.size > 1 else None)
    path = world.decide(lambda: str(asked.folder.path))
    asked = asked if world.leads else replace(asked, run=path)
    folder = asked.folder if world.leads else Unwritten(path)
    if times := restarted():
        yield Warned(f"a process ended unexpectedly; all start again from the newest checkpoint (restart {times})")
    before = world.decide(lambda: earlier(asked))
    start = fine_tune.origin(asked, before is not None)
    asked = fine_tune.prepared(asked, start)
    recipe, reasons = resolve(asked, accelerator, before, progress, world)
    data = world.after_first(lambda: open_data(asked, recipe, before, progress))
    require_shares(recipe, world)
    feasible(recipe, data)  # reports a misfit before anything is written
    own = of_ones_own(recipe)
    with told(CANNOT.format(name=recipe.name)):
        found = inspected(recipe, data) if own else []
    folder.begin(anew=before is None)
    with folder.hold(), ExitStack() as settings:
        if before is None:
            folder.require_free()  # another process may have checked before this one took the lock
        yield from _warnings(data, recipe)
        yield from map(Warned, [*found, *_unnamed(own)])
        if asked.chosen.note:
            yield Warned(asked.chosen.note)
        yield Busy("measuring the real images and this machine's speed")
        evaluator = world.after_first(lambda: _evaluator(asked, data))
        with told(CANNOT.format(name=recipe.name), ours=OURS):
            settings.enter_context(threaded(_threads(asked, before, recipe, data, accelerator, world)))
            compiled = world.decide(lambda: faster(recipe, data, accelerator).compiled)
            accelerator = replace(accelerator, compiled=compiled)
            plan = _plan(asked, before, recipe, data, evaluator, accelerator, world)
        if before is None:
            folder.require_free()  # measuring took seconds
            folder.write(
                _content(asked, recipe, data, plan, accelerator, world) | {"chosen": reasons} | fine_tune.noted(start)
            )
        world.decide(lambda: remember(folder.path, asked.place))
        state = TrainState(recipe, data, plan, data.seed, accelerator, world)
        chosen = reasons or (before or {}).get("chosen")  # a recipe that the user named is never replaced
        fallback = _fallback(recipe, data, accelerator, world) if chosen else None
        yield from go_on(state, folder, before, plan)
        world.decide(lambda: require_room(folder.checkpoints, snapshot.weight(state.game)))
        if start is not None:
            fine_tune.begin(state, start, folder)
        if ended := world.decide(lambda: already_ended(folder, state, plan)):
            yield Stopped(*ended)
            return
        folder.event(
            "resumed" if state.images else "started",
            f"{recipe.name}, {plan.images:,} images planned",
            images=state.images,
        )
        lines = (*_headline(recipe, data, plan, folder, accelerator, world), *reasons)
        yield Begun(lines, state.images, plan.images, tuple(state.history))
        treatment = Treatment(folder, asked.on_collapse, fallback)
        events = Trainer(state, folder, evaluator, treatment, asked.metadata).events()
        for event in reported(events, folder, data, recipe) if asked.report and world.leads else events:
            if isinstance(event, Warned):
                folder.event("warned", event.text, images=state.images)
            yield event


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


def _threads(
    asked: TrainArgs,
    before: dict[str, Any] | None,
    recipe: Recipe,
    data: Batches,
    accelerator: Accelerator,
    world: World,
) -> int:
    """Return the run's own number of threads, as others round differently; for a new run with a
    time budget, the measured best. Several ranks have those that their launcher gave them.
    """
    here = torch.get_num_threads()
    if world.size > 1:
        return here
    if before:
        return here if "OMP_NUM_THREADS" in os.environ else min(_known_threads(before) or here, os.cpu_count() or 1)
    if Budget.parse(asked.budget or DEFAULT_BUDGET).seconds is None:
        return here  # so that the same command gives the same bytes
    return fewest(rates(recipe, data, accelerator))


def _fallback(
    recipe: Recipe, data: Batches, accelerator: Accelerator, world: World
) -> Callable[[], tuple[Recipe, float]] | None:
    """Return a function that measures the recipe to use if this one cannot be cured, or None."""
    other = fallback_for(recipe, data)
    return None if other is None else lambda: (other, measure(trial(other, data, accelerator, world), 1.0))


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
        budget = Budget.parse(asked.budget or DEFAULT_BUDGET)
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


def _unnamed(own: Collection[str]) -> list[str]:
    """Return a note if a recipe's values are defined in `__main__`, where no other program finds them."""
    if "__main__" not in own:
        return []
    return [
        "the recipe uses values that are defined in this script or notebook (`__main__`): this session can use the run, and no command or "
        "other program can; define them in a module, my_gan.py, and import it here"
    ]


def _evaluator(asked: TrainArgs, data: Batches) -> Evaluator | None:
    if not asked.evaluate or len(data.reference) < 3:  # a distance between sets needs three items in each
        return None
    volumes = len(data.shape) == 4
    return Evaluator(ShapeStatistics() if volumes else Pyramid(offline_extractor), data, SAMPLES)


def _plan(
    asked: TrainArgs,
    before: dict[str, Any] | None,
    recipe: Recipe,
    data: Batches,
    evaluator: Evaluator | None,
    accelerator: Accelerator,
    world: World,
) -> Plan:
    if before and asked.budget in (None, before["plan"]["budget"]):
        return Plan(**before["plan"])
    budget = Budget.parse(asked.budget or DEFAULT_BUDGET)
    # Only a time budget needs a good estimate of its images, and a short one needs less.
    state = trial(recipe, data, accelerator, world)
    rate = measure(state, min(3.0, 0.0025 * budget.seconds) if budget.seconds else ROUGHLY)
    return make_plan(budget, len(data.parts.train), recipe.batch, costs(state, rate, evaluator))


def _content(
    asked: TrainArgs, recipe: Recipe, data: Batches, plan: Plan, accelerator: Accelerator, world: World = ALONE
) -> dict[str, Any]:
    generator, discriminator = recipe.players(data)
    height, width = data.shape[-2:]
    return {
        "format": checkpoint.FORMAT,
        "recipe": encode(recipe),
        "players": {"generator": encode(generator), "discriminator": encode(discriminator)},
        "data": {"source": shared_name(asked.place), **data.facts()},
        "asked": replace(
            asked,
            size=asked.size or f"{width}x{height}",
            seed=data.seed,
            pages=asked.pages or "first",
            follow_links=bool(asked.follow_links),
        ).wishes(),
        "plan": vars(plan),
        "versions": versions(accelerator, world.size),
    }


def _headline(
    recipe: Recipe, data: Batches, plan: Plan, folder: RunFolder, accelerator: Accelerator, world: World
) -> tuple[str, ...]:
    channels, *space = data.shape
    held = len(data.parts.held_out)
    return (
        f"{data.count:,} {data.unit}, {'x'.join(map(str, reversed(space)))}, {channels} channel{'s' if channels > 1 else ''}; "
        + (
            f"{held:,} held out for evaluation"
            if held
            else "too few to hold any out: evaluated against the training images"
        ),
        f"recipe {recipe.name}, batch {recipe.batch}, budget {plan.budget}{' of training' if plan.seconds else ''}: "
        f"about {plan.images:,} images"
        + ("" if accelerator == CPU else f", on {accelerator}")
        + (f", {world.size} processes of" if world.size > 1 else ",")
        + (" one thread" if torch.get_num_threads() == 1 else f" {torch.get_num_threads()} threads"),
        f"run folder {folder.path}",
    )
