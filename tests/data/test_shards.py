"""Shards: what is packed comes back, in an order by position alone, from a folder or over a bad connection, and faults are named."""

from __future__ import annotations

import http.server
import json
import tarfile
import threading
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import organza.recipes
from organza.data.batches import Images
from organza.data.labels import Labelled
from organza.data.shards import place, rows
from organza.data.shards.manifest import read_manifest
from organza.data.shards.opening import are_at, open_shards
from organza.data.shards.write import write_shards
from organza.data.source import Source
from organza.errors import UserError
from tests.contracts.discovery import small
from tests.drawings import drawing
from tests.helpers import train, weights

COUNT = 240


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    for number in range(COUNT):
        kind = folder / "ab"[number % 2]
        kind.mkdir(exist_ok=True)
        noise = np.random.default_rng(number).integers(0, 256, (32, 32, 3), np.uint8)
        Image.blend(drawing(number).convert("RGB"), Image.fromarray(noise), 0.5).save(kind / f"{number:03d}.png")
    return folder


@pytest.fixture(scope="module")
def shards(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("shards") / "out"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("organza.data.shards.write.SMALLEST", 1)
        write_shards(Source(pictures, labels="folders"), out, 100_000, labelled=True)
    return out


class Server(http.server.SimpleHTTPRequestHandler):
    """A server with faults: by the name of a file, how many of the next answers break off or are refused."""

    cut: dict[str, int] = {}  # noqa: RUF012
    asked: list[str] = []  # noqa: RUF012
    protocol_version = "HTTP/1.0"

    def do_GET(self) -> None:
        path = Path(self.translate_path(self.path))
        self.asked.append(path.name)
        if not path.is_file():
            self.send_error(404)
            return
        content = path.read_bytes()
        begin = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").partition("-")[0])
        self.send_response(206 if begin else 200)
        self.send_header("Content-Length", str(len(content) - begin))
        self.end_headers()
        rest = content[begin:]
        if self.cut.get(path.name, 0) > 0:
            self.cut[path.name] -= 1
            rest = rest[: len(rest) // 2]
        self.wfile.write(rest)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def served(shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, Path]]:
    """The address of a copy of the shards, and the copy."""
    copy = tmp_path / "served"
    copy.mkdir()
    for path in shards.iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    monkeypatch.setattr(place, "PAUSES", (0.0, 0.0, 0.0))
    monkeypatch.setenv("ORGANZA_CACHE", str(tmp_path / "cache"))
    Server.cut, Server.asked = {}, []
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), lambda *a: Server(*a, directory=str(copy)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/manifest.json", copy
    finally:
        server.shutdown()
        server.server_close()


def test_what_is_packed_comes_back_with_its_labels(pictures: Path, shards: Path):
    plain, packed = Labelled(Source(pictures, labels="folders")), Labelled(Source(shards))
    assert packed.count == plain.count == COUNT
    assert packed.labels.facts() == plain.labels.facts()
    known = {plain.images[k].tobytes(): plain.known[k].tolist() for k in range(COUNT)}
    assert {packed.images[k].tobytes(): packed.known[[k]][0].tolist() for k in range(COUNT)} == known
    assert len(json.loads((shards / "manifest.json").read_text())["shards"]) > 3


def test_other_tools_can_read_it(shards: Path):
    with tarfile.open(shards / "00000.tar") as tar:
        names = tar.getnames()
        assert names[:4] == ["000000000.png", "000000000.json", "000000001.png", "000000001.json"]
        told = json.load(tar.extractfile(names[1]))  # type: ignore[arg-type]
        assert told in ({"class": "a"}, {"class": "b"})
        assert Image.open(BytesIO(tar.extractfile(names[0]).read())).size == (32, 32)  # type: ignore[union-attr]


def test_the_same_images_and_seed_give_the_same_bytes(
    pictures: Path, shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("organza.data.shards.write.SMALLEST", 1)
    write_shards(Source(pictures, labels="folders"), tmp_path / "again", 100_000, labelled=True)
    for path in shards.iterdir():
        assert (tmp_path / "again" / path.name).read_bytes() == path.read_bytes()


def test_every_pass_shows_each_training_image_once_in_an_order_of_its_own(
    shards: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(rows, "WINDOW", 250_000)
    data = Images(Source(shards, seed=3))
    held, count = len(data.parts.held_out), len(data.parts.train)
    assert held == COUNT // 10
    first, second = (data.order.at(range(begin, begin + count)).tolist() for begin in (0, count))
    assert sorted(first) == sorted(second) == list(range(held, COUNT))
    assert first != second
    again = Images(Source(shards, seed=3))
    middle = [7 * count + 5, 100, 7 * count + 6]  # any position, without those before it
    assert again.order.at(middle).tolist() == [data.order.at([k])[0] for k in middle]
    of = np.searchsorted(data.images.starts, first, "right")
    assert np.count_nonzero(np.diff(of)) > count // 8  # the shards of a window are mixed


def test_a_run_on_shards_goes_on_with_the_same_bytes(shards: Path, tmp_path: Path):
    recipe = small(organza.recipes.get("dcgan-r1"))
    train(shards, tmp_path / "whole", recipe, budget="96img")
    train(shards, tmp_path / "parts", recipe, until=40, budget="96img")
    train(shards, tmp_path / "parts", recipe, budget="96img")
    assert weights(tmp_path / "whole") == weights(tmp_path / "parts")


def test_a_webdataset_of_others_is_read_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ORGANZA_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "theirs"
    folder.mkdir()
    for shard in range(3):
        with tarfile.open(folder / f"train-{shard:04d}.tar", "w") as tar:
            for number in range(20):
                file = BytesIO()
                drawing(20 * shard + number).save(file, "JPEG")
                for ending, content in (
                    ("jpg", file.getvalue()),
                    ("cls", str(number % 3).encode()),
                    ("txt", b"a drawing"),
                ):
                    member = tarfile.TarInfo(f"deep/{shard}-{number:03d}.{ending}")
                    member.size = len(content)
                    tar.addfile(member, BytesIO(content))
    assert are_at(folder)
    data = Labelled(Source(folder))
    assert (data.count, data.shape) == (60, (3, 32, 32))
    assert data.labels.fields[0].values == ("0", "1", "2")
    assert data.known[[21]].argmax() == 1
    assert data.pack.names[21] == "train-0001.tar#1"
    (folder / "train-0001.tar").write_bytes(b"no tar" * 300)
    with pytest.raises(UserError, match=r"train-0001\.tar is damaged .* copy it again"):
        Labelled(Source(folder))


def test_an_address_is_fetched_through_a_connection_that_breaks(served: tuple[str, Path], shards: Path):
    url, _ = served
    Server.cut = {"00000.tar": 2, "00001.tar": 1, "manifest.json": 1}
    there, here = Images(Source(url)), Images(Source(shards))
    assert there.fingerprint == here.fingerprint
    batch, same = there.at(range(40))["image"], here.at(range(40))["image"]
    assert batch.equal(same)
    assert Server.asked.count("00000.tar") == 3


def test_the_cache_keeps_within_its_limit(served: tuple[str, Path]):
    url, copy = served
    somewhere = place.Address(url, limit=250_000)
    manifest = read_manifest(somewhere.manifest(), url)
    images = rows.Pictures(manifest, somewhere, manifest.size, 3)  # type: ignore[arg-type]
    assert (images[range(0, COUNT, 10)] == open_shards(copy).images[range(0, COUNT, 10)]).all()
    kept = sum(path.stat().st_size for path in somewhere.cache.glob("*.tar"))
    assert kept <= 250_000
    assert images[0].shape == (32, 32, 3)  # fetched again


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda copy: (copy / "00001.tar").unlink(), r"00001\.tar could not be fetched .*404"),
        (lambda copy: (copy / "00001.tar").write_bytes(bytes((copy / "00001.tar").stat().st_size)), r"00001\.tar is damaged: its content"),
        (lambda copy: Server.cut.update({"00001.tar": 99}), r"00001\.tar could not be fetched .*the connection ended after"),
        (lambda copy: (copy / "00001.tar").write_bytes(bytes(10**6)), r"00001\.tar could not be fetched .*longer than its manifest"),
    ],
)  # fmt: skip
def test_a_shard_that_cannot_be_had_is_named(spoil, said: str, served: tuple[str, Path]):
    url, copy = served
    data = Images(Source(url))
    spoil(copy)
    with pytest.raises(UserError, match=said):
        data.images[range(COUNT)]


def test_a_shard_that_changed_on_the_disk_is_named(served: tuple[str, Path]):
    _, copy = served
    content = bytearray((copy / "00001.tar").read_bytes())
    content[5_000] ^= 1
    (copy / "00001.tar").write_bytes(content)
    with pytest.raises(UserError, match=r"00001\.tar is damaged: its content is not the one that manifest\.json tells"):
        Images(Source(copy)).images[range(COUNT)]
    (copy / "00001.tar").unlink()
    with pytest.raises(UserError, match=r"00001\.tar cannot be read \(No such file"):
        Images(Source(copy)).images[range(COUNT)]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda told: told | {"format": "other"}, "is not a manifest of shards"),
        (lambda told: told | {"version": 2}, "has version 2; this organza reads version 1"),
        (lambda told: told | {"shards": []}, "names no samples"),
        (lambda told: told | {"shards": [told["shards"][0] | {"file": "../../etc/passwd"}]}, "no plain file name"),
        (lambda told: told | {"shards": [told["shards"][0] | {"count": -1}]}, "not a whole number"),
        (lambda told: told | {"shards": [told["shards"][0] | {"sha256": "z" * 64}]}, "not a sha256"),
        (lambda told: told | {"size": [1]}, "not a width and a height"),
        (lambda told: [told], "is not a manifest of shards"),
    ],
)
def test_a_strangers_manifest_is_read_with_care(change, said: str, shards: Path):
    told = json.loads((shards / "manifest.json").read_text())
    with pytest.raises(UserError, match=said):
        read_manifest(change(told), "manifest.json")


def test_offsets_that_lead_out_of_a_shard_are_refused(served: tuple[str, Path]):
    _, copy = served
    told = json.loads((copy / "manifest.json").read_text())
    wild = np.full((told["shards"][0]["count"], 2), 2**40, "<u8").tobytes()
    (copy / "00000.index").write_bytes(wild)
    told["shards"][0]["index"] = ""
    (copy / "manifest.json").write_text(json.dumps(told))
    with pytest.raises(UserError, match=r"00000\.index does not fit 00000\.tar"):
        Images(Source(copy))


def test_a_damaged_image_is_replaced_by_the_next_with_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ORGANZA_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "theirs"
    folder.mkdir()
    with tarfile.open(folder / "0.tar", "w") as tar:
        for number in range(8):
            file = BytesIO()
            drawing(number).save(file, "PNG")
            content = b"broken" if number == 3 else file.getvalue()
            member = tarfile.TarInfo(f"{number}.png")
            member.size = len(content)
            tar.addfile(member, BytesIO(content))
    images = open_shards(folder).images
    with pytest.warns(UserWarning, match=r"image 3 of 0\.tar is replaced by the next"):
        assert (images[3] == images[4]).all()
    assert images.replaced == 1


def test_an_address_in_a_strangers_run_is_not_asked(served: tuple[str, Path], tmp_path: Path):
    url, _ = served
    recipe = small(organza.recipes.get("dcgan-r1"))
    organza.train(url, tmp_path / "run", recipe=recipe, budget="16img", stop=(), evaluate=False, report=False)
    content = json.loads((tmp_path / "run" / "recipe.json").read_text())
    assert content["data"]["source"] == url
    from organza.data.location import places

    assert places(content, tmp_path / "run") == [url]
    note = tmp_path / "run" / "data.json"
    note.write_text(json.dumps(json.loads(note.read_text()) | {"mark": "0" * 64}))
    asked = len(Server.asked)
    assert places(content, tmp_path / "run") == []
    assert len(Server.asked) == asked


@pytest.mark.parametrize(("size", "said"), [("12", "at least 1MB"), ("much", "write a size such as 256MB")])
def test_a_wrong_size_of_shards_is_told(size: str, said: str, pictures: Path, tmp_path: Path):
    with pytest.raises(UserError, match=said):
        write_shards(Source(pictures), tmp_path / "out", place.parse_bytes(size, "--shard-size"))
