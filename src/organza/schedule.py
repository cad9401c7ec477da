"""Schedules: any number in a recipe may be a function of the run's progress.

Time is counted in images seen. A schedule uses fractions of the planned budget, so that one recipe
serves ten minutes and ten days; a phase that needs so many images and no more ends at a `Share`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

Schedule = Callable[[int, int], float]  # (images seen, images planned) -> value
Number = float | Schedule


def at(number: Number, images: int, planned: int) -> float:
    """Return the value of a number or schedule when `images` of the `planned` images have been
    seen.

    >>> at(0.5, 10, 100), at(Linear(0.0, 1.0), 25, 100)
    (0.5, 0.25)
    """
    return number(images, planned) if callable(number) else number


@dataclass(frozen=True)
class Share:
    """Images that are a share of the budget, for the length of a phase or the point where one begins or ends.

    Args:
        share: share of the budget, from 0 to 1.
        most: images that are enough for the phase, however long the run; as good as no limit by default.

    >>> Share(0.5)(0, 1000), Share(0.05, most=20)(0, 1000)
    (500.0, 20)
    """

    share: float
    most: int = 2**31

    def __call__(self, images: int, planned: int) -> float:
        return min(self.share * planned, self.most)


Point = float | Share
"""A point of a run: a share of the budget, or a share with most images."""


def _fraction(images: int, planned: int, begin: Point, end: Point) -> float:
    """Return the fraction that has passed between two points, from 0 to 1."""
    planned = max(planned, 1)
    first, last = (min(one.share, one.most / planned) if isinstance(one, Share) else one for one in (begin, end))
    return min(max((images / planned - first) / max(last - first, 1e-12), 0.0), 1.0)


@dataclass(frozen=True)
class Linear:
    """Linear change from `start` to `stop` between two points of the run, constant outside.

    >>> Linear(1.0, 0.0, begin=0.5)(75, 100)
    0.5
    """

    start: float
    stop: float
    begin: Point = 0.0
    end: Point = 1.0

    def __call__(self, images: int, planned: int) -> float:
        return self.start + (self.stop - self.start) * _fraction(images, planned, self.begin, self.end)


@dataclass(frozen=True)
class Cosine:
    """Half a cosine from `start` to `stop` between two points of the run, constant outside.

    >>> round(Cosine(1.0, 0.0)(50, 100), 12), Cosine(1.0, 0.1, end=Share(0.7, most=50))(50, 100)
    (0.5, 0.1)
    """

    start: float
    stop: float
    begin: Point = 0.0
    end: Point = 1.0

    def __call__(self, images: int, planned: int) -> float:
        done = _fraction(images, planned, self.begin, self.end)
        return self.stop + (self.start - self.stop) * (1 + math.cos(math.pi * done)) / 2
