"""Memory of this machine and of this process, on every system."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

from organza.errors import UserError


def memory() -> int:
    """Return this machine's memory in bytes."""
    return _proc("meminfo", "MemTotal") or _psutil().virtual_memory().total


def free_memory() -> int:
    """Return the bytes of memory that are available without swapping out other programs."""
    return _proc("meminfo", "MemAvailable") or _psutil().virtual_memory().available


def require_memory(needed: int, what: str, remedy: str = "choose a smaller number") -> None:
    """Check that enough memory is free before it is allocated.

    Args:
        needed: bytes to allocate.
        what: name of the data to allocate, for the error.
        remedy: advice for the error.

    Raises:
        UserError: if there is not enough.
    """
    if needed > (free := free_memory()):
        raise UserError(
            f"{what} would take {needed / 1e9:,.1f} GB of memory and {free / 1e9:,.1f} GB are free; {remedy}."
        )


def peak_memory() -> int:
    """Return the peak memory of this process in bytes; its current memory on macOS, which keeps no peak."""
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
    """Import the package for other systems; on Linux nothing else needs it."""
    return import_module("psutil")
