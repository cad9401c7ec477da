"""How a run starts, or goes on: data, recipe, plan and folder are brought together, and what does not fit is said."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from organza import overrides, recipes
from organza.config import encode
from organza.config.arguments import require_path, require_text, whole
from organza.data.batches import Batches
from organza.data.described import from_anywhere
from organza.data.difference import difference
from organza.data.location import asked_of, remember, shared_name
from organza.data.size import parse_size
from organza.data.source import WISHES, Source
from organza.disk import require_room
from organza.errors import UserError, nearest, told
from organza.inference.load import SEEDS, Run, load
from organza.metrics.extractors.features import offline_extractor
from organza.metrics.extractors.multiscale import Pyramid
from organza.metrics.shapes import ShapeStatistics
from organza.progress import Progress
from organza.recipe import Recipe, recorded
from organza.report.at_end import reported
from organza.run import checkpoint
from organza.run.checkpoint import Damaged
from organza.run.events import Begun, Busy, Event, Stopped, Warned
from organza.run.folder import RunFolder, lines_of
from organza.run.forms import named, natural, positive
from organza.stop import Rule, kind_of
from organza.training import auto, snapshot
from organza.training.accelerator import AUTO, CPU, Machine, choose, versions
from organza.training.auto import Choice, fallback_for, recipe_for
from organza.training.default_run import DefaultRun, default_run
from organza.training.evaluator import Referee
from organza.training.feasibility import CANNOT, feasible, require_size
from organza.training.plan import Budget, Plan, make_plan
from organza.training.rollback import Treatment
from organza.training.speed import Pace, costs, faster, fewest, measure, rates, threaded, trial
from organza.training.state import Rollback, TrainState, abandoned
from organza.training.trainer import Trainer
from organza.untrusted import printable

DEFAULT_BUDGET = "20m"
TEXTS = {"budget": "10m", "labels": "labels.csv:class", "device": "cpu", "on_collapse": "stop", "pages": "first"}
"""Fields of a request that are texts, with examples."""
FEW = 500  # images; below, a generator mostly learns to repeat them


@dataclass(frozen=True)
class Request:
    """What a user asks for, on the command line or in Python. None means: as the run in the folder has it, else the default.

    Args:
        data: a folder, a zip or an array file of images.
        run: the run's folder; by default runs/<name of the data>, or runs/<name>-2 and so on where that belongs to other data.
        recipe: a recipe's name, or a Recipe; None or "auto" chooses one by the data, the budget and the machine.
        budget: a time (10m), images (500kimg) or passes (20epochs).
        settings: field=value changes to the recipe.
        size: 64 or 96x64, width x height.
        channels: 1, 3 or 4.
        labels: columns of labels.csv, or a table of labels: see `Source`.
        seed: of everything random.
        stop: rules that may end the run before its budget; None leaves the recipe's.
        evaluate: measure the samples while training.
        device: auto, cpu, cuda, cuda:1 or mps: see `machine.choose`. It is not remembered: a run may go on elsewhere.
        report: write report.html at the end.
        on_collapse: what is done about a grave illness: rollback (to the last good checkpoint with half the rate, then with another recipe
            where auto chose this one, then the run ends), stop or continue. It is not remembered.
        metadata: the sheets of samples say in their files that they are synthetic, by which weights and from which seed.
        pages: of files with several pages or frames, "first" takes the first as an image, "all" each.
        follow_links: read what links in the data folder lead to outside of it.
    """

    data: str | Path
    run: str | Path | None = None
    recipe: str | Recipe | None = None
    budget: str | None = None
    settings: Sequence[str] = ()
    size: str | int | None = None
    channels: int | None = None
    labels: str | None = None
    seed: int | None = None
    stop: Sequence[Rule] | None = None
    evaluate: bool = True
    device: str = AUTO
    report: bool = True
    on_collapse: str = "rollback"
    metadata: bool = True
    pages: str | None = None
    follow_links: bool | None = None

    def __post_init__(self) -> None:
        require_path(self.data, "data")
        if self.run is not None:
            require_path(self.run, "run")
        recipes.modules_of(None if self.recipe == auto.AUTO else self.recipe)
        for name, example in TEXTS.items():
            if getattr(self, name) is not None:
                require_text(getattr(self, name), name, example)
        if self.seed is not None:
            object.__setattr__(self, "seed", whole(self.seed, "seed", most=SEEDS))

    @cached_property
    def chosen(self) -> DefaultRun:
        """The run's folder, and a note where it could not bear the data's name. It is looked for once, before anything is written."""
        return DefaultRun(RunFolder(self.run)) if self.run is not None else default_run(self.data)

    @property
    def folder(self) -> RunFolder:
        """The run's folder."""
        return self.chosen.folder


def train(
    data: str | Path, run: str | Path | None = None, show: Callable[[Event], None] | None = None, **request: Any
) -> Run:
    """Train a generator on a folder of images, or go on where the run was left, and return it.

    Args:
        data: a folder, a zip or an array file of images.
        run: the run's folder; runs/<name of the data> by default.
        show: is told of each event; nothing is shown by default.
        request: the other fields of `Request`: recipe, budget, settings, size, channels, labels, seed, stop, evaluate, device and more.

    Raises:
        UserError: for anything the user can mend.

    >>> run = train("photos", budget="10m")    # doctest: +SKIP
    """
    asked = Request(data, run, **request)
    for event in train_events(asked):
        if show:
            show(event)
    return load(asked.folder.path, recipe=asked.recipe)


def train_events(asked: Request, progress: Progress | None = None) -> Iterator[Event]:
    """The events of a run from its preparation to its end. The run is locked meanwhile."""
    folder, machine = asked.folder, choose(asked.device)
    Budget.parse(asked.budget or DEFAULT_BUDGET)
    if asked.on_collapse not in (allowed := ("stop", "rollback", "continue")):
        raise UserError(
            f"--on-collapse is {asked.on_collapse}; it can be {', '.join(allowed)}.{nearest(asked.on_collapse, allowed)}"
        )
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
            folder.write(_content(asked, recipe, data, plan, machine) | {"chosen": reasons})
        remember(folder.path, asked.data)
        state = TrainState(recipe, data, plan, data.seed, machine)
        chosen = reasons or (before or {}).get("chosen")  # who named a recipe is not given another
        fallback = _fallback(recipe, data, machine) if chosen else None
        yield from _go_on(state, folder, before, plan)
        require_room(folder.checkpoints, snapshot.weight(state.game))
        if (ended := _already_ended(folder, state, plan)) is not None:
            yield ended
            return
        folder.event(
            "resumed" if state.images else "started",
            f"{recipe.name}, {plan.images:,} images planned",
            images=state.images,
        )
        yield Begun((*_headline(recipe, data, plan, folder, machine), *reasons), state.images, plan.images)
        treatment = Treatment(folder, asked.on_collapse, fallback)
        events = Trainer(state, folder, referee, treatment, asked.metadata).events()
        for event in reported(events, folder, data, recipe) if asked.report else events:
            if isinstance(event, Warned):
                folder.event("warned", event.text, images=state.images)
            yield event


def _threads(asked: Request, before: dict[str, Any] | None, recipe: Recipe, data: Batches, machine: Machine) -> int:
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


def resolve(asked: Request, machine: Machine, progress: Progress | None = None) -> tuple[Choice, dict[str, Any] | None]:
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
        choice = Choice(_recorded(folder, before, recipes.modules_of(asked.recipe)), ())
    else:
        source = Source.remembered(asked.data, _wishes(asked), progress)
        budget = Budget.parse(asked.budget or DEFAULT_BUDGET)
        choice = recipe_for(source, budget, Pace(machine))
    recipe = overrides.apply(choice.recipe, asked.settings)
    if before:
        _same(folder, before, recipe)
    if asked.stop is not None:
        recipe = replace(recipe, stop=tuple(asked.stop))
    return Choice(recipe, choice.reasons), before


def _recorded(folder: RunFolder, before: dict[str, Any], own: Collection[str]) -> Recipe:
    try:
        return recorded(before["recipe"], own)
    except UserError as error:
        raise UserError(f"{folder.recipe} cannot be used: {error} Restore it, or train into another folder.") from None


def _same(folder: RunFolder, before: dict[str, Any], recipe: Recipe) -> None:
    own = recipes.modules_of(recipe)
    old = _recorded(folder, before, own)
    if found := snapshot.differences(encode(old), encode(recipe), own):
        raise UserError(
            f"{folder.path} belongs to a run with another recipe: its {found[0]}. "
            "Name another folder with --run, or leave out --recipe and --set to go on with the old one."
        )


def open_data(
    asked: Request, recipe: Recipe, before: dict[str, Any] | None, progress: Progress | None = None
) -> Batches:
    """The data that the request names, laid out as the recipe wants it, of the size and channels of the run so far.

    Raises:
        UserError: where there is too little, all is alike, or the data changed since the run began.
    """
    wishes = _wishes(asked)
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


def _wishes(asked: Request) -> dict[str, Any]:
    """What a user asked of the data, as recipe.json keeps it."""
    size = None if asked.size is None else str(parse_size(str(asked.size)))
    labels = None if asked.labels is None else from_anywhere(asked.labels)
    return {name: getattr(asked, name) for name in WISHES} | {"size": size, "labels": labels}


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


def _referee(asked: Request, data: Batches) -> Referee | None:
    if not asked.evaluate or len(data.reference) < 3:  # a distance between sets needs three of a kind
        return None
    volumes = len(data.shape) == 4
    return Referee(ShapeStatistics() if volumes else Pyramid(offline_extractor), data)


def _plan(
    asked: Request,
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


def _content(asked: Request, recipe: Recipe, data: Batches, plan: Plan, machine: Machine) -> dict[str, Any]:
    generator, discriminator = recipe.players(data)
    height, width = data.shape[-2:]
    return {
        "format": checkpoint.FORMAT,
        "recipe": encode(recipe),
        "players": {"generator": encode(generator), "discriminator": encode(discriminator)},
        "data": {"source": shared_name(asked.data), **data.facts()},
        "asked": _wishes(
            replace(
                asked,
                size=asked.size or f"{width}x{height}",
                seed=data.seed,
                pages=asked.pages or "first",
                follow_links=bool(asked.follow_links),
            )
        ),
        "plan": vars(plan),
        "versions": versions(machine),
    }


def _go_on(state: TrainState, folder: RunFolder, before: dict[str, Any] | None, plan: Plan) -> Iterator[Event]:
    """Restore the newest checkpoint that is whole, and say what was wrong with others and what can no longer be promised."""
    if before is None:
        return
    began = CPU.facts() | before["versions"]  # what did not say where it was trained was trained on a CPU
    for name, value in versions(state.machine).items():
        if began.get(name, value) != value:  # a run of an earlier version wrote down less
            yield Warned(
                f"{printable(name)} was {printable(str(began[name]))} when the run began and is {value} now: it goes on, "
                "but not to the same bits"
            )
    if vars(plan) != before["plan"]:
        folder.write(before | {"plan": vars(plan)})
    state.rollbacks.extend(Rollback(**named(one, Rollback._fields)) for one in before.get("rollbacks", ()))
    checkpoint.tidy(folder.checkpoints)  # a run that was killed in its last save makes no other
    found = checkpoint.existing(folder.checkpoints)
    for directory in reversed(found):
        try:
            saved = checkpoint.load(directory)
            if abandoned(int(directory.name), _known_rollbacks(saved), state.rollbacks):
                checkpoint.remove(directory)  # a rollback was cut short
                continue
            snapshot.restore(state, saved, folder)
        except Damaged as damage:
            older = (
                "going on from the checkpoint before"
                if directory != found[0]
                else "no other is left, so the run begins anew"
            )
            yield Warned(f"{damage}; {older}")
            continue
        return
    folder.rewind(0)


def _known_rollbacks(saved: checkpoint.Checkpoint) -> int:
    """The rollbacks before a checkpoint was written. Raises Damaged where its manifest tells of no number."""
    known = saved.facts.get("rollbacks", 0)
    if not natural(known):
        raise Damaged(f"{saved.directory} tells of {str(known)[:40]} rollbacks, which cannot be")
    return known


def _already_ended(folder: RunFolder, state: TrainState, plan: Plan) -> Stopped | None:
    """A finished run is not trained further by accident."""
    last = [line for line in lines_of(folder.events) if line.get("event") in ("stopped", "started", "resumed")][-1:]
    kind = last[0].get("kind") if last else None
    if not last or last[0]["event"] != "stopped" or last[0].get("images") != state.images:
        return None
    spent = state.seconds >= plan.seconds if plan.seconds is not None else state.images >= plan.images
    if kind == "budget" and not spent:
        return None
    if kind in ("budget", "plateau", "equilibrium", "faded"):
        if kind != "budget" and not any(kind_of(rule) == kind for rule in state.recipe.stop):
            return None
        return Stopped(kind, f"this run ended before: {last[0].get('text', kind)}", state.images)
    return None


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
