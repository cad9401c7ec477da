"""Writing that survives: flushed to the disk before it is named, whole or absent, and told in words where it fails.

Nothing is ever written through a link: who sends a run folder cannot make a later command change a file elsewhere.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
from pathlib import Path
from typing import IO, Any

from organza.errors import UserError


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
        aside.replace(path)
        flush_folder(path.parent)
    except OSError as error:
        aside.unlink(missing_ok=True)
        raise UserError(cannot_write(path, error)) from error


def make_folder(path: Path) -> None:
    """Make a folder and those above it, flushed: what is put into it later must not be lost with its name."""
    if not path.is_dir():
        make_folder(path.parent)
        path.mkdir(exist_ok=True)
        flush_folder(path.parent)


NO_LINK = getattr(os, "O_NOFOLLOW", 0)
"""Where the system has no such flag (Windows), links need rights that few users have."""
BINARY = getattr(os, "O_BINARY", 0)


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
        OSError: it is a link, or whatever the system raises.
    """
    if path.is_symlink() or (path.exists() and not path.is_file()):
        raise OSError(0, "it is a link, or no regular file", str(path))
    descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | NO_LINK | BINARY, 0o666)
    return os.fdopen(descriptor, "ab", buffering=0)


def write_all(descriptor: int, content: bytes) -> None:
    """Write to a file until all is written: a nearly full disk takes a part of it without an error."""
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def flush_folder(path: Path) -> None:
    """Wait until the names in a folder are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


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
