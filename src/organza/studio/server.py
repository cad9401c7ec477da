"""The server of the studio: its parts, its routes, and its life."""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
import sys
import webbrowser
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from organza.errors import UserError
from organza.studio import classroom, data_api, play_api, run_api
from organza.studio.bodies import body
from organza.studio.connections import MOST, Connection
from organza.studio.dropped import DroppedImages
from organza.studio.guard import Access, Guard, sign_in, welcome
from organza.studio.jobs import Jobs
from organza.studio.parts import Parts
from organza.studio.processes import Training
from organza.studio.roots import Roots
from organza.studio.watch import Watch
from organza.studio.workers import Worker
from organza.untrusted import printable

PORT = 8490
TRIES = 20
LOOPBACK = "127.0.0.1", "localhost", "::1"
EVERYWHERE = "0.0.0.0", "::"
"""Hosts that stand for all interfaces; no browser can open them."""
KINDS = {
    ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml", ".html": "text/html", ".txt": "text/plain",
}  # fmt: skip
TOKEN = "ORGANZA_STUDIO_TOKEN"
"""Environment variable with a token of the user's own, as for a studio that starts with the machine."""


def application(roots: Roots, access: Access) -> Starlette:
    """Return the application.

    Args:
        roots: folders that it may use.
        access: names and secrets of the server.
    """
    training = Training()
    watch = Watch(roots, training)
    jobs = Jobs(lambda job: watch.tell("job", job))
    parts = Parts(
        roots,
        access,
        training,
        watch,
        jobs,
        DroppedImages(roots),
        Worker("sliders"),
        Worker("clips and dropped images"),
        Worker("data"),
        Worker("the classroom", "organza.classroom.worker"),
    )

    @asynccontextmanager
    async def life(_: Starlette) -> AsyncIterator[None]:
        """Watch the folders while the server runs, and end all workers after it."""
        for message in await asyncio.to_thread(watch.look):
            watch.tell(*message)
        task = asyncio.create_task(watch.run())
        yield
        task.cancel()
        watch.close()
        await asyncio.gather(parts.jobs.close(), *(worker.end() for worker in parts.workers))

    routes = [
        Route("/enter", _enter, methods=["POST"]),
        *run_api.routes,
        *data_api.routes,
        *play_api.routes,
        *classroom.routes,
        Route("/api/{rest:path}", _nothing, methods=["GET", "POST"]),
        Route("/{path:path}", _page, methods=["GET"]),
    ]
    app = Starlette(
        routes=routes, lifespan=life, middleware=[Middleware(Guard, access=access)],
        exception_handlers={UserError: _user_error, HTTPException: _http_error},
    )  # fmt: skip
    app.state.parts = parts
    return app


async def _enter(request: Request) -> Response:
    """Take the token from the sign-in page."""
    from urllib.parse import parse_qs

    access = request.app.state.parts.access
    token = parse_qs((await body(request, 4096)).decode("utf-8", "replace")).get("token", [""])[0].strip()
    return welcome(access) if access.knows(token) else sign_in(wrong=True)


def _user_error(_: Request, error: Exception) -> Response:
    return JSONResponse({"error": str(error)}, 400)


def _http_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": error.detail}, error.status_code, error.headers)


async def _nothing(request: Request) -> Response:
    raise HTTPException(404, f"There is nothing at {printable(request.url.path)[:120]}.")


async def _page(request: Request) -> Response:
    """Answer with a file of the page; every address without an ending is the page itself, which reads it."""
    name = request.path_params["path"]
    if "." not in name.rpartition("/")[2]:
        name = "index.html"
    content = assets().get(name)
    if content is None:
        return PlainTextResponse("There is no such page.", 404)
    kind = KINDS.get(Path(name).suffix, "application/octet-stream")
    return Response(content, media_type=kind, headers={"Cache-Control": "no-cache"})


def assets() -> dict[str, bytes]:
    """Return the files of the page by their names; read once."""
    if not _ASSETS:
        for item in files("organza.studio").joinpath("page").iterdir():
            if item.is_file():
                _ASSETS[item.name] = item.read_bytes()
    return _ASSETS


_ASSETS: dict[str, bytes] = {}


class Server(uvicorn.Server):
    """uvicorn, which ends the streams of events and the workers when it is asked to end, and so ends at once."""

    def handle_exit(self, sig: int, frame: Any) -> None:
        """End the streams, and the calls that wait for a worker."""
        with suppress(AttributeError):
            app: Any = self.config.app
            app.state.parts.watch.close()
            for worker in app.state.parts.workers:
                worker.close()
        super().handle_exit(sig, frame)


@dataclass(frozen=True)
class Address:
    """The place where a studio listens.

    Args:
        host: name or number of the interface; the loopback one by default.
        port: port; if it is taken, the next free one. 0 for any.
        certificate, key: files of a TLS certificate and its key.
        plain: True to permit other hosts without TLS.
    """

    host: str = LOOPBACK[0]
    port: int = PORT
    certificate: Path | None = None
    key: Path | None = None
    plain: bool = False

    @property
    def scheme(self) -> str:
        """http or https."""
        return "https" if self.certificate else "http"

    @property
    def names(self) -> list[str]:
        """Names and numbers by which a browser may call it, the one to print first.

        >>> Address().names
        ['localhost', '127.0.0.1', '[::1]']
        """
        if self.host in LOOPBACK:
            return ["localhost", "127.0.0.1", "[::1]"]
        if self.host not in EVERYWHERE:
            return [in_brackets(self.host), socket.gethostname()]
        numbers = [in_brackets(number) for number in own_numbers()]
        named = [
            socket.gethostname()
        ]  # a certificate is for a name, and other machines may not know an uncertified one
        first = named + numbers if self.certificate else numbers + named
        return [*first, "localhost", "127.0.0.1", "[::1]"]

    def require_safe(self) -> None:
        """Check that others can reach it over TLS only.

        Raises:
            UserError: if they could do so without.
        """
        if self.host not in LOOPBACK and not self.certificate and not self.plain:
            raise UserError(
                f"--host {self.host} opens the studio to your network, and without TLS anyone on the way reads its token and "
                "your images. Better: ssh -L 8490:localhost:8490 MACHINE. Or give --certificate and --key; or, in a network that "
                "you trust entirely, --plain-http."
            )


def in_brackets(number: str) -> str:
    """Return a host as it stands in an address: numbers of IPv6 in brackets.

    >>> in_brackets("::1"), in_brackets("192.0.2.7")
    ('[::1]', '192.0.2.7')
    """
    return f"[{number}]" if ":" in number else number


def own_numbers() -> list[str]:
    """Return the numbers of this machine in its networks; none if it is in none."""
    found = []
    for family, far in (
        (socket.AF_INET, "192.0.2.1"),
        (socket.AF_INET6, "2001:db8::1"),
    ):  # numbers reserved for examples
        with suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as way:
            way.connect((far, 9))  # chooses the interface, and sends nothing
            found.append(way.getsockname()[0])
    return found


def bound(address: Address) -> socket.socket:
    """Return a listening socket: the port asked for, or one of the next.

    Raises:
        UserError: if all are taken, or the host is not this machine's.
    """
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    for port in range(address.port, address.port + TRIES) if address.port else [0]:
        # named TCP, or asyncio leaves Nagle's algorithm on, and a browser gets each answer's body 40 ms after its head
        place = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        if os.name == "posix":
            place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            place.bind((address.host, port))
        except OSError as error:
            place.close()
            if port + 1 == address.port + TRIES or not address.port or error.errno not in TAKEN:
                raise UserError(
                    f"The studio cannot listen at {address.host}:{port}: {error.strerror}; choose another --port."
                ) from None
            continue
        return place
    raise AssertionError


TAKEN = {98, 48, 10048, 13, 10013}
"""Errors of Linux, macOS and Windows for a port that is taken or reserved."""


def serve(roots: Roots, address: Address, open_browser: bool, say: Callable[[str], None]) -> None:
    """Serve the studio until Ctrl-C.

    Args:
        roots: folders that it may use.
        address: place to listen.
        open_browser: True to open the page.
        say: function that prints a line.

    Raises:
        UserError: if it cannot listen, or would be unsafe.
    """
    address.require_safe()
    place = bound(address)
    port = place.getsockname()[1]
    names = address.names
    token = os.environ.get(TOKEN) or secrets.token_urlsafe(32)
    access = Access({f"{name.lower()}:{port}" for name in names}, address.scheme, port, token)
    app = application(roots, access)
    link = f"{address.scheme}://{names[0]}:{port}/?token={token}"
    say(f"The studio is at {link}")
    say(f"Runs in {roots.runs}; data in {', '.join(map(str, roots.data.values())) or 'no folder: add --data FOLDER'}.")
    if address.host not in LOOPBACK and not address.certificate:
        say(
            "Warning: without TLS, anyone in this network can read the token and your images, and use this machine through the studio."
        )
    say("Ctrl-C ends the studio; training goes on.")
    if open_browser:
        webbrowser.open(link)
    config = uvicorn.Config(
        app, http=Connection, ws="none", log_level="warning", access_log=False, proxy_headers=False, server_header=False,
        limit_concurrency=MOST, timeout_keep_alive=20, timeout_graceful_shutdown=2, h11_max_incomplete_event_size=2**15,
        ssl_certfile=address.certificate, ssl_keyfile=address.key,
    )  # fmt: skip
    sys.stdout.flush()
    with suppress(KeyboardInterrupt):
        Server(config).run(sockets=[place])
