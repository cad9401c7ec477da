"""Evaluations as a table for people, with explanations and conditions, and as JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import combinations

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from organza.evaluation.evaluate import Evaluation
from organza.metrics.kernels import Estimate
from organza.metrics.memorisation import RARE
from organza.metrics.suite import unlike
from organza.untrusted import printable

MEANINGS = {
    "mmd": ("distance (MMD, Gaussian)", "0 alike, about 1 nothing alike"),
    "kid": ("distance (MMD, cubic: KID's)", "0 alike"),
    "frechet": ("Fréchet distance", "0 alike; grows as counts fall"),
    "frechet_infinite": ("Fréchet, infinite samples", "0 alike"),
    "precision": ("precision", "share of samples that look real"),
    "recall": ("recall", "share of reals within reach"),
    "density": ("density", "1 alike; samples among reals"),
    "coverage": ("coverage", "0.97 alike; share of reals met"),
    "diversity": ("diversity", "1 as varied as the reals"),
    "nearness": ("distance to training images", "1 as unseen reals, below 1 copies"),
    "copies": ("near-copies", f"{RARE} by chance"),
    "pixel nearness": ("distance to training, pixels", "1 as unseen reals, below 1 copies"),
    "pixel copies": ("near-copies, in pixels", f"{RARE} by chance"),
    "energy": ("energy distance", "0 alike"),
    "energy_floor": ("energy distance of real halves", "the floor: others of the same kind"),
    "columns": ("difference of columns", "0 alike, 1 apart (mean Kolmogorov-Smirnov)"),
    "correlations": ("difference of correlations", "0 alike, 1 opposite (mean over pairs)"),
    "membership": ("D memorised its training set", "0.5 not at all, 1 completely"),
    "l1": ("L1 to target", "0 alike"),
    "psnr": ("PSNR, dB", "higher is nearer"),
    "ssim": ("SSIM", "1 alike"),
    "perceptual": ("perceptual distance to target", "0 alike"),
}
BESIDE = {"psnr": "PSNR", "psnr y": "PSNR of Y", "ssim": "SSIM", "perceptual": "perceptual", "mmd": "MMD of patches"}
"""Columns of the table of methods."""
MANY_CLASSES, MANY_COLUMNS = 40, 40
SURE = 3.0  # standard errors


def as_json(evaluations: Sequence[Evaluation]) -> str:
    """Return evaluations as JSON: a list, one for each target and extractor. Values that are not
    finite are null.
    """
    return json.dumps([_finite(evaluation.as_dict()) for evaluation in evaluations], indent=1)


def as_table(evaluations: Sequence[Evaluation]) -> RenderableType:
    """Return evaluations as a table: metrics in rows, a column for each evaluation; with warnings
    about different conditions.
    """
    parts: list[RenderableType] = [_metrics(evaluations)]
    parts += [_classes(evaluations)] if any(evaluation.classes for evaluation in evaluations) else []
    parts += [table for evaluation in evaluations for table in _methods(evaluation)]
    parts += [_columns(evaluation) for evaluation in evaluations if evaluation.columns]
    parts += [Text(f"warning: {text}", style="bold red") for text in warnings(evaluations)]
    parts += [Text(f"note: {text}") for text in _notes(evaluations)]
    parts += [Text(text, style="dim") for text in _cards(evaluations)]
    return Group(*parts)


def warnings(evaluations: Sequence[Evaluation]) -> list[str]:
    """Return warnings about numbers that must not be compared, and about suspected copies."""
    found = []
    names = {evaluation.card.extractor["name"] for evaluation in evaluations}
    if len(names) > 1:
        found.append(
            f"{' and '.join(sorted(names))} have different scales: compare distances of one extractor only; "
            "conclusions that both support are the most reliable"
        )
    for one, other in combinations(evaluations, 2):
        if one.card.extractor["name"] != other.card.extractor["name"]:
            continue
        if differences := unlike(one.as_dict()["card"], other.as_dict()["card"]):
            found.append(f"{one.of} and {other.of} must not be compared: they differ in {', '.join(differences)}")
    return found + [text for evaluation in evaluations for text in _accusations(evaluation)]


def _accusations(evaluation: Evaluation) -> list[str]:
    """Return a warning if the images of an evaluation are nearer to training images than chance allows."""
    found = []
    for name, how in (("pixel copies", "in pixels"), ("copies", f"by {evaluation.card.extractor['name']}")):
        copies = evaluation.metrics.get(name)
        if copies is not None and copies.value - RARE >= SURE * copies.error:
            found.append((copies, how))
    if not found:
        return []
    copies, how = found[-1]
    nearest = ", ".join(f"{s.sample} and {s.training} ({s.distance:.2f})" for s in evaluation.suspects[:3])
    return [
        f"{evaluation.of} may copy: {copies.value:.1%} of its images are as near to a training image as {RARE:.0%} of unseen real ones, "
        f"{how}; nearest are {nearest}, relative to the usual distance: inspect them"
    ]


def _metrics(evaluations: Sequence[Evaluation]) -> Table:
    """Return a table of all metrics, a column for each evaluation."""
    table = Table(box=None, padding=(0, 2, 0, 0), show_header=True)
    table.add_column("")
    several = len({evaluation.of for evaluation in evaluations}) > 1
    for evaluation in evaluations:
        name = evaluation.card.extractor["name"]
        table.add_column(f"{evaluation.of}\n{name}" if several else name, justify="right", overflow="fold")
    table.add_column("interpretation", style="dim")
    rows = dict.fromkeys(name for evaluation in evaluations for name in evaluation.metrics)
    for row in rows:
        label, meaning = MEANINGS.get(row, (row, ""))
        cells = [shown(evaluation.metrics.get(row)) for evaluation in evaluations]
        table.add_row(label, *cells, meaning)
    return table


def _classes(evaluations: Sequence[Evaluation]) -> Table:
    """Return a table of distance and diversity by class."""
    table = Table(box=None, padding=(0, 2, 0, 0), title="by class: distance, diversity", title_justify="left")
    table.add_column("")
    for evaluation in evaluations:
        table.add_column(evaluation.card.extractor["name"], justify="right")
    names = dict.fromkeys(name for evaluation in evaluations for name in evaluation.classes)
    for name in list(names)[:MANY_CLASSES]:
        cells = []
        for evaluation in evaluations:
            scores = evaluation.classes.get(name, {})
            cells.append(f"{shown(scores.get('mmd'))}, {shown(scores.get('diversity'))}" if scores else "")
        table.add_row(name, *cells)
    return table


def _methods(evaluation: Evaluation) -> list[Table]:
    """Return a table for each group of inputs: the generator and simple methods on the same ones."""
    found = []
    for group, methods in evaluation.beside.items():
        title = f"\nbeside simple methods, {group}, {evaluation.card.extractor['name']}"
        table = Table(box=None, padding=(0, 2, 0, 0), title=title, title_justify="left")
        table.add_column("")
        for heading in BESIDE.values():
            table.add_column(heading, justify="right")
        for method, scores in methods.items():
            table.add_row(method, *(shown(scores.get(name)) for name in BESIDE))
        found.append(table)
    return found


def _columns(evaluation: Evaluation) -> Table:
    """Return a table of the columns of vectors, those that differ most first."""
    table = Table(box=None, padding=(0, 2, 0, 0), title="\nby column, mean ± deviation", title_justify="left")
    for heading in ("", "real", "generated", "difference"):
        table.add_column(heading, justify="right" if heading else "left")
    for column in sorted(evaluation.columns, key=lambda column: -column.difference)[:MANY_COLUMNS]:
        table.add_row(
            printable(column.name[:40]), spread(*column.real), spread(*column.made), f"{column.difference:.3f}"
        )
    if len(evaluation.columns) > MANY_COLUMNS:
        table.caption = f"and {len(evaluation.columns) - MANY_COLUMNS:,} that differ less"
    return table


def spread(mean: float, deviation: float) -> str:
    """Return a mean and a deviation.

    >>> spread(40.0, 10.5)
    '40 ± 10.5'
    """
    return f"{mean:.4g} ± {deviation:.3g}"


def _notes(evaluations: Sequence[Evaluation]) -> list[str]:
    return list(dict.fromkeys(note for evaluation in evaluations for note in evaluation.notes))


def _cards(evaluations: Sequence[Evaluation]) -> list[str]:
    """Return the conditions of each evaluation, a line each."""
    lines = []
    for evaluation in evaluations:
        card, extractor = evaluation.card, evaluation.card.extractor
        resolution = f" at {extractor['resolution']} px ({extractor['resizer']})" if "resolution" in extractor else ""
        lines.append(
            f"{evaluation.of} ({card.fake:,} of {card.fake_size}, seed {card.seed}) against {evaluation.against} "
            f"({card.real:,} {card.split} of {card.real_size}); {extractor['name']} {str(extractor.get('weights', ''))[:12]}{resolution}; "
            f"± {card.spread}; organza {card.version}"
        )
    return lines


def shown(estimate: Estimate | None) -> str:
    """Return a number and its error, rounded to two digits of the error.

    >>> shown(Estimate(0.21034, 0.0123)), shown(Estimate(84.82, 3.21)), shown(None)
    ('0.210 ± 0.012', '84.8 ± 3.2', '')
    """
    if estimate is None:
        return ""
    value, error = estimate
    digits = 3
    if 0 < error < float("inf"):
        digits = min(max(1 - int(f"{error:e}".partition("e")[2]), 0), 5)
    return f"{value:.{digits}f} ± {error:.{digits}f}"


def _finite(value: object) -> object:
    """Replace values that JSON cannot hold, such as nan, by None."""
    if isinstance(value, dict):
        return {name: _finite(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and value - value != 0 else value
