"""The sections of a report on vectors: scatter plots of real beside generated ones, their columns, and the nearest training vectors."""

from __future__ import annotations

import numpy as np

from organza.evaluation.tables import MANY_COLUMNS, spread
from organza.media.scatter import bounds, telling_pairs
from organza.report.page import html, section
from organza.report.probe import Look, Vectors
from organza.report.record import Record
from organza.untrusted import printable

SIDE, EDGE = 300, 40
"""Size of a plot and of its margin, in units of its drawing."""
POINTS = 1000
NAMES = 6
"""Columns of the table of nearest vectors."""


def scatters(record: Record, seen: Look | None) -> str:
    """Return scatter plots of real beside generated vectors, for the pairs of columns that tell most."""
    if seen is None or seen.vectors is None:
        return ""
    vectors = seen.vectors
    pairs, width = telling_pairs(vectors.real), vectors.real.shape[1]
    plots = "".join(_pair(vectors, pair) for pair in pairs)
    told = "" if width == 2 else f"The {len(pairs)} pairs of {width} columns that depend on each other most. "
    side = "held-out" if record.held_out else "training"
    return section(
        "Real beside generated",
        f"{told}Left {side} vectors, right generated ones, at the same scale. The same clusters and curves, as dense, and as little "
        "between them: the generator has learned the structure.",
        f'<div class="ways">{plots}</div>',
    )


def _pair(vectors: Vectors, pair: tuple[int, int]) -> str:
    """Return the plots of real and of generated vectors for one pair of columns."""
    names = [vectors.table.printable[column] for column in pair]
    ranges = [bounds(vectors.real[:, column]) for column in pair]
    real, made = (
        _plot(side[:POINTS][:, list(pair)], ranges, names, tone, title)
        for side, tone, title in ((vectors.real, 0, "Real"), (vectors.made, 1, "Generated"))
    )
    return f'<div class="scatter">{real}{made}</div>'


def _plot(points: np.ndarray, ranges: list[tuple[float, float]], names: list[str], tone: int, title: str) -> str:
    """Return a scatter plot as SVG; points beyond the ranges are counted in its description."""
    room = SIDE - 2 * EDGE
    at = np.stack([(points[:, axis] - low) / (high - low) for axis, (low, high) in enumerate(ranges)], 1)
    inside = (np.abs(at - 0.5) <= 0.5).all(1)
    dots = "".join(f"M{EDGE + x * room:.1f} {SIDE - EDGE - y * room:.1f}h0" for x, y in at[inside].tolist())
    (left, right), (bottom, top) = ranges
    outside = int((~inside).sum())
    about = f"{title} vectors: {names[1]} over {names[0]}, {len(points)} points, {outside} of them outside of the plot"
    low = SIDE - EDGE + 16
    texts = (
        (SIDE / 2, low + 12, "middle", names[0]), (EDGE, low, "start", f"{left:.2g}"), (SIDE - EDGE, low, "end", f"{right:.2g}"),
        (EDGE - 4, SIDE - EDGE, "end", f"{bottom:.2g}"), (EDGE - 4, EDGE + 8, "end", f"{top:.2g}"),
        (EDGE, EDGE - 8, "start", names[1]), (SIDE - EDGE, EDGE - 8, "end", f"{title}{f', {outside} outside' if outside else ''}"),
    )  # fmt: skip
    written = "".join(
        f'<text text-anchor="{anchor}" x="{x:.0f}" y="{y:.0f}">{html(text[:26])}</text>' for x, y, anchor, text in texts
    )
    return (
        f'<svg class="plot" viewBox="0 0 {SIDE} {SIDE}" role="img" aria-label="{html(about)}"><g class="line{tone}">'
        f'<path class="dots" d="{dots}"/></g><rect class="frame" x="{EDGE}" y="{EDGE}" width="{room}" height="{room}"/>{written}</svg>'
    )


def columns(seen: Look | None) -> str:
    """Return the table of the columns, those that differ most first."""
    if seen is None or seen.vectors is None:
        return ""
    ordered = sorted(seen.vectors.columns, key=lambda column: -column.difference)
    rows = "".join(
        f"<tr><td>{html(printable(column.name[:40]))}</td><td>{spread(*column.real)}</td><td>{spread(*column.made)}</td>"
        f"<td>{column.difference:.3f}</td></tr>"
        for column in ordered[:MANY_COLUMNS]
    )
    more = f", and {len(ordered) - MANY_COLUMNS:,} more differ less" if len(ordered) > MANY_COLUMNS else ""
    return section(
        "Columns",
        "Mean ± standard deviation. The difference is that of Kolmogorov and Smirnov: the largest gap between the shares of real and of "
        f"generated vectors below a value; 0 alike, 1 apart{more}.",
        '<div class="wide"><table><thead><tr><th>column</th><th>real</th><th>generated</th><th>difference</th></tr></thead>'
        f"<tbody>{rows}</tbody></table></div>",
    )


def nearest(seen: Look) -> str:
    """Return the generated vectors that are nearest to training vectors, as a table."""
    if seen.vectors is None or not seen.vectors.nearest:
        return ""
    names = seen.vectors.table.printable[:NAMES]
    head = "".join(f"<th>{html(name)}</th>" for name in names)
    rows = "".join(
        f"<tr><td>{title}</td>{''.join(f'<td>{value:.4g}</td>' for value in values[:NAMES])}<td>{told}</td></tr>"
        for sample, training, distance in seen.vectors.nearest
        for title, values, told in (("generated", sample, f"{distance:.0%}"), ("training", training, ""))
    )
    more = f" The first {NAMES} columns are shown." if seen.vectors.real.shape[1] > NAMES else ""
    measure = (
        "unseen real vectors"
        if seen.copies is not None and seen.copies.against == "held-out"
        else "training vectors from each other"
    )
    return section(
        "The most suspicious samples",
        f"Each with its nearest training vector, and their distance, of that of {measure}. Of many vectors in few columns some always come "
        f"near; a copier has most of them far below 100%.{more}",
        f'<div class="wide"><table><thead><tr><th></th>{head}<th>distance</th></tr></thead><tbody>{rows}</tbody></table></div>',
    )
