"""Consoles: literal text without markup, progress bars of preparations, and images in character cells."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import rich.console
from rich.console import ConsoleOptions, RenderableType
from rich.progress import BarColumn, Progress, TextColumn
from rich.segment import Segment
from rich.text import Text

from organza.display.streams import Stream, say
from organza.media.images import half_blocks, shrunk
from organza.untrusted import printable

QUIET = (
    10.0  # seconds between plain lines; pauses grow with the run, so that the log of a night of training stays readable
)


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
