"""The frame of every page: one file, its style and script inside, nothing fetched from anywhere."""

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
    """A file of this folder: style.css, page.js, quiz.js."""
    return files("organza.report").joinpath(name).read_text(encoding="utf-8")


def page(title: str, body: Iterable[str], script: str = "") -> str:
    """A whole page.

    Args:
        title: plain text.
        body: HTML, part by part; empty parts are left out. A browser takes no style attributes and no handlers in it.
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
            f'<p class="rule">Made by Organza {html(__version__)}. This file is whole: it loads nothing, and can be sent to anybody.</p>',
            f"</main><script>{script}</script></body></html>" if script else "</main></body></html>",
        ]
    )


def section(title: str, about: str, *parts: str) -> str:
    """A part of a page under a heading; nothing where it would be empty. Title and about are plain text."""
    content = "".join(parts)
    lead = f'<p class="lead">{html(about)}</p>' if about else ""
    return f"<section><h2>{html(title)}</h2>{lead}{content}</section>" if content else ""


def written(path: Path, text: str) -> Path:
    """The file of a page, written aside and renamed.

    Raises:
        UserError: where it cannot be written.
    """
    write_whole(path, text + "\n")
    return path
