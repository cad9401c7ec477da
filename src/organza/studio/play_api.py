"""Routes of play: the worker draws, and the answer is an image with its facts in a header."""

from __future__ import annotations

import json
import re
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from organza.errors import UserError
from organza.studio.bodies import IMAGE_BYTES, body, form, needed
from organza.studio.parts import parts

FACTS = "Organza-Facts"
"""Header with the facts of an image, as JSON in ASCII."""
POINTS = 128
SLOW = "clip", "invert", "encode", "translate", "judge"
"""Calls that take seconds: a second process answers them, so that sliders never wait."""
DROPPED = "invert", "encode", "translate", "judge"


async def describe(request: Request) -> Response:
    """Answer with the controls of a run."""
    await form(request)
    return await _answer(request, "describe", {}, patience=300)


async def directions(request: Request) -> Response:
    """Answer with the directions in which a run's images change most."""
    await form(request)
    return await _answer(request, "directions", {}, patience=300)


async def images(request: Request) -> Response:
    """Answer with the images of points, in one grid."""
    given = await form(request, points=list, columns=int, azimuth=(int, float), elevation=(int, float))
    [points] = needed(given, "points")
    if not 0 < len(points) <= POINTS:
        raise HTTPException(400, f"points has {len(points)} entries; it must have 1 to {POINTS}.")
    return await _answer(request, "images", given)


async def clip(request: Request) -> Response:
    """Answer with a clip of the way through points."""
    given = await form(request, points=list, frames=int, closed=bool, rate=int)
    points, frames = needed(given, "points", "frames")
    if not 2 <= len(points) <= 32 or not 2 <= frames <= 480:
        raise HTTPException(400, "A clip has 2 to 32 points and 2 to 480 frames.")
    return await _answer(request, "clip", given, kind="image/webp", patience=600)


async def dropped(request: Request) -> Response:
    """Answer to a dropped image: its latent, reconstruction, translation or judgement."""
    call = request.path_params["call"]
    if call not in DROPPED:
        raise HTTPException(404, "There is no such call.")
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/octet-stream":
        raise HTTPException(415, "The body must be application/octet-stream.")
    given: dict[str, Any] = {}
    if (to := request.query_params.get("to")) is not None:
        given["to"] = to[:4]
    if call == "judge":
        given["labels"] = {name[6:]: value for name, value in request.query_params.items() if name.startswith("label.")}
    blob = await body(request, IMAGE_BYTES)
    if not blob:
        raise HTTPException(400, "The body is empty; send the bytes of an image.")
    return await _answer(request, call, given, blob, patience=300)


async def _answer(
    request: Request,
    call: str,
    given: dict[str, Any],
    blob: bytes = b"",
    kind: str = "image/png",
    patience: float = 120,
) -> Response:
    """Call a worker with a request for a run, and return its answer."""
    here = parts(request)
    try:
        run = here.roots.run(request.path_params["run"])
    except UserError as error:
        raise HTTPException(404, str(error)) from None
    which = request.query_params.get("checkpoint", "best")
    if not re.fullmatch(r"best|latest|[0-9]{1,15}", which):
        raise HTTPException(400, "checkpoint must be best, latest, or a number such as 00012000.")

    def told(task: str, done: int, total: int) -> None:
        """Tell the page the progress of the call."""
        here.watch.tell("progress", {"about": f"play/{run.name}", "task": task, "done": done, "total": total})

    worker = here.helper if call in SLOW else here.player
    facts, content = await worker.call(call, given | {"run": str(run), "checkpoint": which}, blob, patience, told)
    if not content:
        return JSONResponse(facts)
    return Response(content, media_type=kind, headers={FACTS: json.dumps(facts)})


routes = [
    Route("/api/play/{run}/describe", describe, methods=["POST"]),
    Route("/api/play/{run}/directions", directions, methods=["POST"]),
    Route("/api/play/{run}/images", images, methods=["POST"]),
    Route("/api/play/{run}/clip", clip, methods=["POST"]),
    Route("/api/play/{run}/{call}", dropped, methods=["POST"]),
]
