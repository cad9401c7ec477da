"""Safe writing: data is flushed to disk before it is renamed, files are complete or absent, and
failures are explained.

Nothing is ever written through a link, so that the sender of a run folder cannot make a later
command change a file elsewhere.

Windows differs in four ways, all handled here: a file that another program has open cannot be
replaced, a folder cannot be flushed, a read-only file cannot be removed, and many names are
forbidden.
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
"""Flag against following links; systems without it (Windows) give few users the right to create
links."""
BINARY = getattr(os, "O_BINARY", 0)
PAUSES = (0.01, 0.03, 0.1, 0.3, 0.6)
"""Seconds between the attempts of `rename`: virus scanners and indexers release a new file within
one second."""
DEVICES = {
    "con",
    "prn",
    "aux",
    "nul",
    "conin$",
    "conout$",
    *(f"{port}{n}" for port in ("com", "lpt") for n in "0123456789¹²³"),
}
"""File names that Windows reserves for devices, with any extension."""
FORBIDDEN = set('<>:"/\\|?*')
LONGEST_NAME = 255
"""Longest file name of the usual file systems, in bytes."""


def write_json(path: Path, value: Any) -> None:
    """Write a small JSON file: see `write_whole`."""
    write_whole(path, json.dumps(value, indent=1) + "\n")


def write_whole(path: Path, text: str) -> None:
    """Write a small file to a temporary name and rename it, so that a reader sees the old or the
    new one, never a part.

    Raises:
        UserError: if the disk is full or the folder cannot be written.
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
    """Create a folder and its parents, flushed: files written into it later must not be lost with
    its name.
    """
    if not path.is_dir():
        make_folder(path.parent)
        path.mkdir(exist_ok=True)
        flush_folder(path.parent)


def write(path: Path, content: bytes | memoryview) -> None:
    """Write a file and wait until it is on disk. An existing file or link is removed, never written
    through.
    """
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | NO_LINK | BINARY, 0o666)
    try:
        write_all(descriptor, content)
        os.fsync(descriptor)  # a rename can reach the disk before the data it names
    finally:
        os.close(descriptor)


def open_to_append(path: Path) -> IO[bytes]:
    """Open a file for appending, unbuffered; create it if it does not exist.

    Raises:
        OSError: if it is a link or a hard link to another file, or for any system error.
    """
    if path.is_symlink() or (path.exists() and not path.is_file()):
        raise OSError(0, "it is a link, or no regular file", str(path))
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | NO_LINK | BINARY | getattr(os, "O_NONBLOCK", 0)
    descriptor = os.open(path, flags, 0o666)
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode) or status.st_nlink > 1:  # the other name's file would receive the data, too
        os.close(descriptor)
        raise OSError(0, "it is a second name of another file, or no regular file", str(path))
    return os.fdopen(descriptor, "ab", buffering=0)


def open_to_change(path: Path) -> IO[bytes]:
    """Open a file for reading and writing at any place; create it if it does not exist.

    Raises:
        OSError: as in `open_to_append`.
    """
    open_to_append(path).close()  # which refuses links
    return path.open("r+b")


def write_all(descriptor: int, content: bytes | memoryview) -> None:
    """Write all bytes to a file: a nearly full disk accepts a part of them without an error."""
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def flush_folder(path: Path) -> None:
    """Wait until the names in a folder are on disk, if the system supports it."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except PermissionError:  # Windows opens no folders; its file systems keep a journal of names
        return
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # some network file systems flush only files
            raise
    finally:
        os.close(descriptor)


def rename(source: Path, target: Path) -> None:
    """Rename a file or folder, replacing a file of that name; retry for a second if another program
    has it open, as on Windows.

    Raises:
        OSError: for any system error that remains.
    """
    for pause in PAUSES:
        try:
            source.replace(target)
            return
        except PermissionError:
            time.sleep(pause)
    source.replace(target)


def discard(path: Path) -> None:
    """Remove a temporary file if possible, without an error: the earlier error is the one to
    report.
    """
    with suppress(OSError):
        path.unlink(missing_ok=True)


def remove_tree(path: Path) -> None:
    """Remove a folder with its contents, read-only files too; ignore what cannot be removed."""
    if sys.version_info >= (3, 12):
        shutil.rmtree(path, onexc=_made_writable)
    else:
        shutil.rmtree(path, onerror=_made_writable)


def _made_writable(remove: Callable[..., Any], path: str, _: Any) -> None:
    """Retry a removal that Windows refused, without the read-only flag."""
    if remove not in (os.unlink, os.rmdir):
        return
    try:
        found = os.lstat(path)
        if (
            stat.S_ISREG(found.st_mode) and found.st_nlink == 1
        ):  # a file with two names does not belong to this folder alone
            Path(path).chmod(stat.S_IRUSR | stat.S_IWUSR)
        remove(path)
    except OSError:
        return


def safe_name(text: str, longest: int = 200) -> str:
    """Return text as a file name that is valid on every system; valid text is returned unchanged.

    Characters that Windows forbids, control characters and invalid bytes become `_`, device names
    get one in front, and a long name is truncated. Changed text ends in a short digest of the
    original, so that two texts never become one name.

    Args:
        text: label, or name of a data set or an image.
        longest: longest name in bytes; an extension such as .png is kept.

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
    """Return a key that is equal for two names that Windows or macOS treat as one: case and Unicode
    form are ignored.

    >>> same_name("Étoile.PNG") == same_name("e\u0301toile.png")
    True
    """
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())


def folds_case(folder: Path) -> bool:
    """Return True if names that differ only in case are one file in a folder, as on Windows and
    macOS; the folder need not exist.
    """
    for place in (folder, *folder.parents):
        other = place.with_name(place.name.swapcase()) if place.name else place
        if other != place and place.exists():
            try:
                return other.samefile(place)
            except OSError:
                return False
    return sys.platform in ("win32", "darwin")


def cannot_write(path: Path, error: OSError, needed: int = 0) -> str:
    """Return the message for a failed write: the disk is full, read-only, ...

    Args:
        path: file that could not be written.
        error: the system's error.
        needed: required bytes, if known.
    """
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        place = next(p for p in (path, *path.parents) if p.exists())
        free = shutil.disk_usage(place).free / 1e6
        needs = f", {needed / 1e6:.1f} MB needed" if needed else ""
        what = "the disk is full" if error.errno == errno.ENOSPC else f"the disk's limit is reached ({error.strerror})"
        why, remedy = f"{what} ({free:.0f} MB free{needs})", "free disk space"
    elif (file := next((p for p in path.parents if os.path.lexists(p)), path.parent)) and not file.is_dir():
        why, remedy = f"{file} is a file, but a folder is needed", "choose another location"
    else:
        why, remedy = error.strerror or str(error), "choose another location or fix its permissions"
    return f"{path} could not be written: {why}. Nothing older was lost; {remedy} and run the same command again."


def require_room(parent: Path, needed: int) -> None:
    """Check that enough disk space is free before work begins whose result could not be saved.

    Raises:
        UserError: if fewer than `needed` bytes are free.
    """
    place = next(p for p in (parent, *parent.parents) if p.exists())
    free = shutil.disk_usage(place).free
    if free < needed:
        raise UserError(
            f"The checkpoints in {parent} need {needed / 1e6:,.1f} MB; {free / 1e6:,.1f} MB are free. To go on, free disk space, or "
            "use another `run`."
        )


def cache_folder() -> Path:
    """Return the cache folder: $ORGANZA_CACHE, else organza in $XDG_CACHE_HOME, else
    ~/.cache/organza. It need not exist.

    It holds files that can be recreated, such as packed images and converted weights.

    Raises:
        UserError: if none of them is known, as for a user without a home folder.
    """
    if own := os.environ.get("ORGANZA_CACHE"):
        return Path(own)
    if shared := os.environ.get("XDG_CACHE_HOME"):
        return Path(shared) / "organza"
    try:
        return Path.home() / ".cache" / "organza"
    except (RuntimeError, KeyError):  # a user without a name, as in containers
        raise UserError("This user has no home folder for a cache; name a cache folder in $ORGANZA_CACHE.") from None
