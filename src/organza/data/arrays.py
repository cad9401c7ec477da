"""Array files (.npy, .npz), read by their headers: nothing is unpickled or mapped, and memory is
allocated only for existing data.

If another program truncates a memory-mapped file, the process that reads it is killed; a file that
is read raises an error.
"""

from __future__ import annotations

import ast
import copy
import io
import math
import os
import threading
import weakref
import zipfile
import zlib
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np

from organza.errors import UserError
from organza.untrusted import open_regular, printable

LONGEST_HEADER = 10_000  # bytes; numpy's own limit
MOST_IN_MEMORY = 2**30  # bytes of an array inside a folder or a zip, of which many are in memory at a time
ENDS = "it is cut short: its header promises {promised:,} bytes of values, {there:,} are there"
Failures = (
    ValueError,
    OSError,
    EOFError,
    KeyError,
    RuntimeError,
    NotImplementedError,
    MemoryError,
    zipfile.BadZipFile,
    zlib.error,
)
"""Errors that a damaged array file can raise; their text is the reason."""


class Header(NamedTuple):
    """Header of a .npy file."""

    shape: tuple[int, ...]
    dtype: np.dtype
    fortran: bool  # True if the first axis varies fastest

    @property
    def nbytes(self) -> int:
        """Size of the values in bytes, as a Python int, which does not overflow."""
        return math.prod(self.shape) * self.dtype.itemsize


class Rows:
    """An array in a file, whose rows are read from the file at each access: a memory-mapped array
    without the map.

    It supports the use of an array: `rows[3]`, `rows[2:9]`, `rows[[5, 1]]`, `len(rows)`,
    `np.array(rows)`. Results are copies.

    Args:
        path: array file.
        offset: bytes before the first value.
        shape: shape of the array, its last axis varying fastest.
        dtype: type of the values.

    Raises:
        OSError: if requested rows no longer exist; a UserError with the text of `lost`, if that is
            set.
    """

    lost = ""

    def __init__(self, path: str | Path, offset: int, shape: tuple[int, ...], dtype: np.dtype):
        self.path, self.offset, self.shape, self.dtype = str(path), offset, shape, dtype
        self._file = OpenFile(path)

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        return self.size * self.dtype.itemsize

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, which: Any) -> np.ndarray:
        if isinstance(which, tuple):  # rows[3, :2]: numpy handles the rest
            return self[which[0]][which[1:]] if isinstance(which[0], int) else self[:][which]
        if isinstance(which, slice):
            start, stop, step = which.indices(len(self))
            if step == 1:
                return self._block(start, max(stop - start, 0))
            which = np.arange(start, stop, step)
        if isinstance(which, int | np.integer):
            return self._block(range(len(self))[int(which)], 1)[0]
        chosen = np.asarray(which)
        if chosen.dtype == bool:
            chosen = np.flatnonzero(chosen)
        rows = np.empty((*chosen.shape, *self.shape[1:]), self.dtype)
        flat = rows.reshape(chosen.size, *self.shape[1:])
        for place, row in enumerate(chosen.reshape(-1).tolist()):
            self._fill(flat[place : place + 1], range(len(self))[row])
        return rows

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return self[:].astype(dtype or self.dtype, copy=False)

    def reshaped(self, *shape: int) -> Rows:
        """Return the same values with axes of length one added or removed; other axes must not
        change.
        """
        other = copy.copy(self)
        other.shape = shape
        return other

    def _block(self, first: int, count: int) -> np.ndarray:
        rows = np.empty((count, *self.shape[1:]), self.dtype)
        self._fill(rows, first)
        return rows

    def _fill(self, rows: np.ndarray, first: int) -> None:
        """Read rows from the file into an array, beginning with row `first`."""
        if not rows.size:
            return
        try:
            self._file.read(rows.data.cast("B"), self.offset + first * (rows.nbytes // len(rows)))
        except OSError as error:
            if self.lost:
                raise UserError(self.lost) from error
            raise


PREADV = getattr(os, "preadv", None)  # not on Windows


class OpenFile:
    """An open file that can be read at any position, from any thread."""

    def __init__(self, path: str | Path):
        self.path, self._descriptor = str(path), open_regular(path)
        self._lock = threading.Lock()
        weakref.finalize(self, os.close, self._descriptor)

    def read(self, into: memoryview, offset: int) -> None:
        """Fill a buffer with the bytes at a position.

        Raises:
            OSError: if the file ends before.
        """
        while into:
            if PREADV:
                count = PREADV(self._descriptor, [into], offset)
            else:  # no other process shares the file position, as none is forked
                with self._lock:
                    os.lseek(self._descriptor, offset, os.SEEK_SET)
                    part = os.read(self._descriptor, min(len(into), 2**30))
                count = len(part)
                into[:count] = part
            if not count:
                raise OSError(0, "it was cut short while it was read", self.path)
            into, offset = into[count:], offset + count


def open_array(path: str | Path) -> Rows | np.ndarray:
    """Return the array of a .npy file, or of a .npz file that holds one; a .npy file's rows are
    read at each access.

    Raises:
        ValueError and the other `Failures`: if it is not an array file, is cut short, holds
            objects, or exceeds the memory.
    """
    if Path(path).suffix.lower() == ".npz":
        descriptor = open_regular(path)
        with os.fdopen(descriptor, "rb") as file:
            return _one_of(file, free_memory())
    descriptor = open_regular(path)
    with os.fdopen(descriptor, "rb") as file:
        header = read_header(file)
        offset, there = file.tell(), os.fstat(file.fileno()).st_size
        if there - offset < header.nbytes:
            raise ValueError(ENDS.format(promised=header.nbytes, there=there - offset))
        if not header.fortran or not header.shape:
            return Rows(path, offset, header.shape, header.dtype)
        if header.nbytes > free_memory():
            raise ValueError("it is in Fortran order and larger than the memory; save it in C order")
        return _values(file, header)


def parse_array(content: bytes) -> np.ndarray:
    """Return the array in the bytes of a .npy file, or of a .npz file that holds one.

    Raises:
        ValueError and the other `Failures`: as in `open_array`.
    """
    file = io.BytesIO(content)
    if content.startswith(b"PK"):
        return _one_of(file, MOST_IN_MEMORY)
    return _values(file, read_header(file), len(content))


def read_header(file: IO[bytes]) -> Header:
    """Read the header of a .npy file.

    Raises:
        ValueError: if it is not such a file, or its values are not numbers.
    """
    if file.read(6) != b"\x93NUMPY":
        raise ValueError("it does not begin as an array file does")
    version = file.read(2)
    width = {b"\1\0": 2, b"\2\0": 4, b"\3\0": 4}.get(version)
    if width is None:
        raise ValueError("it is of an unknown version")
    length = int.from_bytes(file.read(width), "little")
    if length > LONGEST_HEADER:
        raise ValueError(f"its header has {length:,} bytes; the limit is {LONGEST_HEADER:,}")
    text = file.read(length)
    try:
        told = ast.literal_eval(text.decode("latin-1" if width == 2 else "utf-8").strip())
        kind, fortran, shape = told["descr"], told["fortran_order"], told["shape"]
        sound = len(text) == length and len(told) == 3 and isinstance(kind, str) and type(fortran) is bool
        sound = (
            sound and isinstance(shape, tuple) and len(shape) <= 32 and all(type(n) is int and n >= 0 for n in shape)
        )
        dtype = np.dtype(kind) if sound else np.dtype(object)
    except (ValueError, SyntaxError, TypeError, KeyError, RecursionError, MemoryError, AttributeError):
        raise ValueError("its header is damaged") from None
    if not sound or dtype.kind not in "biufcSUOVmM":
        raise ValueError("its header is damaged, or it holds tables")
    if dtype.kind not in "biuf" or dtype.names is not None or dtype.subdtype is not None:
        raise ValueError(f"it holds {dtype}, not numbers; Python objects are never opened")
    return Header(shape, dtype, fortran)


def free_memory() -> int:
    """Return the bytes of memory that are available now."""
    import psutil

    return psutil.virtual_memory().available


def _values(file: IO[bytes], header: Header, length: int | None = None) -> np.ndarray:
    """Read all values; if the length of the file is known, allocate no more memory than that."""
    if length is not None and length - file.tell() < header.nbytes:
        raise ValueError(ENDS.format(promised=header.nbytes, there=length - file.tell()))
    array = np.empty(header.shape[::-1] if header.fortran else header.shape, header.dtype)
    rest = array.data.cast("B") if array.size else memoryview(b"")
    while rest:
        part = file.read(min(len(rest), 2**22))
        if not part:
            raise ValueError("it is cut short")
        rest[: len(part)] = part
        rest = rest[len(part) :]
    return array.T if header.fortran else array


def _one_of(file: IO[bytes], most: int) -> np.ndarray:
    """Read the only array of a .npz file."""
    with zipfile.ZipFile(file) as archive:
        members = [info for info in archive.infolist() if not info.is_dir()]
        if len(members) != 1:
            names = ", ".join(printable(info.filename.removesuffix(".npy")) for info in members[:5])
            raise ValueError(f"it holds {len(members)} arrays ({names}); keep one of them")
        (info,) = members
        if info.flag_bits & 1:
            raise ValueError("it is encrypted")
        with archive.open(info) as member:
            header = read_header(member)
            # The header can promise more than the file holds, and a zip bomb can hold it; check both before allocating memory.
            if header.nbytes > info.file_size:
                raise ValueError(ENDS.format(promised=header.nbytes, there=info.file_size))
            if info.file_size > 1032 * max(info.compress_size, 1) + 1000:  # more than deflate can do
                raise ValueError("it claims to unpack to more than such a file can hold")
            if header.nbytes > most:
                raise ValueError(
                    f"it unpacks to {header.nbytes / 1e9:,.1f} GB and {most / 1e9:,.1f} GB are available; "
                    "save it with numpy.save, whose files are read row by row"
                )
            return _values(member, header)
