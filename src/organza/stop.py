"""Stopping rules: functions of a run's history that return the reason to stop, in words. They keep
no state.

Their effect on recorded histories: docs/lab-log.md, 27.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple, Protocol


class Check(NamedTuple):
    """One evaluation, as the rules receive it."""

    images: int
    distance: float  # of generated from held-out real data; smaller is better
    error: float  # its standard error
    accuracy: float  # share of held-out reals and fresh fakes that D classifies correctly
    accuracy_error: float
    gradient: float | None = None  # norm of G's gradient, mean over the steps since the previous evaluation


class Rule(Protocol):
    """A stopping rule: maps the history to a reason to stop, or None."""

    def __call__(self, history: Sequence[Check]) -> str | None: ...


def kind_of(rule: Rule) -> str:
    """Return the name that a run's files have for the end by a rule: its `kind`, which stays when a
    class is renamed, or "rule".

    >>> kind_of(Plateau()), kind_of(lambda history: None)
    ('plateau', 'rule')
    """
    return getattr(rule, "kind", "rule")


def best(history: Sequence[Check]) -> Check:
    """Return the evaluation with the smallest distance; the earliest of equals."""
    return min(history, key=lambda check: check.distance)


def equals(history: Sequence[Check]) -> list[Check]:
    """Return the evaluations whose distance equals the best within the standard error of the
    difference, in order, the best included.

    >>> [check.images for check in equals([Check(1, 0.30, 0.01, 0.9, 0.1), Check(2, 0.21, 0.01, 0.9, 0.1), Check(3, 0.20, 0.01, 0.9, 0.1)])]
    [2, 3]
    """
    least = best(history)
    return [check for check in history if check.distance - least.distance <= math.hypot(check.error, least.error)]


def tie(history: Sequence[Check]) -> str:
    """Describe evaluations that equal the best within error; "" if there are none.

    >>> tie([Check(12_000, 0.20, 0.01, 0.9, 0.1), Check(15_000, 0.21, 0.01, 0.9, 0.1)])
    '12,000 and 15,000 are equal within error; kept 12,000'
    """
    if not history or len(found := equals(history)) < 2:
        return ""
    if len(found) > 4:
        return (
            f"{len(found)} evaluations from {found[0].images:,} to {found[-1].images:,} are equal within error; "
            f"kept {best(history).images:,}"
        )
    *first, last = (f"{check.images:,}" for check in found)
    return f"{', '.join(first)} and {last} are equal within error; kept {best(history).images:,}"


@dataclass(frozen=True)
class Plateau:
    """Stop if the best distance has not fallen by more than its standard error over the last
    evaluations.

    A run whose best is not clearly below its first evaluation has not levelled off, but hardly
    begun; it continues.

    Args:
        checks: number of evaluations without improvement before the run stops.
        errors: standard errors of the difference by which the best must lie below the first
            evaluation.
    """

    kind: ClassVar[str] = "plateau"
    checks: int = 6
    errors: float = 4.0

    def __call__(self, history: Sequence[Check]) -> str | None:
        """Return the reason to stop, or None."""
        if len(history) <= self.checks:
            return None
        before, lately = best(history[: -self.checks]), best(history[-self.checks :])
        if lately.distance < before.distance - max(before.error, lately.error):
            return None
        first, least = history[0], best(history)
        if first.distance - least.distance <= self.errors * math.hypot(first.error, least.error):
            return None
        return (
            f"no improvement over the last {self.checks} evaluations: the best distance was {before.distance:.4f} "
            f"(±{before.error:.4f}) at {before.images:,} images and {lately.distance:.4f} since"
        )


@dataclass(frozen=True)
class Equilibrium:
    """Stop if D can no longer tell held-out real data from fakes: its accuracy stays at 1/2 within
    its error.

    The equilibrium of the minimax game, D(x) = D(G(z)) = 1/2 (Goodfellow et al. 2014, section 4.1).
    Opt-in, because it can mislead: a D that is merely weak, untrained or collapsed gives the same
    accuracy.

    Args:
        checks: number of consecutive evaluations that must agree.
        errors: standard errors that count as "at 1/2".
    """

    kind: ClassVar[str] = "equilibrium"
    checks: int = 4
    errors: float = 2.0

    def __call__(self, history: Sequence[Check]) -> str | None:
        lately = history[-self.checks :]
        if len(lately) < self.checks or any(abs(c.accuracy - 0.5) > self.errors * c.accuracy_error for c in lately):
            return None
        return f"equilibrium: for {self.checks} evaluations D could not tell held-out data from fakes (accuracy {lately[-1].accuracy:.2f})"


@dataclass(frozen=True)
class Faded:
    """Stop if the generator's gradient has vanished: it stays far below its usual norm.

    The vanishing gradient of the minimax loss when D wins (Goodfellow et al. 2014, section 3;
    Arjovsky & Bottou 2017, arXiv:1701.04862, theorem 2.4). Opt-in: it ends failed runs and does not
    apply to good ones, since the gradient of a game does not vanish when its samples stop
    improving.

    Args:
        checks: number of consecutive evaluations that must agree.
        share: fraction of the median of all earlier evaluations below which the gradient counts as
            vanished.
    """

    kind: ClassVar[str] = "faded"
    checks: int = 3
    share: float = 0.01

    def __call__(self, history: Sequence[Check]) -> str | None:
        """Return the reason to stop, or None."""
        sizes = [check.gradient for check in history if check.gradient is not None]
        if len(sizes) <= self.checks:
            return None
        before, lately = sorted(sizes[: -self.checks]), sizes[-self.checks :]
        usual = before[len(before) // 2]
        if max(lately) >= self.share * usual:
            return None
        return (
            f"vanished gradient: for {self.checks} evaluations the norm of the generator's gradient was at most {max(lately):.1e}; "
            f"{usual:.1e} was usual"
        )
