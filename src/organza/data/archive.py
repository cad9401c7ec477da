"""A zip of images: read in memory, member by member; nothing is ever unpacked to disk, and no claim of its directory is trusted."""

from __future__ import annotations

import stat
import threading
import zipfile
from collections import Counter
from pathlib import Path, PurePosixPath

from organza.data.decode import Unreadable
from organza.data.listing import LARGEST, Entry, Gathered, Kind, Listing, is_apart
from organza.data.signatures import HEAD
from organza.errors import UserError
from organza.untrusted import open_regular, printable

BOMB = 100  # times its own size that an archive may unpack to, beyond `FREE`
FREE = 4 * 2**30  # bytes
DENSE, LARGE = 300, 2**24  # a member of more bytes that is packed this many times smaller is no image


def zip_listing(path: Path, kind: Kind) -> Listing:
    """Return the files of a kind in a zip.

    Raises:
        UserError: it is no readable zip, or would unpack to far more than it is.
    """
    archive = _Archive(path)
    gathered = Gathered(kind)
    entries: list[tuple[Entry, zipfile.ZipInfo]] = []
    files = [(info, _parts(info)) for info in archive.infos if not info.is_dir()]
    times = Counter("/".join(parts) for _, parts in files)
    total = 0
    for info, parts in files:
        name, shown = "/".join(parts), printable(info.filename)
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
            f"{path} claims to unpack to {total / 1e9:,.0f} GB from {archive.bytes / 1e6:,.1f} MB, as an archive does that is meant to "
            "fill a machine; if you trust it, unpack it and give the folder."
        )
    entries.sort(key=lambda pair: pair[0])
    where = dict(entries)

    def read(entry: Entry) -> bytes:
        try:
            content = archive.read(where[entry], LARGEST + 1)  # what the header promises is not to be trusted
        except Exception as error:  # members of an archive fail in many ways
            raise Unreadable(f"it cannot be read ({getattr(error, 'strerror', None) or error})") from error
        if len(content) > LARGEST:
            raise Unreadable("it unpacks to more than 256 MB")
        return content

    return gathered.listing(tuple(entry for entry, _ in entries), read)


class _Archive:
    """A zip that is open. Its members are read from any thread."""

    def __init__(self, path: Path):
        try:
            file = open(open_regular(path), "rb")  # noqa: SIM115, PTH123  # open as long as anything is read from it
            self.bytes = file.seek(0, 2)
            self._zip = zipfile.ZipFile(file)
            self.infos = self._zip.infolist()
        except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
            raise UserError(f"{path} is not a readable zip ({error}); get it again.") from None
        self._lock = threading.Lock()

    def read(self, info: zipfile.ZipInfo, most: int) -> bytes:
        """Return the first bytes of a member, up to `most`. Raises whatever zipfile raises."""
        with self._lock:  # the archive counts its open members, and not for threads
            member = self._zip.open(info)
        try:
            return member.read(most)
        finally:
            with self._lock:
                member.close()


def _parts(info: zipfile.ZipInfo) -> tuple[str, ...]:
    return PurePosixPath(info.filename.replace("\\", "/")).parts


def _note_apart(gathered: Gathered, parts: tuple[str, ...]) -> None:
    end = next(place for place, part in enumerate(parts) if is_apart(part)) + 1
    gathered.apart[printable("/".join(parts[:end]))] = None


def _problem(info: zipfile.ZipInfo, parts: tuple[str, ...]) -> str | None:
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
