"""Text and content security policy of HTML pages."""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256
from html import escape

import numpy as np

from organza.media.images import grid, png
from organza.untrusted import printable

LONGEST = 2_000
"""Largest length of a text on a page, in characters: a stranger's file may hold millions."""
NOTHING = "'none'"
CELLS = 64
"""Largest number of images in a grid of a notebook."""


def html(value: object, most: int = LONGEST) -> str:
    r"""Return a value as escaped text of a page: no HTML, no control characters, limited in length.

    >>> html("<b>\x1b[2J"), html("a" * 9, most=4)
    ('&lt;b&gt;\\x1b[2J', 'aaaa...')
    """
    shown = str(value)
    return escape(printable(shown if len(shown) <= most else f"{shown[:most]}..."))


def picture(images: np.ndarray) -> str:
    """Return images as one grid in HTML, for a notebook.

    Args:
        images: uint8 [N, H, W, C]; the first 64 are shown.
    """
    content = b64encode(png(grid(images[:CELLS]))).decode()
    style = "margin:6px 0;image-rendering:pixelated;max-width:100%"
    return f"<img style='{style}' alt='samples' src='data:image/png;base64,{content}'>"


def policy(style: str, script: str, *also: str) -> str:
    """Return a page's content security policy: images inside it, and this style and script, named by their digests.

    Args:
        style: text of the style element; "" for none.
        script: text of the script element; "" for none.
        also: further script sources, such as 'wasm-unsafe-eval'.
    """
    sources = {"style": [_digest(style)] if style else [NOTHING], "script": [_digest(script)] if script else [NOTHING]}
    sources["script"] += also
    allowed = [f"{kind}-src {' '.join(values)}" for kind, values in sources.items()]
    return "; ".join(
        [f"default-src {NOTHING}", "img-src data:", *allowed, f"base-uri {NOTHING}", f"form-action {NOTHING}"]
    )


def _digest(code: str) -> str:
    return f"'sha256-{b64encode(sha256(code.encode()).digest()).decode()}'"
