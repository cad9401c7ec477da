"""The guard of the studio: each request must come from this user's own page.

A local server is within reach of every page that the user opens, and of every user of the machine.
So a request needs, in this order: a Host that is this server's (a page that rebinds its name to this
address has another), an Origin and Sec-Fetch-Site of the same page, and the cookie that was given in
exchange for the token. A request that changes something also needs a POST with a type that no HTML
form can send. CWE-350, CWE-352; RFC 6454; Fetch Metadata, W3C 2021.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Collection
from dataclasses import dataclass, field

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
    "media-src 'self' blob:; frame-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
TYPES = "application/json", "application/octet-stream"
"""Types of request bodies; an HTML form can send neither."""
OPEN = "/studio.css", "/icon.svg"
"""Paths that need no token: the sign-in page uses them."""


@dataclass(frozen=True)
class Access:
    """The secrets and names of one server.

    Args:
        hosts: allowed values of the Host header, in lower case.
        scheme: http or https.
        port: port, for the name of the cookie: cookies do not distinguish ports.
        token: secret in the address that the user opens.
    """

    hosts: Collection[str]
    scheme: str
    port: int
    token: str = field(default_factory=lambda: secrets.token_urlsafe(32))

    @property
    def session(self) -> str:
        """Secret in the cookie, derived from the token, so that pages outlive a studio whose token the user set."""
        return hmac.new(self.token.encode(), b"session", "sha256").hexdigest()

    @property
    def cookie(self) -> str:
        """Name of the cookie."""
        return f"organza-{self.port}"

    def knows(self, token: str) -> bool:
        """Return True if a token is right, in constant time."""
        return hmac.compare_digest(token.encode("utf-8", "replace"), self.token.encode())

    def admits(self, connection: HTTPConnection) -> bool:
        """Return True if a request has the cookie, in constant time."""
        given = connection.cookies.get(self.cookie, "")
        return hmac.compare_digest(given.encode("utf-8", "replace"), self.session.encode())


class Guard:
    """Middleware that refuses what `Access` does not admit, and adds the security headers."""

    def __init__(self, app: ASGIApp, access: Access):
        self.app, self.access = app, access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it: see `refusal`."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self.app(scope, receive, send)
            return

        async def guarded(message: Message) -> None:
            """Send a message with the headers of security."""
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.setdefault("Content-Security-Policy", POLICY)
                headers.setdefault("Cache-Control", "no-store")
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        connection = HTTPConnection(scope)
        answer = refusal(connection, self.access) or _entrance(connection, self.access)
        await (answer or self.app)(scope, receive, guarded)


def refusal(connection: HTTPConnection, access: Access) -> Response | None:
    """Return the answer to a request that did not come from this server's own page, or None."""
    headers, method = connection.headers, connection.scope["method"]
    if method not in ("GET", "HEAD", "POST"):
        return PlainTextResponse("The studio answers GET and POST.", 405, {"Allow": "GET, HEAD, POST"})
    if headers.get("host", "").lower() not in access.hosts or len(headers.getlist("host")) != 1:
        return PlainTextResponse("This address is not the studio's; open the one that it printed.", 403)
    if (origin := headers.get("origin")) is not None and origin.lower() != _own(headers, access):
        return PlainTextResponse("A page of another origin may not use the studio.", 403)
    site, mode = headers.get("sec-fetch-site", "none"), headers.get("sec-fetch-mode", "")
    visit = method == "GET" and mode == "navigate" and headers.get("sec-fetch-dest") == "document"
    if site not in ("same-origin", "none") and not visit:
        return PlainTextResponse("A page of another site may not use the studio.", 403)
    if method == "POST":
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        if origin is None and site != "same-origin":
            return PlainTextResponse("A request without an Origin changes nothing.", 403)
        if kind not in TYPES and connection.scope["path"] != "/enter":
            return PlainTextResponse(f"The body must be {' or '.join(TYPES)}.", 415)
    return None


def _own(headers: Headers, access: Access) -> str:
    return f"{access.scheme}://{headers.get('host', '').lower()}"


def _entrance(connection: HTTPConnection, access: Access) -> Response | None:
    """Return the answer to a request without the cookie: its exchange for the token, or a sign-in page."""
    path, method = connection.scope["path"], connection.scope["method"]
    if method == "GET" and "token" in connection.query_params:
        if not access.knows(connection.query_params["token"]):
            return sign_in(wrong=True)
        return welcome(access, path if path.startswith("/") and not path.startswith("//") else "/")
    if access.admits(connection) or path in OPEN or (path == "/enter" and method == "POST"):
        return None
    if path.startswith("/api/"):
        return PlainTextResponse("The studio needs its token: open the address that it printed.", 401)
    return sign_in()


def welcome(access: Access, path: str = "/") -> Response:
    """Return the answer to the right token: the cookie, and an address without the token."""
    answer = RedirectResponse(path, 303)
    answer.set_cookie(
        access.cookie, access.session, httponly=True, samesite="strict", secure=access.scheme == "https", path="/"
    )
    return answer


def sign_in(wrong: bool = False) -> Response:
    """Return the page that asks for the token."""
    note = '<p class="problem" role="alert">That is not the token of this studio.</p>' if wrong else ""
    return HTMLResponse(
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Organza studio</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="/icon.svg">'
        '<link rel="stylesheet" href="/studio.css"></head><body><main class="door"><img src="/icon.svg" alt="" width="64" height="64">'
        "<h1>Organza studio</h1><p>Open the address that the terminal printed, or enter the token at its end.</p>"
        f'{note}<form method="post" action="/enter"><label for="token">Token</label>'
        '<input id="token" name="token" type="password" autocomplete="off" required>'
        '<button class="main">Enter</button></form></main></body></html>',
        401,
    )
