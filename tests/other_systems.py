"""This system made to look like others, for a process of its own: `python -m tests.other_systems KIND then ARGUMENTS then ARGUMENTS`.

Each group of arguments is a command of organza; `wait` waits for a line. Importing torch for each of them would cost seconds.

posixless: nothing of what POSIX alone has. windows: files that are replaced are open elsewhere at first, and folders cannot be opened.
"""

from __future__ import annotations

import builtins
import os
import signal
import stat
import subprocess  # noqa: F401 (what the standard library itself takes from POSIX is taken before it is hidden)
import sys
from collections.abc import Iterator
from typing import Any

import numpy  # noqa: F401
import psutil  # noqa: F401 (it has a module of its own for each system)
import torch  # noqa: F401

MODULES = {"fcntl", "resource", "pwd", "grp", "termios", "tty", "pty"}
NAMES = (
    "sysconf fork forkpty getuid geteuid getgid getegid getpgid killpg setsid mkfifo mknod fchmod fchown sched_getaffinity getloadavg "
    "O_NOFOLLOW O_NONBLOCK O_CLOEXEC O_DIRECTORY"
)


def posixless() -> None:
    """Hide the modules and names of POSIX."""
    for module in MODULES:
        sys.modules.pop(module, None)
    genuine = builtins.__import__

    def imported(name: str, *rest: Any, **options: Any) -> Any:
        if name.partition(".")[0] in MODULES:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return genuine(name, *rest, **options)

    builtins.__import__ = imported
    for name in NAMES.split():
        if hasattr(os, name):
            delattr(os, name)
    del signal.SIGHUP


def windows() -> None:
    """Let files be open elsewhere at first, and folders not be opened, replaced or renamed over; forbid names; keep read-only files."""
    opened, replaced, unlinked, made = os.open, os.replace, os.unlink, os.mkdir
    tries: dict[str, int] = {}

    def name_allowed(path: Any) -> None:
        name = os.path.basename(os.fsdecode(path))
        if (
            set(name) & set('<>:"|?*')
            or name.endswith((".", " "))
            or name.partition(".")[0].lower() in ("con", "nul", "aux", "prn")
        ):
            raise OSError(22, "Invalid argument", path)

    def open_(path: Any, flags: int, *rest: Any, **options: Any) -> int:
        if isinstance(path, str | os.PathLike) and os.path.isdir(path):
            raise PermissionError(13, "Permission denied", os.fspath(path))
        if flags & os.O_CREAT:
            name_allowed(path)
        return opened(path, flags, *rest, **options)

    def replace(source: Any, target: Any, **options: Any) -> None:
        name_allowed(target)
        key = os.fspath(target)
        if os.path.isdir(target):
            raise PermissionError(13, "Permission denied", key)
        if os.path.exists(target):
            tries[key] = tries.get(key, 0) + 1
            if tries[key] % 3:
                raise PermissionError(
                    13, "The process cannot access the file because it is being used by another process", key
                )
        replaced(source, target, **options)

    def unlink(path: Any, **options: Any) -> None:
        if not os.lstat(path, **options).st_mode & stat.S_IWUSR:
            raise PermissionError(13, "Permission denied", os.fspath(path))
        unlinked(path, **options)

    def mkdir(path: Any, *rest: Any, **options: Any) -> None:
        name_allowed(path)
        made(path, *rest, **options)

    os.open, os.replace, os.unlink, os.remove, os.mkdir = open_, replace, unlink, unlink, mkdir  # type: ignore[assignment]


def commands(words: list[str]) -> Iterator[list[str]]:
    """The groups of words that "then" begins.

    >>> list(commands(["then", "sample", "run", "then", "wait"]))
    [['sample', 'run'], ['wait']]
    """
    command: list[str] = []
    for word in [*words[1:], "then"]:
        if word == "then":
            yield command
            command = []
        else:
            command.append(word)


if __name__ == "__main__":
    {"posixless": posixless, "windows": windows}[sys.argv[1]]()
    from organza.cli import main

    for command in commands(sys.argv[2:]):
        if command == ["wait"]:
            sys.stdin.readline()
            continue
        try:
            main(command)
        except SystemExit as end:
            print(f"exit code {int(end.code or 0)}", flush=True)
