"""Line charts as hand-written SVG: no library, no network, readable by screen readers, in the
colours of the page.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from organza.progress import words
from organza.report.page import html
from organza.report.record import Points

COLOURS = 6
STROKE = '<svg viewBox="0 0 26 8" aria-hidden="true"><line x1="0" y1="4" x2="26" y2="4"/></svg>'
WIDTH, HEIGHT = 520, 250
LEFT, RIGHT, TOP, BOTTOM = 50, 14, 12, 42
INNER = (WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM)


@dataclass(frozen=True)
class Line:
    """One curve.

    Args:
        name: label in the legend.
        points: (x, y) pairs.
        errors: standard error of each point, drawn as a band; empty for curves without errors.
        dotted: draw each point, for curves of few points such as evaluations.
    """

    name: str
    points: Points
    errors: tuple[float, ...] = ()
    dotted: bool = False


@dataclass(frozen=True)
class Chart:
    """Curves over images seen.

    Args:
        title: title of the chart.
        about: guide to reading it.
        lines: the curves.
        levels: horizontal lines with their labels: reference values.
        marks: vertical lines with their labels.
        clock: (images, seconds) pairs, for the time under the axis.
        bounds: limits of the vertical axis; None fits them to the curves.
        unit: unit of the horizontal axis.
    """

    title: str
    about: str
    lines: tuple[Line, ...]
    levels: tuple[tuple[float, str], ...] = ()
    marks: tuple[tuple[float, str], ...] = ()
    clock: Points | None = None
    bounds: tuple[float, float] | None = None
    unit: str = "images"


def figure(chart: Chart, name: str) -> str:
    """Return a chart with its title, legend and table of numbers as HTML, or "" if it has no
    points; `name` is unique on the page.

    >>> figure(Chart("Loss", "", (Line("D", [(0, 1.0), (100, 0.5)]),)), "loss").count("<polyline")
    1
    """
    lines = tuple(line for line in chart.lines if line.points)
    if not lines:
        return ""
    legend = "".join(
        f'<li class="line{index % COLOURS}">{STROKE}{html(line.name)}</li>' for index, line in enumerate(lines)
    )
    return (
        f'<figure class="chart"><figcaption><h3>{html(chart.title)}</h3><p>{html(chart.about)}</p></figcaption>'
        + (f'<ul class="legend">{legend}</ul>' if len(lines) > 1 else "")
        + _drawing(chart, lines, name)
        + _table(lines, chart.unit)
        + "</figure>"
    )


def _drawing(chart: Chart, lines: Sequence[Line], name: str) -> str:
    """Return the SVG drawing of a chart."""
    right = max(x for line in lines for x, _ in line.points) or 1
    low, high = chart.bounds or _range(lines, [y for y, _ in chart.levels])

    def across(x: float) -> float:
        """Return the x coordinate of a value."""
        return LEFT + INNER[0] * x / right

    def up(y: float) -> float:
        """Return the y coordinate of a value."""
        return TOP + INNER[1] * (1 - (min(max(y, low), high) - low) / (high - low))

    parts = [
        f'<svg class="plot" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-labelledby="{name}-t {name}-d">',
        f'<title id="{name}-t">{html(chart.title)}</title><desc id="{name}-d">{html(told(lines, chart.unit))}</desc>',
    ]
    for y in ticks(low, high):
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{up(y):.1f}" y2="{up(y):.1f}"/>')
        parts.append(f'<text class="tick" text-anchor="end" x="{LEFT - 6}" y="{up(y) + 4:.1f}">{_number(y)}</text>')
    for x in ticks(0, right, 5):
        label, anchor = _thousands(x), "end" if across(x) > WIDTH - RIGHT - 20 else "middle"
        parts.append(f'<text class="tick" text-anchor="{anchor}" x="{across(x):.1f}" y="{HEIGHT - 26}">{label}</text>')
        if chart.clock and x:
            moment = words(at_images(chart.clock, x))
            parts.append(
                f'<text class="tick time" text-anchor="{anchor}" x="{across(x):.1f}" y="{HEIGHT - 11}">{moment}</text>'
            )
    parts.append(f'<text class="tick" text-anchor="end" x="{LEFT - 6}" y="{HEIGHT - 26}">{chart.unit}</text>')
    if chart.clock:
        parts.append(f'<text class="tick time" text-anchor="end" x="{LEFT - 6}" y="{HEIGHT - 11}">time</text>')
    for y, label in chart.levels:
        if low <= y <= high:
            parts.append(f'<line class="level" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{up(y):.1f}" y2="{up(y):.1f}"/>')
            below = up(y) < TOP + 14
            parts.append(
                f'<text class="level" text-anchor="end" x="{WIDTH - RIGHT}" y="{up(y) + (13 if below else -5):.1f}">{html(label)}</text>'
            )
    for x, label in chart.marks:
        if 0 <= x <= right:
            late = across(x) > WIDTH / 2
            parts.append(
                f'<line class="mark" x1="{across(x):.1f}" x2="{across(x):.1f}" y1="{TOP}" y2="{TOP + INNER[1]}"/>'
            )
            parts.append(
                f'<text class="mark" text-anchor="{"end" if late else "start"}" x="{across(x) + (-5 if late else 5):.1f}" '
                f'y="{TOP + 10}">{html(label)}</text>'
            )
    for index, line in enumerate(lines):
        parts.append(_curve(line, index, chart.unit, across, up))
    return "".join([*parts, "</svg>"])


def _curve(line: Line, index: int, unit: str, across: Callable[[float], float], up: Callable[[float], float]) -> str:
    """Return the SVG of one line, with its band of errors."""
    places = " ".join(f"{across(x):.1f},{up(y):.1f}" for x, y in line.points)
    parts = [f'<g class="line{index % COLOURS}">']
    if line.errors:
        above = [(x, y + e) for (x, y), e in zip(line.points, line.errors, strict=True)]
        below = [(x, y - e) for (x, y), e in zip(line.points, line.errors, strict=True)]
        band = " ".join(f"{across(x):.1f},{up(y):.1f}" for x, y in (*above, *reversed(below)))
        parts.append(f'<polygon class="band" points="{band}"/>')
    parts.append(f'<polyline points="{places}"/>')
    if line.dotted or len(line.points) == 1:
        errors = line.errors or (None,) * len(line.points)
        for (x, y), error in zip(line.points, errors, strict=True):
            spread = "" if error is None else f" ± {error:.3g}"
            parts.append(
                f'<circle cx="{across(x):.1f}" cy="{up(y):.1f}" r="3.5">'
                f"<title>{html(line.name)}: {y:.4g}{spread} at {x:,.0f} {unit}</title></circle>"
            )
    return "".join([*parts, "</g>"])


def _table(lines: Sequence[Line], unit: str) -> str:
    """Return a table of the numbers of a chart, at most a dozen rows for each curve."""
    rows = []
    for line in lines:
        step = max(1, math.ceil(len(line.points) / 12))
        for index in sorted({*range(0, len(line.points), step), len(line.points) - 1}):
            (x, y), error = line.points[index], f" ± {line.errors[index]:.2g}" if line.errors else ""
            rows.append(f"<tr><td>{html(line.name)}</td><td>{x:,.0f}</td><td>{y:.4g}{error}</td></tr>")
    head = f"<thead><tr><th>curve</th><th>{unit}</th><th>value</th></tr></thead>"
    table = f'<div class="wide"><table>{head}<tbody>{"".join(rows)}</tbody></table></div>'
    return f'<details class="numbers"><summary>numbers</summary>{table}</details>'


def told(lines: Sequence[Line], unit: str = "images") -> str:
    """Describe a chart in words, for screen readers.

    >>> told([Line("D(x)", [(0, 0.5), (1000, 0.75)])])
    'D(x) goes from 0.5 to 0.75 over 1,000 images.'
    """
    return " ".join(
        f"{line.name} goes from {line.points[0][1]:.3g} to {line.points[-1][1]:.3g} over {line.points[-1][0]:,.0f} {unit}."
        for line in lines
    )


def ticks(low: float, high: float, most: int = 5) -> list[float]:
    """Return round numbers between two others.

    >>> ticks(0, 0.93), ticks(0, 44176, 5)
    ([0.0, 0.2, 0.4, 0.6, 0.8], [0.0, 10000.0, 20000.0, 30000.0, 40000.0])
    """
    span = high - low
    if span <= 0:
        return [low]
    power = 10.0 ** math.floor(math.log10(span / most))
    step = next(step * power for step in (1, 2, 5, 10, 20) if span / (step * power) <= most)
    first = math.ceil(low / step - 1e-9)
    return [round(index * step, 10) for index in range(first, math.floor(high / step + 1e-9) + 1)]


def at_images(clock: Points, images: float) -> float:
    """Return the seconds at which so many images were seen, by linear interpolation.

    >>> at_images([(0, 0), (100, 50)], 50)
    25.0
    """
    before = max((point for point in clock if point[0] <= images), default=clock[0])
    after = min((point for point in clock if point[0] >= images), default=clock[-1])
    if after[0] == before[0]:
        return before[1]
    return before[1] + (after[1] - before[1]) * (images - before[0]) / (after[0] - before[0])


def _range(lines: Sequence[Line], levels: Sequence[float]) -> tuple[float, float]:
    """Return the range of the curves without outliers: 1 % of the values on each side may lie
    outside.
    """
    values = sorted(
        value
        for line in lines
        for (_, y), e in zip(line.points, line.errors or (0.0,) * len(line.points), strict=True)
        for value in (y - e, y + e)
    )
    cut = len(values) // 100
    low, high = values[cut], values[-1 - cut]
    near = [y for y in levels if low - (high - low) <= y <= high + (high - low) or low <= y <= high]
    low, high = min([low, *near]), max([high, *near])
    gap = 0.06 * (high - low) or max(abs(high) * 0.1, 0.1)
    return (0.0 if 0 <= low < (high - low) * 0.5 else low - gap), high + gap


def _number(y: float) -> str:
    return f"{y:.0e}" if y and not 1e-3 <= abs(y) < 1e5 else f"{y:,.6g}"


def _thousands(x: float) -> str:
    if x >= 1e6:
        return f"{x / 1e6:g}M"
    return f"{x / 1000:g}k" if x >= 1000 else f"{x:g}"
