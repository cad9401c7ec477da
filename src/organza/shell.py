"""Shell quoting: paths and values as a shell must receive them, in commands to copy."""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path


def quoted(value: str | Path, windows: bool = os.name == "nt") -> str:
    r"""Return a path or another value quoted for a command line if necessary, so that it is never taken for an option.

    Control characters and bytes that are not UTF-8 are written in the form that bash, zsh and ksh read: $'...'.

    Args:
        value: path or value.
        windows: True to quote for cmd and PowerShell, which share double quotes; False for the shells of Linux and macOS.

    >>> print(quoted("runs/faces"), quoted("my photos"), quoted("-rf"), quoted("it's"), quoted("a\nb"))
    runs/faces 'my photos' ./-rf 'it'"'"'s' $'a\nb'
    >>> print(quoted("C:\\my photos\\", windows=True), quoted("C:\\photos", windows=True))
    "C:\my photos\\" C:\photos
    """
    text = str(value)
    if text.startswith("-"):
        text = f".{os.sep}{text}"
    if windows:
        if re.fullmatch(r"[\w.:\\/+-]+", text):
            return text
        return f'"{text}\\"' if text.endswith("\\") else f'"{text}"'  # \" would stand for a quote
    if text.isprintable():
        return shlex.quote(text)
    return f"$'{''.join(map(_spelt, os.fsencode(text)))}'"


def _spelt(byte: int) -> str:
    """Return a byte as it is written inside $'...'."""
    letter = chr(byte)
    if letter in "\\'":
        return f"\\{letter}"
    return letter if 32 <= byte < 127 else {10: "\\n", 9: "\\t", 13: "\\r"}.get(byte, f"\\x{byte:02x}")
