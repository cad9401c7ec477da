"""A hub on loopback: as much of Hugging Face's interface as its client needs to create, commit to, list and download a repository."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Files = dict[str, bytes]


class Hub:
    """Repositories in memory, their commits, and the requests that came in.

    `faults` maps a part of a path to a status to answer with, "cut" to drop the connection, or "flip" to change a byte.
    """

    def __init__(self) -> None:
        self.commits: dict[str, list[tuple[str, Files]]] = {}
        self.private: dict[str, bool] = {}
        self.stored: dict[str, bytes] = {}
        self.requests: list[str] = []
        self.faults: dict[str, int | str] = {}
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"hub": self}))
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    def commit(self, repository: str, files: Files) -> str:
        """Add a commit on top of the newest; return its hash."""
        history = self.commits.setdefault(repository, [])
        every = {**(history[-1][1] if history else {}), **files}
        told = repr(
            (repository, len(history), sorted((name, hashlib.sha256(body).hexdigest()) for name, body in every.items()))
        )
        history.append((hashlib.sha1(told.encode()).hexdigest(), every))
        self.private.setdefault(repository, True)
        return history[-1][0]

    def at(self, repository: str, revision: str) -> tuple[str, Files] | None:
        history = self.commits.get(repository, [])
        if revision == "main":
            return history[-1] if history else ("0" * 40, {})
        return next((entry for entry in history if entry[0] == revision), None)


class Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        pass

    def answer(self, status: int, body: Any = b"", **headers: str) -> None:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def refused(self, code: str = "RepoNotFound") -> None:
        self.answer(404, {"error": code}, X_Error_Code=code)

    def handle_one(self) -> None:
        hub, path = self.hub, self.path.partition("?")[0]
        hub.requests.append(f"{self.command} {path}")
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        fault = next((fault for part, fault in hub.faults.items() if part in f"{self.command} {path}"), None)
        if fault == "cut":
            self.close_connection = True
            return
        if isinstance(fault, int):
            self.answer(fault, {"error": "a fault of the test"})
        elif path == "/api/repos/create":
            asked = json.loads(body)
            name = f"{asked['organization']}/{asked['name']}" if asked.get("organization") else asked["name"]
            if name in hub.commits:
                self.answer(409, {"url": f"{hub.url}/{name}", "error": "exists"})
            else:
                hub.commits[name], hub.private[name] = (
                    [],
                    asked.get("visibility") == "private" or bool(asked.get("private")),
                )
                self.answer(200, {"url": f"{hub.url}/{name}", "name": name, "id": name})
        elif path == "/api/validate-yaml":
            self.answer(200, {"errors": [], "warnings": []})
        elif match := re.fullmatch(r"/api/models/([^/]+/[^/]+)/preupload/main", path):
            modes = [
                {"path": one["path"], "shouldIgnore": False,
                 "uploadMode": "lfs" if one["path"].endswith((".safetensors", ".onnx")) else "regular"}
                for one in json.loads(body)["files"]
            ]  # fmt: skip
            self.answer(200, {"files": modes})
        elif path.endswith("/info/lfs/objects/batch"):
            objects = [
                one | {"actions": {"upload": {"href": f"{hub.url}/store/{one['oid']}"}}}
                for one in json.loads(body)["objects"]
            ]
            self.answer(200, {"transfer": "basic", "objects": objects}, Content_Type="application/vnd.git-lfs+json")
        elif match := re.fullmatch(r"/store/(\w+)", path):
            hub.stored[match[1]] = body
            self.answer(200)
        elif match := re.fullmatch(r"/api/models/([^/]+/[^/]+)/commit/main", path):
            oid = hub.commit(match[1], dict(map(self.added, filter(None, map(self.entry, body.splitlines())))))
            self.answer(200, {"commitUrl": f"{hub.url}/{match[1]}/commit/{oid}", "commitOid": oid, "success": True})
        elif match := re.fullmatch(r"/api/models/([^/]+/[^/]+)(?:/revision/(.+))?", path):
            self.information(match[1], match[2] or "main")
        elif match := re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path):
            self.file(match[1], match[2], match[3], fault == "flip")
        else:
            self.answer(404)

    def entry(self, line: bytes) -> dict | None:
        found = json.loads(line)
        return found if found["key"] in ("file", "lfsFile") else None

    def added(self, entry: dict) -> tuple[str, bytes]:
        value = entry["value"]
        content = base64.b64decode(value["content"]) if entry["key"] == "file" else self.hub.stored[value["oid"]]
        return value["path"], content

    def information(self, repository: str, revision: str) -> None:
        if repository not in self.hub.commits:
            self.refused()
        elif (found := self.hub.at(repository, revision)) is None:
            self.refused("RevisionNotFound")
        else:
            files = [{"rfilename": name, "size": len(content), "blobId": "0"} for name, content in found[1].items()]
            private = self.hub.private[repository]
            self.answer(200, {"id": repository, "sha": found[0], "siblings": files, "private": private})

    def file(self, repository: str, revision: str, name: str, flip: bool) -> None:
        found = self.hub.at(repository, revision)
        if found is None or name not in found[1]:
            self.refused("EntryNotFound")
            return
        content = found[1][name]
        if flip:
            content = content[:-1] + bytes([content[-1] ^ 1])
        etag = hashlib.sha256(content).hexdigest()
        self.answer(200, content, ETag=f'"{etag}"', X_Repo_Commit=found[0], Accept_Ranges="bytes")

    do_GET = do_POST = do_PUT = do_HEAD = handle_one
