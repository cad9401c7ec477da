"""Mistakes a user can mend: one sentence with what was given, what is allowed, and what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice

NO_MEMORY = ("out of memory", "can't allocate memory", "not enough memory", "unable to allocate", "cannot allocate")
"""Words in which torch and its libraries say that there is no memory left."""


MOST, LONGEST = 2_000, 100
"""Names that are compared with a wrong one, and their letters."""


class UserError(Exception):
    """A mistake of the user's, told in one sentence. The command line prints it and exits with code 2."""


def lacks_memory(error: Exception) -> bool:
    """Return True if an error of torch's says that there is no memory left."""
    return isinstance(error, MemoryError) or any(words in str(error).lower() for words in NO_MEMORY)


def nearest(given: str, allowed: Iterable[str]) -> str:
    """The question to add to an error about a name that does not exist, or nothing where no name is near.

    >>> nearest("dcgann", ["mlp", "dcgan"])
    ' Did you mean dcgan?'
    >>> nearest("zebra", ["mlp", "dcgan"])
    ''
    """
    some = [name for name in islice(allowed, MOST) if len(name) <= LONGEST]  # to compare more would take minutes
    close = difflib.get_close_matches(given[:LONGEST], some, n=1, cutoff=0.5)
    return f" Did you mean {close[0]}?" if close else ""


@contextmanager
def told(sentence: str) -> Iterator[None]:
    """Inside, whatever fails because of what a user wrote becomes a mistake of the user's, with the reason behind the sentence.

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
    except Exception as error:  # settings reach every corner, which fail in as many ways
        reason = (str(error).strip().splitlines() or [""])[0][:200]
        raise UserError(f"{sentence} ({type(error).__name__}: {reason}).") from error


@contextmanager
def told_but_memory(sentence: str) -> Iterator[None]:
    """As `told`, but for a want of memory and what the system refuses, which have sentences of their own."""
    try:
        yield
    except OSError:
        raise
    except Exception as error:
        if lacks_memory(error):
            raise
        with told(sentence):
            raise
