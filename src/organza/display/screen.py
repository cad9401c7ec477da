"""State of a run to display, folded from the trainer's events; every drawing is a function of it alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from organza.display.console import Console, blocks, can_draw
from organza.media.images import grid, shrunk
from organza.progress import words
from organza.run.events import Begun, Busy, Evaluated, Event, Reported, RolledBack, Sampled, Tick, Warned
from organza.stop import Check, best

CELLS = 20  # character cells for one image of the preview: enough to recognize a face
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


def frame(screen: Screen, console: Console, ended: bool = False) -> RenderableType:
    """Return the current display."""
    parts: list[RenderableType] = [Text(line, style="dim") for line in screen.about]
    if screen.tick is None:
        return Group(*parts, Text(f"{screen.busy or 'preparing'} ..."))
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    bar = Table.grid(padding=(0, 1, 0, 0))
    left = f"{words(screen.tick.seconds_left)} left" if screen.tick.seconds_left else "done"
    bar.add_row(ProgressBar(total=1.0, completed=share(screen.tick), width=30), f"{share(screen.tick):4.0%}  {left}")
    table.add_row("", bar)
    for name, text in figures(screen):
        table.add_row(Text(name, style="dim"), Text(text))
    parts += [table, *_preview(screen, console)]
    if not ended:
        waiting = (
            f"{screen.busy} ..." if screen.busy else "Ctrl-C is safe: it saves; run the same command again to resume."
        )
        parts.append(Text(waiting, style="dim"))
    return Group(*parts)


def figures(screen: Screen) -> Iterator[tuple[str, str]]:
    """Yield names and texts of the figures to display, after the first step."""
    tick = screen.tick
    assert tick is not None
    yield "images seen", f"{tick.images:,} of about {tick.planned:,}   {tick.rate:.1f} a second"
    if tick.alone:
        yield "warm-up", f"{tick.alone} trains alone"
    yield "authentic?", "   ".join(_readings(tick)) or "-"
    yield "losses", "   ".join(_losses(tick)) or "-"
    if screen.health:
        yield "health", screen.health
    yield "distance", distance(screen) if screen.checks else "not measured yet"


def _preview(screen: Screen, console: Console) -> list[RenderableType]:
    """Return the newest samples as blocks of colour, as many as fit into the window."""
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


def status(tick: Tick) -> str:
    """Return one line with the state of a run."""
    parts = [f"{tick.images:>10,}", f"{share(tick):4.0%}", f"{tick.rate:6.1f} images/s"]
    parts += [f"{words(tick.seconds_left)} left", *_readings(tick), *_losses(tick)]
    return "  ".join(parts) + (f"  (warm-up: {tick.alone} alone)" if tick.alone else "")


def _extractor(line: Mapping[str, Any]) -> str:
    return str(line.get("card", {}).get("extractor", {}).get("name", ""))


def share(tick: Tick) -> float:
    """Return the share of the run that is done, by time if the clock decides, since planned images
    are then an estimate.
    """
    whole = tick.seconds + tick.seconds_left
    return min(1.0, tick.seconds / whole if whole > 0 else tick.images / max(tick.planned, 1))


def _readings(tick: Tick) -> list[str]:
    return [f"{name} {tick.means[name]:.2f}" for name in READINGS[:2] if name in tick.means]


def _losses(tick: Tick) -> list[str]:
    return [f"{name} {value:.3f}" for name, value in tick.means.items() if name not in READINGS]


def distance(screen: Screen) -> str:
    """Return the distance of the last evaluation in words."""
    now, least = screen.checks[-1], best(screen.checks)
    rest = "the best so far" if now is least else f"the best was {least.distance:.4f} at {least.images:,}"
    return f"{now.distance:.4f} ± {now.error:.4f} from {screen.against} images; {rest}"
