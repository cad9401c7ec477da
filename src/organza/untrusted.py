"""Files from strangers or other programs: opened with care, limited in size, and displayed without harm.

Every file of a run, a cache or a data set is read through this module. It opens regular files only
(a pipe would block, a device may never end), reads no more bytes than expected, and runs nothing. JSON may have no duplicate
keys and no numbers out of range. Control characters in text are spelt out: see `printable`.
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
"""Largest JSON file in bytes: a table of labels of 100,000 classes has a tenth of it."""
LINE_BYTES = 2**24
"""Largest line of a .jsonl file in bytes."""
LINES_BYTES = 2**31
"""Largest .jsonl file in bytes: a run of a million lines has a fifth of it."""
LARGEST_NUMBER = 2**63
DEEPEST = 64
"""Deepest nesting of tables and lists."""
PARTS = 500_000
"""Largest number of values in a recipe.json: a table of labels of 100,000 classes has half of it."""


class Refused(OSError):
    """A file that is not opened, or not read to its end; `strerror` gives the reason."""

    def __init__(self, path: str | Path, reason: str):
        super().__init__(0, reason, str(path))


def read_bytes(path: str | Path, most: int, inside: Path | None = None) -> bytes:
    """Return the content of a regular file.

    Args:
        path: file to read.
        most: largest allowed size in bytes.
        inside: folder that must contain the file after all links are followed; None allows any.

    Raises:
        Refused: if it is not a regular file, is larger than `most`, or is a link that leads out of `inside`.
        OSError: for any system error.

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
        if expected > most:  # before memory is allocated
            raise Refused(path, f"it is larger than {most:,} bytes")
        parts, rest = [], most + 1
        while rest > 0 and (
            part := os.read(descriptor, min(rest, expected + 1))
        ):  # not `most`, which would be allocated
            parts.append(part)
            rest -= len(part)
            if len(parts) == 1 and len(part) == expected:  # all of it, and not one byte more
                break
    finally:
        os.close(descriptor)
    if rest <= 0:
        raise Refused(path, f"it is larger than {most:,} bytes")
    return parts[0] if len(parts) == 1 else b"".join(parts)


def open_regular(path: str | Path) -> int:
    """Return the descriptor of a regular file, open for reading, without waiting for a pipe.

    Raises:
        Refused: if it is not a regular file.
        OSError: for any system error.
    """
    return _opened(path)[0]


def _opened(path: str | Path) -> tuple[int, int]:
    """Return the descriptor of a regular file and its size."""
    if not stat.S_ISREG(os.stat(path).st_mode):  # noqa: PTH116 (opening a device can have effects, so check first)
        raise Refused(path, "it is not a regular file")
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
    descriptor = os.open(path, flags)
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):  # replaced in the meantime
        os.close(descriptor)
        raise Refused(path, "it is not a regular file")
    return descriptor, status.st_size


def require_inside(path: str | Path, folder: Path) -> None:
    """Check that a path lies in a folder after all links are followed; neither needs to exist.

    Raises:
        Refused: if it does not.
    """
    try:
        real, home = Path(path).resolve(), Path(folder).resolve()
    except RuntimeError as error:  # a link to itself, before Python 3.13
        raise Refused(path, "it is a link that leads nowhere") from error
    if not real.is_relative_to(home):
        raise Refused(path, f"it is a link that leads out of {folder}")


def is_trusted(path: str | Path, folder: Path | None = None) -> bool:
    """Return True if a file or folder belongs to this user, to the system, or to the owner of the folder that contains it.

    In a cache that several users share, another user's file can have any content and any digest. Windows keeps caches apart.

    Args:
        path: file or folder to check; a link is checked itself.
        folder: cache folder that the user chose; its owner could change everything in it.

    Raises:
        OSError: if it does not exist.
    """
    if sys.platform != "win32" and hasattr(os, "getuid"):
        trusted = {os.getuid(), os.geteuid(), 0}
        if folder is not None:
            trusted.add(os.stat(folder).st_uid)  # noqa: PTH116
        return os.lstat(path).st_uid in trusted
    return True


def read_json(path: str | Path, inside: Path | None = None, most: int = JSON_BYTES) -> Any:
    """Return the value in a JSON file.

    Args:
        path: file to read.
        inside: folder that must contain it: see `read_bytes`.
        most: largest allowed size in bytes.

    Raises:
        ValueError: if it is not JSON in UTF-8, is nested too deeply, has a duplicate key, or a number out of range.
        OSError: as in `read_bytes`.
    """
    return parse_json(read_bytes(path, most, inside))


def parse_json(content: bytes | str) -> Any:
    """Return the value of JSON text.

    >>> parse_json('{"a": [1, 2.5]}')
    {'a': [1, 2.5]}

    Raises:
        ValueError: as in `read_json`.
    """
    try:
        text = content.decode() if isinstance(content, bytes) else content
        return json.loads(text, object_pairs_hook=_unique, parse_int=_whole)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def read_lines(path: str | Path, inside: Path | None = None, most: int | None = None) -> Iterator[dict[str, Any]]:
    """Yield the tables of a .jsonl file, with strings made `printable`; skip lines that are malformed or cut short by a kill.

    Args:
        path: file to read.
        inside: folder that must contain it: see `read_bytes`.
        most: largest number of lines to read, evenly spaced with the last one if there are more. None reads all.

    Raises:
        OSError: as in `read_bytes`. A missing file gives no lines.
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
    r"""Return text that is safe to show: line breaks, control characters, escape sequences and invalid bytes are spelt out.

    >>> print(printable("two\nlines.png"), printable("\x1b[2J"))
    two\nlines.png \x1b[2J
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text)


def printable_form(form: Any, depth: int = 0) -> Any:
    """Return a JSON value with every string in it `printable`.

    Raises:
        ValueError: if it is nested too deeply.
    """
    if depth > DEEPEST:
        raise ValueError("it is nested too deeply")
    if isinstance(form, str):
        return printable(form)
    if isinstance(form, dict):
        return {printable(name): printable_form(value, depth + 1) for name, value in form.items()}
    return [printable_form(value, depth + 1) for value in form] if isinstance(form, list) else form


def require_few(form: Any, most: int = PARTS) -> None:
    """Check that a JSON value holds no more values than can be shown in seconds.

    >>> require_few([1, 2, 3], most=3)
    Traceback (most recent call last):
    ...
    ValueError: it holds more than 3 values

    Raises:
        ValueError: if it holds more.
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
    """Return a table without duplicate keys, which two readers could interpret differently."""
    table = dict(pairs)
    if len(table) < len(pairs):
        raise ValueError("it has a duplicate key")
    return table


def _whole(digits: str) -> int:
    if len(digits) > 20 or abs(number := int(digits)) >= LARGEST_NUMBER:
        raise ValueError(f"{digits[:24]}{'...' * (len(digits) > 24)} is out of range")
    return number
