"""Zips of images, read in memory one member at a time: nothing is unpacked to disk, and no header
is trusted.
"""

from __future__ import annotations

import stat
import struct
import threading
import zipfile
import zlib
from collections import Counter
from pathlib import Path, PurePosixPath

from organza.data.decode import Unreadable
from organza.data.listing import LARGEST, Entry, Gathered, Kind, Listing, is_apart
from organza.data.signatures import HEAD
from organza.errors import UserError
from organza.untrusted import open_regular, printable

UTF8, UNICODE_PATH = 0x800, 0x7075  # a flag of a member, and the id of an extra field
METHODS = {9: "Deflate64, as Windows packs large files", 93: "Zstandard", 95: "XZ", 98: "PPMd", 99: "encryption (AES)"}
BOMB = 100  # largest ratio of unpacked to packed size of an archive, beyond `FREE`
FREE = 4 * 2**30  # bytes
DENSE, LARGE = 300, 2**24  # a larger member that is compressed by this factor is not an image


def zip_listing(path: Path, kind: Kind) -> Listing:
    """Return the files of a kind in a zip.

    Raises:
        UserError: if it is not a readable zip, or would unpack to far more than its size.
    """
    archive = _Archive(path)
    gathered = Gathered(kind)
    entries: list[tuple[Entry, zipfile.ZipInfo]] = []
    files = [(info, _parts(info)) for info in archive.infos if not info.is_dir()]
    guessed = [info for info, _ in files if not member_name(info)[1]]
    times = Counter("/".join(parts) for _, parts in files)
    total = 0
    for info, parts in files:
        name, shown = "/".join(parts), printable(member_name(info)[0])
        if any(is_apart(part) for part in parts):
            _note_apart(gathered, parts)
            continue
        if not parts or not gathered.wanted(parts[-1], shown, lambda info=info: archive.read(info, HEAD)):
            continue
        problem = _problem(info, parts) or ("the archive holds it twice" if times[name] > 1 else None)
        if problem:
            gathered.problems.append((shown, problem))
            continue
        entries.append((Entry(name, info.file_size, info.CRC), info))
        total += info.file_size
    if total > FREE and total > BOMB * archive.bytes:
        raise UserError(
            f"{path} claims to unpack to {total / 1e9:,.0f} GB from {archive.bytes / 1e6:,.1f} MB, as archives do that are meant to "
            "exhaust a machine; if you trust it, unpack it and give the folder."
        )
    entries.sort(key=lambda pair: pair[0])
    where = dict(entries)

    def read(entry: Entry) -> bytes:
        """Return the bytes of an entry. Raises Unreadable if they are damaged, too many, or packed by an unknown method."""
        try:
            content = archive.read(where[entry], LARGEST + 1)  # the size in the header is not trusted
        except NotImplementedError:
            method = where[entry].compress_type
            raise Unreadable(
                f"it is packed by a method that Python cannot unpack ({METHODS.get(method, method)}); unpack the zip and give the folder"
            ) from None
        except Exception as error:  # damaged members raise many kinds of errors
            raise Unreadable(f"it cannot be read ({getattr(error, 'strerror', None) or error})") from error
        if len(content) > LARGEST:
            raise Unreadable("it unpacks to more than 256 MB")
        return content

    notes = (
        (
            f"{len(guessed):,} names in {path.name} are in an encoding that the zip does not declare, for example "
            f"{printable(guessed[0].filename)}; if this is wrong, unpack the zip and give the folder",
        )
        if guessed
        else ()
    )
    return gathered.listing(tuple(entry for entry, _ in entries), read, notes)


def member_name(info: zipfile.ZipInfo) -> tuple[str, bool]:
    """Return the name of a member, and False if its encoding was guessed.

    A zip declares that a name is UTF-8 by a flag, or in an extra field; many systems write UTF-8
    without either, and then Python decodes the bytes as code page 437 of DOS.
    """
    raw = info.filename
    if raw.isascii() or info.flag_bits & UTF8:
        return raw, True
    content = raw.encode("cp437", "replace")
    told = _unicode_path(info, content)
    if told is not None:
        return told, True
    try:
        return content.decode("utf-8"), True  # text of another encoding is hardly ever valid UTF-8
    except UnicodeDecodeError:
        return raw, False


def _unicode_path(info: zipfile.ZipInfo, content: bytes) -> str | None:
    """Return the name in the field that Info-ZIP writes for a name that is not ASCII; None if there
    is none for this name.
    """
    extra = info.extra
    while len(extra) >= 4:
        kind, length = struct.unpack("<HH", extra[:4])
        body, extra = extra[4 : 4 + length], extra[4 + length :]
        if kind == UNICODE_PATH and body[:1] == b"\1" and body[1:5] == struct.pack("<I", zlib.crc32(content)):
            try:
                return body[5:].decode("utf-8").partition("\0")[0] or None
            except UnicodeDecodeError:
                return None
    return None


class _Archive:
    """An open zip, whose members can be read from any thread."""

    def __init__(self, path: Path):
        try:
            file = open(open_regular(path), "rb")  # noqa: SIM115, PTH123  # open as long as members are read from it
            self.bytes = file.seek(0, 2)
            self._zip = zipfile.ZipFile(file)
            self.infos = self._zip.infolist()
        except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
            raise UserError(f"{path} is not a readable zip ({error}); download or copy it again.") from None
        self._lock = threading.Lock()

    def read(self, info: zipfile.ZipInfo, most: int) -> bytes:
        """Return the first bytes of a member, up to `most`. Raises any error of zipfile."""
        with self._lock:  # zipfile counts its open members without a lock
            member = self._zip.open(info)
        try:
            return member.read(most)
        finally:
            with self._lock:
                member.close()


def _parts(info: zipfile.ZipInfo) -> tuple[str, ...]:
    return PurePosixPath(member_name(info)[0].replace("\\", "/")).parts


def _note_apart(gathered: Gathered, parts: tuple[str, ...]) -> None:
    end = next(place for place, part in enumerate(parts) if is_apart(part)) + 1
    gathered.apart[printable("/".join(parts[:end]))] = None


def _problem(info: zipfile.ZipInfo, parts: tuple[str, ...]) -> str | None:
    """Return the reason why a member is not read, or None."""
    if parts[0].startswith("/") or ".." in parts or ":" in parts[0]:
        return "its name leads out of the archive"
    if info.flag_bits & 1:
        return "it is encrypted"
    if stat.S_ISLNK(info.external_attr >> 16):
        return "it is a link"
    if info.file_size > LARGEST:
        return "it is larger than 256 MB"
    if info.file_size > LARGE and info.file_size > DENSE * max(info.compress_size, 1):
        return "it claims to unpack to hundreds of times its size, as no image does"
    return None
