"""Where pictures come from: a folder, a zip, or an array file, as a list of entries that are read one by one, and never written."""

from __future__ import annotations

import os
import stat
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import numpy as np

from organza.data.cache import sha256_of, taken
from organza.data.decode import ENDINGS
from organza.errors import UserError, nearest
from organza.untrusted import printable

LARGEST = 256 * 2**20  # bytes of one file; more is no picture for training
ARRAYS = (".npy", ".npz")
MESHES = (".obj", ".stl")
FOREIGN = (".heic", ".heif", ".avif", ".jxl", ".jp2", ".svg", ".psd", ".eps", ".tga", ".dng", ".cr2", ".nef", ".arw")


class Kind(NamedTuple):
    """What is looked for: its name, the endings of its files, and endings that are passed over with a word."""

    name: str
    endings: tuple[str, ...]
    foreign: tuple[str, ...]
    formats: str  # what was not found, in words


PICTURES = Kind("pictures", ENDINGS, FOREIGN, "no JPEG, PNG, WebP, BMP, GIF or TIFF file")
VOLUMES = Kind(
    "volumes",
    (*ARRAYS, *MESHES),
    (".ply", ".off", ".glb", ".gltf", ".fbx", ".3ds", ".dae", ".step"),
    "no .npy, .npz, .obj or .stl file",
)
ADVICE = "they are trained with --recipe gan3d-light"


class Entry(NamedTuple):
    """One candidate: its name relative to the source, and what tells from outside whether it changed."""

    name: str
    bytes: int
    stamp: int  # nanoseconds of the last change, or the checksum that a zip keeps


@dataclass(frozen=True)
class Listing:
    """What a source holds.

    Args:
        entries: candidates in the order of their names.
        problems: names that were passed over, each with its reason.
        read: the bytes of an entry, or the pixels of a row of an array file; from any thread. Raises whatever the system raises.
    """

    entries: Sequence[Entry]
    problems: tuple[tuple[str, str], ...]
    read: Callable[[Entry], Any]

    @property
    def stamp(self) -> str:
        """What tells from outside whether anything in it changed."""
        parts = [self.entries] if isinstance(self.entries, _Rows) else self.entries
        return sha256_of(repr(part).encode("utf8", "surrogateescape") for part in parts)


def listing(source: str | Path, kind: Kind = PICTURES) -> Listing:
    """The files of a kind in a folder (any depth) or a zip, or the pictures of an array file; hidden files are skipped.

    Raises:
        UserError: where there is no such source, it is nothing that holds pictures, or there are none in it.
    """
    path = Path(source)
    if path.is_dir():
        found = _folder(path, kind)
    elif not path.exists():
        siblings = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
        raise UserError(
            f"There is no {path}; give a folder, a zip or an array file of {kind.name}.{nearest(path.name, siblings)}"
        )
    elif path.suffix.lower() in ARRAYS:
        found = _array(path)
    elif zipfile.is_zipfile(path):
        found = _zip(path, kind)
    elif path.suffix.lower() == ".zip":
        raise UserError(f"{path} is not a readable zip: it is cut short or damaged; get it again.")
    else:
        raise UserError(
            f"{path} is neither a folder nor a zip nor an array file (.npy, .npz); give the folder that holds the {kind.name}."
        )
    if not found.entries:
        reasons = "".join(f" {name}: {reason}." for name, reason in found.problems[:3])
        if kind is PICTURES and (volumes := _volumes(path)):
            raise UserError(f"{path} holds {len(volumes):,} volumes ({volumes[0].name} ...) and no pictures; {ADVICE}.")
        raise UserError(f"There are no {kind.name} in {path}: {kind.formats}.{reasons}")
    return found


def _volumes(path: Path) -> Sequence[Entry]:
    return (_folder if path.is_dir() else _zip)(path, VOLUMES).entries if path.suffix not in ARRAYS else ()


def _folder(root: Path, kind: Kind) -> Listing:
    entries: list[Entry] = []
    problems: list[tuple[str, str]] = []
    for found in _walk(root, kind):
        (entries if isinstance(found, Entry) else problems).append(found)  # type: ignore[arg-type]
    return Listing(tuple(sorted(entries)), tuple(sorted(problems)), lambda entry: (root / entry.name).read_bytes())


def _walk(root: Path, kind: Kind) -> Iterator[Entry | tuple[str, str]]:
    """Entries and problems of a folder, in no particular order. A list of folders to do, as a tree may be thousands deep."""
    home = root.resolve()
    waiting, seen = [""], {_identity(root.stat())}
    while waiting:
        folder = waiting.pop()
        try:
            items = list(os.scandir(root / folder))
        except OSError as error:
            yield printable(folder), f"the folder cannot be opened ({error.strerror})"
            continue
        if folder and _is_run({item.name for item in items}):
            yield printable(folder), "it is a run of organza, and no data"
            continue
        for item in items:
            name = f"{folder}/{item.name}" if folder else item.name
            if _skipped(item.name):
                continue
            if item.is_symlink() and (problem := _led_astray(Path(item.path), home, kind)):
                yield printable(name), problem
            elif item.is_dir():
                if (identity := _identity(item.stat())) not in seen:  # a link back up would go round for ever
                    seen.add(identity)
                    waiting.append(name)
            elif (judged := _judged(name, item, kind)) is not None:
                yield judged


def _is_run(names: set[str]) -> bool:
    """True if a folder with these names in it is a run: its sheets of samples must not be trained on."""
    return ("recipe.json" in names and bool(names & {"checkpoints", "lock"})) or {"lock", "samples"} <= names


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino


def _judged(name: str, item: os.DirEntry[str], kind: Kind) -> Entry | tuple[str, str] | None:
    """A file of a folder: an entry, a problem, or nothing of interest. Pipes, sockets and devices are never opened."""
    if (problem := _foreign(name, kind)) is not None:
        return printable(name), problem
    if not name.lower().endswith(kind.endings):
        return None
    try:
        status = item.stat()
    except OSError as error:
        return printable(name), f"it cannot be opened ({error.strerror})"
    if not stat.S_ISREG(status.st_mode):
        return None
    if status.st_size > LARGEST:
        return printable(name), "it is larger than 256 MB"
    return Entry(name, status.st_size, status.st_mtime_ns)


def _led_astray(link: Path, home: Path, kind: Kind) -> str | None:
    """What is wrong with where a symbolic link leads."""
    try:
        real = link.resolve(strict=True)
    except (OSError, RuntimeError):  # RuntimeError: a link to itself, before Python 3.13
        return "it is a link that leads nowhere" if link.name.lower().endswith(kind.endings) else None
    return None if real.is_relative_to(home) else "it is a link that leads out of the folder"


def _zip(path: Path, kind: Kind) -> Listing:
    """The files of a kind in a zip; nothing is ever unpacked to disk."""
    try:
        archive = zipfile.ZipFile(path)
        infos = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        raise UserError(f"{path} is not a readable zip ({error}); get it again.") from None
    entries: list[tuple[Entry, zipfile.ZipInfo]] = []
    problems: list[tuple[str, str]] = []
    for info in infos:
        parts = PurePosixPath(info.filename.replace("\\", "/")).parts
        if info.is_dir() or any(_skipped(part) for part in parts):
            continue
        problem = _zip_problem(info, parts, kind)
        if problem is not None:
            problems.append((printable(info.filename), problem))
        elif info.filename.lower().endswith(kind.endings):
            entries.append((Entry("/".join(parts), info.file_size, info.CRC), info))
    entries.sort(key=lambda pair: pair[0])
    where = dict(entries)

    def read(entry: Entry) -> bytes:
        with archive.open(where[entry]) as member:
            content = member.read(LARGEST + 1)  # what the header promises is not to be trusted
        if len(content) > LARGEST:
            raise OSError(0, "it unpacks to more than 256 MB")
        return content

    return Listing(tuple(entry for entry, _ in entries), tuple(sorted(problems)), read)


def _zip_problem(info: zipfile.ZipInfo, parts: tuple[str, ...], kind: Kind) -> str | None:
    if (problem := _foreign(info.filename, kind)) is not None:
        return problem
    if not info.filename.lower().endswith(kind.endings):
        return None
    if parts[0].startswith("/") or ".." in parts or ":" in parts[0]:
        return "its name leads out of the archive"
    if info.flag_bits & 1:
        return "it is encrypted"
    if stat.S_ISLNK(info.external_attr >> 16):
        return "it is a link"
    return "it is larger than 256 MB" if info.file_size > LARGEST else None


def _array(path: Path) -> Listing:
    """The pictures of a .npy or one-array .npz, uint8 [N, H, W] or [N, H, W, C]."""
    images = _loaded(path)
    status = path.stat()
    rows = _Rows(len(images), status.st_size, status.st_mtime_ns)
    return Listing(rows, (), lambda entry: taken(images, int(entry.name)))


@dataclass(frozen=True)
class _Rows(Sequence[Entry]):
    """The entries of an array file, made when they are asked for: a million take no memory."""

    rows: int
    bytes: int
    stamp: int

    def __len__(self) -> int:
        return self.rows

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self[place] for place in range(self.rows)[index]]
        return Entry(f"{range(self.rows)[index]:0{len(str(self.rows - 1))}d}", self.bytes, self.stamp)


def _loaded(path: Path) -> np.ndarray:
    allowed = "it should be uint8 [N, H, W] or [N, H, W, C] with C of 1, 3 or 4"
    try:
        loaded = np.load(path, mmap_mode="r", allow_pickle=False)
        if isinstance(loaded, np.lib.npyio.NpzFile):
            if len(loaded.files) != 1:
                raise UserError(
                    f"{path} holds {len(loaded.files)} arrays ({', '.join(loaded.files[:5])}); keep the one with the pictures."
                )
            loaded = loaded[loaded.files[0]]
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise UserError(f"{path} is not a readable array file ({error}); {allowed}.") from None
    images = loaded[..., 0] if loaded.ndim == 4 and loaded.shape[3] == 1 else loaded
    if (
        images.dtype != np.uint8
        or not (images.ndim == 3 or (images.ndim == 4 and images.shape[3] in (3, 4)))
        or not images.size
    ):
        volumes = f" If these are volumes, {ADVICE}." if images.ndim in (4, 5) else ""
        raise UserError(f"{path} holds {loaded.dtype} {list(loaded.shape)}; {allowed}.{volumes}")
    return images


def _skipped(part: str) -> bool:
    """Hidden files, and what a Mac leaves in zips."""
    return (part.startswith(".") and part != "..") or part == "__MACOSX"


def _foreign(name: str, kind: Kind) -> str | None:
    ending = os.path.splitext(name)[1].lower()  # noqa: PTH122  # a million times: a path object costs ten times as much
    other = "PNG or JPEG" if kind is PICTURES else "OBJ or STL"
    return f"{ending} is not among the formats; convert it to {other}" if ending in kind.foreign else None
