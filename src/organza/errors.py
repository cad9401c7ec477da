"""Mistakes a user can mend: one sentence with what was given, what is allowed, and what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """A mistake of the user's, told in one sentence. The command line prints it and exits with code 2."""


def nearest(given: str, allowed: Iterable[str]) -> str:
    """The question to add to an error about a name that does not exist, or nothing where no name is near.

    >>> nearest("dcgann", ["mlp", "dcgan"])
    ' Did you mean dcgan?'
    >>> nearest("zebra", ["mlp", "dcgan"])
    ''
    """
    close = difflib.get_close_matches(given, list(allowed), n=1, cutoff=0.5)
    return f" Did you mean {close[0]}?" if close else ""
