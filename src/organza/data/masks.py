"""Masks: holes of strokes and boxes, to learn filling. Suvorov et al. 2021, LaMa, arXiv:2109.07161, section 2.3.

A hole is drawn from the stream of its patch, in shares of the patch's shorter side, so that it suits every size.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from PIL import Image, ImageDraw

WIDTHS = {"narrow": (0.03, 0.08), "medium": (0.1, 0.2), "wide": (0.25, 0.45)}
"""Widths of strokes, and half of those of boxes, by name: shares of the shorter side."""


@dataclass(frozen=True)
class Masks:
    """A law of holes.

    Args:
        width: least and largest width of a stroke, as shares of the shorter side.
        strokes: most strokes in a hole.
        boxes: most boxes in a hole; a hole has strokes or boxes, one half of the holes each.
        most: largest share of the patch that a hole covers.
    """

    width: tuple[float, float] = (0.03, 0.4)
    strokes: int = 4
    boxes: int = 3
    most: float = 0.5

    def of(self, name: str) -> Masks:
        """Return the law of holes of one width: narrow, medium or wide."""
        return replace(self, width=WIDTHS[name])

    def drawn(self, height: int, width: int, stream: torch.Generator) -> np.ndarray:
        """Draw a hole, bool [height, width], True inside; at least one pixel, and never all.

        >>> hole = Masks().drawn(64, 64, torch.Generator().manual_seed(1)); bool(0 < hole.mean() < 0.6)
        True
        """
        hole = np.zeros((height, width), bool)
        low, high = self.width
        across = (
            min(height, width) * low * (high / low) ** _draw(stream)
        )  # one width for the hole, evenly in logarithms
        boxed = _draw(stream) < 0.5
        for _ in range(1 + int(_draw(stream) * (self.boxes if boxed else self.strokes))):
            shape = _box(height, width, across, stream) if boxed else _stroke(height, width, across, stream)
            if hole.any() and (hole | shape).mean() > self.most:
                break
            hole |= shape
        return hole


def _draw(stream: torch.Generator) -> float:
    return torch.rand((), generator=stream).item()


def _box(height: int, width: int, across: float, stream: torch.Generator) -> np.ndarray:
    """Return a box with sides of 1 to 2 widths."""
    sides = [max(1, round(across * (1 + _draw(stream)))) for _ in range(2)]
    rows, columns = min(sides[0], height - 1), min(sides[1], width - 1)
    top, left = int(_draw(stream) * (height - rows + 1)), int(_draw(stream) * (width - columns + 1))
    hole = np.zeros((height, width), bool)
    hole[top : top + rows, left : left + columns] = True
    return hole


def _stroke(height: int, width: int, across: float, stream: torch.Generator) -> np.ndarray:
    """Return a bent line of up to five pieces with round ends."""
    image = Image.new("1", (width, height))
    pen = ImageDraw.Draw(image)
    x, y, angle = _draw(stream) * width, _draw(stream) * height, _draw(stream) * 2 * math.pi
    for _ in range(1 + int(_draw(stream) * 5)):
        angle += (_draw(stream) - 0.5) * math.pi / 2
        length = min(height, width) * (0.1 + 0.3 * _draw(stream))
        end = (x + length * math.cos(angle), y + length * math.sin(angle))
        pen.line((x, y, *end), fill=1, width=max(1, round(across)))
        for px, py in ((x, y), end):
            pen.ellipse((px - across / 2, py - across / 2, px + across / 2, py + across / 2), fill=1)
        x, y = min(max(end[0], 0), width - 1), min(max(end[1], 0), height - 1)
    return np.asarray(image)
