"""Sources of images: a folder, a zip, or an array file, as a list of entries that are read one by
one, and never written.
"""

from __future__ import annotations

import os
import stat
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from organza.data.archive import zip_listing
from organza.data.arrays import Failures, Rows, open_array
from organza.data.decode import Unreadable
from organza.data.listing import (
    ARRAYS,
    LARGEST,
    MESHES,
    PICTURES,
    VOLUMES,
    Entry,
    Gathered,
    Kind,
    Listing,
    is_apart,
    suffix,
)
from organza.data.signatures import HEAD, content_of
from organza.errors import UserError, nearest
from organza.untrusted import open_regular, printable, read_bytes

__all__ = ["ARRAYS", "LARGEST", "MESHES", "PICTURES", "VOLUMES", "Entry", "Kind", "Listing", "listing"]

ADVICE = "they are trained with `recipe='gan3d'`"
LEADS_OUT = "it is a link that leads out of the folder; `follow_links` reads it"
RUN_FOLDERS = frozenset(("checkpoints", "samples"))  # image folders of a run that may lie directly beside the data


def listing(source: str | Path, kind: Kind = PICTURES, follow_links: bool = False) -> Listing:
    """List the files of a kind in a folder (any depth) or a zip, or the images of an array file;
    hidden files are skipped.

    Args:
        source: folder, zip or array file.
        kind: kind of file to list.
        follow_links: True to follow links that lead out of the folder.

    Raises:
        UserError: if the source does not exist, cannot hold images, or holds none.
    """
    path = Path(source)
    if os.path.isdir(path):  # noqa: PTH112  # False for a name that is too long, for which a path object would raise
        found = _folder(path, kind, follow_links)
    elif not os.path.exists(path):  # noqa: PTH110
        raise UserError(
            f"There is no {path}; give a folder, a zip or an array file of {kind.name}.{nearest(path.name, _siblings(path))}"
        )
    elif not path.is_file():
        raise UserError(
            f"{path} is no regular file (a pipe, a socket or a device); give a folder, a zip or an array file."
        )
    elif path.suffix.lower() in ARRAYS:
        found = _array(path)
    elif _is_zip(path):
        found = zip_listing(path, kind)
    else:
        raise UserError(_no_source(path, kind))
    if not found.entries:
        told = (*found.problems, *found.passed_over)
        reasons = "".join(f" {name}: {reason}." for name, reason in told[:3])
        if kind is PICTURES and (volumes := _volumes(path)):
            raise UserError(f"{path} holds {len(volumes):,} volumes ({volumes[0].name} ...) and no images; {ADVICE}.")
        raise UserError(f"There are no {kind.name} in {path}: {kind.formats}.{reasons}")
    return found


def _siblings(path: Path) -> list[str]:
    try:
        return os.listdir(path.parent)  # noqa: PTH208
    except OSError:
        return []


def _is_zip(path: Path) -> bool:
    """Return True if a file is a zip, also one with an invalid directory."""
    try:
        with open(open_regular(path), "rb") as file:  # noqa: PTH123
            return zipfile.is_zipfile(file)
    except zipfile.BadZipFile:  # a zip with an invalid directory: reading it gives the reason
        return True
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}.") from None


def _no_source(path: Path, kind: Kind) -> str:
    """Explain in a sentence why a file is not a source."""
    if path.suffix.lower() == ".zip":
        return f"{path} is not a readable zip: it is cut short or damaged; download or copy it again."
    with open(open_regular(path), "rb") as file:  # noqa: PTH123
        content = content_of(file.read(HEAD))
    what = f"{path} is neither a folder nor a zip nor an array file (.npy, .npz)"
    if content is None:
        return f"{what}; give the folder that holds the {kind.name}."
    if content.format:
        return f"{what} but {content.name}; give the folder that holds the {kind.name}."
    return f"{what} but {content.name}: {content.advice}; then give the folder that holds the {kind.name}."


def _volumes(path: Path) -> Sequence[Entry]:
    if path.suffix.lower() in ARRAYS and path.is_file():
        return ()
    return (_folder(path, VOLUMES, False) if path.is_dir() else zip_listing(path, VOLUMES)).entries


def _folder(root: Path, kind: Kind, follow_links: bool) -> Listing:
    """List the images of a folder and its subfolders."""
    walk = _Walk(root, kind, follow_links)
    entries = list(walk.entries())
    notes = walk.said()
    if walk.outside and not entries:
        # A folder that contains only links to images is a deliberate subset. In a folder with images of its own, a link may have
        # come with them from elsewhere, so the user must allow reading outside of the folder.
        entries = walk.outside
        notes += (f"all {len(entries):,} images are links that lead out of the folder; they are read",)
    else:
        walk.gathered.problems += [(printable(entry.name), LEADS_OUT) for entry in walk.outside]
    place = os.fspath(root)

    def read(entry: Entry) -> bytes:
        """Return the bytes of an entry. Raises Unreadable if the system refuses it."""
        try:
            return read_bytes(os.path.join(place, entry.name), LARGEST)  # noqa: PTH118
        except OSError as error:
            raise Unreadable(f"it cannot be read ({error.strerror or error})") from error

    return walk.gathered.listing(tuple(sorted(entries)), read, notes)


class _Walk:
    """A traversal of a folder and everything in it, with a list of pending folders, as a tree may
    be thousands deep.
    """

    def __init__(self, root: Path, kind: Kind, follow_links: bool):
        self.root, self.home, self.kind, self.follow_links = os.fspath(root), root.resolve(), kind, follow_links
        self.gathered = Gathered(kind)
        self.outside: list[Entry] = []  # links to files outside of the folder
        self.runs: list[str] = []

    def said(self) -> tuple[str, ...]:
        """Return notes on runs in the folder."""
        if not self.runs:
            return ()
        more = f", and so are {len(self.runs) - 1:,} more" if len(self.runs) > 1 else ""
        return (f"{min(self.runs)} is a run and is not used as data{more}",)

    def entries(self) -> Iterator[Entry]:
        """Yield the candidates, in no particular order. Linked folders come last, so that a file
        keeps its own name.
        """
        waiting, linked, seen = [""], list[str](), set[tuple[int, int]]()
        while waiting or linked:
            folder = waiting.pop() if waiting else linked.pop(linked.index(min(linked)))
            for name, item in self._items(folder, seen):
                try:
                    if is_apart(item.name):
                        self.gathered.apart[printable(name)] = None
                    elif item.is_symlink():
                        entry = self._link(name, item, linked)
                        yield from () if entry is None else (entry,)
                    elif item.is_dir():
                        waiting.append(name)
                    elif (entry := self._file(name, item)) is not None:
                        yield entry
                except OSError as error:
                    self._cannot(name, f"it cannot be opened ({error.strerror or error})")

    def _items(self, folder: str, seen: set[tuple[int, int]]) -> Iterator[tuple[str, os.DirEntry[str]]]:
        """Yield the items of a folder, unless it was visited (a link to a parent would loop
        forever) or belongs to a run.
        """
        place = os.path.join(self.root, folder)  # noqa: PTH118
        try:
            status = os.stat(place)  # noqa: PTH116
            if (identity := (status.st_dev, status.st_ino)) in seen:
                return
            seen.add(identity)
            items = list(os.scandir(place))
        except OSError as error:
            self._cannot(folder or ".", f"the folder cannot be opened ({error.strerror or error})")
            return
        is_run = _is_run({item.name for item in items})
        if is_run and folder:
            self.gathered.apart[f"{printable(folder)} (a run)"] = None
            self.runs.append(printable(folder))
            return
        for item in items:
            if not (is_run and item.name in RUN_FOLDERS):
                yield f"{folder}/{item.name}" if folder else item.name, item

    def _file(self, name: str, item: os.DirEntry[str]) -> Entry | None:
        """Return a file as an entry, or record it elsewhere and return None. Pipes, sockets and
        devices are never opened.
        """
        if not item.is_file():
            return self._cannot(name, "it is no regular file (a pipe, a socket or a device)")
        if not self.gathered.wanted(item.name, printable(name), lambda: _head(item.path)):
            return None
        status = item.stat()
        if not stat.S_ISREG(status.st_mode):
            return self._cannot(name, "it is no regular file (a pipe, a socket or a device)")
        if status.st_size > LARGEST:
            return self._cannot(name, "it is larger than 256 MB")
        return Entry(name, status.st_size, status.st_mtime_ns)

    def _link(self, name: str, item: os.DirEntry[str], linked: list[str]) -> Entry | None:
        """Return the target of a link as an entry; a folder is queued behind all others."""
        try:
            real = Path(item.path).resolve(strict=True)
        except (OSError, RuntimeError):  # RuntimeError: a link to itself, before Python 3.13
            return self._cannot(name, "it is a link that leads nowhere")
        inside = real.is_relative_to(self.home)
        if item.is_dir():
            if inside or self.follow_links:
                linked.append(name)
            else:
                self._cannot(name, LEADS_OUT)
            return None
        if inside or self.follow_links:
            return self._file(name, item)
        if suffix(item.name) not in self.kind.endings:  # not opened to inspect its content
            self.gathered.passed_over.append((printable(name), LEADS_OUT))
        elif (entry := self._file(name, item)) is not None:
            self.outside.append(entry)
        return None

    def _cannot(self, name: str, reason: str) -> None:
        self.gathered.problems.append((printable(name), reason))


def _is_run(names: set[str]) -> bool:
    """Return True if a folder with these names in it is a run, whose sample grids must not become
    training data.
    """
    return ("recipe.json" in names and bool(names & {"checkpoints", "lock"})) or {"lock", "samples"} <= names


def _head(path: str) -> bytes:
    descriptor = open_regular(path)
    try:
        return os.read(descriptor, HEAD)
    finally:
        os.close(descriptor)


def _array(path: Path) -> Listing:
    """List the images of a .npy or one-array .npz, uint8 [N, H, W] or [N, H, W, C]."""
    images = _loaded(path)
    status = path.stat()

    def read(entry: Entry) -> np.ndarray:
        try:
            return images[int(entry.name)]
        except OSError as error:
            raise Unreadable(f"it cannot be read ({error.strerror or error})") from error

    return Listing(_RowEntries(len(images), status.st_size, status.st_mtime_ns), (), read)


@dataclass(frozen=True)
class _RowEntries(Sequence[Entry]):
    """The entries of an array file, created at access: a million take no memory."""

    rows: int
    bytes: int
    stamp: int

    def __len__(self) -> int:
        return self.rows

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self[place] for place in range(self.rows)[index]]
        return Entry(f"{range(self.rows)[index]:0{len(str(self.rows - 1))}d}", self.bytes, self.stamp)


def _remedy(images: Rows | np.ndarray) -> str:
    """Return advice to convert an array to a supported one, as the end of a sentence; "" if it is
    not clear.
    """
    steps, shape = "array", images.shape
    if len(shape) == 4 and shape[3] not in (1, 3, 4):
        if shape[1] in (1, 3, 4):
            steps += ".transpose(0, 2, 3, 1)"
        elif shape[2] in (1, 3, 4):
            steps += ".transpose(3, 0, 1, 2)"
        else:
            return ""
    elif len(shape) not in (3, 4):
        return ""
    if images.dtype == bool:
        steps += ".astype('uint8') * 255"
    elif images.dtype.kind == "f":
        steps = f"({steps} * 255).round().astype('uint8')" + ", if 0 is black and 1 is white"
    elif images.dtype.kind in "iu" and images.dtype != np.uint8:
        steps += ".astype('uint8')" + ", if it holds 0 to 255"
    return f"; save {steps}" if steps != "array" else ""


def _loaded(path: Path) -> Rows | np.ndarray:
    """Return the images of an array file, uint8 [N, H, W] or [N, H, W, C]."""
    allowed = "it must be uint8 [N, H, W] or [N, H, W, C] with C of 1, 3 or 4"
    try:
        images = open_array(path)
    except Failures as error:
        raise UserError(f"{path} is not a readable array file ({error}); {allowed}.") from None
    shape = images.shape[:3] if images.ndim == 4 and images.shape[3] == 1 else images.shape
    if images.dtype != np.uint8 or not (len(shape) == 3 or (len(shape) == 4 and shape[3] in (3, 4))) or not images.size:
        volumes = f" If these are volumes, {ADVICE}." if len(shape) in (4, 5) else ""
        raise UserError(f"{path} holds {images.dtype} {list(images.shape)}; {allowed}{_remedy(images)}.{volumes}")
    if len(shape) == 3 and shape[2] <= 4 < min(shape[:2]):
        raise UserError(
            f"{path} holds uint8 {list(images.shape)}, which looks like one image [H, W, C]; {allowed}: for one image save array[None], "
            "for images of 4 pixels or fewer give each an axis of colours, array[..., None]."
        )
    if len(shape) == 3 and shape[0] == shape[1] and shape[2] > 8 * shape[0]:
        raise UserError(
            f"{path} holds uint8 {list(images.shape)}, which looks like images side by side, [H, W, N]; {allowed}: save "
            "numpy.moveaxis(array, -1, 0), or give wide images an axis of colours, array[..., None]."
        )
    return images.reshaped(*shape) if isinstance(images, Rows) else images.reshape(shape)
