"""Standard output and error: text in any encoding, and one error if output can no longer be
written.

A terminal, pipe or file may support ASCII only, or a code page of Windows. Characters that it lacks
are replaced by equivalent ones, or spelt out.
"""

from __future__ import annotations

import codecs
import io
import os
import sys
from contextlib import suppress
from typing import Any, TextIO

from organza.distributed.launched import speaks
from organza.untrusted import printable

SIGNS = {
    "±": "+-", "×": "x", "÷": "/", "·": ".", "•": "*", "…": "...", "–": "-", "—": "-", "−": "-", "‘": "'", "’": "'", "“": '"', "”": '"',
    "«": '"', "»": '"', "→": "->", "←": "<-", "≤": "<=", "≥": ">=", "≈": "~", "≠": "!=", "µ": "u", "μ": "u", "σ": "sigma", "°": " deg",
    "²": "^2", "³": "^3", "√": "sqrt", "\u00a0": " ", "─": "-", "━": "-", "│": "|", "┃": "|", "╸": "-", "╺": "-", "▀": "#", "█": "#",
    **dict.fromkeys("┌┐└┘├┤┬┴┼╭╮╰╯╇╈┏┓┗┛┡┩┢┪╞╡╪", "+"),
}  # fmt: skip
"""ASCII replacements for the signs in messages, tables and help."""
ERRORS = "organza"
"""Name of the error handler for characters that a stream lacks, for `io.TextIOWrapper.reconfigure`."""


class OutputLost(Exception):
    """Standard output can no longer be written: its reader closed it, or its disk is full.

    Args:
        error: the system's error.
    """

    def __init__(self, error: OSError):
        super().__init__(error.strerror or str(error))
        self.reader_gone = isinstance(error, BrokenPipeError)


def in_ascii(error: UnicodeError) -> tuple[str, int]:
    r"""Replace characters that an encoding lacks, and return the position after them: an error
    handler of codecs.

    >>> "5 ± 1 \u4e2d".encode("ascii", ERRORS)
    b'5 +- 1 \\u4e2d'
    """
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lacking = error.object[error.start : error.end]
    spelt = (SIGNS.get(sign) or sign.encode("unicode_escape", "surrogatepass").decode("ascii") for sign in lacking)
    return "".join(spelt), error.end


codecs.register_error(ERRORS, in_ascii)


def prepare_streams() -> bool:
    """Make standard output and error accept every character. Return False if there is no standard
    output.

    Streams that are closed at the start are opened to the null device: a run's file must not
    receive their number.
    """
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    there = sys.stdout is not None
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8", newline="\n", errors=ERRORS))  # noqa: SIM115, PTH123
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=ERRORS)
    return there


class Stream:
    """A stream that raises one kind of error for any failure.

    Args:
        stream: standard output or error.
        needed: True to raise `OutputLost` if it cannot be written; False to drop the output
            silently.
    """

    def __init__(self, stream: TextIO, needed: bool = True):
        self.stream, self.needed = stream, needed

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)

    def write(self, text: str) -> int:
        try:
            return self.stream.write(text)
        except OSError as error:
            self._lost(error)
            return len(text)

    def flush(self) -> None:
        try:
            self.stream.flush()
        except OSError as error:
            self._lost(error)

    def _lost(self, error: OSError) -> None:
        if self.needed:
            raise OutputLost(error) from error


def answer(*lines: str) -> None:
    """Print lines on standard output, after `printable`. Only rank 0 of several prints.

    Raises:
        OutputLost: if they cannot be written.
    """
    if speaks():
        print(*map(printable, lines), sep="\n", file=Stream(sys.stdout), flush=True)


def say(text: str) -> None:
    """Print one line on standard error, after `printable`. Failures are ignored. Only rank 0 of several prints."""
    if not speaks():
        return
    print(printable(text), file=Stream(sys.stderr, needed=False), flush=True)


def flush_output() -> None:
    """Flush standard output.

    Raises:
        OutputLost: if it cannot be written.
    """
    Stream(sys.stdout).flush()


def drop_output() -> None:
    """Discard pending output, which the interpreter would otherwise try to write once more at exit."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # a notebook's stream has no file number
            try:
                stream.flush()
            except OSError:
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, stream.fileno())
                os.close(nowhere)
