"""Progress reports: callbacks, which `display.console.preparing` draws as a bar, and durations in
words.
"""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[str, int, int], None]
"""Callback for progress: (task, done, total)."""


def words(seconds: float) -> str:
    """Return a duration in words.

    >>> words(42), words(600), words(9000)
    ('42 s', '10 min', '2 h 30 min')
    """
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"
