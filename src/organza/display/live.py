"""Display of a run while its events pass: one live frame in a terminal, cells of a notebook, or plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterable, Iterator

from rich.live import Live
from rich.text import Text

from organza.display.console import QUIET, Console
from organza.display.notebook import in_notebook, page, updated
from organza.display.screen import Screen, distance, frame, status
from organza.progress import words
from organza.run.events import Begun, Busy, Evaluated, Event, Stopped, Tick, Warned
from organza.stop import best, tie
from organza.untrusted import printable

Shown = Generator[Event, None, Screen]
"""Events that are displayed on their way; the return value is the last state."""


def shown(events: Iterable[Event], console: Console) -> Shown:
    """Yield the events of a run, each after its display.

    Args:
        events: events from the first to `Stopped`.
        console: output.
    """
    terminal = console.is_terminal and not console.is_dumb_terminal
    return (_live if terminal else _plain)(console, iter(events))


def followed(events: Iterable[Event]) -> Iterator[Event]:
    """Yield the events of a run, each after its display in the notebook or on standard error, and
    print a summary at the end.
    """
    if in_notebook():
        yield from _in_notebook(iter(events))
        return
    console, last = Console(stderr=True, highlight=False), None
    displayed = shown(events, console)
    while True:
        try:
            last = next(displayed)
        except StopIteration as end:
            for line in summary(end.value, last) if isinstance(last, Stopped) else ():
                console.print(line, soft_wrap=True)
            return
        yield last


def summary(screen: Screen, last: Stopped) -> Iterator[str]:
    """Yield lines with the reason for the end of a run and the quality that it reached."""
    yield f"stopped at {last.images:,} images: {last.reason}"
    if screen.checks:
        least = best(screen.checks)
        # An evaluation of this part of the run names the extractor.
        features = f" on features of {screen.extractor}" if screen.extractor else ""
        yield (
            f"best: distance {least.distance:.4f} ± {least.error:.4f} at {least.images:,} images "
            f"(0 = indistinguishable from real ones; Gaussian-kernel MMD{features})"
        )
        if tied := tie(screen.checks):
            yield f"      {tied}"
    if screen.verdict:
        yield f"verdict: {screen.verdict}"
    if screen.copies:
        yield f"copies? {screen.copies}"


def _live(console: Console, events: Iterator[Event]) -> Shown:
    """Yield the events, and draw them in a terminal that can be redrawn; return the last screen."""
    screen, drawn = Screen(), 0.0
    with Live(console=console, auto_refresh=False, transient=False, vertical_overflow="crop") as live:
        for event in events:
            screen = screen.after(event)
            if isinstance(event, Warned):
                console.print(Text(f"note: {event.text}", style="yellow"), soft_wrap=True)
            if isinstance(event, Stopped):
                live.update(frame(screen, console, ended=True), refresh=True)
            # Four times a second: more would take time from training.
            elif not isinstance(event, Tick) or time.monotonic() - drawn > 0.25:
                live.update(frame(screen, console), refresh=True)
                drawn = time.monotonic()
            yield event
    return screen


def _plain(console: Console, events: Iterator[Event]) -> Shown:
    """Yield the events, and print a line now and then; return the last screen."""
    screen, said, begun = Screen(), -1e9, time.monotonic()
    for event in events:
        screen = screen.after(event)
        line = None
        if isinstance(event, Begun):
            line = "\n".join(event.lines)
        elif isinstance(event, Warned):
            line = f"note: {event.text}"
        elif isinstance(event, Busy) and screen.tick is None:
            line = f"{event.what} ..."
        elif isinstance(event, Evaluated):
            line = f"{event.check.images:>10,}  distance {distance(screen)}; health: {screen.health}"
        elif isinstance(event, Tick) and time.monotonic() - said > max(QUIET, (time.monotonic() - begun) / 30):
            line, said = status(event), time.monotonic()
        if line:
            text = "\n".join(map(printable, line.split("\n")))
            print(text, file=console.file, flush=True)  # not through rich, which would wrap long lines
        yield event
    return screen


def _in_notebook(events: Iterator[Event]) -> Shown:
    """Yield the events, and draw them in a notebook's cell; return the last screen."""
    screen, drawn, begun, cell = Screen(), 0.0, time.monotonic(), None
    for event in events:
        screen = screen.after(event)
        # Once a second: each drawing holds the sample grid, and is sent to the browser.
        if not isinstance(event, Tick) or time.monotonic() - drawn > 1.0:
            ended = tuple(summary(screen, event)) if isinstance(event, Stopped) else ()
            cell = updated(cell, page(screen, ended or (f"for {words(time.monotonic() - begun)}",)))
            drawn = time.monotonic()
        yield event
    return screen
