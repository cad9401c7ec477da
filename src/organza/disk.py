"""Writing that survives: flushed to the disk before it is named, whole or absent, and told in words where it fails.

Nothing is ever written through a link: who sends a run folder cannot make a later command change a file elsewhere.

Windows differs in four ways, all of which are met here: a file that another program has open cannot be replaced, a folder cannot be
flushed, a read-only file cannot be removed, and many names are forbidden.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import stat
import sys
import time
import unicodedata
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import IO, Any

from organza.errors import UserError

NO_LINK = getattr(os, "O_NOFOLLOW", 0)
"""Where the system has no such flag (Windows), links need rights that few users have."""
BINARY = getattr(os, "O_BINARY", 0)
PAUSES = (0.01, 0.03, 0.1, 0.3, 0.6)
"""Seconds between the attempts of `rename`: virus scanners and indexers let go of a new file within one."""
DEVICES = {
    "con",
    "prn",
    "aux",
    "nul",
    "conin$",
    "conout$",
    *(f"{port}{n}" for port in ("com", "lpt") for n in "0123456789¹²³"),
}
"""File names that Windows takes for devices, whatever their ending."""
FORBIDDEN = set('<>:"/\\|?*')
LONGEST_NAME = 255
"""Bytes of a file name that the usual file systems take."""


def write_json(path: Path, value: Any) -> None:
    """Write a small JSON file: see `write_whole`."""
    write_whole(path, json.dumps(value, indent=1) + "\n")


def write_whole(path: Path, text: str) -> None:
    """Write a small file aside and rename it, so that a reader sees the old or the new one, never half.

    Raises:
        UserError: where the disk is full or the folder cannot be written.
    """
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        write(aside, text.encode())
        rename(aside, path)
        flush_folder(path.parent)
    except OSError as error:
        discard(aside)
        raise UserError(cannot_write(path, error)) from error


def make_folder(path: Path) -> None:
    """Make a folder and those above it, flushed: what is put into it later must not be lost with its name."""
    if not path.is_dir():
        make_folder(path.parent)
        path.mkdir(exist_ok=True)
        flush_folder(path.parent)


def write(path: Path, content: bytes) -> None:
    """Write a file and wait until it is on the disk. What was there before, a link too, is removed, never written through."""
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | NO_LINK | BINARY, 0o666)
    try:
        write_all(descriptor, content)
        os.fsync(descriptor)  # a rename can reach the disk before the data it names
    finally:
        os.close(descriptor)


def open_to_append(path: Path) -> IO[bytes]:
    """Open a file to add to its end, unbuffered; it is made where there is none.

    Raises:
        OSError: it is a link or a second name of another file, or whatever the system raises.
    """
    if path.is_symlink() or (path.exists() and not path.is_file()):
        raise OSError(0, "it is a link, or no regular file", str(path))
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | NO_LINK | BINARY | getattr(os, "O_NONBLOCK", 0)
    descriptor = os.open(path, flags, 0o666)
    status = os.fstat(descriptor)
    if (
        not stat.S_ISREG(status.st_mode) or status.st_nlink > 1
    ):  # what is added would be in the file of the other name, too
        os.close(descriptor)
        raise OSError(0, "it is a second name of another file, or no regular file", str(path))
    return os.fdopen(descriptor, "ab", buffering=0)


def write_all(descriptor: int, content: bytes) -> None:
    """Write to a file until all is written: a nearly full disk takes a part of it without an error."""
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def flush_folder(path: Path) -> None:
    """Wait until the names in a folder are on the disk, where the system can say so."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except PermissionError:  # Windows opens no folders; its file systems keep a journal of names
        return
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # some network file systems flush files only
            raise
    finally:
        os.close(descriptor)


def rename(source: Path, target: Path) -> None:
    """Rename a file or folder, replacing a file of that name; wait a second where another program has it open, as on Windows.

    Raises:
        OSError: whatever the system raises, at last.
    """
    for pause in PAUSES:
        try:
            source.replace(target)
            return
        except PermissionError:
            time.sleep(pause)
    source.replace(target)


def discard(path: Path) -> None:
    """Remove a file that was written aside, if it is there and can be removed; what went wrong before is what is told."""
    with suppress(OSError):
        path.unlink(missing_ok=True)


def remove_tree(path: Path) -> None:
    """Remove a folder with all in it, read-only files too; what cannot be removed stays."""
    if sys.version_info >= (3, 12):
        shutil.rmtree(path, onexc=_made_writable)
    else:
        shutil.rmtree(path, onerror=_made_writable)


def _made_writable(remove: Callable[..., Any], path: str, _: Any) -> None:
    """Try once more to remove what Windows refused to, without its read-only mark."""
    if remove not in (os.unlink, os.rmdir):
        return
    try:
        found = os.lstat(path)
        if stat.S_ISREG(found.st_mode) and found.st_nlink == 1:  # a file of two names is not ours alone
            Path(path).chmod(stat.S_IRUSR | stat.S_IWUSR)
        remove(path)
    except OSError:
        return


def safe_name(text: str, longest: int = 200) -> str:
    """Return text as a file name that every system takes; text that is one already is returned as it is.

    Characters that Windows forbids, control characters and stray bytes become `_`, names of devices get one in front, and a long name is
    cut. Text that had to be changed ends in a short digest of it, so that two texts never become one name.

    Args:
        text: label, or name of a data set or an image.
        longest: bytes that the name may have; an ending such as .png is kept.

    >>> safe_name("long hair"), safe_name("what?.png"), safe_name("nul"), safe_name("k" * 300 + ".png", 24)
    ('long hair', 'what_-1288e034.png', '_nul-99e62427', 'kkkkkkkkkkk-88305710.png')
    """
    name = unicodedata.normalize("NFC", text)
    clean = "".join(
        "_" if c in FORBIDDEN or unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp") else c for c in name
    )
    body = clean.rstrip(". ")
    clean = body + "_" * (len(clean) - len(body)) or "_"
    if clean.partition(".")[0].rstrip(" ").casefold() in DEVICES:
        clean = f"_{clean}"
    if clean == name and len(os.fsencode(clean)) <= longest:
        return clean
    mark = "-" + hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    ending = PurePosixPath(clean).suffix if len(PurePosixPath(clean).suffix) <= 8 else ""
    room = max(longest - len(mark) - len(os.fsencode(ending)), 1)
    stem = os.fsencode(clean.removesuffix(ending))[:room].decode(errors="ignore")
    return f"{stem}{mark}{ending}"


def same_name(text: str) -> str:
    """Return what is equal for two names that Windows or macOS take for one: neither case nor Unicode form count.

    >>> same_name("Étoile.PNG") == same_name("e\u0301toile.png")
    True
    """
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())


def folds_case(folder: Path) -> bool:
    """Return True if names that differ in case alone are one file in a folder, as on Windows and macOS; the folder need not exist."""
    for place in (folder, *folder.parents):
        other = place.with_name(place.name.swapcase()) if place.name else place
        if other != place and place.exists():
            try:
                return other.samefile(place)
            except OSError:
                return False
    return sys.platform in ("win32", "darwin")


def cannot_write(path: Path, error: OSError, needed: int = 0) -> str:
    """The sentence for a write that failed: the disk is full, read-only, ...

    Args:
        path: what was to be written.
        error: what the system said.
        needed: bytes, where that is known.
    """
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        place = next(p for p in (path, *path.parents) if p.exists())
        free = shutil.disk_usage(place).free / 1e6
        needs = f", {needed / 1e6:.1f} MB needed" if needed else ""
        what = "the disk is full" if error.errno == errno.ENOSPC else f"the disk's limit is reached ({error.strerror})"
        why, remedy = f"{what} ({free:.0f} MB free{needs})", "make room"
    elif (file := next((p for p in path.parents if os.path.lexists(p)), path.parent)) and not file.is_dir():
        why, remedy = f"{file} is a file, where a folder is needed", "choose another place"
    else:
        why, remedy = error.strerror or str(error), "choose another place or mend its permissions"
    return f"{path} could not be written: {why}. Nothing older was lost; {remedy} and run the same command again."


def require_room(parent: Path, needed: int) -> None:
    """Look for room before work begins that could not be kept.

    Raises:
        UserError: where fewer than `needed` bytes are free.
    """
    place = next(p for p in (parent, *parent.parents) if p.exists())
    free = shutil.disk_usage(place).free
    if free < needed:
        raise UserError(
            f"The checkpoints in {parent} need {needed / 1e6:,.1f} MB and {free / 1e6:,.1f} MB are free: make room, or name another --run."
        )


def cache_folder() -> Path:
    """Return the cache: $ORGANZA_CACHE, else organza in $XDG_CACHE_HOME, else ~/.cache/organza. It need not exist.

    It is for files that can be made again, such as packed images and converted weights.

    Raises:
        UserError: none of them is known, as for a user without a home folder.
    """
    if own := os.environ.get("ORGANZA_CACHE"):
        return Path(own)
    if shared := os.environ.get("XDG_CACHE_HOME"):
        return Path(shared) / "organza"
    try:
        return Path.home() / ".cache" / "organza"
    except (RuntimeError, KeyError):  # a user by number alone, as in containers
        raise UserError("This user has no home folder to keep a cache in; name a folder in $ORGANZA_CACHE.") from None
