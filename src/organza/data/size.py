"""Sizes of images, written as width x height."""

from __future__ import annotations

import re
from typing import NamedTuple

from organza.errors import UserError

LARGEST = 4096


class Size(NamedTuple):
    """Size in pixels, width first."""

    width: int
    height: int

    def __str__(self) -> str:
        return f"{self.width}x{self.height}"


def parse_size(text: str) -> Size:
    """Parse 64 (a square) or 96x64 (width x height).

    >>> parse_size("64"), parse_size("96x64")
    (Size(width=64, height=64), Size(width=96, height=64))

    Raises:
        UserError: for any other text, and for sides of 0 or over 4096 pixels.
    """
    found = re.fullmatch(r"(\d{1,6})(?:[xX](\d{1,6}))?", text.strip())
    size = Size(int(found[1]), int(found[2] or found[1])) if found else None
    if size is None or not all(1 <= side <= LARGEST for side in size):
        raise UserError(
            f"`size={text!r}` is not a size: write 64, or 96x64 for width x height, each side from 1 to {LARGEST}."
        )
    return size
