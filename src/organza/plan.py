"""The plan of a run: the images its budget comes to, and how often it looks at itself. Made once, kept in recipe.json."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from organza.stop import Budget


class Crossed(NamedTuple):
    """What is due, having gone from one count of images to another."""

    stats: bool
    sample: bool
    evaluate: bool
    save: bool


@dataclass(frozen=True)
class Plan:
    """For how long, and how often to look.

    Args:
        budget: as the user wrote it.
        images: the images it comes to; schedules are fractions of it.
        seconds: where the clock decides, how many.
        stats_every, sample_every, evaluate_every, save_every: in images.
    """

    budget: str
    images: int
    seconds: float | None
    stats_every: int
    sample_every: int
    evaluate_every: int
    save_every: int

    def crossed(self, before: int, after: int) -> Crossed:
        """What is due, having gone from `before` to `after` images seen.

        >>> Plan("1kimg", 1000, None, 100, 250, 500, 500).crossed(90, 260)
        Crossed(stats=True, sample=True, evaluate=False, save=False)
        """
        every = (self.stats_every, self.sample_every, self.evaluate_every, self.save_every)
        return Crossed(*(before // e < after // e for e in every))


def make_plan(budget: Budget, items: int, batch: int, rate: float, evaluation: float, share: float = 0.05) -> Plan:
    """A plan for a budget: about 20 looks at the distance, fewer where they would cost more than a share of the time.

    Args:
        budget: what the user allows.
        items: images to train on.
        batch: images in a step.
        rate: images a second, measured on a few steps.
        evaluation: seconds that one evaluation takes, measured.
        share: of the run's time that evaluations may take.

    >>> plan = make_plan(Budget.parse("10m"), 20_000, 32, rate=40.0, evaluation=3.0)
    >>> plan.images, plan.evaluate_every
    (24000, 2400)
    """
    images = max(budget.planned(items, rate), batch)
    duration = images / rate
    looks = min(20, max(4, int(share * duration / max(evaluation, 1e-9))))
    evaluate_every = max(batch, images // looks)
    # A kill costs what was done since the last checkpoint: at most five minutes, whatever the length of the run.
    save_every = max(batch, min(evaluate_every, round(300 * rate)))
    sample_every = max(batch, images // 40)
    stats_every = max(batch, images // 200)
    return Plan(budget.text, images, budget.seconds, stats_every, sample_every, evaluate_every, save_every)
