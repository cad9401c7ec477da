"""Commands for training, and for listing recipes."""

from __future__ import annotations

from typing import Annotated, Literal

import tyro

from organza.cli.options import Data, Processes, answer, arg, require_seed


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
    seed: Annotated[int | None, arg("N", "0")] = None,
    stop: Annotated[Literal["plateau", "equilibrium", "gradient", "budget"] | None, arg("RULE", "plateau")] = None,
    device: Annotated[str, arg("DEVICE", "auto")] = "auto",
    on_collapse: Annotated[Literal["stop", "rollback", "continue"], arg("WHAT", "rollback")] = "rollback",
    pages: Annotated[Literal["first", "all"] | None, arg("first|all", "first")] = None,
    follow_links: bool = False,
    start: Annotated[str | None, arg("RUN", "none", name="from")] = None,
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
        recipe: auto chooses by the data, the budget and the machine; or a name (see
            `organza recipes`), or my_module:my_recipe.
        budget: time (10m, 1h30m), images (500kimg) or passes (20epochs).
        settings: changes to the recipe, such as batch=32 generator.width=48.
        size: image size in pixels, 64 or 96x64 (width x height).
        channels: 1 (grey), 3 (colour) or 4 (colour and opacity).
        labels: columns for conditional recipes: hair,year:class or my.csv:hair.
        seed: random seed.
        stop: rule that may end a run early: plateau, equilibrium, gradient; or budget for none.
        device: auto, cpu, cuda, cuda:1 or mps.
        on_collapse: action on mode collapse or divergence: rollback (then another recipe), stop, or continue.
        pages: first page or frame of a file as an image, or all of them.
        follow_links: follow links that leave the data.
        start: run or exported folder to start from.
        no_evaluate: skip the evaluation against held-out images during training.
        no_report: write no report.html at the end.
        no_metadata: leave out the metadata that mark sample grids as synthetic.
        processes: number of processes; auto: by GPUs.
        log: log to TensorBoard (in RUN/tensorboard) or Weights & Biases as well.
        dry_run: print the resolved recipe with its size, memory and time, without training.
    """
    from organza.cli.terminal import display, silent
    from organza.display.console import preparing
    from organza.distributed.launched import speaks
    from organza.stop import Equilibrium, Faded, Plateau
    from organza.training.launch import train_events
    from organza.training.loggers import LOGGERS, logged
    from organza.training.request import TrainArgs

    require_seed(seed)
    rules = {
        None: None, "plateau": (Plateau(),), "equilibrium": (Equilibrium(),), "gradient": (Faded(),), "budget": (),
    }[stop]  # fmt: skip
    asked = TrainArgs(
        data,
        run,
        recipe,
        budget,
        settings,
        size,
        channels,
        labels,
        seed,
        rules,
        not no_evaluate,
        device,
        not no_report,
        on_collapse,
        not no_metadata,
        pages,
        follow_links or None,
        start,
    )
    if dry_run:
        from organza.training.dry_run import dry_run as describe
        from organza.training.fine_tune import origin, prepared

        with preparing() as progress:
            text = describe(prepared(asked, origin(asked)), progress)
        answer(*text.split("\n"))
        return 0
    if not speaks():
        return silent(train_events(asked))
    logger = LOGGERS[log](asked.folder.path) if log else None
    with preparing() as progress:
        events = train_events(asked, progress)
        events = logged(events, logger) if logger else events
        first = next(events)
    return display(first, events, asked.folder.path)


def recipes(name: Annotated[str | None, tyro.conf.Positional, arg("NAME")] = None, /) -> int:
    """List the recipes with their sources and expected results, or print one in full.

    Args:
        name: recipe to print as JSON.
    """
    import json

    from rich.table import Table

    from organza.config import encode
    from organza.display.console import Console
    from organza.recipes import everything, get

    if name is not None:
        answer(*json.dumps(encode(get(name)), indent=2).split("\n"))
        return 0
    table = Table(show_lines=True)
    for column in ("recipe", "source", "expect"):
        table.add_column(column, overflow="fold")
    for known, make in everything().items():
        recipe = make()
        table.add_row(known, recipe.source, recipe.expect)
    Console().print(
        table, "Without --recipe, one is chosen by the data, the budget and the machine; the reasons are printed."
    )
    return 0
