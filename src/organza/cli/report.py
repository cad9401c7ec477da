"""Commands that make pages about runs: report, compare, quiz."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import tyro

from organza.cli.options import MOST, DataPlace, RunPath, Trusted, Which, answer, arg, require_seed, require_within


def report(run: RunPath, /, data: DataPlace = None, recipe: Trusted = None) -> int:
    """Write RUN/report.html: one page with the verdict on a run in words, its pictures, curves and events.

    Training writes it at its end. It needs no network, and can be sent to anybody.

    Args:
        run: the run's folder.
        data: place of the run's data, where it was moved; it is written down for the next time.
        recipe: a recipe of your own that the run was trained with, if you trust it.
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
    """Put runs side by side: which is better and by how much, a table, and a page with curves and pictures.

    Args:
        runs: the runs' folders.
        out: the page to write.
        recipe: a recipe of your own that the runs were trained with, if you trust it.
    """
    from organza.cli.terminal import Console
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
    seed: Annotated[int | None, arg("N", "another each time")] = None,
    data: DataPlace = None,
    checkpoint: Which = "best",
    recipe: Trusted = None,
) -> int:
    """Write RUN/quiz.html: can you tell? Real and generated pictures one at a time, and how often you were wrong.

    Args:
        run: the run's folder.
        count: how many pictures, half of them real.
        seed: of their choice and order.
        data: place of the run's data, where it was moved; it is written down for the next time.
        checkpoint: best, latest, or one's name such as 00012000.
        recipe: a recipe of your own that the run was trained with, if you trust it.
    """
    from organza.report.quiz import write_quiz

    require_within("count", count, 1, MOST)
    require_seed(seed)
    answer(f"quiz: {write_quiz(run, count, seed, checkpoint, data, recipe)}")
    return 0
