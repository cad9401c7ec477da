"""The plan of a run: the images of its budget, and the intervals of samples, evaluations and
checkpoints. Kept in recipe.json.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

from organza.errors import UserError


@dataclass(frozen=True)
class Budget:
    """Length of a run: in images seen, in passes over the data, or in seconds.

    >>> Budget.parse("1h30m").seconds, Budget.parse("500kimg").images, Budget.parse("20epochs").epochs
    (5400.0, 500000, 20.0)
    """

    text: str
    images: int | None = None
    epochs: float | None = None
    seconds: float | None = None

    @classmethod
    def parse(cls, text: str) -> Budget:
        """Parse 90s, 10m, 1h30m, 20000img, 500kimg, 2Mimg or 20epochs.

        Raises:
            UserError: if the text has another form, or the budget is zero.
        """
        clean = text.strip().replace(" ", "").replace("_", "").replace(",", "")
        budget = None
        if found := re.fullmatch(r"(\d{1,12}(?:\.\d{1,12})?)(k|M)?(?:img|images?)", clean):
            budget = cls(clean, images=round(float(found[1]) * {None: 1, "k": 1_000, "M": 1_000_000}[found[2]]))
        elif found := re.fullmatch(r"(\d{1,12}(?:\.\d{1,12})?)epochs?", clean):
            budget = cls(clean, epochs=float(found[1]))
        elif (
            found := re.fullmatch(
                r"(?:(\d{1,12}(?:\.\d{1,12})?)d)?(?:(\d{1,12}(?:\.\d{1,12})?)h)?(?:(\d{1,12}(?:\.\d{1,12})?)m)?(?:(\d{1,12}(?:\.\d{1,12})?)s)?",
                clean,
            )
        ) and clean:
            budget = cls(
                clean, seconds=sum(float(n or 0) * s for n, s in zip(found.groups(), (86400, 3600, 60, 1), strict=True))
            )
        if budget is None or not (budget.images or budget.epochs or budget.seconds):
            raise UserError(
                f"`budget={text!r}` is not a budget: write a time (90s, 10m, 1h30m), images (20000img, 500kimg) or passes (20epochs)."
            )
        return budget

    def planned(self, items: int, rate: float) -> int:
        """Return the images of this budget, for a number of items and a speed in images a second."""
        if self.images is not None:
            return self.images
        return max(1, round(self.epochs * items if self.epochs is not None else (self.seconds or 0) * rate))


class Crossed(NamedTuple):
    """Work that is due after a change of the images seen."""

    stats: bool
    sample: bool
    evaluate: bool
    save: bool


class Costs(NamedTuple):
    """Costs on this machine.

    Args:
        rate: images a second in the game.
        evaluation: seconds of one evaluation, with its sample grid and checkpoint.
        sheet: seconds of a sample grid by itself.
        pace: images of the generator's warm-up in the time of one of the game's.
    """

    rate: float
    evaluation: float = 0.0
    sheet: float = 0.0
    pace: float = 1.0


Alone = Callable[[int], int]
"""Images of the generator's warm-up in a run of so many."""
INTERVALS = ("stats_every", "sample_every", "evaluate_every", "save_every")
TOLERATED = 0.1
"""Error of the planned images below which a plan is kept, as schedules hardly change."""


@dataclass(frozen=True)
class Plan:
    """Length of a run, and its intervals.

    Args:
        budget: budget as the user wrote it.
        images: images of the budget; schedules are fractions of them.
        seconds: seconds of a time budget, else None.
        stats_every, sample_every, evaluate_every, save_every: intervals in images.
        pace: images of the generator's warm-up in the time of one of the game's.
    """

    budget: str
    images: int
    seconds: float | None
    stats_every: int
    sample_every: int
    evaluate_every: int
    save_every: int
    pace: float = 1.0

    def crossed(self, before: int, after: int) -> Crossed:
        """Return the work that is due between `before` and `after` images seen.

        >>> Plan("1kimg", 1000, None, 100, 250, 500, 500).crossed(90, 260)
        Crossed(stats=True, sample=True, evaluate=False, save=False)
        """
        every = (self.stats_every, self.sample_every, self.evaluate_every, self.save_every)
        return Crossed(*(before // e < after // e for e in every))

    def of(self, images: int) -> Plan:
        """Return the same plan for another number of images, with its intervals in proportion.

        >>> Plan("10m", 1000, 600.0, 10, 250, 500, 500).of(2000).evaluate_every
        1000
        """
        share = images / self.images
        return replace(self, images=images, **{name: max(1, round(getattr(self, name) * share)) for name in INTERVALS})

    def corrected(self, images: int, seconds: float, alone: Alone = lambda planned: 0) -> Plan:
        """Return the plan for the time that is left, if the estimated speed was wrong by more than
        `TOLERATED`.

        Args:
            images: images seen.
            seconds: training time for them.
            alone: images of the generator's warm-up in a run of so many.

        >>> plan = Plan("10m", 24_000, 600.0, 120, 3000, 6000, 3000)
        >>> plan.corrected(3000, 150.0).images, plan.corrected(3000, 76.0) is plan
        (12000, True)
        """
        if self.seconds is None or seconds <= 0 or images <= 0:
            return self
        early = min(images, alone(self.images))
        work = early / self.pace + images - early
        likely = max(images, fitting(work * max(self.seconds / seconds, 1.0), self.pace, alone))
        return self if abs(likely / self.images - 1) <= TOLERATED else self.of(likely)


def fitting(work: float, pace: float, alone: Alone) -> int:
    """Return the images of a run with a warm-up, by the time it takes.

    Args:
        work: images of the game in the time of the run.
        pace: images of the warm-up in the time of one of the game's.
        alone: images of the warm-up in a run of so many.

    >>> fitting(1000, 3.0, lambda planned: round(planned / 2)), fitting(1000, 3.0, lambda planned: 0)
    (1500, 1000)
    """
    images = work
    for _ in range(40):  # the warm-up is a share of the images, which depend on it
        images = work + alone(round(images)) * (1 - 1 / pace)
    return round(images)


def make_plan(budget: Budget, items: int, batch: int, costs: Costs, alone: Alone = lambda planned: 0) -> Plan:
    """Return a plan for a budget: about 20 evaluations and 40 sample grids, fewer if they would
    exceed their share of the time.

    Everything other than training should take less than a twentieth: evaluations with their
    checkpoints aim at 2 % of the time, sample grids at 0.4 %, and cost as much again for theirs;
    the rest is for the start and the end. There are always two evaluations, the second at the end,
    with a sample grid before each. Each evaluation coincides with a sample grid: both need the same
    preparation of G.

    Args:
        budget: the user's budget.
        items: number of training images.
        batch: images in a step.
        costs: costs measured on a few steps.
        alone: images of the generator's warm-up in a run of so many.

    >>> plan = make_plan(Budget.parse("10m"), 20_000, 32, Costs(rate=40.0, evaluation=3.0, sheet=0.5))
    >>> plan.images, plan.evaluate_every, plan.sample_every
    (24000, 6000, 3000)
    """
    images = budget.planned(items, costs.rate)
    images = max(fitting(images, costs.pace, alone) if budget.seconds else images, batch)
    duration = (images - (early := min(images, alone(images))) + early / costs.pace) / costs.rate
    looks = min(20, max(2, _within(0.02 * duration, costs.evaluation)))
    between = min(40 // looks - 1, max(1, _within(0.004 * duration, looks * costs.sheet)))
    sample_every = max(batch, -(-images // (looks * (between + 1))))  # rounded up, so that the last one is at the end
    evaluate_every = sample_every * (between + 1)
    # A kill loses the work since the last checkpoint: at most the time between two sample grids, and five minutes.
    save_every = max(batch, min(sample_every, round(300 * costs.rate)))
    stats_every = max(batch, images // 200)
    return Plan(budget.text, images, budget.seconds, stats_every, sample_every, evaluate_every, save_every, costs.pace)


def _within(seconds: float, cost: float) -> int:
    return int(seconds / max(cost, 1e-9))
