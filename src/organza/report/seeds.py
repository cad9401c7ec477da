"""Seeds of one recipe: mean and spread of the best distance over runs that differ in nothing else."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from statistics import fmean, stdev
from typing import NamedTuple

from organza.report.evidence import SURE
from organza.report.record import Record
from organza.stop import best

BEYOND = 1.05
"""Images seen, as a share of those planned at first, from which on a run was resumed with a larger budget."""


class Seeds(NamedTuple):
    """Runs of one recipe on one data set, with different seeds.

    Args:
        name: name of the recipe, with a number if another set has the same name.
        distances: best distance of each run.
    """

    name: str
    distances: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Mean distance."""
        return fmean(self.distances)

    @property
    def spread(self) -> float:
        """Standard deviation over the seeds, unbiased in its square."""
        return stdev(self.distances)

    @property
    def error(self) -> float:
        """Standard error of the mean, which includes that of each measurement."""
        return self.spread / math.sqrt(len(self.distances))


def seeds_of(runs: Sequence[Record]) -> list[Seeds]:
    """Return the sets of at least two evaluated runs that differ in their seed alone.

    Args:
        runs: runs whose distances may be compared.
    """
    found: dict[str, dict[object, Record]] = {}
    for run in runs:
        if run.checks:
            found.setdefault(_kind(run, _budget(run)), {}).setdefault(_seed(run), run)
    sets = [list(by_seed.values()) for by_seed in found.values() if len(by_seed) > 1]
    names = [one[0].recipe for one in sets]
    return [
        Seeds(
            name if names.count(name) == 1 else f"{name} ({names[: place + 1].count(name)})",
            tuple(best(run.checks).distance for run in one),
        )
        for place, (name, one) in enumerate(zip(names, sets, strict=True))
    ]


def unequal(runs: Sequence[Record]) -> list[str]:
    """Return a sentence for each recipe whose seeds have no mean because their budgets differ."""
    found: dict[str, list[Record]] = {}
    for run in runs:
        found.setdefault(_kind(run), []).append(run)
    told = []
    for some in found.values():
        budgets = sorted({_budget(run) for run in some})
        if len({_seed(run) for run in some}) > 1 and len(budgets) == len(some):
            told.append(f"{some[0].recipe}: no mean over its seeds, as their budgets differ: {', '.join(budgets)}")
    return told


def _kind(run: Record, *more: str) -> str:
    """Return all that seeds of one recipe have in common, and more."""
    asked = {name: value for name, value in run.content["asked"].items() if name != "seed"}
    same = [run.content["recipe"], run.content["data"].get("fingerprint"), asked, *more]
    return json.dumps(same, sort_keys=True, default=str)


def _seed(run: Record) -> object:
    return run.content["asked"].get("seed")


def _budget(run: Record) -> str:
    """Return a run's budget; the images seen if it was resumed with a larger one, which its recipe.json does not keep."""
    plan = run.content["plan"]
    images = plan.get("images") if not plan.get("seconds") else None
    return f"{run.images:,} images" if images and run.images > BEYOND * images else str(plan.get("budget"))


def sentences(sets: Sequence[Seeds]) -> list[str]:
    """Return mean and spread of each set in words, and the difference of the two nearest to the real images.

    >>> sentences([Seeds("dcgan", (0.30, 0.34)), Seeds("swift", (0.10, 0.12, 0.11))])[0]
    'swift over 3 seeds: distance 0.110 on average, standard deviation 0.010, from 0.100 to 0.120'
    """
    ranked = sorted(sets, key=lambda one: one.mean)
    told = [
        f"{one.name} over {len(one.distances)} seeds: distance {one.mean:.3f} on average, standard deviation {one.spread:.3f}, "
        f"from {min(one.distances):.3f} to {max(one.distances):.3f}"
        for one in ranked
    ]
    if len(ranked) > 1:
        first, second = ranked[:2]
        error = math.hypot(first.error, second.error)
        apart = (second.mean - first.mean) / error if error else math.inf
        told.append(
            f"{first.name} is nearer to the real images than {second.name} over their seeds, by {apart:.1f} standard errors"
            if apart >= SURE
            else f"{first.name} and {second.name} cannot be told apart over their seeds: their means are {apart:.1f} standard errors "
            f"apart, and at least {SURE:.0f} are needed; more seeds tell more"
        )
    return told
