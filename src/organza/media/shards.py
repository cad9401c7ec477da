"""Shards: one file that holds many images, written one after the other in bounded memory, and continued where it ended.

.npy   uint8 [N, H, W, C], or [N, D, H, W, C]; opens memory-mapped
.tar   PNG or WebP files in order, as WebDataset reads them
.zip   PNG or WebP files, stored; its table of contents at the end needs 0.5 kB of memory for each

The same items give the same bytes, whether they were written in one go or not: all times are fixed.
"""

from __future__ import annotations

import io
import os
import struct
import tarfile
import zipfile
import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO

import numpy as np

ENDINGS = ".npy", ".tar", ".zip"
Encoder = Callable[[np.ndarray], bytes]
LOCAL = struct.Struct("<4s5H3I2H")
"""Header of a member of a zip, up to its name: APPNOTE.TXT 4.3.7."""


class Shard(ABC):
    """A shard that is being written.

    Args:
        file: file, open for reading and writing; what lies past `end` is removed.
        end: size in bytes of its complete items; 0 for a new one.
    """

    def __init__(self, file: IO[bytes], end: int = 0):
        self.file = file
        file.truncate(end)
        file.seek(end)

    @abstractmethod
    def add(self, names: Sequence[str], items: np.ndarray) -> None:
        """Append items.

        Args:
            names: file names, without an extension.
            items: uint8 [N, ...].
        """

    def tell(self) -> int:
        """Return the size of the items so far in bytes."""
        return self.file.tell()

    def flush(self) -> None:
        """Wait until all items are on disk."""
        self.file.flush()
        os.fsync(self.file.fileno())

    @abstractmethod
    def finish(self) -> None:
        """Write the end of the file, after which nothing is added."""


class Npy(Shard):
    """An array file.

    Args:
        file: see `Shard`.
        shape: shape of the whole array, whose length is in the header.
        end: see `Shard`.
    """

    def __init__(self, file: IO[bytes], shape: Sequence[int], end: int = 0):
        super().__init__(file, end)
        if not end:
            header = {"descr": "|u1", "fortran_order": False, "shape": tuple(shape)}
            np.lib.format.write_array_header_1_0(file, header)

    def add(self, names: Sequence[str], items: np.ndarray) -> None:
        self.file.write(np.ascontiguousarray(items).data)

    def finish(self) -> None:
        self.flush()


class Tar(Shard):
    """A tar archive of encoded images.

    Args:
        file: see `Shard`.
        encode: function from an image to the bytes of a file.
        ending: extension of the names, such as .png.
        end: see `Shard`.
    """

    def __init__(self, file: IO[bytes], encode: Encoder, ending: str, end: int = 0):
        super().__init__(file, end)
        self.encode, self.ending = encode, ending
        self.archive = tarfile.TarFile(fileobj=file, mode="w", format=tarfile.USTAR_FORMAT)

    def add(self, names: Sequence[str], items: np.ndarray) -> None:
        for name, item in zip(names, items, strict=True):
            content = self.encode(item)
            member = tarfile.TarInfo(f"{name}{self.ending}")
            member.size, member.mode = len(content), 0o644
            self.archive.addfile(member, io.BytesIO(content))
            self.archive.getmembers().clear()  # it keeps them all, and needs none

    def finish(self) -> None:
        self.archive.close()
        self.flush()


class Zip(Shard):
    """A zip archive of encoded images.

    Args:
        file: see `Shard`.
        encode: function from an image to the bytes of a file.
        ending: extension of the names, such as .png.
        end: see `Shard`.
    """

    def __init__(self, file: IO[bytes], encode: Encoder, ending: str, end: int = 0):
        self.members = list(_members(file, end))
        super().__init__(file, end)
        self.encode, self.ending = encode, ending

    def add(self, names: Sequence[str], items: np.ndarray) -> None:
        for name, item in zip(names, items, strict=True):
            content, member = self.encode(item), _member(f"{name}{self.ending}")
            member.CRC, member.compress_size, member.file_size = zlib.crc32(content), len(content), len(content)
            member.header_offset = self.file.tell()
            self.file.write(member.FileHeader() + content)
            self.members.append(member)

    def finish(self) -> None:
        with zipfile.ZipFile(self.file, "w") as archive:  # from here on, past the members
            archive.filelist.extend(self.members)
        self.flush()


def _member(name: str) -> zipfile.ZipInfo:
    member = zipfile.ZipInfo(name)  # of 1980, uncompressed
    member.external_attr = 0o644 << 16
    member.create_system = 3  # on every system
    return member


def _members(file: IO[bytes], end: int) -> Iterator[zipfile.ZipInfo]:
    """Yield the members of a zip whose table of contents is not written yet.

    Raises:
        ValueError: if the file is not as it was written.
    """
    at = 0
    while at < end:
        file.seek(at)
        head = file.read(LOCAL.size)
        if len(head) < LOCAL.size or not head.startswith(b"PK\3\4"):
            raise ValueError("it is damaged")
        *_, checksum, packed, size, name, extra = LOCAL.unpack(head)
        member = _member(file.read(name).decode("ascii"))
        member.CRC, member.compress_size, member.file_size, member.header_offset = checksum, packed, size, at
        yield member
        at += LOCAL.size + name + extra + packed


def shard(file: IO[bytes], path: Path, shape: Sequence[int], encode: Encoder, ending: str, end: int = 0) -> Shard:
    """Return the shard for a file name.

    Args:
        file: file to write.
        path: name that it is for, which ends in .npy, .tar or .zip.
        shape: shape of all items, [N, ...].
        encode: function from an image to the bytes of a file.
        ending: extension of the names in an archive.
        end: size in bytes of its complete items, to continue it.

    Raises:
        ValueError: if the file is not as it was written.
    """
    kind = path.suffix.lower()
    if kind == ".npy":
        return Npy(file, shape, end)
    return Zip(file, encode, ending, end) if kind == ".zip" else Tar(file, encode, ending, end)
