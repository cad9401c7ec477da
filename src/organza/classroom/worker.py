"""The worker process of the classroom, which `organza.studio.workers` starts: it keeps one lesson."""

from __future__ import annotations

from typing import Any

import numpy as np

from organza.classroom.lesson import Lesson, Settings
from organza.progress import Progress
from organza.studio.worker import main

SECONDS = 0.25
"""Longest time for the steps of one call, so that the page stays live."""
LESSONS: dict[str, Lesson] = {}


def lesson(given: dict[str, Any], blob: bytes, progress: Progress) -> tuple[Any, bytes]:
    """Take steps of the lesson of a name, begun by its first call, and return its view."""
    if given["lesson"] not in LESSONS:
        settings = Settings.read(given["settings"])
        points = np.array(given["points"], np.float32) if given["points"] else None
        LESSONS.clear()
        LESSONS[given["lesson"]] = Lesson(settings, points)
    here = LESSONS[given["lesson"]]
    here.advance(given["steps"], SECONDS)
    return here.view(), b""


if __name__ == "__main__":
    main({"lesson": lesson})
