"""Signals as stop requests: SIGINT, SIGTERM and SIGHUP request a clean stop after the current step.

The signals depend on the system: Windows has Ctrl-Break and no SIGHUP.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from organza.run.events import NAMES, OUTPUT_CLOSED

SIGNALS = tuple(signal.Signals[name] for name in NAMES if name in signal.Signals.__members__ and name != OUTPUT_CLOSED)
SLIP = 1.0
"""Seconds in which a second signal counts as the same request, so that a key pressed twice does not
interrupt a save."""
REASONS = {OUTPUT_CLOSED: "nothing more can be written to the output"}


def reason_of(name: str | None) -> str:
    """Return the sentence for the run's events about a signal."""
    return REASONS.get(name or "", f"asked to stop ({name})")


class Interrupted(KeyboardInterrupt):
    """A signal that ends the current work.

    Args:
        name: name of the signal.
    """

    def __init__(self, name: str):
        super().__init__(name)
        self.name = name


class Wish:
    """A request to stop.

    >>> wish = Wish()
    >>> with wish.heard():
    ...     signal.raise_signal(signal.SIGTERM)
    >>> wish.asked, wish.reason
    ('SIGTERM', 'asked to stop (SIGTERM)')
    """

    asked: str | None = None  # name of the signal
    _when = 0.0

    @property
    def reason(self) -> str:
        """Sentence for the run's events."""
        return reason_of(self.asked)

    @contextmanager
    def heard(self) -> Iterator[None]:
        """Record a signal inside the block; a further one, after a second, stops at once.

        `ask_to_stop` works in every thread, signals only in the main one.
        """
        _listening.append(self)
        try:
            with handling(self._note):
                yield
        finally:
            _listening.remove(self)

    def _note(self, number: int, frame: Any) -> None:
        if self.asked is None:
            self.asked, self._when = signal.Signals(number).name, time.monotonic()
        elif time.monotonic() - self._when > SLIP:
            raise Interrupted(signal.Signals(number).name)


_listening: list[Wish] = []


def ask_to_stop(name: str = OUTPUT_CLOSED) -> None:
    """Request a stop of the runs in this process, like a signal of this name."""
    for wish in _listening:
        wish.asked = wish.asked or name


@contextmanager
def handling(handler: Callable[[int, Any], Any], numbers: Sequence[int] = SIGNALS, after: Any = None) -> Iterator[None]:
    """Handle signals inside the block. Python handles them only in the main thread; those that
    `nohup` ignores stay ignored.

    Args:
        handler: function of the signal's number and the frame.
        numbers: signals to handle.
        after: handler from then on; None restores the earlier ones.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before: dict[int, Any] = {}
    try:
        for number in numbers:
            present = signal.getsignal(number)
            if present is signal.SIG_IGN and number == getattr(signal, "SIGHUP", None):
                continue
            before[number] = present
            signal.signal(number, handler)
        yield
    finally:
        for number, present in before.items():
            signal.signal(number, after or (present if present is not None else signal.SIG_DFL))
