"""Lines of a run's files, checked for the report: a stranger may have written them, so malformed
ones are left out.

Numbers are finite and within what a chart can draw; the sizes of texts and tables, and their
counts, are bounded.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from organza.run.folder import lines_of

LARGEST = 1e15
"""Largest absolute value of a measurement; beyond it, the arithmetic of a chart would overflow."""
IMAGES = 2**53
SECONDS = 1e10
MOST, MOST_CHECKS = 20_000, 2_000
"""Largest numbers of lines read from stats.jsonl and evaluations.jsonl, evenly spaced if there are
more. A night writes a tenth."""
LAST = 5_000
"""Number of events kept, the latest ones."""
PARTS = 5_000
"""Largest count of numbers and texts in one line."""
ALL_PARTS = 2_000_000
"""Largest count of numbers and texts in all lines of a file: about 200 MB."""
TEXT = 2_000
"""Largest length of a text, in characters."""
DEEPEST = 6


class _TooMuch(ValueError):
    """A line with more parts than any that a run writes."""


def stats_lines(file: Path, most: int = MOST) -> tuple[dict[str, Any], ...]:
    """Return the valid lines of stats.jsonl: images, and if present seconds and rate; terms as
    {"mean": number, ...}.

    Args:
        file: file to read.
        most: largest number of lines, evenly spaced if there are more.

    Raises:
        UserError: if the file cannot be read.
    """
    return tuple(_bounded(filter(_is_timed, _formed(lines_of(file, most)))))


def evaluation_lines(file: Path) -> tuple[dict[str, Any], ...]:
    """Return the valid lines of evaluations.jsonl: as `stats_lines`, with health and card as
    tables.

    Raises:
        UserError: if the file cannot be read.
    """
    return tuple(_bounded(map(_as_evaluation, filter(_is_timed, _formed(lines_of(file, MOST_CHECKS))))))


def event_lines(file: Path) -> tuple[dict[str, Any], ...]:
    """Return the latest valid lines of events.jsonl: event, text, time and kind are texts, images a
    number.

    Raises:
        UserError: if the file cannot be read.
    """
    return tuple(deque(filter(_is_event, _formed(lines_of(file))), LAST))


def number(value: Any) -> float | int | None:
    """Return a number that arithmetic can handle, or None for anything else.

    >>> number(2), number(0.5), number(True), number(float("inf")), number(1e300), number("2")
    (2, 0.5, None, None, None, None)
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if math.isfinite(value) and abs(value) <= LARGEST else None


def _formed(lines: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield lines in their expected form, without those that are too deep or too long."""
    for line in lines:
        try:
            form, _ = _form(line, 0, 0)
        except _TooMuch:
            continue
        yield form


def _form(value: Any, depth: int, parts: int) -> tuple[Any, int]:
    """Return a JSON value without invalid numbers and with its texts cut short, and the number of
    its parts so far.
    """
    parts += 1
    if parts > PARTS or depth > DEEPEST:
        raise _TooMuch
    if isinstance(value, str):
        return value[:TEXT], parts
    if isinstance(value, Mapping):
        table = {}
        for name, inner in value.items():
            form, parts = _form(inner, depth + 1, parts)
            if form is not None or inner is None:
                table[name[:TEXT]] = form
        return table, parts
    if isinstance(value, list):
        items = []
        for inner in value:
            form, parts = _form(inner, depth + 1, parts)
            items.append(form)
        return items, parts
    return (value if isinstance(value, bool) else number(value)), parts


def _is_timed(line: Mapping[str, Any]) -> bool:
    """Return True if a line gives its images seen, and any times in it are valid."""
    return _counts(line.get("images")) and all(
        name not in line or (number(line[name]) is not None and 0 <= line[name] <= SECONDS)
        for name in ("seconds", "rate")
    )


def _is_event(line: Mapping[str, Any]) -> bool:
    texts = all(isinstance(line.get(name, ""), str) for name in ("event", "text", "time", "kind"))
    return "event" in line and texts and _counts(line.get("images", 0))


def _counts(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < IMAGES


def _as_evaluation(line: dict[str, Any]) -> dict[str, Any]:
    """Return a line of evaluations.jsonl with health and card in their expected form."""
    health, card, extractor = _table(line, "health"), _table(line, "card"), _table(_table(line, "card"), "extractor")
    sound = {
        "real": card["real"] if _counts(card.get("real")) else 0,
        "split": str(card.get("split", "")),
        "extractor": extractor,
    }
    told = {
        name: value
        for name, value in health.items()
        if name in ("text", "findings") or value is None or number(value) is not None
    }
    return line | {"health": told, "card": card | sound if card else {}}


def _table(line: Mapping[str, Any], name: str) -> dict[str, Any]:
    found = line.get(name)
    return found if isinstance(found, dict) else {}


def _bounded(lines: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield lines until a report's memory limit is reached."""
    left = ALL_PARTS
    for line in lines:
        left -= _parts(line)
        if left < 0:
            return
        yield line


def _parts(value: Any) -> int:
    if isinstance(value, dict | list):
        return 1 + sum(map(_parts, value.values() if isinstance(value, dict) else value))
    return 1 + len(value) // 50 if isinstance(value, str) else 1
