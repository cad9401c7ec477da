"""Scatter plots of vectors as images: for each pair of columns that tells most, the points, with others in grey behind them."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

SIDE, MARGIN, FINE = 320, 26, 3
"""Pixels of a plot and of its margin; factor of the size at which it is drawn, for smooth edges."""
BINS, LOOKED, ROWS = 8, 24, 4_000
"""Quantiles of a column, columns and rows that are searched for the pairs that tell most."""
MOST = 6
"""Plots of vectors of more than two columns."""
GREY, REAL, MADE, INK, PAPER = (205, 209, 214), (32, 106, 172), (208, 84, 12), (60, 60, 60), (255, 255, 255)
REACH = 0.08
"""Share of the range on each side beyond the central 99 %."""

Pair = tuple[int, int]


def telling_pairs(values: np.ndarray, most: int = MOST) -> list[Pair]:
    """Return the pairs of columns that depend on each other most, by their mutual information in eighths of each column.

    I(a; b) = sum_ij p_ij log(p_ij / (p_i p_j)): Cover and Thomas 2006, Elements of Information Theory, eq. 2.28. Unlike a correlation it
    is not 0 for a ring.

    Args:
        values: rows [N, D], D >= 2; of more than 24 columns the first 24 are searched.
        most: number of pairs.

    >>> x = np.random.default_rng(0).normal(size=(500, 3)); x[:, 2] = x[:, 0] ** 2
    >>> telling_pairs(x, 1)
    [(0, 2)]
    """
    few = values[:: -(-len(values) // ROWS), :LOOKED]
    ranks = few.argsort(0, kind="stable").argsort(0, kind="stable")
    cells = ranks * BINS // len(few)  # [N, D]
    pairs = list(itertools.combinations(range(cells.shape[1]), 2))
    told = {pair: _information(cells[:, pair[0]], cells[:, pair[1]]) for pair in pairs}
    return sorted(sorted(pairs, key=lambda pair: -told[pair])[:most])


def _information(a: np.ndarray, b: np.ndarray) -> float:
    joint = np.bincount(a * BINS + b, minlength=BINS * BINS).reshape(BINS, BINS) / len(a)
    alone = joint.sum(1, keepdims=True) * joint.sum(0, keepdims=True)
    some = joint > 0
    return float((joint[some] * np.log(joint[some] / alone[some])).sum())


def bounds(values: np.ndarray) -> tuple[float, float]:
    """Return the range of a plot for the values of a column: the central 99 %, and a little more on both sides.

    >>> bounds(np.array([0.0, 1.0]))
    (-0.07..., 1.07...)
    """
    low, high = np.quantile(values, (0.005, 0.995))
    wide = (high - low) or abs(high) or 1.0
    return float(low - REACH * wide), float(high + REACH * wide)


def panels(points: np.ndarray, behind: np.ndarray, names: Sequence[str], real: bool = False) -> np.ndarray:
    """Draw points over others, once for each pair of columns that tells most: uint8 [n, SIDE, SIDE, 3].

    Args:
        points: rows [N, D] to draw, in the colour of generated or of real ones.
        behind: rows [M, D] in grey, which give the pairs and the ranges.
        names: names of the columns.
        real: True if the points are real ones.

    >>> panels(np.zeros((4, 2)), np.eye(2), ("a", "b")).shape
    (1, 320, 320, 3)
    """
    return np.stack(
        [
            _plot(points[:, pair], behind[:, pair], (names[pair[0]], names[pair[1]]), REAL if real else MADE)
            for pair in map(list, telling_pairs(behind))
        ]
    )


def _plot(points: np.ndarray, behind: np.ndarray, names: tuple[str, str], colour: tuple[int, int, int]) -> np.ndarray:
    """Draw one plot, uint8 [SIDE, SIDE, 3]."""
    side, margin = SIDE * FINE, MARGIN * FINE
    image = Image.new("RGB", (side, side), PAPER)
    draw = ImageDraw.Draw(image)
    ranges = [bounds(behind[:, axis]) for axis in (0, 1)]
    for some, tone, radius in ((behind, GREY, 1.6), (points, colour, 1.8)):
        at = [(some[:, axis] - low) / (high - low) for axis, (low, high) in enumerate(ranges)]
        inside = np.isfinite(at[0] + at[1]) & (np.abs(at[0] - 0.5) <= 0.5) & (np.abs(at[1] - 0.5) <= 0.5)
        across = margin + at[0][inside] * (side - 2 * margin)
        down = side - margin - at[1][inside] * (side - 2 * margin)
        for x, y in zip(across.tolist(), down.tolist(), strict=True):
            r = radius * FINE
            draw.ellipse((x - r, y - r, x + r, y + r), fill=tone)
    draw.rectangle((margin, margin, side - margin, side - margin), outline=INK, width=FINE // 2 + 1)
    small = image.resize((SIDE, SIDE), Image.Resampling.BOX)
    _label(small, names, ranges)
    return np.asarray(small)


def _label(image: Image.Image, names: tuple[str, str], ranges: Sequence[tuple[float, float]]) -> None:
    """Write the names of the columns and the ends of their ranges beside the axes."""
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(11)
    (left, right), (bottom, top) = ranges
    below = SIDE - MARGIN / 2
    draw.text((SIDE / 2, below), names[0][:24], INK, font, anchor="mm")
    draw.text((MARGIN, below), f"{left:.3g}", INK, font, anchor="lm")
    draw.text((SIDE - MARGIN, below), f"{right:.3g}", INK, font, anchor="rm")
    upright = Image.new("RGB", (SIDE, MARGIN - 2), PAPER)
    aside = ImageDraw.Draw(upright)
    aside.text((SIDE / 2, MARGIN / 2), names[1][:24], INK, font, anchor="mm")
    aside.text((MARGIN, MARGIN / 2), f"{bottom:.3g}", INK, font, anchor="lm")
    aside.text((SIDE - MARGIN, MARGIN / 2), f"{top:.3g}", INK, font, anchor="rm")
    image.paste(upright.rotate(90, expand=True), (0, 0))
