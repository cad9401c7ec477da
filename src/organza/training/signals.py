"""Ctrl-C and its kin as a wish: a run is asked to stop, and does so in order after its step.

Which signals there are depends on the system: Windows knows Ctrl-Break and no SIGHUP.
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
"""Seconds in which a second signal is the same wish: a key that is pressed twice must not cost what is being saved."""
REASONS = {OUTPUT_CLOSED: "nothing more can be written to the output"}


class Interrupted(KeyboardInterrupt):
    """A signal that ends what is being done.

    Args:
        name: of the signal.
    """

    def __init__(self, name: str):
        super().__init__(name)
        self.name = name


class Wish:
    """A signal that came.

    >>> wish = Wish()
    >>> with wish.heard():
    ...     signal.raise_signal(signal.SIGTERM)
    >>> wish.asked, wish.reason
    ('SIGTERM', 'asked to stop (SIGTERM)')
    """

    asked: str | None = None  # the signal's name
    _when = 0.0

    @property
    def reason(self) -> str:
        """The sentence for the run's events."""
        return REASONS.get(self.asked or "", f"asked to stop ({self.asked})")

    @contextmanager
    def heard(self) -> Iterator[None]:
        """Note a signal that comes inside; one more, after a second, stops at once.

        `ask_to_stop` is heard in every thread, signals in the main one.
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
    """Ask the runs that are trained in this process to stop, as a signal of this name would."""
    for wish in _listening:
        wish.asked = wish.asked or name


@contextmanager
def handling(handler: Callable[[int, Any], Any], numbers: Sequence[int] = SIGNALS, after: Any = None) -> Iterator[None]:
    """Handle signals inside. Outside of the main thread Python handles none; what `nohup` ignores stays ignored.

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
