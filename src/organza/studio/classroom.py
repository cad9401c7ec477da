"""Routes of the classroom, under /api/classroom: a worker of its own plays, and the page asks for some steps at a time."""

from __future__ import annotations

import re

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from organza.studio.bodies import form, needed
from organza.studio.parts import parts
from organza.studio.presets import PRESETS

STEPS = 500
"""Largest number of steps of one call."""
DRAWN = 2_000
"""Largest number of points of a drawing."""


async def presets(request: Request) -> Response:
    """Answer with the presets."""
    return JSONResponse([preset.facts() for preset in PRESETS])


async def step(request: Request) -> Response:
    """Take steps of a lesson, which begins with the first, and answer with what is to be seen."""
    given = await form(request, lesson=str, settings=dict, points=list, steps=int)
    lesson, settings, steps = needed(given, "lesson", "settings", "steps")
    if not re.fullmatch(r"[a-z0-9-]{1,40}", lesson):
        raise HTTPException(400, "lesson is no name of a lesson.")
    if not 0 <= steps <= STEPS:
        raise HTTPException(400, f"steps is {steps}; it must be from 0 to {STEPS}.")
    points = given["points"] or []
    if len(points) > DRAWN or not all(_is_point(point) for point in points):
        raise HTTPException(400, f"points must be at most {DRAWN} pairs of numbers from -1 to 1.")
    told, _ = await parts(request).teacher.call(
        "lesson", {"lesson": lesson, "settings": settings, "points": points, "steps": steps}
    )
    return JSONResponse(told)


def _is_point(point: object) -> bool:
    return (
        isinstance(point, list)
        and len(point) == 2
        and all(isinstance(value, int | float) and not isinstance(value, bool) and -1 <= value <= 1 for value in point)
    )


routes: list[BaseRoute] = [
    Route("/api/classroom/presets", presets, methods=["GET"]),
    Route("/api/classroom/step", step, methods=["POST"]),
]
