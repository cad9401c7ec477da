"""Ctrl-C and its kin as a wish: a run is asked to stop, and does so in order after its step."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
NAMES = tuple(number.name for number in SIGNALS)


class Wish:
    """What a signal asked for.

    >>> wish = Wish()
    >>> with wish.heard():
    ...     signal.raise_signal(signal.SIGTERM)
    >>> wish.asked
    'SIGTERM'
    """

    asked: str | None = None  # the signal's name

    @contextmanager
    def heard(self) -> Iterator[None]:
        """Inside, a signal is noted; a second one stops at once. Outside the main thread Python has none to note."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self._note) for number in SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _note(self, number: int, frame: Any) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = signal.Signals(number).name
