"""Parts of every page: escaped text, and a content security policy that permits the page's own style and script and nothing else."""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256
from html import escape

from organza.untrusted import printable

LONGEST = 2_000
"""Characters of a text on a page: nobody reads on, and a stranger's file may hold millions."""
NOTHING = "'none'"


def html(value: object, most: int = LONGEST) -> str:
    r"""Return a value as text of a page: what came from a file, a name or a user is no HTML, has no control characters and an end.

    >>> html("<b>\x1b[2J"), html("a" * 9, most=4)
    ('&lt;b&gt;\\x1b[2J', 'aaaa...')
    """
    shown = str(value)
    return escape(printable(shown if len(shown) <= most else f"{shown[:most]}..."))


def policy(style: str, script: str, *also: str) -> str:
    """Return what a browser may load for a page: images inside it, and this style and script, named by their digests.

    Args:
        style: text of the style element; "" for none.
        script: text of the script element; "" for none.
        also: further sources of scripts, such as 'wasm-unsafe-eval'.
    """
    sources = {"style": [_digest(style)] if style else [NOTHING], "script": [_digest(script)] if script else [NOTHING]}
    sources["script"] += also
    allowed = [f"{kind}-src {' '.join(values)}" for kind, values in sources.items()]
    return "; ".join(
        [f"default-src {NOTHING}", "img-src data:", *allowed, f"base-uri {NOTHING}", f"form-action {NOTHING}"]
    )


def _digest(code: str) -> str:
    return f"'sha256-{b64encode(sha256(code.encode()).digest()).decode()}'"
