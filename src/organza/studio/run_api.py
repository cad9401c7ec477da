"""Routes of runs: their states and curves, and start, stop, resume, report and export."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from organza.disk import make_folder
from organza.errors import UserError
from organza.studio import commands, history
from organza.studio.bodies import form, needed
from organza.studio.parts import Parts, parts
from organza.studio.processes import log_of, note_of, process_of, shown, stop
from organza.studio.roots import kind_of
from organza.studio.watch import state
from organza.untrusted import Refused, printable, read_bytes
from organza.version import __version__

HEARTBEAT = 15.0
PICTURE_BYTES, PAGE_BYTES = 64 * 2**20, 256 * 2**20
SANDBOX = (
    "default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval' 'wasm-unsafe-eval'; style-src 'unsafe-inline'; "
    "img-src data: blob:; sandbox allow-scripts allow-downloads"
)
"""Policy of a page that lies in a run, which a stranger may have written: it runs in an origin of its own,
without the studio's cookie, and reaches nothing."""
PAGES = {"report": "report.html", "quiz": "quiz.html", "web": "export/index.html", "card": "export/README.md"}
SETTINGS = {
    "recipe": str, "budget": str, "size": (str, int), "channels": (str, int), "labels": str, "seed": (str, int),
    "stop": str, "device": str, "on_collapse": str, "settings": list,
}  # fmt: skip


async def studio(request: Request) -> Response:
    """Answer with the version and the folders."""
    roots = parts(request).roots
    return JSONResponse({
        "version": __version__, "runs": str(roots.runs), "data": {name: str(place) for name, place in roots.data.items()},
        "built_in": [
            {"kind": kind, "about": about, "size": size, "count": count}
            for kind, (_, about, size, count) in commands.BUILT_IN.items()
        ],
    })  # fmt: skip


async def runs(request: Request) -> Response:
    """Answer with the state of every run."""
    here = parts(request)
    names = await asyncio.to_thread(here.roots.names)
    return JSONResponse(await asyncio.to_thread(lambda: [state(here.roots.runs / name) for name in names]))


async def one(request: Request) -> Response:
    """Answer with a run: its state, recipe, curves and events."""
    run = _run(request)
    found = await asyncio.to_thread(_everything, run)
    return JSONResponse(found)


def _everything(run: Path) -> dict[str, Any]:
    """Return state, log, files and history of a run."""
    found = {"state": state(run), "log": log_of(run), "files": exported(run)}
    if note := note_of(run):
        found["command"] = shown(note["arguments"])
    if kind_of(run) == "run" and found["state"]["kind"] != "damaged":
        found |= history.history(run)
    return found


def exported(run: Path) -> list[dict[str, Any]]:
    """Return the files of a run's export, by name and size."""
    folder = run / "export"
    try:
        return [
            {"name": item.name, "bytes": item.stat().st_size}
            for item in sorted(folder.iterdir())[:100]
            if item.is_file() and not item.name.startswith(".") and item.name.isprintable()
        ]
    except OSError:
        return []


async def sample(request: Request) -> Response:
    """Answer with a sample grid."""
    run, name = _run(request), request.path_params["name"]
    if not re.fullmatch(r"([0-9]{1,15}|real)\.png", name):
        raise HTTPException(404, "There is no such sample grid.")
    content = await _read(run / "samples" / name, run, PICTURE_BYTES)
    return Response(content, media_type="image/png", headers={"Cache-Control": "private, max-age=3600"})


async def page(request: Request) -> Response:
    """Answer with a page that lies in a run: its report, its quiz, its exported generator."""
    run, name = _run(request), PAGES.get(request.path_params["name"])
    if name is None:
        raise HTTPException(404, "There is no such page.")
    content = await _read(run / name, run, PAGE_BYTES)
    if name.endswith(".md"):
        return Response(
            content, media_type="text/plain", headers={"Content-Security-Policy": "default-src 'none'; sandbox"}
        )
    return Response(content, media_type="text/html", headers={"Content-Security-Policy": SANDBOX})


async def download(request: Request) -> Response:
    """Answer with a file of a run's export."""
    run, name = _run(request), request.path_params["name"]
    if name not in [one["name"] for one in await asyncio.to_thread(exported, run)]:
        raise HTTPException(404, "There is no such file.")
    content = await _read(run / "export" / name, run, 2**31)
    safe = re.sub(r"[^\w.-]", "_", name, flags=re.ASCII)
    return Response(
        content,
        media_type="application/octet-stream",
        headers={"Content-Disposition": f'attachment; filename="{safe}"'},
    )


async def _read(file: Path, run: Path, most: int) -> bytes:
    try:
        return await asyncio.to_thread(read_bytes, file, most, run)
    except (Refused, OSError) as error:
        raise HTTPException(404, f"{file.name} cannot be read: {error.strerror}.") from None


async def start(request: Request) -> Response:
    """Start a run, or try again to start one that failed."""
    here = parts(request)
    given = await form(request, root=str, path=str, name=str, start=str, **SETTINGS)
    root, path, name = needed(given, "root", "path", "name")
    data = here.roots.folder(root, path)
    origin = here.roots.run(given["start"]) if given["start"] else None
    wishes = {key: given[key] for key in SETTINGS}
    run = _place(here, name)
    arguments = commands.train(data, run, wishes, origin)
    make_folder(run)
    here.training.start(run, arguments)
    return JSONResponse({"name": run.name, "command": shown(arguments)}, 201)


def _place(here: Parts, name: str) -> Path:
    """Return the folder of a new run: a free one, or one whose start failed."""
    try:
        run = here.roots.run(name)
    except UserError:
        return here.roots.new_run(name)
    if kind_of(run) == "begun" and process_of(run) is None:
        return run
    raise UserError(f"There is a run {name} already; choose another name.")


async def propose(request: Request) -> Response:
    """Answer with the recipe that training would use and its cost, measured: `organza train --dry-run`."""
    here = parts(request)
    given = await form(request, root=str, path=str, start=str, **SETTINGS)
    root, path = needed(given, "root", "path")
    origin = here.roots.run(given["start"]) if given["start"] else None
    wishes = {key: given[key] for key in SETTINGS}
    place = here.roots.runs / "..new.."
    arguments = [*commands.train(here.roots.folder(root, path), place, wishes, origin), "--dry-run"]
    job = await here.jobs.start("proposal", f"{root}/{path}", arguments)
    return JSONResponse(job.facts(), 202)


async def halt(request: Request) -> Response:
    """Ask a run to save and stop; with `force`, kill it."""
    given = await form(request, force=bool)
    stop(_run(request), bool(given["force"]))
    return JSONResponse({})


async def resume(request: Request) -> Response:
    """Resume a run, with a longer budget if one is given; one that is no budget is refused before one that is spent."""
    here, run = parts(request), _run(request)
    given = await form(request, budget=str, root=str, path=str)
    data = here.roots.folder(given["root"], given["path"] or "") if given["root"] else None
    if given["budget"]:
        budget = commands.valid("budget", given["budget"])
        now = await asyncio.to_thread(history.summary, run)
        if commands.is_spent(budget, now["images"], now["seconds"], now["count"] - now["held_out"]):
            raise UserError(
                f"{budget} is spent: {run.name} has trained for {now['seconds']:.0f} s on {now['images']:,} images; give a longer budget."
            )
    arguments = await asyncio.to_thread(commands.resume, run, given["budget"], data)
    here.training.start(run, arguments)
    return JSONResponse({"name": run.name, "command": shown(arguments)})


async def make(request: Request) -> Response:
    """Start a command that makes a report, a quiz or an export of a run, or finds its directions."""
    here, run = parts(request), _run(request)
    given = await form(
        request, kind=str, forms=list, license=str, precision=str, about_data=str, data_license=str, attribution=str
    )
    [kind] = needed(given, "kind")
    if kind in ("report", "quiz", "directions"):
        arguments = [kind, str(run)]
    elif kind == "export":
        arguments = commands.export(run, given["forms"] or [], given)
    else:
        raise HTTPException(400, f"There is no {printable(kind)[:40]}; choose from report, quiz, directions, export.")
    job = await here.jobs.start(kind, run.name, arguments)
    return JSONResponse(job.facts(), 202)


async def jobs(request: Request) -> Response:
    """Answer with the latest commands."""
    return JSONResponse([job.facts() for job in parts(request).jobs.all.values()])


async def cancel(request: Request) -> Response:
    """End a command."""
    given = await form(request, number=int)
    [number] = needed(given, "number")
    parts(request).jobs.cancel(number)
    return JSONResponse({})


async def events(request: Request) -> Response:
    """Answer with a stream of what changes in the runs."""
    watch = parts(request).watch
    if watch.listeners >= 64:
        raise HTTPException(429, "Too many pages listen; close some.")

    async def stream() -> AsyncIterator[str]:
        """Yield the messages of server-sent events, and a sign of life now and then."""
        queue = watch.listen()
        try:
            while not watch.closing:
                try:
                    message = await asyncio.wait_for(queue.get(), HEARTBEAT)
                except TimeoutError:
                    message = ": still here\n\n"
                if message is None:
                    return
                yield message
        finally:
            watch.leave(queue)

    headers = {"X-Accel-Buffering": "no", "Cache-Control": "no-store"}
    return StreamingResponse(stream(), media_type="text/event-stream", headers=headers)


def _run(request: Request) -> Path:
    try:
        return parts(request).roots.run(request.path_params["run"])
    except UserError as error:
        raise HTTPException(404, str(error)) from None


routes = [
    Route("/api/studio", studio),
    Route("/api/runs", runs, methods=["GET"]),
    Route("/api/runs", start, methods=["POST"]),
    Route("/api/propose", propose, methods=["POST"]),
    Route("/api/events", events),
    Route("/api/jobs", jobs, methods=["GET"]),
    Route("/api/jobs/cancel", cancel, methods=["POST"]),
    Route("/api/runs/{run}", one),
    Route("/api/runs/{run}/samples/{name}", sample),
    Route("/api/runs/{run}/pages/{name}", page),
    Route("/api/runs/{run}/files/{name}", download),
    Route("/api/runs/{run}/stop", halt, methods=["POST"]),
    Route("/api/runs/{run}/resume", resume, methods=["POST"]),
    Route("/api/runs/{run}/make", make, methods=["POST"]),
]
