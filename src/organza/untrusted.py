"""Files that a stranger or another program may have made: opened with care, bounded, and shown without harm.

Every file of a run, a cache or a data set passes through here before anything is made of it. Reading one opens a regular file and nothing
else (a pipe would be waited for, a device may never end), takes no more bytes than are expected there, and runs nothing. JSON has no key
twice and no number that no program could use. Text is shown with its control characters spelt out: see `printable`.
"""

from __future__ import annotations

import json
import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

JSON_BYTES = 64 * 2**20
"""Bytes of a JSON file: a table of labels of 100,000 classes has a tenth of it."""
LINE_BYTES = 2**24
"""Bytes of one line of a .jsonl file."""
LINES_BYTES = 2**31
"""Bytes of a .jsonl file: a run of a million lines has a fifth of it."""
LARGEST_NUMBER = 2**63
DEEPEST = 64
"""Levels of tables and lists inside each other."""
PARTS = 500_000
"""Values of a recipe.json: a table of labels of 100,000 classes has the half of it."""


class Refused(OSError):
    """A file that is not opened or not read to its end; `strerror` gives the reason in words."""

    def __init__(self, path: str | Path, reason: str):
        super().__init__(0, reason, str(path))


def read_bytes(path: str | Path, most: int, inside: Path | None = None) -> bytes:
    """Return the content of a regular file.

    Args:
        path: file to read.
        most: bytes that it may have.
        inside: folder that it must lie in once all links are followed; None lets links lead anywhere.

    Raises:
        Refused: not a regular file, larger than `most`, or a link that leads out of `inside`.
        OSError: whatever the system raises.

    >>> import tempfile; file = Path(tempfile.mkdtemp()) / "a"; _ = file.write_bytes(b"abc")
    >>> read_bytes(file, 3)
    b'abc'
    >>> read_bytes(file, 2)
    Traceback (most recent call last):
    ...
    organza.untrusted.Refused: [Errno 0] it is larger than 2 bytes: ...
    """
    if inside is not None:
        require_inside(path, inside)
    descriptor, expected = _opened(path)
    try:
        if expected > most:  # before memory is taken for it
            raise Refused(path, f"it is larger than {most:,} bytes")
        parts, rest = [], most + 1
        while rest > 0 and (part := os.read(descriptor, min(rest, expected + 1))):  # not `most`: memory is taken for it
            parts.append(part)
            rest -= len(part)
            if len(parts) == 1 and len(part) == expected:  # all of it, and no byte more
                break
    finally:
        os.close(descriptor)
    if rest <= 0:
        raise Refused(path, f"it is larger than {most:,} bytes")
    return parts[0] if len(parts) == 1 else b"".join(parts)


def open_regular(path: str | Path) -> int:
    """Return the descriptor of a regular file, open for reading; a pipe is not waited for.

    Raises:
        Refused: not a regular file.
        OSError: whatever the system raises.
    """
    return _opened(path)[0]


def _opened(path: str | Path) -> tuple[int, int]:
    """Return the descriptor of a regular file and its size."""
    if not stat.S_ISREG(os.stat(path).st_mode):  # noqa: PTH116 (a device can act when it is opened, so it is asked first)
        raise Refused(path, "it is not a regular file")
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
    descriptor = os.open(path, flags)
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):  # it was exchanged meanwhile
        os.close(descriptor)
        raise Refused(path, "it is not a regular file")
    return descriptor, status.st_size


def require_inside(path: str | Path, folder: Path) -> None:
    """Check that a path lies in a folder once all links are followed; neither needs to exist.

    Raises:
        Refused: it does not.
    """
    try:
        real, home = Path(path).resolve(), Path(folder).resolve()
    except RuntimeError as error:  # a link to itself, before Python 3.13
        raise Refused(path, "it is a link that leads nowhere") from error
    if not real.is_relative_to(home):
        raise Refused(path, f"it is a link that leads out of {folder}")


def is_trusted(path: str | Path, folder: Path | None = None) -> bool:
    """Return True if a file or folder was made by this user, by the system's own, or by the owner of the folder that it is kept in.

    In a cache that several users share, what another one put there can have any content and any digest. Windows keeps its caches apart.

    Args:
        path: what is asked about; where it is a link, the link.
        folder: cache that the user chose; its owner could change all that is in it.

    Raises:
        OSError: it is not there.
    """
    if sys.platform != "win32" and hasattr(os, "getuid"):
        trusted = {os.getuid(), os.geteuid(), 0}
        if folder is not None:
            trusted.add(os.stat(folder).st_uid)  # noqa: PTH116
        return os.lstat(path).st_uid in trusted
    return True


def read_json(path: str | Path, inside: Path | None = None, most: int = JSON_BYTES) -> Any:
    """Return what a JSON file says.

    Args:
        path, inside, most: see `read_bytes`.

    Raises:
        ValueError: not JSON in UTF-8, nested too deeply, a key that is there twice, or a number out of range.
        OSError: as `read_bytes`.
    """
    return parse_json(read_bytes(path, most, inside))


def parse_json(content: bytes | str) -> Any:
    """Return the value of JSON text.

    >>> parse_json('{"a": [1, 2.5]}')
    {'a': [1, 2.5]}

    Raises:
        ValueError: as `read_json`.
    """
    try:
        text = content.decode() if isinstance(content, bytes) else content
        return json.loads(text, object_pairs_hook=_unique, parse_int=_whole)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def read_lines(path: str | Path, inside: Path | None = None, most: int | None = None) -> Iterator[dict[str, Any]]:
    """Yield the tables of a .jsonl file, strings made `printable`; a line that is none, or that a kill cut short, is left out.

    Args:
        path, inside: see `read_bytes`.
        most: lines that are read; of more, evenly spaced ones and the last. None reads all.

    Raises:
        OSError: as `read_bytes`; nothing where there is no file.
    """
    if not os.path.lexists(path):
        return
    if inside is not None:
        require_inside(path, inside)
    with os.fdopen(open_regular(path), "rb") as file:
        if os.fstat(file.fileno()).st_size > LINES_BYTES:
            raise Refused(path, f"it is larger than {LINES_BYTES:,} bytes")
        step, last = 1, -1
        if most is not None:
            count = sum(1 for _ in iter(lambda: file.readline(LINE_BYTES), b""))
            step, last = max(1, -(-count // most)), count - 1
            file.seek(0)
        for number, line in enumerate(iter(lambda: file.readline(LINE_BYTES), b"")):
            if number % step and number != last:
                continue
            try:
                content = printable_form(parse_json(line))
            except ValueError:
                continue
            if isinstance(content, dict):
                yield content


def printable(text: str) -> str:
    r"""Return text that is safe to show: line breaks, control characters, escape sequences and stray bytes are spelt out.

    >>> print(printable("two\nlines.png"), printable("\x1b[2J"))
    two\nlines.png \x1b[2J
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text)


def printable_form(form: Any, depth: int = 0) -> Any:
    """Return a JSON value with every string in it `printable`.

    Raises:
        ValueError: nested too deeply.
    """
    if depth > DEEPEST:
        raise ValueError("it is nested too deeply")
    if isinstance(form, str):
        return printable(form)
    if isinstance(form, dict):
        return {printable(name): printable_form(value, depth + 1) for name, value in form.items()}
    return [printable_form(value, depth + 1) for value in form] if isinstance(form, list) else form


def require_few(form: Any, most: int = PARTS) -> None:
    """Check that a JSON value has no more values in it than can be shown in seconds.

    >>> require_few([1, 2, 3], most=3)
    Traceback (most recent call last):
    ...
    ValueError: it holds more than 3 values

    Raises:
        ValueError: it has.
    """
    waiting, seen = [form], 0
    while waiting:
        item = waiting.pop()
        inner = list(item.values()) if isinstance(item, dict) else item if isinstance(item, list) else ()
        seen += 1
        if seen + len(waiting) + len(inner) > most:
            raise ValueError(f"it holds more than {most:,} values")
        waiting.extend(inner)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return a table, no key of which is there twice: two readers could take it for two things."""
    table = dict(pairs)
    if len(table) < len(pairs):
        raise ValueError("a key is there twice")
    return table


def _whole(digits: str) -> int:
    if len(digits) > 20 or abs(number := int(digits)) >= LARGEST_NUMBER:
        raise ValueError(f"{digits[:24]}{'...' * (len(digits) > 24)} is out of range")
    return number
