"""The studio answers its own page and nobody else."""

from __future__ import annotations

import socket
import time

import pytest

from tests.studio.server import TOKEN, Studio

ROUTES = [
    "/",
    "/api/runs",
    "/api/events",
    "/api/runs/format-2",
    "/api/data?root=data",
    "/api/runs/format-2/samples/real.png",
]
CHANGES = [
    "/api/runs",
    "/api/runs/format-2/stop",
    "/api/runs/format-2/resume",
    "/api/data/make",
    "/api/play/format-2/images",
    "/api/jobs/cancel",
]


def test_the_token_is_exchanged_for_a_cookie_and_leaves_the_address(studio: Studio):
    answer = studio.send("GET", f"/run/format-2?token={TOKEN}", cookie="")
    assert (answer.status, answer.headers["location"]) == (303, "/run/format-2")
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert TOKEN not in cookie
    assert studio.send("GET", "/?token=wrong", cookie="").status == 401
    assert "set-cookie" not in studio.send("GET", "/?token=wrong", cookie="").headers


@pytest.mark.parametrize("path", ROUTES[1:])
def test_without_the_cookie_there_is_nothing(studio: Studio, path: str):
    answer = studio.send("GET", path, cookie="")
    assert answer.status == 401
    assert b"format-2" not in answer.body


def test_the_sign_in_page_takes_the_token(studio: Studio):
    page = studio.send("GET", "/", cookie="")
    assert page.status == 401
    assert b'action="/enter"' in page.body
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    assert studio.send("POST", "/enter", f"token={TOKEN}".encode(), kind, cookie="").status == 303
    assert studio.send("POST", "/enter", b"token=no", kind, cookie="").status == 401
    assert (
        studio.send(
            "POST", "/enter", f"token={TOKEN}".encode(), kind | {"Origin": "http://evil.test"}, cookie=""
        ).status
        == 403
    )


@pytest.mark.parametrize(
    "host", ["evil.test", "127.0.0.1.evil.test", "localhost", "localhost:1", "evil.test@localhost", "LOCALHOST.:{port}"]
)
@pytest.mark.parametrize("path", ROUTES)
def test_another_host_is_refused(studio: Studio, host: str, path: str):
    assert studio.send("GET", path, headers={"Host": host.format(port=studio.port)}).status == 403


def test_two_hosts_are_refused(studio: Studio):
    with socket.create_connection(("127.0.0.1", studio.port), 10) as place:
        place.sendall(f"GET / HTTP/1.1\r\nHost: {studio.host}\r\nHost: evil.test\r\n\r\n".encode())
        assert place.recv(100).split()[1] in (b"400", b"403")


@pytest.mark.parametrize(
    "origin", ["http://evil.test", "null", "https://localhost:{port}", "http://localhost:1", "http://localhost"]
)
@pytest.mark.parametrize("path", CHANGES)
def test_another_origin_changes_nothing(studio: Studio, origin: str, path: str):
    assert studio.send("POST", path, {}, {"Origin": origin.format(port=studio.port)}).status == 403


@pytest.mark.parametrize("path", CHANGES)
def test_a_change_needs_an_origin_a_type_and_the_cookie(studio: Studio, path: str):
    assert studio.send("POST", path, {}, {"Origin": None}).status == 403  # type: ignore[dict-item]
    assert studio.send("POST", path, {}, {"Content-Type": "text/plain"}).status == 415
    assert studio.send("POST", path, {}, {"Content-Type": "application/x-www-form-urlencoded"}).status == 415
    assert studio.send("POST", path, {}, {"Sec-Fetch-Site": "cross-site"}).status == 403
    assert studio.send("POST", path, {}, cookie="").status == 401
    assert studio.send("GET", path + "?x=1").status in (200, 404, 405)  # a GET of such a path is no change


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
@pytest.mark.parametrize("path", ROUTES[1:])
def test_another_site_reads_nothing(studio: Studio, site: str, path: str):
    assert studio.send("GET", path, headers={"Sec-Fetch-Site": site}).status == 403


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_other_methods_are_refused(studio: Studio, method: str):
    assert studio.send(method, "/api/runs").status == 405


def test_every_answer_states_its_policy(studio: Studio):
    for path in (*ROUTES[:2], "/main.js", "/nothing.js", "/api/nothing"):
        headers = studio.send("GET", path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert headers["content-security-policy"].startswith("default-src 'none'; script-src 'self'; style-src 'self';")
        assert "unsafe" not in headers["content-security-policy"]


def test_a_page_of_a_run_is_in_an_origin_of_its_own(studio: Studio):
    (studio.runs / "format-1-evaluated" / "report.html").write_text("<script>alert(1)</script>")
    answer = studio.send("GET", "/api/runs/format-1-evaluated/pages/report")
    assert answer.status == 200
    assert "sandbox allow-scripts" in answer.headers["content-security-policy"]
    assert "allow-same-origin" not in answer.headers["content-security-policy"]


def test_a_large_body_is_refused_before_it_is_read(studio: Studio):
    answer = studio.send("POST", "/api/runs", b"{}", {"Content-Length": str(2**40)})
    assert answer.status == 413
    assert studio.send("POST", "/api/runs", b"[" * 1000 + b"]" * 1000).status == 400
    assert studio.send("POST", "/api/runs", b'{"name": 1e999}').status == 400


def test_slow_and_broken_clients_keep_nobody_from_the_studio(studio: Studio):
    slow = [socket.create_connection(("127.0.0.1", studio.port), 10) for _ in range(40)]
    for number, place in enumerate(slow):
        place.sendall(
            [b"GET / HT", b"\x16\x03\x01\x02\x00\x01", b"POST /api/runs HTTP/1.1\r\nContent-Le", b"\r\n\r\n\r\n"][
                number % 4
            ]
        )
    began = time.monotonic()
    assert studio.send("GET", "/api/runs").status == 200
    assert time.monotonic() - began < 5
    ended, until = 0, time.monotonic() + 40
    for place in slow:  # each is cut off within the deadline, or was refused at once
        place.settimeout(max(0.1, until - time.monotonic()))
        try:
            while place.recv(4096):
                pass
            ended += 1
        except ConnectionError:
            ended += 1
        finally:
            place.close()
    assert ended == 40
