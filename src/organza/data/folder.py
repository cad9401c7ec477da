"""Where pictures come from: a folder, a zip, or an array file, as a list of entries that can be read one by one."""

from __future__ import annotations

import os
import stat
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from organza.data.decode import ENDINGS
from organza.errors import UserError, nearest

LARGEST_ENTRY = 256 * 2**20  # bytes of one file; more is no picture for training
ARRAYS = (".npy", ".npz")


@dataclass(frozen=True)
class Entry:
    """One candidate: its relative name, what it looked like from outside, and how to read its bytes."""

    name: str
    stamp: tuple[int, int]  # bytes, and nanoseconds of the last change (a zip's checksum)
    read: Callable[[], bytes]


@dataclass(frozen=True)
class Listing:
    """What a source holds: candidates in the order of their names, and what was passed over with a reason."""

    entries: tuple[Entry, ...]
    problems: tuple[tuple[str, str], ...]


def listing(source: str | Path) -> Listing:
    """The pictures of a folder (any depth) or a zip. Hidden files are skipped; links out of the folder are problems.

    Raises:
        UserError: where there is no such source, or it is no folder and no zip.
    """
    path = Path(source)
    if path.is_dir():
        return _folder(path)
    if not path.exists():
        siblings = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
        raise UserError(f"There is no {path}.{nearest(path.name, siblings)}")
    if zipfile.is_zipfile(path):
        return _zip(path)
    raise UserError(f"{path} is neither a folder nor a zip of pictures; give the folder that holds them.")


def _folder(root: Path) -> Listing:
    entries: list[Entry] = []
    problems: list[tuple[str, str]] = []
    for path in _walk(root, root.resolve(), set()):
        name = path.relative_to(root).as_posix()
        try:
            status = path.stat()
        except OSError as error:
            problems.append((name, f"it cannot be opened ({error.strerror})"))
            continue
        if not stat.S_ISREG(status.st_mode):
            continue
        if path.is_symlink() and not path.resolve().is_relative_to(root.resolve()):
            problems.append((name, "it is a link that leads out of the folder"))
        elif status.st_size > LARGEST_ENTRY:
            problems.append((name, "it is larger than 256 MB"))
        else:
            entries.append(Entry(name, (status.st_size, status.st_mtime_ns), path.read_bytes))
    return Listing(tuple(sorted(entries, key=lambda e: e.name)), tuple(problems))


def _walk(folder: Path, root: Path, seen: set[Path]) -> Iterator[Path]:
    real = folder.resolve()
    if real in seen or not real.is_relative_to(root):  # a loop of links, or a way out
        return
    seen.add(real)
    with os.scandir(folder) as items:
        for item in sorted(items, key=lambda i: i.name):
            if item.name.startswith(".") or item.name == "__MACOSX":
                continue
            if item.is_dir():
                yield from _walk(Path(item.path), root, seen)
            elif item.name.lower().endswith(ENDINGS):
                yield Path(item.path)


def _zip(path: Path) -> Listing:
    entries: list[Entry] = []
    problems: list[tuple[str, str]] = []
    try:
        archive = zipfile.ZipFile(path)
        infos = archive.infolist()
    except (zipfile.BadZipFile, OSError) as error:
        raise UserError(f"{path} is not a readable zip: {error}.") from None
    for info in infos:
        place = PurePosixPath(info.filename.replace("\\", "/"))
        if info.is_dir() or any((part.startswith(".") and part != "..") or part == "__MACOSX" for part in place.parts):
            continue
        if not info.filename.lower().endswith(ENDINGS):
            continue
        if place.is_absolute() or ".." in place.parts or ":" in place.parts[0]:
            problems.append((info.filename, "its name leads out of the archive"))
        elif info.flag_bits & 1:
            problems.append((info.filename, "it is encrypted"))
        elif info.file_size > LARGEST_ENTRY:
            problems.append((info.filename, "it is larger than 256 MB"))
        else:
            entries.append(Entry(str(place), (info.file_size, info.CRC), _member(archive, info)))
    return Listing(tuple(sorted(entries, key=lambda e: e.name)), tuple(problems))


def _member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Callable[[], bytes]:
    def read() -> bytes:
        with archive.open(info) as member:  # members may be read from several threads
            content = member.read(LARGEST_ENTRY + 1)
        if len(content) > LARGEST_ENTRY:
            raise OSError("it unpacks to more than 256 MB")
        return content

    return read
