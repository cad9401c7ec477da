"""How far a piece of work is, told to whoever shows it: `display.preparing` draws a bar."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[str, int, int], None]
"""Is told (what, done, of how many)."""
