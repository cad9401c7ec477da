"""Launch of a run, new or resumed: prepared, opened, and trained to its end."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from itertools import chain
from pathlib import Path
from typing import Literal

from organza.data.given import Data
from organza.data.location import remember
from organza.disk import require_room
from organza.display.console import preparing
from organza.display.live import followed
from organza.distributed.launched import joined, restarted, speaks
from organza.distributed.world import World
from organza.errors import UserError, nearest, told, users_sentence
from organza.inference.load import Run, load
from organza.progress import Progress
from organza.recipe import Recipe
from organza.report.at_end import reported
from organza.run.events import NAMES, Begun, Busy, Evaluated, Event, Stopped, Warned
from organza.stop import Rule
from organza.training import fine_tune, snapshot
from organza.training.accelerator import AUTO
from organza.training.evaluator import Evaluator
from organza.training.feasibility import CANNOT
from organza.training.notes import data_notes, headline, name_notes
from organza.training.plan import Budget, Plan
from organza.training.preparation import Preparation, prepare
from organza.training.recipe_json import content
from organza.training.request import TrainArgs
from organza.training.resume import already_ended, go_on
from organza.training.rollback import Treatment
from organza.training.signals import Interrupted
from organza.training.speed import threaded
from organza.training.state import TrainState
from organza.training.trainer import Trainer

log = logging.getLogger("organza")
OURS = (
    "organza.training", "organza.data", "organza.metrics", "organza.run", "organza.evaluation", "organza.distributed",
)  # fmt: skip
"""Packages in which no setting of a recipe can be at fault while the machine is measured."""


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
        data: folder, zip or array file of images, or CSV or array file of vectors; or the data itself: an
            array or tensor of images [N, H, W], [N, H, W, C] or [N, C, H, W] or of vectors [N, D], a list
            of Pillow images, or a torch Dataset of images or of (image, label).
        run: run folder; by default runs/<name of the data>, or runs/<name>-2 and so on if that
            belongs to other data.
        recipe: name of a recipe (see `list_recipes`), or a `Recipe`; None or "auto" chooses one by
            the data, the budget and the machine.
        budget: time (10m), images (500kimg) or passes (20epochs); 20m by default, for vectors 500kimg, half a million of them.
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
    Budget.parse(asked.length)
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
    if times := restarted():
        yield Warned(f"a process ended unexpectedly; all start again from the newest checkpoint (restart {times})")
    run = prepare(asked, world, progress)
    run.folder.begin(anew=run.is_new)
    with run.folder.hold(), ExitStack() as settings:
        if run.is_new:
            run.folder.require_free()  # another process may have checked before this one took the lock
        yield from map(Warned, [*data_notes(run.data, run.recipe), *run.remarks, *name_notes(run.own)])
        if run.asked.chosen.note:
            yield Warned(run.asked.chosen.note)
        yield Busy("measuring the real images and this machine's speed")
        evaluator = world.after_first(run.evaluator)
        with told(CANNOT.format(name=run.recipe.name), ours=OURS):
            settings.enter_context(threaded(run.threads()))
            run = run.compiled()
            plan = run.plan(evaluator)
        _record(run, plan)
        yield from _trained(run, plan, evaluator)


def _record(run: Preparation, plan: Plan) -> None:
    """Write recipe.json for a new run, and remember the place of the data."""
    if run.is_new:
        run.folder.require_free()  # measuring took seconds
        facts = content(run.asked, run.recipe, run.data, plan, run.accelerator, run.world)
        run.folder.write(facts | {"chosen": run.reasons} | fine_tune.noted(run.start))
    run.world.decide(lambda: remember(run.folder.path, run.asked.place))


def _trained(run: Preparation, plan: Plan, evaluator: Evaluator | None) -> Iterator[Event]:
    """Yield the events of training, from a new state or the newest checkpoint to the end."""
    folder, recipe, world = run.folder, run.recipe, run.world
    state = TrainState(recipe, run.data, plan, run.data.seed, run.accelerator, world)
    fallback = run.fallback()
    yield from go_on(state, folder, run.before, plan)
    world.decide(lambda: require_room(folder.checkpoints, snapshot.weight(state.game)))
    if run.start is not None:
        fine_tune.begin(state, run.start, folder)
    if ended := world.decide(lambda: already_ended(folder, state, plan)):
        yield Stopped(*ended)
        return
    begun = "resumed" if state.images else "started"
    expected = (
        f"{plan.images:,} images planned"
        if plan.seconds is None
        else f"about {plan.images:,} images expected in {plan.budget}"
    )
    folder.event(begun, f"{recipe.name}, {expected}", images=state.images)
    lines = (*headline(recipe, run.data, plan, folder, run.accelerator, world), *run.reasons)
    yield Begun(lines, state.images, plan.images, tuple(state.history))
    treatment = Treatment(folder, run.asked.on_collapse, fallback)
    events = Trainer(state, folder, evaluator, treatment, run.asked.metadata).events()
    for event in reported(events, folder, run.data, recipe) if run.asked.report and world.leads else events:
        if isinstance(event, Warned):
            folder.event("warned", event.text, images=state.images)
        yield event
