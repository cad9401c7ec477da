"""A studio in a process of its own, as a user starts it, and a client that can also send what no browser would."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

TOKEN = "a-token-of-the-tests"
PATIENCE = 120.0


@dataclass
class Answer:
    """An answer of the server."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Studio:
    """A studio that serves a folder of runs."""

    runs: Path
    data: Path
    port: int = 0
    process: subprocess.Popen[bytes] | None = None
    cookie: str = ""
    env: dict[str, str] = field(default_factory=dict)

    def start(self) -> Studio:
        log = self.runs.parent / f"studio-{time.monotonic_ns()}.txt"
        with log.open("wb") as file:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "organza", "studio", str(self.runs), "--data", str(self.data), "--no-browser",
                 "--port", str(self.port)],
                stdout=file, stderr=file, stdin=subprocess.DEVNULL, env=os.environ | {"ORGANZA_STUDIO_TOKEN": TOKEN} | self.env,
            )  # fmt: skip
        self.log = log
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            if found := re.search(r"http://localhost:(\d+)/\?token=", log.read_text()):
                self.port = int(found[1])
                if self._listens():
                    self.cookie = self.enter()
                    return self
            assert self.process.poll() is None, log.read_text()
            time.sleep(0.05)
        raise AssertionError("the studio did not start: " + log.read_text())

    def _listens(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
        except OSError:
            return False
        return True

    @property
    def host(self) -> str:
        return f"localhost:{self.port}"

    @property
    def link(self) -> str:
        return f"http://{self.host}/?token={TOKEN}"

    def enter(self) -> str:
        answer = self.send("GET", f"/?token={TOKEN}", cookie="")
        assert answer.status == 303, answer
        return answer.headers["set-cookie"].partition(";")[0]

    def send(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None, cookie: str | None = None
    ) -> Answer:
        """Send a request as the studio's own page would, other than given."""
        sent = {"Host": self.host, "Cookie": self.cookie if cookie is None else cookie}
        if method == "POST":
            sent |= {"Origin": f"http://{self.host}", "Content-Type": "application/json"}
        content = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        sent = {name: value for name, value in (sent | (headers or {})).items() if value is not None}
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            connection.request(method, path, content, sent)
            answer = connection.getresponse()
            return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def get(self, path: str) -> Any:
        answer = self.send("GET", path)
        assert answer.status == 200, (path, answer)
        return answer.json

    def post(self, path: str, body: Any = None) -> Any:
        answer = self.send("POST", path, {} if body is None else body)
        assert answer.status < 300, (path, answer)
        return answer.json

    def memory(self) -> float:
        """Memory of the server without its workers, in MB."""
        import psutil

        assert self.process is not None
        return psutil.Process(self.process.pid).memory_info().rss / 2**20

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def end(self) -> float:
        """End it as Ctrl-C does, and return the seconds that it took."""
        assert self.process is not None
        began = time.monotonic()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(30)
        return time.monotonic() - began


def wait_for(what: Any, seconds: float = PATIENCE, pause: float = 0.2) -> Any:
    """Return what a function returns as soon as it is true."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if found := what():
            return found
        time.sleep(pause)
    raise AssertionError(f"{what} stayed false for {seconds:.0f} s")
