"""Folders of dropped images: bounded, and filled by several requests at once."""

from __future__ import annotations

import os
import secrets
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from organza.disk import cannot_write, discard, flush_folder, make_folder, safe_name, write
from organza.errors import UserError
from organza.studio.bodies import IMAGE_BYTES
from organza.studio.roots import IMAGES, Roots
from organza.untrusted import parse_json, printable

FILES, FOLDER_BYTES, SUBFOLDERS = 100_000, 20 * 2**30, 2_000
"""Largest numbers of files, of bytes and of subfolders of a folder of dropped images."""
UPLOAD_BYTES, AT_ONCE = IMAGE_BYTES + 2**18, 256
"""Largest body of a request, and number of files in it."""
KNOWN = 64
"""Largest number of folders whose contents are remembered."""
MARK = ".dropped"
"""Hidden file of a folder that the page made, so that it adds to no other."""
LABELS = "labels.csv"
"""Name of the one file that is no image."""


@dataclass(frozen=True)
class DroppedFile:
    """A file as it came.

    Args:
        folder: name of a folder for it in that of dropped images, as of a class; "" for none.
        file: its name.
        content: its bytes.
        problem: reason to leave it out; "" if there is none.
    """

    folder: str
    file: str
    content: memoryview
    problem: str = ""


def unpacked(content: bytes) -> list[DroppedFile]:
    """Return the files of a body: a line of JSON that lists them, and their bytes.

    Raises:
        UserError: if the list does not fit the bytes, or has too many files.

    >>> bytes(unpacked(b'[{"folder": "", "file": "a.png", "bytes": 2}]\\nxy')[0].content)
    b'xy'
    """
    line = content.find(b"\n") + 1
    rest, files, at = memoryview(content)[line:], [], 0
    for folder, file, size in _entries(content[:line]):
        files.append(DroppedFile(folder, file, rest[at : at + size]))
        at += size
    if at != len(rest):
        raise UserError(f"The list of files has {at:,} bytes, and {len(rest):,} came.")
    return files


def _entries(line: bytes) -> Iterator[tuple[str, str, int]]:
    """Yield folder, name and size of each file in a list of them, in JSON."""
    try:
        entries = parse_json(line)
    except ValueError:
        raise UserError("The body must begin with a line of JSON that lists its files.") from None
    if not isinstance(entries, list) or not 0 < len(entries) <= AT_ONCE:
        raise UserError(f"The body must begin with a list of 1 to {AT_ONCE} files.")
    for entry in entries:
        folder, file, size = map(entry.get, ("folder", "file", "bytes")) if isinstance(entry, dict) else (None,) * 3
        if not (isinstance(folder, str) and isinstance(file, str) and type(size) is int and 0 <= size <= IMAGE_BYTES):
            raise UserError(f"Each file in the list must have folder, file and bytes, at most {IMAGE_BYTES:,}.")
        yield folder, file, size


class DroppedImages:
    """The folders that the page fills. A folder is listed once, not once for each image.

    Args:
        roots: folders of the studio; new ones are made in the first data folder.
    """

    def __init__(self, roots: Roots):
        self._roots, self._lock = roots, threading.Lock()
        self._held: dict[Path, tuple[int, int]] = {}

    def store(self, name: str, files: Sequence[DroppedFile]) -> list[dict[str, Any]]:
        """Write files under free names; return the name of each, or the reason why it was left out.

        Args:
            name: name of the folder of dropped images.
            files: the files.

        Raises:
            UserError: if the name is not allowed, is another folder's, or the disk is full.
        """
        with self._lock:
            home = self._home(name)
        answers = []
        for one in files:
            try:
                answers.append({"name": self._store(home, one)})
            except UserError as error:
                answers.append({"error": str(error)})
        return answers

    def _store(self, home: Path, given: DroppedFile) -> str:
        """Write a file under a free name, and return that. Raises UserError if it cannot."""
        wanted = file_name(given.file)
        if wanted == LABELS:
            _require_labels(given)
        elif given.problem:
            raise UserError(given.problem)
        with self._lock:
            place = self._inner(home, given.folder)
            if known := _same(place, wanted, given.content):
                return known.name
            self._reserve(home, len(given.content))
        aside = place / f".{secrets.token_hex(8)}.part"
        try:
            write(aside, given.content)  # without the lock, so that several wait for the disk at once
            with self._lock:
                target = _same(place, wanted, given.content) or _free(place, wanted)
                os.replace(aside, target)  # noqa: PTH105
            return target.name
        except OSError as error:
            raise UserError(cannot_write(place / wanted, error)) from error
        finally:
            discard(aside)

    def _home(self, name: str) -> Path:
        """Return the folder of dropped images of a name, which holds the mark of one, or a new one."""
        try:
            home = self._roots.folder(next(iter(self._roots.data), ""), name)
        except UserError:
            home = self._roots.new_data(name)
            make_folder(home)
            write(home / MARK, b"")
            flush_folder(home)
            self._held.pop(home, None)
        if not name or "/" in name or not (home / MARK).is_file():
            raise UserError(f"{name} exists already; choose another name for your images.")
        return home

    def _inner(self, home: Path, folder: str) -> Path:
        """Return a folder in that of dropped images, made if it does not exist."""
        if not folder:
            return home
        if safe_name(folder) != folder or folder.startswith("."):
            raise UserError(f"{printable(folder[:80])} is not a name for a folder; use letters, digits and -.")
        place = home / folder
        if place.is_symlink() or not place.is_dir():
            if os.path.lexists(place):
                raise UserError(f"{printable(folder[:80])} is a file in {home.name}, or a link; choose another name.")
            if sum(1 for item in home.iterdir() if item.is_dir()) >= SUBFOLDERS:
                raise UserError(
                    f"{home.name} has {SUBFOLDERS:,} subfolders, which is the limit; train on a folder of your own instead."
                )
            make_folder(place)
        return place

    def _held_by(self, home: Path) -> tuple[int, int]:
        """Return the numbers of files and bytes in a folder."""
        if home not in self._held:
            if len(self._held) >= KNOWN:
                self._held.clear()
            sizes = list(_sizes(home))
            self._held[home] = len(sizes), sum(sizes)
        return self._held[home]

    def _reserve(self, home: Path, size: int) -> None:
        """Add a file to the numbers of a folder. Raises UserError if there is no room for it."""
        for last in (False, True):
            files, held = self._held_by(home)
            if files < FILES and held + size <= FOLDER_BYTES:
                self._held[home] = files + 1, held + size
                return
            if not last:
                del self._held[home]  # files may have been removed
        limit = f"{FILES:,} images or {FOLDER_BYTES // 2**30} GB"
        raise UserError(f"{home.name} is full: {limit}; train on a folder of your own instead.")


def _require_labels(given: DroppedFile) -> None:
    """Check that a table of labels is text, beside the images; the check of the data reads its columns."""
    if given.folder:
        raise UserError(f"{LABELS} belongs beside the folders, not into one of them.")
    try:
        text = str(given.content, "utf-8-sig")
    except UnicodeDecodeError:
        text = ""
    if not text.strip() or "\0" in text:
        raise UserError(f"{LABELS} is not a table in UTF-8; save it as CSV in UTF-8.")


def file_name(file: str) -> str:
    """Return the name under which a file is kept, without its folders.

    Raises:
        UserError: if it is neither that of an image nor that of the labels.

    >>> file_name("../holidays/beach 1.JPG"), file_name("labels.csv")
    ('beach 1.JPG', 'labels.csv')
    """
    name = safe_name(file.replace("\\", "/").rpartition("/")[2].lstrip(".") or "image.png")
    if name != LABELS and os.path.splitext(name)[1].lower() not in IMAGES:  # noqa: PTH122
        raise UserError(f"{name} has no ending of an image.")
    return name


def _sizes(folder: Path) -> Iterator[int]:
    """Yield the sizes of the files in a folder and its subfolders that are not hidden."""
    with os.scandir(folder) as items:
        for item in items:
            if item.name.startswith("."):
                continue
            if item.is_dir(follow_symlinks=False):
                yield from _sizes(Path(item.path))
            else:
                yield item.stat(follow_symlinks=False).st_size


def _candidates(place: Path, name: str) -> Iterator[Path]:
    """Yield a name, and it with -2, -3 and so on, as paths."""
    stem, ending = os.path.splitext(name)  # noqa: PTH122
    yield place / name
    for number in range(2, FILES + 2):
        yield place / f"{stem[:180]}-{number}{ending}"


def _same(place: Path, name: str, content: memoryview) -> Path | None:
    """Return the file of a name, or of one derived from it, with a content; None if there is none.

    Raises:
        UserError: if there are other labels already.
    """
    for path in _candidates(place, name):
        if not os.path.lexists(path):
            return None
        if path.is_file() and path.stat().st_size == len(content) and path.read_bytes() == content:
            return path
        if name == LABELS:
            raise UserError(f"{place.name} has another {LABELS} already; choose another name for your images.")
    return None


def _free(place: Path, name: str) -> Path:
    """Return the first path for a name that nothing has."""
    return next(path for path in _candidates(place, name) if not os.path.lexists(path))
