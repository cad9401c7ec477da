"""Ranking of runs in a sentence, by their best distance, where it differs by more than its error."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from organza.report.evidence import SURE
from organza.stop import Check


class Entry(NamedTuple):
    """A run in a comparison.

    Args:
        name: label of the run.
        least: its best evaluation.
        trouble: main fault in its verdict, such as "It copies"; "" if none. Mentioned for the
            nearest runs only.
    """

    name: str
    least: Check
    trouble: str = ""


def apart(one: Check, other: Check) -> float:
    """Return the difference of two distances in standard errors of that difference."""
    lost, error = abs(one.distance - other.distance), math.hypot(one.error, other.error)
    return lost / error if error else math.inf if lost else 0.0


def better(entries: Sequence[Entry]) -> str:
    """Return a sentence that names the run nearest to the real images, runs equal within error, and
    runs behind it.

    Args:
        entries: two or more runs whose numbers may be compared. Their errors are treated as
            independent, although they share the same real images; this is conservative.

    >>> one, two = Check(9000, 0.21, 0.01, 0.8, 0.1), Check(8000, 0.30, 0.01, 0.8, 0.1)
    >>> better([Entry("a", two), Entry("b", one)])
    'b is nearer to the real images than a: 0.210 ± 0.010 against 0.300 ± 0.010, 6.4 errors apart'
    >>> better([Entry("a", one), Entry("b", one._replace(distance=0.22))])
    'a and b cannot be told apart: 0.210 ± 0.010 and 0.220 ± 0.010 are 0.7 errors apart, and at least 3 are needed'
    """
    first, *others = sorted(entries, key=lambda entry: entry.least.distance)
    equal = [entry for entry in others if apart(entry.least, first.least) < SURE]
    behind = [entry for entry in others if entry not in equal]
    if not equal and len(behind) == 1:
        [last] = behind
        found = f"{first.name} is nearer to the real images than {last.name}: "
        found += f"{_shown(first)} against {_shown(last)}, {_errors(first, last)}"
    elif not behind and len(equal) == 1:
        [last] = equal
        found = (
            f"{first.name} and {last.name} cannot be told apart: {_shown(first)} and {_shown(last)} are {_errors(first, last)}, "
            f"and at least {SURE:.0f} are needed"
        )
    else:
        found = f"{first.name} is nearest to the real images, at {_shown(first)}"
        if equal:
            found += f"; it cannot be told apart from {_listed([f'{entry.name} ({_errors(first, entry)})' for entry in equal])}"
        if behind:
            found += f"; behind it by more than the error {'is' if len(behind) == 1 else 'are'} "
            found += _listed([f"{entry.name} ({_errors(first, entry)})" for entry in behind])
    troubled = [f"{entry.name}: {entry.trouble}" for entry in (first, *equal) if entry.trouble]
    return f"{found}. But distance is not all: {'; '.join(troubled)}" if troubled else found


def _shown(entry: Entry) -> str:
    return f"{entry.least.distance:.3f} ± {entry.least.error:.3f}"


def _errors(one: Entry, other: Entry) -> str:
    return f"{apart(one.least, other.least):.1f} errors apart"


def _listed(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
