"""Errors that the user can fix: one sentence with what was given, what is allowed, and what to do."""

from __future__ import annotations

import difflib
import os
import sysconfig
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice

NO_MEMORY = ("out of memory", "can't allocate memory", "not enough memory", "unable to allocate", "cannot allocate")
"""Phrases in the out-of-memory errors of torch and its libraries."""

UNDERNEATH = ("torch", "numpy", "contextlib", "functools")
"""Libraries through which an error passes on its way."""
MOST, LONGEST = 2_000, 100
"""Limits of a spelling suggestion: number of names to compare, and their length."""


class UserError(ValueError):
    """A user's mistake, explained in one sentence. The command line prints it and exits with code
    2.

    The text names arguments as Python does, between backquotes: `size` or `size=64`. The command
    line prints its own names for them (`cli.wording`).
    """

    kind = "user"  # for the other processes of a run: see `distributed.failure`


def lacks_memory(error: Exception) -> bool:
    """Return True if an error of torch says that memory ran out."""
    return isinstance(error, MemoryError) or any(words in str(error).lower() for words in NO_MEMORY)


def nearest(given: str, allowed: Iterable[str]) -> str:
    """Return a "Did you mean" question for an error about an unknown name, or "" if no name is
    similar.

    >>> nearest("dcgann", ["mlp", "dcgan"])
    ' Did you mean dcgan?'
    >>> nearest("zebra", ["mlp", "dcgan"])
    ''
    """
    some = [name for name in islice(allowed, MOST) if len(name) <= LONGEST]  # comparing more would take minutes
    close = difflib.get_close_matches(given[:LONGEST], some, n=1, cutoff=0.5)
    return f" Did you mean {close[0]}?" if close else ""


@contextmanager
def told(sentence: str, ours: tuple[str, ...] = ()) -> Iterator[None]:
    """Turn any exception raised in the block into a UserError that begins with `sentence` and ends
    with the reason.

    Args:
        sentence: statement of what cannot be done, without a full stop.
        ours: packages whose own exceptions are bugs, which keep their traceback; running out of
            memory or of numbers is none. Elsewhere only what `is_bug` finds is one.

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
        if is_bug(error) or (
            ours
            and origin(error).startswith(ours)
            and not isinstance(error, ArithmeticError)
            and not lacks_memory(error)
        ):
            raise
        if place := users_place(error):
            raise UserError(f"{place} raises {reason_of(error)}.") from error
        raise UserError(f"{sentence} ({reason_of(error)}).") from error


def is_bug(error: BaseException) -> bool:
    """Return True if an error can only be a mistake in organza's own source, whatever the settings and files are: a name that
    does not exist, or an assertion that does not hold.
    """
    if not isinstance(error, NameError | AssertionError):
        return False
    frames = [frame.f_globals.get("__name__", "") for frame, _ in traceback.walk_tb(error.__traceback__)]
    return bool(frames) and frames[-1].partition(".")[0] == "organza"  # the innermost: torch has assertions of its own


def reason_of(error: BaseException) -> str:
    """Return the type of an error and the first line of its text.

    >>> reason_of(ZeroDivisionError("division by zero"))
    'ZeroDivisionError: division by zero'
    """
    return f"{type(error).__name__}: {(str(error).strip().splitlines() or [''])[0][:200].rstrip('.')}".rstrip(": ")


def users_place(error: BaseException) -> str:
    """Return file, line, function and text of the user's own code that raised an error; "" if none did.

    It is the innermost frame that organza called and that belongs to no installed library.
    """
    if isinstance(error, SyntaxError) and error.filename:
        return f"{_shown(error.filename)}, line {error.lineno},"
    below = False
    place = ""
    for frame in traceback.extract_tb(error.__traceback__):
        file = os.path.abspath(frame.filename)  # noqa: PTH100 (it may be no file)
        if file.startswith(_LIBRARIES[0]):
            below = True
        elif (
            below
            and not file.startswith(_LIBRARIES)
            and "-packages" not in file
            and not frame.filename.startswith(("<frozen", "<doctest"))
        ):
            place = f"{_shown(frame.filename)}, line {frame.lineno}, in {frame.name} ({frame.line})"
    return place


def users_sentence(error: Exception) -> str:
    """Return what the user's own code raised and where, in a sentence; "" if it raised nothing, or
    the system refused a file or memory.
    """
    if isinstance(error, OSError) or lacks_memory(error) or not (place := users_place(error)):
        return ""
    return f"{place} raises {reason_of(error)}."


def _shown(file: str) -> str:
    """Return the path of a file, relative to the current folder if it lies in it."""
    here = os.getcwd() + os.sep  # noqa: PTH109
    return file.removeprefix(here)


_LIBRARIES = (os.path.dirname(os.path.abspath(__file__)) + os.sep, sysconfig.get_path("stdlib") + os.sep)  # noqa: PTH100, PTH120


def origin(error: BaseException) -> str:
    """Return the module that raised an exception: the innermost one that belongs to no library
    underneath.

    >>> import torch
    >>> try:
    ...     torch.nn.Linear(2, 3)(torch.zeros(1, 5))
    ... except RuntimeError as error:
    ...     origin(error) == __name__
    True
    """
    frames = [frame.f_globals.get("__name__", "") for frame, _ in traceback.walk_tb(error.__traceback__)]
    return next((name for name in reversed(frames) if name.split(".")[0] not in UNDERNEATH), "")


@contextmanager
def told_but_memory(sentence: str) -> Iterator[None]:
    """Convert errors as `told` does, but let OSError and out-of-memory errors through, which have
    messages of their own.
    """
    try:
        yield
    except OSError:
        raise
    except Exception as error:
        if lacks_memory(error):
            raise
        with told(sentence):
            raise
