"""Routes of the classroom, under /api/classroom."""

from __future__ import annotations

from starlette.routing import BaseRoute

routes: list[BaseRoute] = []
