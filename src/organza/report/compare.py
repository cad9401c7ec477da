"""Comparison of runs: a table and curves, on a page and in the terminal. Runs whose numbers are not
comparable are kept apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from organza.errors import UserError
from organza.evaluation.tables import shown
from organza.metrics.suite import unlike
from organza.progress import words
from organza.recipe import Recipe
from organza.report import curves
from organza.report.build import seen_of, verdict_of
from organza.report.charts import Chart, Line, figure
from organza.report.embed import encoded, sheet_of
from organza.report.findings import sentence
from organza.report.page import html, page, section, written
from organza.report.ranking import Entry, better
from organza.report.record import Record, estimate_of
from organza.report.sections import noted
from organza.report.seeds import seeds_of, sentences, unequal
from organza.report.verdict import TITLES, Verdict
from organza.stop import best
from organza.untrusted import printable

FIRST_ROW = (
    "run",
    "verdict",
    "recipe",
    "data",
    "size",
    "images",
    "time",
    "best distance",
    "variety",
    "D accuracy",
    "ended",
    "group",
)


def records(paths: Sequence[str | Path]) -> list[Record]:
    """Load the records of the runs to compare.

    Raises:
        UserError: if there are fewer than two, the same run is given twice, or a path is not a run.
    """
    if len(paths) < 2:
        raise UserError(f"organza compare needs at least 2 runs; {len(paths)} given.")
    if len({Path(path).resolve() for path in paths}) < len(paths):
        raise UserError("organza compare was given the same run twice; name different runs.")
    return [Record.of(path) for path in paths]


def groups(runs: Sequence[Record]) -> list[list[Record]]:
    """Group the runs whose numbers may be compared with each other; a run without an evaluation is
    a group of its own.
    """
    found: list[list[Record]] = []
    for run in runs:
        group = next(
            (group for group in found if run.checks and group[0].checks and not unlike(run.card(), group[0].card())),
            None,
        )
        if group is None:
            found.append([run])
        else:
            group.append(run)
    return found


def warnings(runs: Sequence[Record]) -> list[str]:
    """List reasons why numbers in the table must not be compared: the differences of each further
    group from the first.
    """
    names = dict(zip(map(id, runs), labels(runs), strict=True))
    first, *others = groups(runs)
    found = []
    for other in others:
        pair = f"{names[id(first[0])]} and {', '.join(names[id(run)] for run in other)}"
        if first[0].checks and other[0].checks:
            found.append(
                f"{pair} must not be compared by distance: they differ in {', '.join(unlike(first[0].card(), other[0].card()))}"
            )
        else:
            found.append(f"{pair} cannot be compared by distance: one of them has no evaluation")
    if len(others) > 1:
        found.append(f"the runs form {len(others) + 1} groups; compare numbers within a group only")
    return found


def labels(runs: Sequence[Record]) -> list[str]:
    """Return a label for each run: its folder's name, or its path if names collide."""
    names = [run.name for run in runs]
    return [name if names.count(name) == 1 else printable(str(run.path)) for name, run in zip(names, runs, strict=True)]


def verdicts(runs: Sequence[Record], recipe: Recipe | str | None = None) -> list[Verdict]:
    """Return the verdict of each run's report. Takes a few seconds for each run, to search for
    copies.
    """
    return [verdict_of(run, seen_of(run.path, recipe=recipe)[0]) for run in runs]


def standings(runs: Sequence[Record], found: Sequence[Verdict]) -> list[str]:
    """Rank the runs, in a sentence for each group of runs whose numbers may be compared.

    Args:
        runs: records of the runs.
        found: verdict on each run.
    """
    known = {id(run): (name, verdict) for run, name, verdict in zip(runs, labels(runs), found, strict=True)}
    told = []
    for group in (group for group in groups(runs) if len(group) > 1):
        entries = []
        for run in group:
            name, verdict = known[id(run)]
            ill = verdict.tone == "bad" and not verdict.title.startswith(
                TITLES["bad"]
            )  # the distance already shows that
            entries.append(Entry(name, best(run.checks), verdict.title if ill else ""))
        told.append(better(entries))
        told += [*sentences(seeds_of(group)), *unequal(group)]
    return told


def rows(runs: Sequence[Record], found: Sequence[Verdict]) -> list[tuple[str, ...]]:
    """Return the rows of the table, a cell for each column."""
    number = {id(run): str(index) for index, group in enumerate(groups(runs), 1) for run in group}
    table = []
    for label, run, verdict in zip(labels(runs), runs, found, strict=True):
        line, data = run.chosen or {}, run.content["data"]
        distance = estimate_of(line, "mmd")
        at = f" at {best(run.checks).images:,}" if run.checks else ""
        table.append(
            (
                label, verdict.title, run.recipe, f"{data.get('source', '')} ({int(data['count']):,})", run.size,
                f"{run.images:,}", words(run.seconds),
                f"{shown(distance)}{at}" if distance else "not measured", shown(estimate_of(line, "variety")),
                shown(estimate_of(line, "D accuracy")), str((run.ended or {}).get("kind", "not yet")), number[id(run)],
            )
        )  # fmt: skip
    return table


def as_table(runs: Sequence[Record], found: Sequence[Verdict]) -> RenderableType:
    """Return the comparison for a terminal: one column for each run, so that many facts fit."""
    table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
    several = len(groups(runs)) > 1
    for cells in zip(FIRST_ROW, *rows(runs, found), strict=True):
        if several or cells[0] != "group":
            table.add_row(Text(cells[0], style="dim"), *(Text(cell) for cell in cells[1:]))
    note = (
        "compare distances (smaller is better) within a group only"
        if several
        else "distance: 0 = alike, about 1 = nothing alike"
    )
    return Group(
        *(Text(f"warning: {text}", style="bold red") for text in warnings(runs)),
        *(Text(sentence(text), style="bold") for text in standings(runs, found)),
        table,
        Text(note, style="dim"),
    )


def write_comparison(runs: Sequence[Record], found: Sequence[Verdict], out: Path) -> Path:
    """Write one page that compares the runs, and return its path.

    Args:
        runs: two or more records.
        found: verdict on each run.
        out: output page.

    Raises:
        UserError: if the page cannot be written.
    """
    return written(out, comparison(runs, found))


def comparison(runs: Sequence[Record], found: Sequence[Verdict]) -> str:
    """Return the page as HTML."""
    named = labels(runs)
    warned = "".join(f'<p class="warning"><b>Warning.</b> {html(text)}.</p>' for text in warnings(runs))
    head = "".join(f"<th>{html(name)}</th>" for name in FIRST_ROW)
    cells = "".join(f"<tr>{''.join(f'<td>{html(cell)}</td>' for cell in row)}</tr>" for row in rows(runs, found))
    table = f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{cells}</tbody></table></div>'
    told = "".join(f'<p class="why">{html(sentence(text))}</p>' for text in standings(runs, found))
    judged = "".join(
        f'<li class="finding {verdict.tone}"><h3 class="question">{html(name)}</h3><p class="answer">{html(verdict.title)}</p>'
        f"<p>{html(verdict.why)}</p></li>"
        for name, verdict in zip(named, found, strict=True)
    )
    parts = [
        f'<p class="run">{len(runs)} runs</p><h1>{html(" · ".join(named))}</h1>{warned}{told}<ul class="findings">{judged}</ul>',
        section("In numbers", _reading(runs), table),
    ]
    parts.append(
        section(
            "Images",
            "The latest sample grid of each run.",
            f'<div class="time">{"".join(map(_sheet, named, runs))}</div>',
        )
    )
    several = len(groups(runs)) > 1
    for index, group in enumerate(groups(runs), 1):
        title = f"Curves of group {index}" if several else "Curves"
        parts.append(
            section(
                title,
                "",
                f'<div class="charts">{_curves(group, index, dict(zip(map(id, runs), named, strict=True)))}</div>',
            )
        )
    return page(f"compared: {', '.join(named)}", parts)


def _reading(runs: Sequence[Record]) -> str:
    if len(groups(runs)) > 1:
        return "Distances may be compared within a group only; smaller is better."
    return (
        "Distance: 0 is alike, about 1 nothing alike. Two numbers differ if they are at least 3 standard errors apart."
    )


def _sheet(label: str, run: Record) -> str:
    """Return the newest sample grid of a run as a figure; "" if there is none."""
    if not run.sheets:
        return ""
    last = run.sheets[-1]
    try:
        source = encoded(sheet_of(last, run.path))
    except OSError as error:
        return noted([f"{label}: samples/{last.name} is left out: {error.strerror or error}"])
    told = f"{label} after {int(last.stem):,} images"
    picture = f'<img alt="Sample grid of {html(told)}" src="{source}">'
    return f'<figure class="sheet"><figcaption>{html(told)}</figcaption>{picture}</figure>'


def _curves(group: Sequence[Record], index: int, names: dict[int, str]) -> str:
    """Return the charts of a group of runs over one another."""

    def measured(name: str) -> tuple[Line, ...]:
        return tuple(curves.measured(run, name, names[id(run)]) for run in group)

    charts = [
        Chart(
            "Distance over images seen",
            "Smaller is better; the bands are standard errors.",
            measured("mmd"),
            ((0.0, "alike"),),
        ),
        Chart(
            "Distance over minutes",
            "The same, over training time.",
            tuple(_over_minutes(run, line) for run, line in zip(group, measured("mmd"), strict=True)),
            ((0.0, "alike"),),
            unit="minutes",
        ),
        Chart("Variety", "1 is as varied as real images.", measured("variety"), ((1.0, "as real images"),)),
        Chart(
            "Accuracy of the discriminator",
            "On real images that it never saw, and on fresh samples.",
            measured("D accuracy"),
            ((0.5, "guessing"),),
            bounds=(0.0, 1.0),
        ),
        Chart(
            "Loss of the generator",
            "Values of different losses cannot be compared.",
            tuple(curves.logged(run, "generator", names[id(run)]) for run in group),
        ),
    ]
    return "".join(figure(chart, f"g{index}c{number}") for number, chart in enumerate(charts))


def _over_minutes(run: Record, line: Line) -> Line:
    seconds = {found["images"]: found.get("seconds", 0.0) for found in run.evaluations}
    return replace(line, points=[(seconds[images] / 60, value) for images, value in line.points])
