"""Display of training on the command line, its exit codes, and the next commands."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from itertools import chain
from pathlib import Path

from organza.cli.wording import in_options
from organza.config import trust_hint
from organza.display.console import Console
from organza.display.live import shown, summary
from organza.display.screen import Screen
from organza.display.streams import OutputLost, drop_output, say
from organza.errors import UserError
from organza.run.events import EXIT_CODES, OUTPUT_CLOSED, Evaluated, Event, Stopped, Warned
from organza.run.folder import RunFolder
from organza.shell import quoted
from organza.training.signals import ask_to_stop

CODES = {**EXIT_CODES, "non-finite": 1, "collapse": 1}


def display(first: Event, events: Iterable[Event], run: Path, console: Console | None = None) -> int:
    """Display a run from its first event to its end. Return the exit code: 0, or 128 + the signal
    that ended it, or 1.

    If the output's reader goes away, the run is asked to stop; it saves and reports that in its
    events.
    """
    console = console or Console(highlight=False)
    chained = _chained(first, events)
    try:
        screen, last = _followed(chained, console)
        for line in _farewell(screen, last, run):
            console.print(line, soft_wrap=True)
    except OutputLost as lost:
        drop_output()  # what could not be written is not tried again
        ask_to_stop()
        for _ in chained:
            ask_to_stop()  # a run that is not training yet handles it later
        if not lost.reader_gone:
            say(
                f"The output could not be written: {lost}. The run was stopped; run the same command again to resume, with another output."
            )
        return CODES[OUTPUT_CLOSED]
    return CODES.get(last.kind, 0)


def silent(events: Iterable[Event]) -> int:
    """Run the share of a rank that does not speak. Return its exit code, which is that of rank 0."""
    kind = ""
    for event in events:
        kind = event.kind if isinstance(event, Stopped) else kind
    return CODES.get(kind, 0)


def _followed(events: Iterator[Event], console: Console) -> tuple[Screen, Stopped]:
    """Display events; return the last state and the end of the run."""
    displayed, last = shown(events, console), None
    while True:
        try:
            last = next(displayed)
        except StopIteration as end:
            if not isinstance(last, Stopped):
                raise RuntimeError("the run ended without a Stopped event") from None
            return end.value, last


def _chained(first: Event, events: Iterable[Event]) -> Iterator[Event]:
    """Yield all events, with arguments of Python as options of the command line."""
    for event in chain([first], events):
        if isinstance(event, Warned):
            yield replace(event, text=in_options(event.text))
        elif isinstance(event, Evaluated) and "health" in event.line:
            health = event.line["health"] | {"text": in_options(str(event.line["health"].get("text", "")))}
            yield replace(event, line=event.line | {"health": health})
        elif isinstance(event, Stopped):
            yield replace(event, reason=in_options(event.reason))
        else:
            yield event


def _farewell(screen: Screen, last: Stopped, run: Path) -> Iterator[str]:
    """Yield the reason for the end, the quality reached, and the next commands."""
    yield from summary(screen, last)
    if last.kind in ("non-finite", "collapse"):
        yield "try: a smaller learning rate (--set generator_optimizer.rate=1e-4 discriminator_optimizer.rate=1e-4), in a new --run"
        return
    if last.kind in CODES:
        yield "saved; run the same command again to resume"
    place = os.path.relpath(run) if run.is_absolute() and run.is_relative_to(Path.cwd()) else str(run)
    folder = RunFolder(run)
    yield f"images: {Path(place) / 'samples'}"
    if folder.report.is_file() and last.kind not in CODES:
        yield f"report: {Path(place) / folder.report.name}"
    own = ""
    with suppress(UserError):  # recipe.json was removed in the meantime
        own = trust_hint(folder.read())
        if "source_shape" in folder.read()["data"]:
            yield f"next: organza translate {quoted(place)} INPUT OUTPUT{own}"
            return
        if len(folder.read()["data"]["shape"]) == 1:
            yield f"next: organza sample {quoted(place)} --count 1000 --seed 7 --out samples.csv{own}"
            return
    yield f"next: organza sample {quoted(place)} --count 64 --seed 7 --show{own}"
    yield f"      organza walk {quoted(place)} --seeds 1,5,9{own}"
    yield f"      organza judge {quoted(place)} IMAGE-OR-FOLDER{own}"
