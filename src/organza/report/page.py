"""The frame of every page: one file, with its style and script inside, that loads nothing else."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from importlib.resources import files
from pathlib import Path

from organza.disk import write_whole
from organza.media.html import html as html
from organza.media.html import policy as policy
from organza.version import __version__


@cache
def asset(name: str) -> str:
    """Return a file of this folder: style.css, page.js, quiz.js."""
    return files("organza.report").joinpath(name).read_text(encoding="utf-8")


def page(title: str, body: Iterable[str], script: str = "") -> str:
    """Return a whole page.

    Args:
        title: plain text.
        body: parts of HTML; empty parts are left out. A browser accepts no style attributes and no handlers in them.
        script: JavaScript.
    """
    style = asset("style.css")
    return "\n".join(
        [
            '<!doctype html><html lang="en"><head><meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{policy(style, script)}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f'<title>{html(title)}</title><link rel="icon" href="data:,"><style>{style}</style></head><body><main>',
            *filter(None, body),
            f'<p class="rule">Made by Organza {html(__version__)}. This file is self-contained: it loads nothing and can be shared.</p>',
            f"</main><script>{script}</script></body></html>" if script else "</main></body></html>",
        ]
    )


def section(title: str, about: str, *parts: str) -> str:
    """Return a part of a page under a heading, or "" if it would be empty. Title and about are plain text."""
    content = "".join(parts)
    lead = f'<p class="lead">{html(about)}</p>' if about else ""
    return f"<section><h2>{html(title)}</h2>{lead}{content}</section>" if content else ""


def written(path: Path, text: str) -> Path:
    """Write a page to a temporary file, rename it, and return its path.

    Raises:
        UserError: if it cannot be written.
    """
    write_whole(path, text + "\n")
    return path
