"""PNG files written from top to bottom, strip by strip, for images that are larger than the memory should hold.

W3C, Portable Network Graphics, third edition, https://www.w3.org/TR/png-3/.
"""

from __future__ import annotations

import os
import secrets
import struct
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

import numpy as np

from organza.disk import cannot_write, discard, rename
from organza.errors import UserError
from organza.media.provenance import Provenance

AT_ONCE = 32  # rows filtered at a time, as that takes some twenty times their memory
COLOURS = {1: 0, 2: 4, 3: 2, 4: 6}  # colour type by number of channels


def save_strips(
    strips: Iterable[np.ndarray],
    shape: tuple[int, int, int],
    path: Path,
    made_by: Provenance | None = None,
    profile: bytes | None = None,
) -> None:
    """Write an image that comes in strips, through a temporary file, so that it is complete or absent.

    Args:
        strips: rows from top to bottom, uint8 [rows, W, C] each.
        shape: height, width, channels.
        path: output file.
        made_by: provenance to record, if any.
        profile: ICC profile of the colours, if any.

    Raises:
        UserError: if it cannot be written.
    """
    aside = path.with_name(f".{os.getpid()}-{secrets.token_hex(4)}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with aside.open("xb") as file:  # never through a link
            write_strips(file, strips, shape, made_by, profile)
        rename(aside, path)
    except OSError as error:
        raise UserError(cannot_write(path, error)) from error
    finally:
        discard(aside)


def write_strips(
    file: IO[bytes],
    strips: Iterable[np.ndarray],
    shape: tuple[int, int, int],
    made_by: Provenance | None = None,
    profile: bytes | None = None,
) -> None:
    """Write an image that comes in strips to an open file.

    Args:
        file: file, open for bytes.
        strips: rows from top to bottom, uint8 [rows, W, C] each.
        shape: height, width, channels.
        made_by: provenance to record, if any.
        profile: ICC profile of the colours, if any.
    """
    file.write(b"\x89PNG\r\n\x1a\n")
    height, width, channels = shape
    _chunk(file, b"IHDR", struct.pack(">IIBBBBB", width, height, 8, COLOURS[channels], 0, 0, 0))
    if profile:
        _chunk(file, b"iCCP", b"ICC profile\0\0" + zlib.compress(profile))
    for kind, data, *_ in made_by.png().chunks if made_by else ():
        _chunk(file, kind, data)
    for data in _packed(strips, shape):
        _chunk(file, b"IDAT", data)
    _chunk(file, b"IEND", b"")


def _chunk(file: IO[bytes], kind: bytes, data: bytes) -> None:
    file.write(struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)))


def _packed(strips: Iterable[np.ndarray], shape: tuple[int, int, int]) -> Iterator[bytes]:
    """Yield the compressed rows."""
    packing, above = zlib.compressobj(6), np.zeros((1, *shape[1:]), np.uint8)
    for strip in strips:
        for top in range(0, len(strip), AT_ONCE):
            rows = strip[top : top + AT_ONCE]
            if data := packing.compress(filtered(rows, above).tobytes()):
                yield data
            above = rows[-1:]
    yield packing.flush()


def filtered(strip: np.ndarray, above: np.ndarray) -> np.ndarray:
    """Return rows as PNG stores them, with the filter that leaves the smallest differences: uint8 [rows, 1 + W C].

    Args:
        strip: rows, uint8 [rows, W, C].
        above: the row before them, uint8 [1, W, C]; zeros for the first.
    """
    rows = len(strip)
    up = np.concatenate([above, strip[:-1]]).astype(np.int16)
    x = strip.astype(np.int16)
    left, corner = (np.concatenate([np.zeros_like(part[:, :1]), part[:, :-1]], 1) for part in (x, up))
    a, b, c = (np.abs(part) for part in (up - corner, left - corner, left + up - 2 * corner))
    paeth = np.where((a <= b) & (a <= c), left, np.where(b <= c, up, corner))
    choices = np.stack([(x - guess).astype(np.uint8).reshape(rows, -1) for guess in (left, up, paeth)])
    best = np.abs(choices.view(np.int8).astype(np.int16)).sum(2).argmin(0)
    kinds = np.array([1, 2, 4], np.uint8)[best]
    return np.concatenate([kinds[:, None], choices[best, np.arange(rows)]], 1)
