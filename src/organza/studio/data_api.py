"""Routes of data: folders inside the roots, thumbnails, the check, built-in sets and images that were dropped."""

from __future__ import annotations

import asyncio
import os
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from organza.disk import discard, make_folder, safe_name, write
from organza.errors import UserError
from organza.studio import commands
from organza.studio.bodies import IMAGE_BYTES, body, form, needed
from organza.studio.parts import parts
from organza.studio.roots import IMAGES, first_images, listed
from organza.untrusted import Refused, read_bytes

FILES, FOLDER_BYTES = 100_000, 20 * 2**30
"""Largest numbers of files and bytes of a folder of dropped images."""
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
    """Store one dropped image in a folder of dropped images, after it was decoded."""
    here = parts(request)
    name, file = request.query_params.get("name", ""), request.query_params.get("file", "")
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/octet-stream":
        raise HTTPException(415, "The body must be application/octet-stream.")
    place = _dropped(here.roots, name)
    content = await body(request, IMAGE_BYTES)
    await here.reader.call("require_image", {}, content, patience=20)
    return JSONResponse(await asyncio.to_thread(_store, place, file, content), 201)


def _dropped(roots: Any, name: str) -> Any:
    """Return the folder of dropped images of a name, which holds the mark of one, or a new one."""
    try:
        place = roots.folder(next(iter(roots.data), ""), name)
    except UserError:
        return roots.new_data(name)
    if not name or "/" in name or not (place / MARK).is_file():
        raise UserError(f"{name} exists already; choose another name for your images.")
    return place


MARK = ".dropped"
"""Hidden file of a folder that the page made, so that it adds to no other."""


def _store(place: Any, file: str, content: bytes) -> dict[str, Any]:
    """Write an uploaded image under a free name; return the name and the number of images."""
    make_folder(place)
    if not (place / MARK).exists():
        write(place / MARK, b"")
    with os.scandir(place) as items:
        sizes = [item.stat().st_size for item in items]
    if len(sizes) >= FILES or sum(sizes) + len(content) > FOLDER_BYTES:
        raise UserError(
            f"{place.name} is full: {FILES:,} images or {FOLDER_BYTES // 2**30} GB; train on a folder of your own instead."
        )
    name = safe_name(file.replace("\\", "/").rpartition("/")[2].lstrip(".") or "image.png")
    if os.path.splitext(name)[1].lower() not in IMAGES:  # noqa: PTH122
        raise UserError(f"{name} has no ending of an image.")
    target, number = place / name, 1
    while os.path.lexists(target):
        if target.is_file() and target.read_bytes() == content:
            return {"name": target.name, "images": len(sizes) - 1}
        number += 1
        target = place / f"{os.path.splitext(name)[0][:180]}-{number}{os.path.splitext(name)[1]}"  # noqa: PTH122
    aside = place / f".{os.getpid()}-{number}.part"
    try:
        write(aside, content)
        os.replace(aside, target)  # noqa: PTH105
    finally:
        discard(aside)
    return {"name": target.name, "images": len(sizes)}


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
