"""Fashion-MNIST from idx files: named, of Debian, or downloaded (here from a server on this machine)."""

from __future__ import annotations

import gzip
import hashlib
import importlib
import struct
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from organza.data import fashion_mnist, open_data
from organza.errors import UserError

module = importlib.import_module("organza.data.builtin.fashion_mnist")  # the function has the same name
PICTURES = np.random.default_rng(0).integers(0, 256, (30, 28, 28), np.uint8)
LABELS = np.arange(30, dtype=np.uint8) % 10


def idx(array: np.ndarray) -> bytes:
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "idx"
    folder.mkdir()
    (folder / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(PICTURES), mtime=0))
    (folder / "train-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(LABELS), mtime=0))
    (folder / "t10k-images-idx3-ubyte").write_bytes(idx(PICTURES[:7]))  # unpacked is as good
    (folder / "t10k-labels-idx1-ubyte").write_bytes(idx(LABELS[:7]))
    return folder


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server(source: Path) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=source)) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()


@pytest.fixture
def published(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the small files here were the published ones."""
    known = {}
    for path in source.glob("*.gz"):
        packed = path.read_bytes()
        content = hashlib.sha256(gzip.decompress(packed)).hexdigest()
        known[path.name] = module.Published(len(packed), hashlib.md5(packed).hexdigest(), content)
    monkeypatch.setattr(module, "PUBLISHED", known)
    monkeypatch.setattr(module, "DEBIAN", source / "nowhere")


def test_pictures_in_ten_folders(source: Path, tmp_path: Path):
    told = []
    out = fashion_mnist(tmp_path / "out", source, progress=lambda *now: told.append(now))
    assert sorted(p.name for p in out.iterdir() if p.is_dir()) == sorted(module.CLASSES)
    for index in range(30):
        path = out / module.CLASSES[LABELS[index]] / f"{index:05d}.png"
        assert np.array_equal(np.asarray(Image.open(path)), PICTURES[index])
    assert told[-1] == ("writing images", 30, 30)
    assert "Zalando" in (out / "ATTRIBUTION.txt").read_text()
    pack = open_data(out, cache=tmp_path / "cache")
    assert (pack.images.shape, len(pack.classes)) == ((30, 32, 32, 1), 10)
    assert len(list(fashion_mnist(tmp_path / "test", source, split="test").rglob("*.png"))) == 7
    assert not list(tmp_path.glob(".*"))


def test_a_download_is_announced_and_verified(server: str, published: None, source: Path, tmp_path: Path):
    told: list[str] = []
    out = fashion_mnist(tmp_path / "out", download=True, address=server, announce=told.append)
    assert len(list(out.rglob("*.png"))) == 30
    size, md5, _ = module.PUBLISHED["train-images-idx3-ubyte.gz"]
    assert told[0] == f"downloading {server}/train-images-idx3-ubyte.gz: {size:,} bytes, md5 {md5}"
    for change in (b"", b"x" * size, gzip.compress(b"other")):
        (source / "train-images-idx3-ubyte.gz").write_bytes(change)
        with pytest.raises(UserError, match="with a different size or checksum than published"):
            fashion_mnist(tmp_path / "changed", download=True, address=server, announce=told.append)
    (source / "train-images-idx3-ubyte.gz").unlink()
    for address in (server, "http://127.0.0.1:9"):
        with pytest.raises(UserError, match="could not be downloaded"):
            fashion_mnist(tmp_path / "gone", download=True, address=address, announce=told.append)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["idx", "out"]


def test_the_content_and_not_only_the_wrapping_is_verified(server: str, published: None, tmp_path: Path):
    name = "train-images-idx3-ubyte.gz"
    module.PUBLISHED[name] = module.PUBLISHED[name]._replace(content="0" * 64)
    with pytest.raises(UserError, match="with a different size or checksum than published"):
        fashion_mnist(tmp_path / "out", download=True, address=server, announce=lambda _: None)


def test_nothing_is_downloaded_unasked(published: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(
        module.urllib.request, "urlopen", lambda *_, **__: pytest.fail("a download that nobody asked for")
    )
    with pytest.raises(UserError, match=r"There is no train-images-idx3-ubyte.gz in .*nowhere.*`download`"):
        fashion_mnist(tmp_path / "out")


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("images-idx3", b"", "begins with nothing"),
        ("images-idx3", idx(LABELS), "begins with 00 00 08 01, not with 00 00 08 03"),
        ("images-idx3", b"\0\0\x0d\x03" + idx(PICTURES)[4:], "begins with 00 00 0d 03"),
        ("images-idx3", idx(PICTURES)[:-1], "promises 30x28x28 values and holds 23,519"),
        ("images-idx3", idx(PICTURES) + b"\0", "promises 30x28x28"),
        ("images-idx3", b"\0\0\x08\x03" + b"\xff" * 12, "promises 4294967295x"),
        ("images-idx3", gzip.compress(idx(PICTURES))[:-40], "cut short or damaged"),
        ("images-idx3", b"\x1f\x8bnonsense", "cut short or damaged"),
        ("images-idx3", idx(PICTURES[:9]), "do not belong together: 9 images, 30 labels"),
        ("labels-idx1", idx(LABELS + 1), "do not belong together"),
        ("labels-idx1", idx(LABELS)[:9], "promises 30 values and holds 1"),
    ],
)
def test_damaged_idx_files(source: Path, tmp_path: Path, name: str, content: bytes, words: str):
    (source / f"train-{name}-ubyte.gz").write_bytes(content)
    with pytest.raises(UserError) as told:
        fashion_mnist(tmp_path / "out", source)
    assert words in str(told.value)
    assert not (tmp_path / "out").exists()


def test_folders_that_hold_things(source: Path, tmp_path: Path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("x")
    for out in (tmp_path / "out", tmp_path / "out" / "mine.txt"):
        with pytest.raises(UserError, match="not an empty folder"):
            fashion_mnist(out, source)
    with pytest.raises(UserError, match="it must be train or test"):
        fashion_mnist(tmp_path / "new", source, split="validation")
    (tmp_path / "empty").mkdir()
    assert fashion_mnist(tmp_path / "empty", source) == tmp_path / "empty"


def test_an_interrupted_writing_leaves_nothing(source: Path, tmp_path: Path):
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fashion_mnist(tmp_path / "out", source, progress=interrupt)
    assert [p.name for p in tmp_path.iterdir()] == ["idx"]


@pytest.mark.skipif(not module.DEBIAN.is_dir(), reason="Debian's dataset-fashion-mnist is not installed")
@pytest.mark.parametrize(
    "name", ["train-labels-idx1-ubyte.gz", "t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"]
)
def test_the_pinned_checksums_are_those_of_debian(name: str):
    content = gzip.decompress((module.DEBIAN / name).read_bytes())
    assert hashlib.sha256(content).hexdigest() == module.PUBLISHED[name].content
