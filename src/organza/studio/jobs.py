"""Commands that end in seconds or minutes (export, report, data sets): started for the page, with their
output. They end with the studio, unlike training."""

from __future__ import annotations

import asyncio
import itertools
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from organza.errors import UserError
from organza.studio.processes import apart, environment, shown
from organza.untrusted import printable

AT_ONCE, KEPT, LINES = 3, 40, 200


@dataclass
class Job:
    """One command.

    Args:
        number: number of the job.
        kind: report, export, quiz, make or propose.
        about: name of the run or data set that it works on.
        arguments: arguments of `organza`.
        lines: lines of its output.
        code: exit code; None while it runs.
    """

    number: int
    kind: str
    about: str
    arguments: Sequence[str]
    lines: list[str] = field(default_factory=list)
    code: int | None = None

    def facts(self) -> dict[str, Any]:
        """Return the job for the page."""
        return {
            "number": self.number, "kind": self.kind, "about": self.about, "command": shown(self.arguments),
            "lines": self.lines[-LINES:], "code": self.code,
        }  # fmt: skip


class Jobs:
    """The commands of a studio.

    Args:
        tell: function that receives each job when it changes.
    """

    def __init__(self, tell: Callable[[dict[str, Any]], None]):
        self._tell, self._numbers = tell, itertools.count(1)
        self.all: dict[int, Job] = {}
        self._running: dict[int, asyncio.subprocess.Process] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self, kind: str, about: str, arguments: Sequence[str]) -> Job:
        """Start a command.

        Raises:
            UserError: if too many run, or the same one does.
        """
        if any(job.code is None and (job.kind, job.about) == (kind, about) for job in self.all.values()):
            raise UserError(f"The {kind} of {about} is being made already.")
        if sum(job.code is None for job in self.all.values()) >= AT_ONCE:
            raise UserError(f"{AT_ONCE} commands are running; wait until one of them ends.")
        job = Job(next(self._numbers), kind, about, arguments)
        self.all[job.number] = job
        for old in [number for number, one in self.all.items() if one.code is not None][:-KEPT]:
            del self.all[old]
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "organza", *arguments, stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, env=environment(), limit=2**20, **apart(),
        )  # fmt: skip
        self._running[job.number] = process
        task = asyncio.create_task(self._follow(job, process))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self._tell(job.facts())
        return job

    async def finished(self, job: Job) -> Job:
        """Wait for a job and return it."""
        while job.code is None:
            await asyncio.sleep(0.1)
        return job

    def cancel(self, number: int) -> None:
        """End a job.

        Raises:
            UserError: if it does not run.
        """
        if number not in self._running:
            raise UserError("That command has ended already.")
        with suppress(ProcessLookupError):
            self._running[number].terminate()

    async def close(self) -> None:
        """End all jobs."""
        for process in self._running.values():
            with suppress(ProcessLookupError):
                process.terminate()
        for task in list(self._tasks):
            with suppress(asyncio.TimeoutError, asyncio.CancelledError):
                await asyncio.wait_for(task, 2)

    async def _follow(self, job: Job, process: asyncio.subprocess.Process) -> None:
        """Collect the output of a process until it ends."""
        assert process.stdout is not None
        try:
            async for line in process.stdout:
                job.lines.append(printable(line.decode(errors="replace").rstrip())[:2000])
                del job.lines[: -2 * LINES]
                self._tell(job.facts())
        except ValueError:  # a line without an end
            process.kill()
        job.code = await process.wait()
        self._running.pop(job.number, None)
        self._tell(job.facts())
