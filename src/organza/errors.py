"""Errors that the user can fix: one sentence with what was given, what is allowed, and what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice

NO_MEMORY = ("out of memory", "can't allocate memory", "not enough memory", "unable to allocate", "cannot allocate")
"""Phrases in the out-of-memory errors of torch and its libraries."""


MOST, LONGEST = 2_000, 100
"""Limits of a spelling suggestion: number of names to compare, and their length."""


class UserError(Exception):
    """A user's mistake, explained in one sentence. The command line prints it and exits with code 2."""


def lacks_memory(error: Exception) -> bool:
    """Return True if an error of torch says that memory ran out."""
    return isinstance(error, MemoryError) or any(words in str(error).lower() for words in NO_MEMORY)


def nearest(given: str, allowed: Iterable[str]) -> str:
    """Return a "Did you mean" question for an error about an unknown name, or "" if no name is similar.

    >>> nearest("dcgann", ["mlp", "dcgan"])
    ' Did you mean dcgan?'
    >>> nearest("zebra", ["mlp", "dcgan"])
    ''
    """
    some = [name for name in islice(allowed, MOST) if len(name) <= LONGEST]  # comparing more would take minutes
    close = difflib.get_close_matches(given[:LONGEST], some, n=1, cutoff=0.5)
    return f" Did you mean {close[0]}?" if close else ""


@contextmanager
def told(sentence: str) -> Iterator[None]:
    """Turn any exception raised in the block into a UserError that begins with `sentence` and ends with the reason.

    >>> with told("width=0 makes no network; choose another"):
    ...     1 / 0
    Traceback (most recent call last):
    ...
    organza.errors.UserError: width=0 makes no network; choose another (ZeroDivisionError: division by zero).
    """
    try:
        yield
    except UserError:
        raise
    except Exception as error:  # user settings can fail anywhere, with any error
        reason = (str(error).strip().splitlines() or [""])[0][:200]
        raise UserError(f"{sentence} ({type(error).__name__}: {reason}).") from error


@contextmanager
def told_but_memory(sentence: str) -> Iterator[None]:
    """Convert errors as `told` does, but let OSError and out-of-memory errors through, which have messages of their own."""
    try:
        yield
    except OSError:
        raise
    except Exception as error:
        if lacks_memory(error):
            raise
        with told(sentence):
            raise
