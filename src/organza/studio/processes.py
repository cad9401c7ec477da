"""Training in processes of its own: started with the same command as in a terminal, stopped by a signal,
and found again by their lock. They outlive the studio.

Beside a run's files, hidden from the trainer, stand the notes `.studio/command.json` (arguments and
process) and `.studio/log.txt` (output).
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from organza.disk import make_folder, write_json
from organza.errors import UserError
from organza.run.lock import holder
from organza.shell import quoted
from organza.untrusted import read_json, require_inside

NOTES = ".studio"
LOG_BYTES = 2**14
"""Bytes of a log that the page shows."""
PATIENCE = 60.0
"""Seconds that a run gets to save itself before the page offers to kill it."""


class Training:
    """The training processes that this studio started, so that they can be collected when they end."""

    def __init__(self) -> None:
        self._children: list[subprocess.Popen[Any]] = []

    def start(self, run: Path, arguments: Sequence[str]) -> int:
        """Start `organza ARGUMENTS` for a run, and return the number of its process.

        Raises:
            UserError: if the run is being trained, or its folder cannot be written.
        """
        if process_of(run) is not None:
            raise UserError(f"{run.name} is running already.")
        notes, started = run / NOTES, time.time()
        try:
            require_inside(notes, run)
            make_folder(notes)
            with (notes / "log.txt").open("wb") as log:
                child = subprocess.Popen(
                    [sys.executable, "-m", "organza", *arguments],
                    stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, env=environment(), **apart(),
                )  # fmt: skip
        except OSError as error:
            raise UserError(f"{run.name} was not started: {error.strerror or error}.") from None
        self._children.append(child)
        born = psutil.Process(child.pid).create_time() if psutil.pid_exists(child.pid) else time.time()
        note = {"arguments": list(arguments), "process": child.pid, "born": born, "started": started}
        write_json(notes / "command.json", note)
        return child.pid

    def collect(self) -> None:
        """Collect processes that ended, so that their numbers become free."""
        self._children = [child for child in self._children if child.poll() is None]


def environment() -> dict[str, str]:
    """Return the environment of a command: this one's, with unbuffered output in UTF-8."""
    return os.environ | {"PYTHONUNBUFFERED": "1", "PYTHONUTF8": "1", "NO_COLOR": "1", "COLUMNS": "100"}


def threads(cores: int) -> dict[str, str]:
    """Return the variables by which a worker takes half of the cores, and sleeps while it waits for them.

    It draws beside a run that trains. On two cores with a load of 5 an image of 64x64 took 2.7 ms by one thread, and 24 to 540 ms
    by two, which wait for each other in turn (`benchmarks/studio_threads.py`).
    """
    return {"OMP_NUM_THREADS": str(max(1, cores // 2)), "OMP_WAIT_POLICY": "PASSIVE"}


def apart() -> dict[str, Any]:
    """Return the options of a process that does not receive this terminal's Ctrl-C, nor end with it."""
    if sys.platform == "win32":
        return {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
    return {"start_new_session": True}


def note_of(run: Path) -> dict[str, Any]:
    """Return the note on the last start from a studio, {} if there is none."""
    with suppress(OSError, ValueError):
        found = read_json(run / NOTES / "command.json", inside=run, most=2**16)
        arguments = found["arguments"] if isinstance(found, dict) else None
        if isinstance(arguments, list) and all(isinstance(one, str) for one in arguments):
            return found
    return {}


def process_of(run: Path) -> int | None:
    """Return the number of the process that trains a run, or that a studio started for it and that has not
    begun yet; None if there is none.
    """
    owner = holder(run / "lock")
    return starting(run) if owner is None else owner


def starting(run: Path) -> int | None:
    """Return the number of a process that was started for a run and has written no event yet, None if there
    is none. A process that still ends does not count.
    """
    note = note_of(run)
    number, born, started = note.get("process"), note.get("born"), note.get("started")
    if type(number) is not int or not isinstance(born, int | float) or not isinstance(started, int | float):
        return None
    with suppress(OSError):
        if (run / "events.jsonl").stat().st_mtime >= started:
            return None
    with suppress(psutil.Error, OverflowError):
        process = psutil.Process(number)
        alive = process.status() != psutil.STATUS_ZOMBIE and abs(process.create_time() - born) < 1
        if alive and "organza" in process.cmdline():
            return number
    return None


def stop(run: Path, force: bool = False) -> None:
    """Ask the process of a run to save and end, as Ctrl-C does.

    Args:
        run: run folder.
        force: True to kill it; nothing older than the last checkpoint is lost.

    Raises:
        UserError: if no process trains it.
    """
    number = process_of(run)
    if number is None:
        raise UserError(f"{run.name} is not being trained.")
    try:
        process = psutil.Process(number)
        if number != process_of(run):  # numbers are used again; looked at last, as late as possible
            return
        if force:
            process.kill()
        else:
            process.send_signal(signal.CTRL_BREAK_EVENT if sys.platform == "win32" else signal.SIGINT)
    except psutil.NoSuchProcess:
        return
    except (psutil.Error, OSError) as error:
        raise UserError(f"Process {number} of {run.name} cannot be stopped: {error}.") from None


def log_of(run: Path) -> str:
    """Return the end of a run's output."""
    file = run / NOTES / "log.txt"
    try:
        require_inside(file, run)
        with file.open("rb") as stream:
            stream.seek(max(0, file.stat().st_size - LOG_BYTES))
            return stream.read(LOG_BYTES).decode(errors="replace")
    except OSError:
        return ""


def shown(arguments: Sequence[str]) -> str:
    """Return a command as a person would type it.

    >>> shown(["train", "my photos", "--budget", "20m"])
    "organza train 'my photos' --budget 20m"
    """
    return " ".join(["organza", *(one if one.startswith("--") else quoted(one) for one in arguments)])
