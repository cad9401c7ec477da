"""Terminal output of training: one live display, or plain lines if the output is not a terminal.

A `Screen` holds the state to display, folded from the trainer's events; drawing is a function of it
alone.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import rich.console
from rich.console import ConsoleOptions, Group, RenderableType
from rich.live import Live
from rich.progress import BarColumn, Progress, TextColumn
from rich.progress_bar import ProgressBar
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from organza.cli.streams import OutputLost, Stream, say
from organza.config import trust_hint
from organza.errors import UserError
from organza.media.images import grid, half_blocks, shrunk
from organza.progress import words
from organza.run.events import (
    EXIT_CODES,
    OUTPUT_CLOSED,
    Begun,
    Busy,
    Evaluated,
    Event,
    Reported,
    RolledBack,
    Sampled,
    Stopped,
    Tick,
    Warned,
)
from organza.run.folder import RunFolder
from organza.shell import quoted
from organza.stop import Check, best, tie
from organza.training.signals import ask_to_stop
from organza.untrusted import printable

QUIET = (
    10.0  # seconds between plain lines; pauses grow with the run, so that the log of a night of training stays readable
)
CELLS = 20  # character cells for one image of the preview: enough to recognize a face
CODES = {**EXIT_CODES, "non-finite": 1, "collapse": 1}
READINGS = ("D(x)", "D(G(z))", "D accuracy", "G gradient", "D gradient", "G step", "D step")


@dataclass(frozen=True)
class Screen:
    """State of a run to display."""

    about: tuple[str, ...] = ()
    tick: Tick | None = None
    busy: str = ""
    checks: tuple[Check, ...] = ()
    against: str = "held-out"  # real images that the distance is measured from
    warnings: tuple[str, ...] = ()
    pictures: np.ndarray | None = field(default=None, compare=False)
    drawn_at: int = 0
    health: str = ""  # findings of the last evaluation
    verdict: str = ""  # the report's verdict
    copies: str = ""  # the report's answer on copies
    extractor: str = ""  # feature extractor of the distances

    def after(self, event: Event) -> Screen:
        """Return the state after one more event."""
        if isinstance(event, Begun):
            return replace(self, about=event.lines, checks=event.checks, busy="the first step")
        if isinstance(event, Tick):
            return replace(self, tick=event, busy="")
        if isinstance(event, Busy):
            return replace(self, busy=event.what)
        if isinstance(event, Evaluated):
            against = event.line.get("card", {}).get("split", self.against)
            named = _extractor(event.line)
            told = str(event.line.get("health", {}).get("text", ""))
            return replace(
                self, checks=(*self.checks, event.check), against=against, extractor=named, health=told, busy=""
            )
        if isinstance(event, Sampled):
            return replace(self, pictures=event.pictures, drawn_at=event.images)
        if isinstance(event, RolledBack):
            checks = tuple(check for check in self.checks if check.images <= event.to)
            return replace(self, checks=checks, health="", warnings=(*self.warnings, event.text))
        if isinstance(event, Warned):
            return replace(self, warnings=(*self.warnings, event.text))
        if isinstance(event, Reported):
            return replace(self, verdict=f"{event.title}. {event.why}", copies=event.copies)
        return self


def display(first: Event, events: Iterable[Event], run: Path, console: Console | None = None) -> int:
    """Display a run from its first event to its end. Return the exit code: 0, or 128 + the signal
    that ended it, or 1.

    If the output's reader goes away, the run is asked to stop; it saves and reports that in its
    events.
    """
    console = console or Console(highlight=False)
    show = _live if console.is_terminal and not console.is_dumb_terminal else _plain
    chained = _chained(first, events)
    try:
        screen, last = show(console, chained)
        for line in _farewell(screen, last, run):
            console.print(line, soft_wrap=True)
    except OutputLost as lost:
        ask_to_stop()
        for _ in chained:
            ask_to_stop()  # a run that is not training yet handles it later
        if not lost.reader_gone:
            say(
                f"The output could not be written: {lost}. The run was stopped; run the same command again to resume, with another output."
            )
        return CODES[OUTPUT_CLOSED]
    return CODES.get(last.kind, 0)


def followed(events: Iterable[Event]) -> int:
    """Run the share of a rank that does not speak. Return its exit code, which is that of rank 0."""
    kind = ""
    for event in events:
        kind = event.kind if isinstance(event, Stopped) else kind
    return CODES.get(kind, 0)


class Console(rich.console.Console):
    """Standard output or error for tables and images. Text is shown literally, without markup;
    control characters are spelt out.

    Args:
        stderr: use standard error instead of standard output.
        options: further arguments of rich's Console.
    """

    def __init__(self, stderr: bool = False, **options: Any):
        stream = Stream(sys.stderr if stderr else sys.stdout, needed=not stderr)
        super().__init__(**{"file": stream, "stderr": stderr, "markup": False, "emoji": False, **options})

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Yield the segments to print, after `printable` except for line ends."""
        for segment in super().render(renderable, options):
            text, style, control = segment
            if control or text.isprintable():
                yield segment
            else:
                yield Segment("\n".join(map(printable, text.split("\n"))), style, control)


@contextmanager
def preparing() -> Iterator[Callable[[str, int, int], None]]:
    """Yield a progress callback for work before training, on standard error: a bar, or plain lines
    if it is no terminal.
    """
    console = Console(stderr=True, highlight=False)
    if console.is_terminal and not console.is_dumb_terminal:
        with Progress(
            TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed:,} of {task.total:,}"),
            console=console, transient=True,
        ) as bar:  # fmt: skip
            tasks: dict[str, Any] = {}

            def tell(what: str, done: int, total: int) -> None:
                if what not in tasks:
                    tasks[what] = bar.add_task(what, total=total)
                bar.update(tasks[what], completed=done, total=total)

            yield tell
    else:
        said = time.monotonic()

        def tell(what: str, done: int, total: int) -> None:
            nonlocal said
            if time.monotonic() - said > QUIET:
                said = time.monotonic()
                say(f"{what}: {done:,} of {total:,}")

        yield tell


def draw(picture: np.ndarray, console: Console | None = None, width: int | None = None) -> None:
    """Draw a uint8 [H, W, C] image in the terminal, two pixels in each character cell."""
    console = console or Console()
    console.print(blocks(shrunk(picture[None], min(width or console.width, picture.shape[1], console.width))[0]))


def blocks(picture: np.ndarray) -> Text:
    """Return an image of even height as coloured half-block characters, one cell for each pixel of
    a row.
    """
    lines = []
    for row in half_blocks(picture):
        cells = [("▀", f"rgb({r},{g},{b}) on rgb({r2},{g2},{b2})") for (r, g, b), (r2, g2, b2) in row]
        lines.append(Text.assemble(*cells, no_wrap=True))
    return Text("\n", no_wrap=True).join(lines)


def can_draw(console: Console) -> bool:
    """Return True if this terminal shows colours and half blocks."""
    return console.color_system in ("256", "truecolor") and "utf" in (console.encoding or "").lower()


# ---- live ---------------------------------------------------------------------------------------------------------------------


def _live(console: Console, events: Iterator[Event]) -> tuple[Screen, Stopped]:
    screen, shown = Screen(), 0.0
    with Live(console=console, auto_refresh=False, transient=False, vertical_overflow="crop") as live:
        for event in events:
            screen = screen.after(event)
            if isinstance(event, Warned):
                console.print(Text(f"note: {event.text}", style="yellow"), soft_wrap=True)
            if isinstance(event, Stopped):
                live.update(frame(screen, console, ended=True), refresh=True)
                return screen, event
            # Four times a second: more would take time from training.
            if not isinstance(event, Tick) or time.monotonic() - shown > 0.25:
                live.update(frame(screen, console), refresh=True)
                shown = time.monotonic()
    raise RuntimeError("the run ended without a Stopped event")


def frame(screen: Screen, console: Console, ended: bool = False) -> RenderableType:
    """Return the current display."""
    parts: list[RenderableType] = [Text(line, style="dim") for line in screen.about]
    if screen.tick is None:
        return Group(*parts, Text(f"{screen.busy or 'preparing'} ..."))
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    for name, value in _figures(screen):
        table.add_row(Text(name, style="dim"), value)
    parts += [table, *_preview(screen, console)]
    if not ended:
        waiting = (
            f"{screen.busy} ..." if screen.busy else "Ctrl-C is safe: it saves; run the same command again to resume."
        )
        parts.append(Text(waiting, style="dim"))
    return Group(*parts)


def _figures(screen: Screen) -> Iterator[tuple[str, RenderableType]]:
    tick = screen.tick
    assert tick is not None
    share = _share(tick)
    bar = Table.grid(padding=(0, 1, 0, 0))
    left = f"{words(tick.seconds_left)} left" if tick.seconds_left else "done"
    bar.add_row(ProgressBar(total=1.0, completed=share, width=30), f"{share:4.0%}  {left}")
    yield "", bar
    yield "images seen", Text(f"{tick.images:,} of about {tick.planned:,}   {tick.rate:.1f} a second")
    if tick.alone:
        yield "warm-up", Text(f"{tick.alone} trains alone")
    yield "authentic?", Text("   ".join(_readings(tick)) or "-")
    yield "losses", Text("   ".join(_losses(tick)) or "-")
    if screen.health:
        yield "health", Text(screen.health)
    yield "distance", Text(_distance(screen) if screen.checks else "not measured yet")


def _preview(screen: Screen, console: Console) -> list[RenderableType]:
    if screen.pictures is None or not can_draw(console):
        return []
    across = max(1, min(len(screen.pictures), (console.width + 1) // (CELLS + 2)))
    some = np.linspace(0, len(screen.pictures) - 1, min(2 * across, len(screen.pictures))).astype(int)
    pictures = shrunk(screen.pictures[some], CELLS)  # from all over the grid, whose rows may be classes
    lines = pictures.shape[1] // 2
    rows = 2 if console.height > 2 * lines + 14 and len(screen.pictures) >= 2 * across else 1
    if console.height < rows * lines + 12:  # in a small window, show the numbers only
        return []
    sheet = grid(pictures[: rows * across], across, paper=0)
    caption = Text(f"the same {rows * across} latents at {screen.drawn_at:,} images seen", style="dim")
    return [Text(""), blocks(sheet), caption]


# ---- plain --------------------------------------------------------------------------------------------------------------------


def _plain(console: Console, events: Iterator[Event]) -> tuple[Screen, Stopped]:
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
            line = f"{event.check.images:>10,}  distance {_distance(screen)}; health: {screen.health}"
        elif isinstance(event, Tick) and time.monotonic() - said > max(QUIET, (time.monotonic() - begun) / 30):
            line, said = status(event), time.monotonic()
        if line:
            shown = "\n".join(map(printable, line.split("\n")))
            print(shown, file=console.file, flush=True)  # not through rich, which would wrap long lines
        if isinstance(event, Stopped):
            return screen, event
    raise RuntimeError("the run ended without a Stopped event")


def status(tick: Tick) -> str:
    """Return one line with the state of a run."""
    parts = [f"{tick.images:>10,}", f"{_share(tick):4.0%}", f"{tick.rate:6.1f} images/s"]
    parts += [f"{words(tick.seconds_left)} left", *_readings(tick), *_losses(tick)]
    return "  ".join(parts) + (f"  (warm-up: {tick.alone} alone)" if tick.alone else "")


# ---- words --------------------------------------------------------------------------------------------------------------------


def _chained(first: Event, events: Iterable[Event]) -> Iterator[Event]:
    yield first
    yield from events


def _extractor(line: Mapping[str, Any]) -> str:
    return str(line.get("card", {}).get("extractor", {}).get("name", ""))


def _share(tick: Tick) -> float:
    """Return the share of the run that is done, by time if the clock decides, since planned images
    are then an estimate.
    """
    whole = tick.seconds + tick.seconds_left
    return min(1.0, tick.seconds / whole if whole > 0 else tick.images / max(tick.planned, 1))


def _readings(tick: Tick) -> list[str]:
    return [f"{name} {tick.means[name]:.2f}" for name in READINGS[:2] if name in tick.means]


def _losses(tick: Tick) -> list[str]:
    return [f"{name} {value:.3f}" for name, value in tick.means.items() if name not in READINGS]


def _distance(screen: Screen) -> str:
    now, least = screen.checks[-1], best(screen.checks)
    rest = "the best so far" if now is least else f"the best was {least.distance:.4f} at {least.images:,}"
    return f"{now.distance:.4f} ± {now.error:.4f} from {screen.against} images; {rest}"


def _farewell(screen: Screen, last: Stopped, run: Path) -> Iterator[str]:
    """Yield the reason for the end, the quality reached, and the next commands."""
    yield f"stopped at {last.images:,} images: {last.reason}"
    if screen.checks:
        least = best(screen.checks)
        yield (
            f"best: distance {least.distance:.4f} ± {least.error:.4f} at {least.images:,} images "
            f"(0 = indistinguishable from real images; Gaussian-kernel MMD on features of {screen.extractor})"
        )
        if tied := tie(screen.checks):
            yield f"      {tied}"
    if screen.verdict:
        yield f"verdict: {screen.verdict}"
    if screen.copies:
        yield f"copies? {screen.copies}"
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
    yield f"next: organza sample {quoted(place)} --count 64 --seed 7 --show{own}"
    yield f"      organza judge {quoted(place)} IMAGE-OR-FOLDER{own}"
