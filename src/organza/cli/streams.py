"""The two streams of a terminal: text that each of them can show, and one error where nothing more can be written.

A terminal, pipe or file may know ASCII only, or a code page of Windows. Every text is shown there all the same: a sign that it does not
know is written by others that mean the same, or spelt out.
"""

from __future__ import annotations

import codecs
import io
import os
import sys
from contextlib import suppress
from typing import Any, TextIO

from organza.untrusted import printable

SIGNS = {
    "±": "+-", "×": "x", "÷": "/", "·": ".", "•": "*", "…": "...", "–": "-", "—": "-", "−": "-", "‘": "'", "’": "'", "“": '"', "”": '"',
    "«": '"', "»": '"', "→": "->", "←": "<-", "≤": "<=", "≥": ">=", "≈": "~", "≠": "!=", "µ": "u", "μ": "u", "σ": "sigma", "°": " deg",
    "²": "^2", "³": "^3", "√": "sqrt", "\u00a0": " ", "─": "-", "━": "-", "│": "|", "┃": "|", "╸": "-", "╺": "-", "▀": "#", "█": "#",
    **dict.fromkeys("┌┐└┘├┤┬┴┼╭╮╰╯╇╈┏┓┗┛┡┩┢┪╞╡╪", "+"),
}  # fmt: skip
"""Signs of messages, tables and help, and how they are written in ASCII."""
ERRORS = "organza"
"""The name of the way to encode what a stream does not know, for `io.TextIOWrapper.reconfigure`."""


class OutputLost(Exception):
    """Standard output takes nothing more: its reader went away, or its disk is full.

    Args:
        error: the system's.
    """

    def __init__(self, error: OSError):
        super().__init__(error.strerror or str(error))
        self.reader_gone = isinstance(error, BrokenPipeError)


def in_ascii(error: UnicodeError) -> tuple[str, int]:
    r"""Return what stands for characters that an encoding lacks, and where they end: an error handler of codecs.

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
    """Make standard output and error take every character; False if there is no standard output.

    What is closed from the start is opened to nowhere: a file of a run must not be given its number, and written into.
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
    """A stream with one error of its own for whatever goes wrong with it.

    Args:
        stream: standard output or error.
        needed: raise `OutputLost` where it cannot be written; otherwise what is written then is lost without a word.
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
    """Print lines on standard output, `printable`.

    Raises:
        OutputLost: they cannot be written.
    """
    print(*map(printable, lines), sep="\n", file=Stream(sys.stdout), flush=True)


def say(text: str) -> None:
    """Print one line on standard error, `printable`. Where that cannot be written, there is nobody to tell."""
    print(printable(text), file=Stream(sys.stderr, needed=False), flush=True)


def flush_output() -> None:
    """Write what waits to be written on standard output.

    Raises:
        OutputLost: it cannot be written.
    """
    Stream(sys.stdout).flush()


def drop_output() -> None:
    """Send nowhere what waits to be written: the interpreter would try, and fail, once more at its end."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # what stands for a stream in a notebook has no number
            try:
                stream.flush()
            except OSError:
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, stream.fileno())
                os.close(nowhere)
