"""A lock that ends with the process that holds it, on every system."""

from __future__ import annotations

import errno
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
from filelock import SoftFileLock, Timeout, lock_descriptor

from organza.disk import BINARY, NO_LINK
from organza.untrusted import Refused

UNSUPPORTED = {errno.ENOSYS, errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP}
"""Errors of systems, or network file systems, without locks."""


class Held(Exception):
    """The lock is held by another process.

    Args:
        owner: name of that process, with its number if known.
    """

    def __init__(self, owner: str):
        super().__init__(owner)
        self.owner = owner


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock of a file, which is created and kept; this process's number is written into it.

    Raises:
        Held: if another process holds it, or this one already does.
        OSError: if the file cannot be opened or written, is a link or a hard link to another file,
            or is not a regular file.
    """
    descriptor = _opened(path)
    try:
        with _taken(path, descriptor):
            os.ftruncate(descriptor, 0)
            os.lseek(descriptor, 0, os.SEEK_SET)
            os.write(descriptor, f" {os.getpid()}\n".encode())  # the lock of Windows hides the first byte from others
            yield
    finally:
        os.close(descriptor)


def holder(path: Path) -> int | None:
    """Return the number of the process that holds a lock; None if nobody does.

    Nothing is created or written. The lock is tried only if the process whose number it contains is
    alive, so that a look at a free lock never keeps a run from starting.
    """
    try:
        _require_plain(path, os.lstat(path))
        descriptor = os.open(path, os.O_RDWR | NO_LINK | BINARY | getattr(os, "O_CLOEXEC", 0))
    except OSError:
        return None
    number = _owner(descriptor, attempts=1).removeprefix("process ")
    try:
        if not number.isdigit() or not psutil.pid_exists(int(number)):
            return None
        with _taken(path, descriptor):
            return None
    except Held:
        return int(number)
    except OSError:
        return None
    finally:
        os.close(descriptor)


def _opened(path: Path) -> int:
    """Open the file of a lock without following a link or waiting for a pipe, and without changing
    it.
    """
    with suppress(FileNotFoundError):
        _require_plain(path, os.lstat(path))
    flags = os.O_RDWR | os.O_CREAT | NO_LINK | BINARY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
    descriptor = os.open(path, flags, 0o666)
    try:
        _require_plain(path, os.fstat(descriptor))
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _require_plain(path: Path, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise Refused(path, "it is a link or no regular file")
    if status.st_nlink > 1:  # the number would be written into the other name's file
        raise Refused(path, "it is a second name of another file")


@contextmanager
def _taken(path: Path, descriptor: int) -> Iterator[None]:
    """Hold the lock of a descriptor, or a file that names its owner where locks are not supported."""
    try:
        free = lock_descriptor(descriptor, blocking=False)
    except OSError as error:
        if error.errno not in UNSUPPORTED:
            raise
    else:
        if not free:
            raise Held(_owner(descriptor))
        yield
        return
    # A file that names its owner, and is void once that process has ended.
    claim = SoftFileLock(path.with_name(f".{path.name}.owner"), timeout=0, thread_local=False)
    try:
        claim.acquire()
    except Timeout:
        raise Held(_owner(descriptor)) from None
    try:
        yield
    finally:
        claim.release()


def _owner(descriptor: int, attempts: int = 20) -> str:
    """Return the owner's number, which it may be writing at this moment."""
    for attempt in range(attempts):
        for start in (0, 1):  # the first byte cannot be read on Windows
            with suppress(OSError):
                os.lseek(descriptor, start, os.SEEK_SET)
                if (number := os.read(descriptor, 32).strip()).isdigit():
                    return f"process {number.decode()}"
        if attempt + 1 < attempts:
            time.sleep(0.01)
    return "another process"
