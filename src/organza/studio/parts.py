"""The parts of a running studio, which its routes share."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import Request

from organza.studio.dropped import DroppedImages
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
        dropped: folders of dropped images.
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
    dropped: DroppedImages
    player: Worker
    helper: Worker
    reader: Worker
    teacher: Worker

    @property
    def workers(self) -> tuple[Worker, ...]:
        """All workers."""
        return self.player, self.helper, self.reader, self.teacher


def parts(request: Request) -> Parts:
    """Return the parts of the studio that a request is sent to."""
    return request.app.state.parts
