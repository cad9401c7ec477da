"""Commands for training, and for listing recipes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from organza.cli.options import Data, Processes, answer, arg, require_seed
from organza.errors import UserError
from organza.shell import quoted

if TYPE_CHECKING:
    from organza.stop import Rule
    from organza.training.request import TrainArgs


def train(
    data: Data,
    /,
    run: Annotated[str | None, arg("FOLDER", "runs/NAME-OF-DATA")] = None,
    recipe: Annotated[str | None, arg("NAME", "auto")] = None,
    budget: Annotated[str | None, arg("BUDGET", "20m")] = None,
    settings: Annotated[tuple[str, ...], arg("FIELD=VALUE ...", name="set")] = (),
    size: Annotated[str | None, arg("SIZE", "chosen from the data")] = None,
    channels: Annotated[int | None, arg("N", "chosen from the data")] = None,
    labels: Annotated[str | None, arg("COLUMNS", "subfolders or labels.csv")] = None,
    seed: Annotated[str | None, arg("N", "0")] = None,
    stop: Annotated[Literal["plateau", "equilibrium", "gradient", "budget"] | None, arg("RULE", "plateau")] = None,
    device: Annotated[str, arg("DEVICE", "auto")] = "auto",
    on_collapse: Annotated[Literal["stop", "rollback", "continue"], arg("WHAT", "rollback")] = "rollback",
    pages: Annotated[Literal["first", "all"] | None, arg("first|all", "first")] = None,
    follow_links: bool = False,
    start: Annotated[str | None, arg("RUN", "none", name="from")] = None,
    modules: Annotated[str | None, arg("MODULE", name="import")] = None,
    no_evaluate: bool = False,
    no_report: bool = False,
    no_metadata: bool = False,
    processes: Processes = None,
    log: Annotated[Literal["tensorboard", "wandb"] | None, arg("tensorboard|wandb", "stats.jsonl alone")] = None,
    dry_run: bool = False,
) -> int:
    """Train a generator on images. Run the same command again to resume.

    Args:
        data: folder of images, zip or array file.
        run: run folder.
        recipe: auto, a name (see `organza recipes`), or my_module:my_recipe.
        budget: time (10m, 1h30m), images (500kimg) or passes (20epochs).
        settings: changes to the recipe, such as batch=32 generator.width=48.
        size: image size in pixels, 64 or 96x64 (width x height).
        channels: 1 (grey), 3 (colour) or 4 (colour and opacity).
        labels: columns for conditional recipes: hair,year:class or my.csv:hair.
        seed: random seed; 0,1,2: three runs.
        stop: rule that may end a run early: plateau, equilibrium, gradient; or budget for none.
        device: auto, cpu, cuda, cuda:1 or mps.
        on_collapse: action on mode collapse or divergence: rollback (then another recipe), stop, or continue.
        pages: first page or frame of a file as an image, or all of them.
        follow_links: follow links that leave the data.
        start: run or exported folder to start from.
        modules: your own modules that a run to resume needs.
        no_evaluate: skip the evaluation against held-out images during training.
        no_report: write no report.html at the end.
        no_metadata: leave out the metadata that mark sample grids as synthetic.
        processes: number of processes; auto: by GPUs.
        log: log to TensorBoard (in RUN/tensorboard) or Weights & Biases as well.
        dry_run: print the resolved recipe with its size, memory and time, without training.
    """
    from organza.training.request import TrainArgs

    numbers = _seeds(seed)
    asked = TrainArgs(
        data, run, recipe, budget, settings, size, channels, labels, numbers[0], _rules(stop), not no_evaluate, device, not no_report,
        on_collapse, not no_metadata, pages, follow_links or None, start, tuple(modules.split(",")) if modules else (),
    )  # fmt: skip
    if dry_run:
        return _described(asked)
    return _trained(asked, log) if len(numbers) == 1 else _each_seed(asked, numbers, log)


def _seeds(text: str | None) -> list[int | None]:
    """Return the seeds of `--seed 0` or `--seed 0,1,2`. Raises UserError if they are no different numbers."""
    if text is None:
        return [None]
    try:
        numbers = [int(number) for number in text.split(",")]
    except ValueError:
        raise UserError(f"--seed is {text}; it must be a whole number, or several: 0,1,2.") from None
    for number in numbers:
        require_seed(number)
    if len(set(numbers)) < len(numbers):
        raise UserError(f"--seed is {text}; the seeds must differ.")
    return [*numbers]


def _rules(name: str | None) -> tuple[Rule, ...] | None:
    """Return the stopping rules of `--stop`; None for those of the recipe."""
    from organza.stop import Equilibrium, Faded, Plateau

    rules = {"plateau": (Plateau(),), "equilibrium": (Equilibrium(),), "gradient": (Faded(),), "budget": ()}
    return None if name is None else rules[name]


def _described(asked: TrainArgs) -> int:
    """Print the resolved recipe with its size, memory and time."""
    from organza.display.console import preparing
    from organza.training.dry_run import dry_run
    from organza.training.fine_tune import origin, prepared

    with preparing() as progress:
        text = dry_run(prepared(asked, origin(asked)), progress)
    answer(*text.split("\n"))
    return 0


def _trained(asked: TrainArgs, log: str | None) -> int:
    """Train one run; return its exit code."""
    from organza.cli.terminal import display, silent
    from organza.display.console import preparing
    from organza.distributed.launched import speaks
    from organza.training.launch import train_events
    from organza.training.loggers import LOGGERS, logged

    if not speaks():
        return silent(train_events(asked))
    logger = LOGGERS[log](asked.folder.path) if log else None
    with preparing() as progress:
        events = train_events(asked, progress)
        events = logged(events, logger) if logger else events
        first = next(events)
    return display(first, events, asked.folder.path)


def _each_seed(asked: TrainArgs, seeds: Sequence[int | None], log: str | None) -> int:
    """Train a run for each seed, in folders that end in -seed-N; return the first exit code that is not 0."""
    from organza.config import trust_hint
    from organza.run.folder import RunFolder
    from organza.training.default_run import RUNS, name_of

    base = asked.run if asked.run is not None else RUNS / name_of(asked.place)
    folders = [f"{base}-seed-{seed}" for seed in seeds]
    for seed, folder in zip(seeds, folders, strict=True):
        answer(f"seed {seed}: {folder}")
        if code := _trained(replace(asked, run=folder, seed=seed), log):
            return code
    own = trust_hint(RunFolder(folders[0]).read())
    answer(f"next: organza compare {' '.join(map(quoted, folders))}{own}")
    return 0


def recipes(name: Annotated[str | None, tyro.conf.Positional, arg("NAME")] = None, /, paper: bool = False) -> int:
    """List the recipes with their sources and expected results, or print one in full.

    Args:
        name: recipe to print as JSON.
        paper: also list those with the numbers of their papers, which were not trained here.
    """
    import json

    from rich.table import Table

    from organza.config import encode
    from organza.display.console import Console
    from organza.recipes import get, list_recipes

    if name is not None:
        answer(*json.dumps(encode(get(name)), indent=2).split("\n"))
        return 0
    table = Table(show_lines=True)
    for column in ("recipe", "source", "expect"):
        table.add_column(column, overflow="fold")
    for known in (*list_recipes(), *(list_recipes(paper=True) if paper else ())):
        recipe = get(known)
        table.add_row(known, recipe.source, recipe.expect)
    Console().print(
        table, "Without --recipe, one is chosen by the data, the budget and the machine; the reasons are printed."
    )
    if not paper:
        answer(f"With the numbers of their papers, not trained here (--paper): {', '.join(list_recipes(paper=True))}")
    return 0
