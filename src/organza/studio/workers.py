"""Worker processes: what needs torch, or reads a stranger's images, is done beside the studio. A worker that
dies is started again by the next call, and the page says so.

A message in either direction is a line of JSON, followed by as many bytes as its `blob` says.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import Callable
from typing import Any

from starlette.exceptions import HTTPException

from organza.studio.processes import apart, environment, threads

WAITING = 16
"""Largest number of calls that wait for one worker."""
IDLE = 900.0
"""Seconds without a call after which a worker ends, to free its memory."""


class Worker:
    """One worker process, started by the first call.

    Args:
        name: its task, for messages.
        module: module that the process runs.
    """

    def __init__(self, name: str, module: str = "organza.studio.worker"):
        self.name, self.module = name, module
        self._process: asyncio.subprocess.Process | None = None
        self._turn, self._waiting, self._number = asyncio.Lock(), 0, 0
        self._rest: asyncio.TimerHandle | None = None
        self._closed = False

    @property
    def process(self) -> int | None:
        """Number of the process, None if there is none."""
        return self._process.pid if self._process and self._process.returncode is None else None

    async def call(
        self, name: str, given: dict[str, Any], blob: bytes = b"", patience: float = 120.0,
        told: Callable[[str, int, int], None] | None = None,
    ) -> tuple[dict[str, Any], bytes]:  # fmt: skip
        """Call a function of `studio.worker`, and return its answer: a table, and bytes.

        Args:
            name: name of the function.
            given: its arguments.
            blob: bytes to send with them.
            patience: seconds to wait; after them the worker is ended.
            told: function that takes its progress.

        Raises:
            HTTPException: 400 with the reason if it refuses, 429 if too many wait, 409 if the worker died.
        """
        self._require_open()
        if self._waiting >= WAITING:
            raise HTTPException(429, "The studio is busy; try again in a moment.")
        self._waiting += 1
        try:
            async with self._turn:
                self._require_open()  # it may have ended meanwhile
                return await self._spoken(name, given, blob, patience, told)
        finally:
            self._waiting -= 1

    async def _spoken(
        self,
        name: str,
        given: dict[str, Any],
        blob: bytes,
        patience: float,
        told: Callable[[str, int, int], None] | None,
    ) -> tuple[dict[str, Any], bytes]:
        """Send a call to the worker's process, and return its answer."""
        if self._rest is not None:
            self._rest.cancel()
        try:
            async with asyncio.timeout(patience):
                process = await self._alive()
                assert process.stdin is not None and process.stdout is not None  # noqa: PT018
                self._number += 1
                header = {"call": name, "number": self._number, "given": given, "blob": len(blob)}
                process.stdin.write(json.dumps(header).encode() + b"\n" + blob)
                await process.stdin.drain()
                while True:
                    answer = json.loads(await process.stdout.readuntil(b"\n"))
                    content = await process.stdout.readexactly(answer.get("blob", 0))
                    if answer.get("number") != self._number:
                        continue
                    if "progress" in answer:
                        if told:
                            told(*answer["progress"])
                        continue
                    break
        except TimeoutError:
            await self.end()
            raise HTTPException(
                409, f"This took longer than {patience:.0f} s and was ended; try something smaller."
            ) from None
        except (asyncio.IncompleteReadError, ConnectionError, ValueError):
            await self.end()
            self._require_open()
            text = f"The process for {self.name} ended unexpectedly, perhaps for lack of memory. It starts again with the next request."
            raise HTTPException(409, text) from None
        except asyncio.CancelledError:  # its answer would be taken for that of the next call
            await self.end()
            raise
        self._rest = asyncio.get_running_loop().call_later(IDLE, self._kill)
        if "error" in answer:
            raise HTTPException(400, answer["error"])
        return answer["ok"], content

    async def _alive(self) -> asyncio.subprocess.Process:
        """Return the worker's process, started if there is none."""
        if self._process is None or self._process.returncode is not None:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", self.module, stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE, env=threads(os.cpu_count() or 1) | environment(), limit=2**26, **apart(),
            )  # fmt: skip
        return self._process

    def _require_open(self) -> None:
        """Raise HTTPException 409 if the studio ends."""
        if self._closed:
            raise HTTPException(409, "The studio ends.") from None

    def close(self) -> None:
        """End the process for good: the calls that wait for it are refused."""
        self._closed = True
        self._kill()

    def _kill(self) -> None:
        if self.process is not None and self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()

    async def end(self) -> None:
        """End the process."""
        self._kill()
        if self._process is not None:
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._process.wait(), 5)
        self._process = None
        if self._rest is not None:
            self._rest.cancel()
