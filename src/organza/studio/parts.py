"""The parts of a running studio, which its routes share."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import Request

from organza.studio.guard import Access
from organza.studio.jobs import Jobs
from organza.studio.processes import Training
from organza.studio.roots import Roots
from organza.studio.watch import Watch
from organza.studio.workers import Worker


@dataclass(frozen=True)
class Parts:
    """The parts of a studio.

    Args:
        roots: folders of the studio.
        access: secrets of the server.
        training: training processes.
        watch: changes of the runs.
        jobs: commands.
        player: worker that draws images for sliders.
        helper: worker for clips and dropped images.
        reader: worker that reads data.
        teacher: worker that plays the games of the classroom.
    """

    roots: Roots
    access: Access
    training: Training
    watch: Watch
    jobs: Jobs
    player: Worker
    helper: Worker
    reader: Worker
    teacher: Worker


def parts(request: Request) -> Parts:
    """Return the parts of the studio that a request is sent to."""
    return request.app.state.parts
