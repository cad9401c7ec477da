"""Routes of data: folders inside the roots, thumbnails, the check, built-in sets and images that were dropped."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from organza.studio import commands
from organza.studio.bodies import IMAGE_BYTES, body, form, needed
from organza.studio.dropped import UPLOAD_BYTES, unpacked
from organza.studio.parts import parts
from organza.studio.roots import IMAGES, first_images, listed
from organza.untrusted import Refused, read_bytes

SHOWN = 24


async def look(request: Request) -> Response:
    """Answer with the folders at a place, and the number of images there."""
    roots = parts(request).roots
    root, path = request.query_params.get("root", ""), request.query_params.get("path", "")
    place = roots.folder(root, path)
    if place.is_file():
        return JSONResponse({"root": root, "path": path, "folders": [], "images": 0, "file": True, "shown": []})
    folders, images = await asyncio.to_thread(listed, place)
    shown = await asyncio.to_thread(lambda: list(first_images(place, SHOWN)))
    return JSONResponse(
        {"root": root, "path": path, "folders": folders, "images": images, "file": False, "shown": shown}
    )


async def thumbnail(request: Request) -> Response:
    """Answer with a small version of an image of the data."""
    here = parts(request)
    place = here.roots.folder(request.query_params.get("root", ""), request.query_params.get("path", ""))
    if place.suffix.lower() not in IMAGES or not place.is_file():
        raise HTTPException(404, "There is no such image.")
    try:
        content = await asyncio.to_thread(read_bytes, place, IMAGE_BYTES)
    except (Refused, OSError) as error:
        raise HTTPException(404, f"{place.name} cannot be read: {error.strerror}.") from None
    _, small = await here.reader.call("thumbnail", {"side": 96}, content, patience=20)
    return Response(small, media_type="image/webp", headers={"Cache-Control": "private, max-age=3600"})


async def check(request: Request) -> Response:
    """Answer with the check of a data set: usable, broken and duplicate files, and thumbnails."""
    here = parts(request)
    given = await form(request, root=str, path=str)
    root, path = needed(given, "root", "path")
    place = here.roots.folder(root, path)
    about = f"{root}/{path}"

    def told(task: str, done: int, total: int) -> None:
        here.watch.tell("progress", {"about": about, "task": task, "done": done, "total": total})

    found, _ = await here.reader.call("check", {"place": str(place)}, patience=1800, told=told)
    return JSONResponse(found)


async def make(request: Request) -> Response:
    """Start the command that makes a built-in set."""
    here = parts(request)
    given = await form(request, kind=str, name=str, count=(int, str), size=(int, str))
    kind, name = needed(given, "kind", "name")
    out = here.roots.new_data(name)
    job = await here.jobs.start("data", out.name, commands.make(kind, out, given))
    return JSONResponse(job.facts() | {"root": next(iter(here.roots.data)), "path": out.name}, 202)


async def upload(request: Request) -> Response:
    """Store dropped files in a folder of dropped images: images after they were decoded, and a table of labels.

    The body is a line of JSON, [{"folder": "", "file": "1.png", "bytes": 812}, ...], and then the files. The
    answer has an entry for each: its name in the folder, or the reason why it was left out.
    """
    here = parts(request)
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/octet-stream":
        raise HTTPException(415, "The body must be application/octet-stream.")
    files = unpacked(await body(request, UPLOAD_BYTES))
    found, _ = await here.reader.call(
        "image_problems",
        {"sizes": [len(one.content) for one in files]},
        b"".join(one.content for one in files),
        patience=20 + len(files),
    )
    checked = [replace(one, problem=one.problem or problem) for one, problem in zip(files, found, strict=True)]
    answers = await asyncio.to_thread(here.dropped.store, request.query_params.get("name", ""), checked)
    return JSONResponse(answers, 201)


async def recipes(request: Request) -> Response:
    """Answer with the recipes and what to expect of them."""
    found, _ = await parts(request).reader.call("recipes", {})
    return JSONResponse(found)


routes = [
    Route("/api/data", look),
    Route("/api/data/thumbnail", thumbnail),
    Route("/api/data/check", check, methods=["POST"]),
    Route("/api/data/make", make, methods=["POST"]),
    Route("/api/data/upload", upload, methods=["POST"]),
    Route("/api/recipes", recipes),
]
