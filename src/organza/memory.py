"""Memory of this machine and of this process, on every system."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

from organza.errors import UserError


def memory() -> int:
    """Return the bytes of this machine's memory."""
    return _proc("meminfo", "MemTotal") or _psutil().virtual_memory().total


def free_memory() -> int:
    """Return the bytes of memory that can be had now without moving other programs out of it."""
    return _proc("meminfo", "MemAvailable") or _psutil().virtual_memory().available


def require_memory(needed: int, what: str, remedy: str = "ask for fewer") -> None:
    """Check that there is memory for something before any of it is made.

    Args:
        needed: bytes.
        what: takes them.
        remedy: for the error.

    Raises:
        UserError: there is not.
    """
    if needed > (free := free_memory()):
        raise UserError(
            f"{what} would take {needed / 1e9:,.1f} GB of memory, and {free / 1e9:,.1f} GB are free; {remedy}."
        )


def peak_memory() -> int:
    """Return the most memory that this process has held, in bytes; what it holds now on macOS, which keeps no peak."""
    if peak := _proc("self/status", "VmHWM"):
        return peak
    now = _psutil().Process().memory_info()
    return getattr(now, "peak_wset", now.rss)


def _proc(file: str, name: str) -> int:
    """Return a number of Linux's /proc in bytes; 0 on other systems."""
    path = Path("/proc") / file
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.is_file() else []
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:")), 0)


def _psutil() -> Any:
    """The package that knows other systems; on Linux nothing else needs it."""
    return import_module("psutil")
