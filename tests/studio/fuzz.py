"""Random requests at a studio: no answer of 5xx, no file outside of its folders, nothing for a foreign page.

python -m tests.studio.fuzz 10000
"""

from __future__ import annotations

import json
import random
import socket
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tests.drawings import drawing
from tests.studio.server import TOKEN, Studio

# ruff: noqa: E501
NAMES = [
    "format-2", "format-1-evaluated", "linked", "nothing", "..", ".", "%2e%2e", "..%2f..%2fsecret.txt", "", "a" * 300, "\u202e", "con",
    "drawings", "dropped", "000.png", "real.png", "00000099.png", "report", "web", "card", "stop", "samples", "files", "pages", "../secret.txt", "\x00",
    "drawings/../../secret.txt", "linked/secret.png", "/etc/passwd", "file:///etc/passwd", "%00", "{}", "<script>", "--help", "best", "index.html",
]  # fmt: skip
ROUTES = [
    "/", "/{}", "/api/{}", "/api/studio", "/api/runs", "/api/runs/{}", "/api/runs/{}/{}", "/api/runs/{}/samples/{}", "/api/runs/{}/pages/{}",
    "/api/runs/{}/files/{}", "/api/runs/{}/stop", "/api/runs/{}/resume", "/api/runs/{}/make", "/api/jobs", "/api/jobs/cancel",
    "/api/data?root={}&path={}", "/api/data/thumbnail?root=data&path={}", "/api/data/check", "/api/data/make", "/api/data/upload?name={}",
    "/api/play/{}/describe", "/api/play/{}/images", "/api/play/{}/{}", "/api/play/{}/judge?to={}", "/enter", "/?token={}", "/main.js", "/../{}", "//{}",
]  # fmt: skip
FIELDS = [
    "name", "root", "path", "kind", "points", "recipe", "budget", "size", "labels", "settings", "force", "number", "forms", "license", "seed",
    "start", "frames", "columns", "azimuth", "count", "__proto__",
]  # fmt: skip
VALUES: list[Any] = [
    None, True, 0, -1, 2**70, 1.5, float("nan"), "", "data", "drawings", "../..", "format-2", "--help", "; rm -rf x", "os:system", "x" * 5000, [], {}, [[]],
    [{}], [{"seed": 1}], [{"seed": -1}], [{"psi": 9}], [{"kept": "../../secret"}], [{"kept": "0123456789abcdef"}], {"a": {}}, "1img", "report", "\ud800",
]  # fmt: skip
TYPES = [
    "application/json",
    "application/octet-stream",
    "text/plain",
    "",
    "application/json; charset=utf-16",
    "multipart/form-data",
]
FOREIGN = [
    {"Host": "evil.test"},
    {"Origin": "http://evil.test"},
    {"Origin": "null"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Cookie": "organza=1"},
]
HARMFUL = ("/stop", "/resume", "/make", "/propose")
"""Ends of paths whose accepted requests start processes; they are sent, but seldom, as each costs seconds."""


class Fuzzer:
    """Random requests from one seed."""

    def __init__(self, studio: Studio, seed: int):
        self.studio, self.random = studio, random.Random(seed)
        self.statuses: Counter[int] = Counter()
        self.image = next((studio.data / "drawings").glob("*.png")).read_bytes()

    def path(self) -> str:
        route = self.random.choice(ROUTES)
        names = (quote(self.random.choice(NAMES), safe=self.random.choice(["", "%/.", "%"])) for _ in range(2))
        for name in names:
            route = route.replace("{}", name, 1)
        return "".join(c if 32 < ord(c) < 127 else "%00" for c in route)

    def body(self) -> bytes:
        kind = self.random.random()
        if kind < 0.15:
            return self.random.randbytes(self.random.randrange(200))
        table = {name: self.random.choice(VALUES) for name in self.random.sample(FIELDS, self.random.randrange(5))}
        return json.dumps(table).encode()[: None if kind < 0.9 else self.random.randrange(1, 40)]

    def upload(self) -> bytes:
        """Files as the page sends them: a list that may be wrong, and bytes of which some are an image."""
        sizes = [self.random.choice([0, 1, 40, len(self.image)]) for _ in range(self.random.randrange(4))]
        entries: list[Any] = [
            {"folder": self.random.choice(["", "", *NAMES]), "file": self.random.choice([*NAMES, "labels.csv", "a.png"]), "bytes": size}
            for size in sizes
        ]  # fmt: skip
        if entries and self.random.random() < 0.2:
            entries[0][self.random.choice(["folder", "file", "bytes"])] = self.random.choice(VALUES)
        content = b"".join(self.image if size == len(self.image) else self.random.randbytes(size) for size in sizes)
        return json.dumps(entries).encode() + self.random.choice([b"\n", b"\n", b"\n", b""]) + content

    def step(self) -> None:
        """Send a request, and check its answer."""
        if self.random.random() < 0.05:
            self.broken()
            return
        path, method = self.path(), self.random.choice(["GET", "GET", "POST", "POST", "HEAD", "PUT", "BREW"])
        if method == "POST" and path.partition("?")[0].endswith(HARMFUL) and self.random.random() < 0.7:
            method = "GET"
        headers: dict[str, str] = {}
        if self.random.random() < 0.2:
            headers |= {"Content-Type": self.random.choice(TYPES)}
        foreign = self.random.random() < 0.3
        if foreign:
            headers |= self.random.choice(FOREIGN)
        content = self.body() if method == "POST" else None
        if method == "POST" and path.startswith("/api/data/upload") and self.random.random() < 0.7:
            headers |= {"Content-Type": "application/octet-stream"}
            content = self.upload()
        answer = self.studio.send(method, path, content, headers)
        self.statuses[answer.status] += 1
        told = f"{method} {path} {headers} gave {answer.status}: {answer.body[:200]!r}"
        assert answer.status < 500, told
        from tests.studio.conftest import SECRET

        assert SECRET not in answer.body, told
        assert b"root:" not in answer.body, told
        token = TOKEN in path
        open_ = path.partition("?")[0] in ("/studio.css", "/icon.svg")
        assert not foreign or answer.status >= 400 or open_ or token or method == "HEAD", told

    def broken(self) -> None:
        """Send bytes that are no request, and leave."""
        content = self.random.choice([
            self.random.randbytes(300), b"GET / HTTP/1.1\r\n", b"POST /api/runs HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n", b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\n\r\n",
            f"POST /api/runs HTTP/1.1\r\nHost: {self.studio.host}\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n".encode(), b"GET / HTTP/1.1\r\nX: " + b"y" * 70_000 + b"\r\n\r\n",
        ])  # fmt: skip
        with socket.create_connection(("127.0.0.1", self.studio.port), 10) as place:
            try:
                place.sendall(content)
                place.settimeout(0.05)
                answer = place.recv(64)
            except OSError:
                return
            assert not answer or answer.split()[1][:1] != b"5", (content[:80], answer)


def main(count: int, seed: int = 0) -> None:
    """Send so many requests to a studio of its own, and print the statuses."""
    from tests.studio.conftest import furnished

    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        pictures = place / "pictures"
        pictures.mkdir()
        for number in range(12):
            drawing(number).save(pictures / f"{number:03d}.png")
        runs, data = furnished(place, pictures)
        studio = Studio(runs, data).start()
        try:
            fuzzer = Fuzzer(studio, seed)
            for _ in range(count):
                fuzzer.step()
            assert studio.send("GET", "/api/runs").status == 200
            print(f"{count} requests: {dict(sorted(fuzzer.statuses.items()))}; {studio.memory():.0f} MB")
        finally:
            studio.end()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
