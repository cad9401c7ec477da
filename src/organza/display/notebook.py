"""Display of a run in a notebook: one cell output that is replaced as the run proceeds."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any

from organza.display.screen import Screen, figures, share
from organza.media.html import html, picture


def in_notebook() -> bool:
    """Return True if this code runs in the kernel of a notebook, which shows HTML."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return getattr(shell, "kernel", None) is not None


def updated(cell: Any, content: str) -> Any:
    """Show HTML in place of a cell's earlier output, and return the handle for the next update.

    Args:
        cell: handle of the earlier output; None for a new one.
        content: HTML.
    """
    display = import_module("IPython.display")
    if cell is None:
        return display.display(display.HTML(content), display_id=True)
    cell.update(display.HTML(content))
    return cell


def page(screen: Screen, below: Sequence[str] = ()) -> str:
    """Return the state of a run as HTML: its facts, a progress bar, figures, notes, and the samples.

    Args:
        screen: state of the run.
        below: lines at the end.
    """
    parts = [f"<div style='color:gray'>{html(line)}</div>" for line in screen.about]
    if screen.tick is None:
        parts.append(f"<div>{html(screen.busy or 'preparing')} ...</div>")
    else:
        done = 100 * share(screen.tick)
        parts.append(f"<progress value='{done:.1f}' max='100' style='width:320px'></progress> {done:.0f}%")
        rows = "".join(
            f"<tr><td style='color:gray;text-align:left'>{html(name)}</td><td style='text-align:left'>{html(text)}</td></tr>"
            for name, text in figures(screen)
        )
        parts.append(f"<table>{rows}</table>")
    parts += [f"<div style='color:#a86400'>note: {html(text)}</div>" for text in screen.warnings[-5:]]
    if screen.pictures is not None:
        parts.append(picture(screen.pictures))
        parts.append(f"<div style='color:gray'>the same latents at {screen.drawn_at:,} images seen</div>")
    parts += [f"<div>{html(line)}</div>" for line in below]
    return "".join(parts)
