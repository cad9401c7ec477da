"""Weights that others publish: what is said before anything is fetched, what is refused, and what is kept."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest
import torch

from organza.cli import main
from organza.errors import UserError
from organza.evaluation.extractors import named_extractor
from organza.metrics.extractors import downloaded_weights
from organza.metrics.extractors.downloaded_weights import Published, scripted, state_dict
from organza.metrics.extractors.reference import KINDS


def saved(value: object) -> bytes:
    body = io.BytesIO()
    torch.save(value, body)
    return body.getvalue()


BODY = saved({"theirs": torch.arange(3.0)})


def told(body: bytes = BODY, address: str = "http://127.0.0.1:9/nobody") -> Published:
    return Published(
        "some", "Some network", address, len(body), hashlib.sha256(body).hexdigest(), "MIT", lambda x: {"ours": x["theirs"] + 1}, state_dict
    )  # fmt: skip


@pytest.fixture
def served() -> Iterator[tuple[str, list[str]]]:
    """An address at which BODY can be fetched, and what was asked for there."""
    asked: list[str] = []

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(BODY)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Answer)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/weights", asked
    server.shutdown()


@pytest.mark.parametrize("name", KINDS)
def test_a_known_network_without_weights_says_what_it_wants(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """Name, size, licence and address in one sentence, and nothing is fetched."""
    monkeypatch.setenv("ORGANZA_CACHE", str(tmp_path))
    monkeypatch.setattr(downloaded_weights.urllib.request, "urlopen", lambda *_, **__: pytest.fail("it was fetched"))
    weights = KINDS[name].weights
    with pytest.raises(UserError) as refused:
        named_extractor(name)
    for word in (name, weights.address, f"{weights.size / 1e6:.0f} MB", weights.licence, "`files`", "`download`"):
        assert word in str(refused.value)
    with pytest.raises(SystemExit) as ended:
        main(["evaluate", str(tmp_path), "--against", str(tmp_path), "--extractor", name])
    assert ended.value.code == 2
    assert weights.address in capsys.readouterr().err.replace("\n", "")
    assert len(weights.sha256) == 64


def test_a_file_is_found_by_its_sha256_read_once_and_kept(tmp_path: Path):
    other, right = tmp_path / "other.pth", tmp_path / "right.pth"
    other.write_bytes(saved({"theirs": torch.zeros(3)}))
    right.write_bytes(BODY)
    assert torch.equal(told().state([other, right], cache=tmp_path)["ours"], torch.arange(3.0) + 1)
    right.unlink()
    assert torch.equal(told().state(cache=tmp_path)["ours"], torch.arange(3.0) + 1)  # nothing is needed any more
    told().kept_at(tmp_path).write_bytes(b"damaged")
    with pytest.raises(UserError, match="`download`"):
        told().state(cache=tmp_path)


def test_other_files_are_refused_before_they_are_read(tmp_path: Path):
    file = tmp_path / "weights.pth"
    file.write_bytes(b"\x80\x04 not what was published")
    weights = replace(told(), read=lambda body: pytest.fail("it was read"))
    with pytest.raises(UserError, match=rf"weights\.pth: not the weights of some \(sha256 {weights.sha256}\)"):
        weights.state([file], cache=tmp_path)
    with pytest.raises(UserError, match="cannot be read"):
        told().state([tmp_path / "nothing"], cache=tmp_path)


def test_what_may_be_fetched_is_checked_and_kept(served: tuple[str, list[str]], tmp_path: Path):
    address, asked = served
    with pytest.raises(UserError):
        told(address=address).state(cache=tmp_path)
    assert asked == []  # not before it is permitted
    seen: list[tuple[str, int, int]] = []
    state = told(address=address).state(download=True, cache=tmp_path, progress=lambda *so_far: seen.append(so_far))
    assert torch.equal(state["ours"], torch.arange(3.0) + 1)
    assert [what for what, *_ in seen] == ["downloading some, MB"]
    told(address=address).state(download=True, cache=tmp_path)
    assert asked == ["/weights"]  # once
    wrong = replace(told(address=address), sha256="0" * 64)
    with pytest.raises(UserError, match="is not what was published"):
        wrong.state(download=True, cache=tmp_path / "elsewhere")
    with pytest.raises(UserError, match="cannot be downloaded"):
        told().state(download=True, cache=tmp_path / "elsewhere")


def test_nothing_but_tensors_is_read():
    """A file of torch.save may hold code; such a one is refused though its sha256 were right."""

    class Code:
        def __reduce__(self):
            return print, ("run",)

    with pytest.raises(Exception, match=r"(?i)weights.only"):
        state_dict(saved(Code()))


def test_an_archive_of_torchscript_gives_its_tensors():
    module = torch.nn.Linear(2, 3)
    body = io.BytesIO()
    torch.jit.save(torch.jit.script(module), body)
    assert torch.equal(scripted(body.getvalue())["weight"], module.weight)
