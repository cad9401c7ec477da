"""Changes of the runs, found by looking at the sizes of their files a few times a second, and sent to
every page that listens. One look serves all pages."""

from __future__ import annotations

import asyncio
import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from organza.errors import UserError
from organza.run.folder import RunFolder
from organza.studio import history
from organza.studio.processes import Training, log_of, process_of, starting
from organza.studio.roots import Roots, kind_of

PERIOD, IDLE = 0.4, 2.0
"""Seconds between two looks, with pages that listen and without."""
BACKLOG = 256
"""Messages that a page may be behind before it is cut off; it connects again and reads what it missed."""
MOST_POINTS = 200


def state(run: Path) -> dict[str, Any]:
    """Return what the page shows of a run: its summary, or that it is starting, or could not start."""
    if kind_of(run) in ("run", "export"):
        try:
            found = history.summary(run)
        except (UserError, OSError, ValueError) as error:
            return {"name": run.name, "kind": "damaged", "state": "damaged", "why": str(error)}
        if found["kind"] == "run" and found["state"] != "training" and starting(run) is not None:
            return found | {"state": "starting", "why": last_words(run)}
        return found
    if process_of(run) is not None:
        return {"name": run.name, "kind": "begun", "state": "starting", "why": last_words(run)}
    return {"name": run.name, "kind": "begun", "state": "failed", "why": last_words(run) or "the command ended at once"}


def last_words(run: Path) -> str:
    """Return the last line that a run's command printed."""
    lines = [line.strip() for line in log_of(run).splitlines() if line.strip()]
    return lines[-1][:500] if lines else ""


class Watch:
    """The runs of a studio, and the pages that listen to their changes.

    Args:
        roots: folders of the studio.
        training: processes to collect.
    """

    def __init__(self, roots: Roots, training: Training):
        self.roots, self.training = roots, training
        self.states: dict[str, dict[str, Any]] = {}
        self._signs: dict[str, Any] = {}
        self._read: dict[str, int] = {}
        self._listeners: set[asyncio.Queue[str | None]] = set()
        self.closing = False

    async def run(self) -> None:
        """Look again and again, until cancelled."""
        while True:
            for message in await asyncio.to_thread(self.look):
                self.tell(*message)
            await asyncio.sleep(PERIOD if self._listeners else IDLE)

    def look(self) -> list[tuple[str, dict[str, Any]]]:
        """Return what changed since the last look: messages with their kinds."""
        self.training.collect()
        messages: list[tuple[str, dict[str, Any]]] = []
        names = self.roots.names()
        for name in names:
            run = self.roots.runs / name
            sign = _sign(run)
            if sign == self._signs.get(name):
                continue
            self._signs[name] = sign
            now = state(run)
            if now != self.states.get(name):
                self.states[name] = now
                messages.append(("run", now))
            messages += self._news(name, run)
        for name in self.states.keys() - set(names):
            del self.states[name]
            self._signs.pop(name, None)
            self._read.pop(name, None)
            messages.append(("gone", {"name": name}))
        return messages

    def _news(self, name: str, run: Path) -> list[tuple[str, dict[str, Any]]]:
        """Return the new points of a run's curves, or that they were rewritten."""
        folder = RunFolder(run)
        if name not in self._read:
            self._read[name] = history.position(folder.stats)
            return []
        before = self._read[name]
        lines, at = history.added(folder.stats, before)
        if at < 0:
            self._read[name] = history.position(folder.stats)
            return [("rewritten", {"name": name})]
        self._read[name] = at
        if not lines:
            return []
        points = [history.point(line) for line in lines[:: max(1, len(lines) // MOST_POINTS)]]
        return [("points", {"name": name, "from": before, "to": at, "points": points})]

    def tell(self, kind: str, message: dict[str, Any]) -> None:
        """Send a message to every page; one that does not read is cut off."""
        text = f"event: {kind}\ndata: {json.dumps(message)}\n\n"
        for queue in list(self._listeners):
            try:
                queue.put_nowait(text)
            except asyncio.QueueFull:
                self._listeners.discard(queue)
                with suppress(asyncio.QueueEmpty):
                    queue.get_nowait()
                    queue.put_nowait(None)

    def listen(self) -> asyncio.Queue[str | None]:
        """Return a queue of messages for one page, which begins with the state of every run; None ends it."""
        queue: asyncio.Queue[str | None] = asyncio.Queue(BACKLOG)
        queue.put_nowait(f"retry: 1000\nevent: all\ndata: {json.dumps(list(self.states.values()))}\n\n")
        self._listeners.add(queue)
        return queue

    def leave(self, queue: asyncio.Queue[str | None]) -> None:
        """Forget a page."""
        self._listeners.discard(queue)

    @property
    def listeners(self) -> int:
        """Number of pages that listen."""
        return len(self._listeners)

    def close(self) -> None:
        """End all streams."""
        self.closing = True
        for queue in list(self._listeners):
            with suppress(asyncio.QueueFull):
                queue.put_nowait(None)


def _sign(run: Path) -> tuple[Any, ...]:
    """Return a value that changes whenever a run does."""
    sizes = []
    for name in (
        "recipe.json",
        "stats.jsonl",
        "evaluations.jsonl",
        "events.jsonl",
        "samples",
        "report.html",
        "quiz.html",
        "export",
        ".studio/log.txt",
    ):
        try:
            status = os.stat(run / name)  # noqa: PTH116
            sizes.append((status.st_size, status.st_mtime_ns, status.st_ino))
        except OSError:
            sizes.append(None)
    return (*sizes, process_of(run))
