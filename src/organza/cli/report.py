"""Commands that write pages about runs: report, compare, quiz."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import tyro

from organza.cli.options import MOST, DataPlace, RunPath, Trusted, Which, answer, arg, require_seed, require_within


def report(run: RunPath, /, data: DataPlace = None, recipe: Trusted = None) -> int:
    """Write RUN/report.html: one page with a verdict on a run, its images, curves and events.

    Training writes it when it ends. The page needs no network and is self-contained.

    Args:
        run: run folder.
        data: new location of the run's data, if it was moved; remembered for next time.
        recipe: your own modules that hold its networks, if you trust them.
    """
    from organza.report.build import write_report

    answer(f"report: {write_report(run, data, recipe)}")
    return 0


def compare(
    runs: Annotated[tuple[str, ...], tyro.conf.Positional, arg("RUN RUN ...")],
    /,
    out: Annotated[Path, arg("FILE", "compare.html")] = Path("compare.html"),
    recipe: Trusted = None,
) -> int:
    """Compare runs: rank them with differences, and write a page with a table, curves and images.

    Args:
        runs: run folders.
        out: output page.
        recipe: your own modules that hold its networks, if you trust them.
    """
    from organza.display.console import Console
    from organza.report.compare import as_table, records, verdicts, write_comparison

    read = records(runs)
    found = verdicts(read, recipe)
    Console().print(as_table(read, found))
    answer(f"page: {write_comparison(read, found, out)}")
    return 0


def quiz(
    run: RunPath,
    /,
    count: Annotated[int, arg("N", "40")] = 40,
    seed: Annotated[int | None, arg("N", "a new one each time")] = None,
    data: DataPlace = None,
    checkpoint: Which = "best",
    recipe: Trusted = None,
) -> int:
    """Write RUN/quiz.html: tell real images from generated ones, one at a time, and see your error
    rate.

    Args:
        run: run folder.
        count: number of images, half of them real.
        seed: random seed of their choice and order.
        data: new location of the run's data, if it was moved; remembered for next time.
        checkpoint: best, latest, or a checkpoint's name such as 00012000.
        recipe: your own modules that hold its networks, if you trust them.
    """
    from organza.report.quiz import write_quiz

    require_within("count", count, 1, MOST)
    require_seed(seed)
    answer(f"quiz: {write_quiz(run, count, seed, checkpoint, data, recipe)}")
    return 0
