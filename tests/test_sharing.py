"""Generators that come from elsewhere: the package's own, and those of a hub, which here is a server on loopback."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import organza
from organza.disk import cache_folder
from organza.errors import UserError
from organza.export import hub
from organza.export.card import Statement
from organza.export.places import PACKAGED, packaged
from organza.media.images import grid
from organza.recipes import get
from tests.contracts.discovery import small
from tests.contracts.material import single
from tests.hub_endpoint import Hub
from tests.test_cli import call
from tests.test_export import Mean, resealed

FIXTURE = Path(__file__).parent / "fixtures" / "format-2"
CC = Statement("cc-by-4.0", data="Drawings of this test", data_licence="cc0-1.0")


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    """The client reads its variables once, when it is imported."""
    pytest.importorskip("httpx2")
    found = Hub()
    home = tmp_path_factory.mktemp("hub-home")
    known = {"HF_ENDPOINT": found.url, "HF_HOME": str(home), "HF_HUB_DISABLE_XET": "1", "HF_TOKEN": "hf_test"}
    before = {name: os.environ.get(name) for name in known}
    os.environ.update(known)
    constants = pytest.importorskip("huggingface_hub.constants")
    assert found.url == constants.ENDPOINT
    yield found
    found.server.shutdown()
    for name, value in before.items():
        os.environ.pop(name) if value is None else os.environ.update({name: value})


@pytest.fixture
def server(endpoint: Hub) -> Iterator[Hub]:
    """The hub without faults; its requests since the beginning of the test."""
    endpoint.requests.clear()
    yield endpoint
    endpoint.faults.clear()


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> organza.Run:
    """A run of 8x8 images."""
    return organza.load(shutil.copytree(FIXTURE, tmp_path_factory.mktemp("runs") / "drawn"))


@pytest.fixture(scope="module")
def folder(run: organza.Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("exported") / "drawn"
    run.export(place, to=("folder",), parts=("generator", "discriminator"), statement=CC)
    return place


# ---- the hub ----------------------------------------------------------------------------------------------------------------


def test_a_pushed_folder_comes_back_the_same(
    server: Hub, run: organza.Run, folder: Path, capsys: pytest.CaptureFixture[str]
):
    (folder / "notes.txt").write_text("mine")
    pushed = hub.push(folder, "user/drawn")
    (folder / "notes.txt").unlink()
    assert pushed.left_out == ("notes.txt",)
    assert server.private["user/drawn"]
    commit, files = server.at("user/drawn", "main") or ("", {})
    assert pushed.address == f"hf://user/drawn@{commit}"
    assert files == {path.name: path.read_bytes() for path in folder.iterdir()}
    shutil.rmtree(cache_folder() / "hub")
    capsys.readouterr()
    came = organza.load("hf://user/drawn")
    [line] = capsys.readouterr().err.splitlines()
    digest = run.saved.digests["generator.safetensors"]
    assert line.startswith("downloading generator.safetensors (0.")
    assert digest in line
    assert commit in line
    assert server.url in line
    images = run.sample(5, seed=3)
    assert np.array_equal(came.sample(5, seed=3), images)
    assert np.array_equal(came.judge(images), run.judge(images))
    assert came.path.name == "drawn"
    # once more: the revision is asked for, nothing is downloaded; a commit that is here needs no request
    server.requests.clear()
    assert organza.load("hf://user/drawn@main").images == run.images
    assert server.requests == ["GET /api/models/user/drawn/revision/main"]
    server.requests.clear()
    assert organza.load(pushed.address).images == run.images
    assert server.requests == []


def test_only_the_files_that_are_needed_are_downloaded(server: Hub, folder: Path):
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    server.commit("user/more", files | {"code.py": b"raise SystemExit", "model.pkl": b"pickle", "../outside": b"x"})
    organza.load("hf://user/more")
    got = {request.rpartition("/")[2] for request in server.requests if "/resolve/" in request}
    assert got == {"manifest.json", "config.json", "generator.safetensors", "discriminator.safetensors"}


def test_a_stranger_s_repository_imports_and_runs_nothing(server: Hub, folder: Path, tmp_path: Path):
    copy = Path(shutil.copytree(folder, tmp_path / "copy"))
    config = json.loads((copy / "config.json").read_text())
    config["players"]["generator"] = {"part": "os:system"}
    (copy / "config.json").write_text(json.dumps(config))
    server.commit("user/evil", {path.name: path.read_bytes() for path in resealed(copy).iterdir()})
    with pytest.raises(UserError, match="which is not part of organza"):
        organza.load("hf://user/evil").sample(1)


def test_a_path_is_never_downloaded(server: Hub):
    for place in ("user/drawn", "hf:/user/drawn", Path("hf://user/drawn")):
        with pytest.raises(UserError, match="is not a run"):
            organza.load(place)
    assert server.requests == []


@pytest.mark.parametrize(
    ("part", "fault", "words"),
    [
        ("GET /api/models/user/drawn", 401, "you are not logged in"),
        ("GET /api/models/user/drawn", 403, "does not permit it"),
        ("GET /api/models/user/drawn", "cut", "cannot be reached; try again later"),
        ("generator.safetensors", "flip", "its sha256 differs"),
    ],
)
def test_a_fault_of_the_hub_is_a_sentence(server: Hub, folder: Path, part: str, fault: int | str, words: str):
    commit = server.commit(
        "user/drawn", {"fault": f"{part} {fault}".encode()} | {p.name: p.read_bytes() for p in folder.iterdir()}
    )
    server.faults[part] = fault
    with pytest.raises(UserError, match=words):
        organza.load("hf://user/drawn")
    server.faults.clear()
    assert organza.load(f"hf://user/drawn@{commit}").sample(1).shape == (1, 8, 8, 1)  # and next time it comes whole


WRONG = [
    ("hf://user", "is no address on the hub; write hf://USER/NAME"),
    ("hf://user/../../etc", "is no address on the hub"),
    ("hf://user/nothing", "The hub shows no hf://user/nothing to you"),
    ("hf://user/drawn@v9", "has no revision v9; leave @ out"),
    ("hf://user/empty", "holds no exported folder: it has no manifest.json"),
    ("hf://user/large", "manifest.json of hf://user/large@[0-9a-f]{40} has 1,048,577 bytes"),
    ("builtin:face", r"There is no builtin:face; choose from builtin:faces. Did you mean builtin:faces\?"),
]


@pytest.mark.parametrize(("address", "words"), WRONG, ids=[address for address, _ in WRONG])
def test_a_wrong_address_is_a_sentence(server: Hub, folder: Path, address: str, words: str):
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    server.commit("user/drawn", files)
    server.commit("user/empty", {"README.md": b"hello"})
    server.commit("user/large", files | {"manifest.json": b" " * (2**20 + 1)})
    with pytest.raises(UserError, match=words):
        organza.load(address)


def test_pushing_asks_and_names_what_it_pushes(
    server: Hub, folder: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
):
    code, _, told = call(capsys, "push", str(folder), "user/asked")
    assert code == 2
    assert "Nothing was pushed" in told
    assert "user/asked" not in server.commits
    code, out, told = call(capsys, "push", str(folder), "user/asked", "--public", "--yes")
    assert code == 0
    assert "generator.safetensors" in told
    assert "organza sample hf://user/asked@" in out
    assert not server.private["user/asked"]
    with pytest.raises(UserError, match="user/asked is public on the hub; add `public=True` to push to it"):
        hub.push(folder, "user/asked")
    with pytest.raises(UserError, match=r"is no exported folder; write one with: `organza\.export\(run, to='folder'"):
        hub.push(tmp_path, "user/asked")
    copy = Path(shutil.copytree(folder, tmp_path / "copy"))
    (copy / "preview.png").unlink()
    (tmp_path / "secret").write_text("private")
    (copy / "preview.png").symlink_to(tmp_path / "secret")
    with pytest.raises(UserError, match="is a link that leads out"):
        hub.push(copy, "user/asked", public=True)


def test_without_the_client_the_extra_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(hub, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"needs huggingface_hub: pip install 'organza\[hub\]'"):
        organza.load("hf://user/drawn")


# ---- ten mistakes, a sentence each -----------------------------------------------------------------------------------------


def test_ten_mistakes_are_told_in_one_sentence_each(
    run: organza.Run, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    begun = shutil.copytree(run.path, tmp_path / "begun", ignore=shutil.ignore_patterns("checkpoints"))
    broken = Path(shutil.copytree(folder, tmp_path / "broken"))
    (broken / "generator.safetensors").write_bytes(b"\0" + (broken / "generator.safetensors").read_bytes()[1:])
    newer = resealed(Path(shutil.copytree(folder, tmp_path / "newer")), format=99)
    (tmp_path / "there.zip").write_bytes(b"mine")
    monkeypatch.setattr(hub, "find_spec", lambda name: None)
    mistakes = [
        (["sample", begun], "has no checkpoint yet; train it until its first evaluation"),
        (
            ["evaluate", run.path, "--against", run.path, "--extractor", "inception"],
            "The weights of inception are missing",
        ),
        (["sample", broken], "was damaged since it was written (its sha256 differs); export the run once more"),
        (["sample", newer], "was written by a newer organza"),
        (["export", run.path, "--precision", "int4"], "not int4. Did you mean int8?"),
        (["export", run.path, "--to", "folder"], "needs a licence: name it with --license"),
        (["push", run.path, "user/name"], "is no exported folder; write one with: organza export"),
        (["push", folder, "user/name", "--yes"], "needs huggingface_hub: pip install 'organza[hub]'"),
        (
            ["sample", "builtin:face"],
            "There is no builtin:face; choose from builtin:faces. Did you mean builtin:faces?",
        ),
        (["sample", run.path, "--out", tmp_path / "there.zip"], "exists already; name another file, or remove it"),
        (["sample", run.path, "--format", "gif"], "not gif"),
        (["sample", "hf://user"], "is no address on the hub; write hf://USER/NAME"),
    ]
    for arguments, words in mistakes:
        code, out, told = call(capsys, *map(str, arguments))
        assert code == 2, (arguments, out, told)
        assert words in told, (arguments, told)
        assert "Traceback" not in told
        assert not out
        assert len([line for line in told.splitlines() if "bytes  " not in line]) == 1, told


# ---- the generator in the package ------------------------------------------------------------------------------------------


def test_the_package_s_generator_samples_and_is_exported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    faces = organza.load("builtin:faces")
    images = faces.sample(64)
    assert images.shape == (64, 64, 64, 3)
    assert images.std((1, 2, 3)).min() > 20  # none is of one colour
    assert np.abs(images[:32].astype(int) - images[32:].astype(int)).mean((1, 2, 3)).min() > 5  # and no two are alike
    preview = np.asarray(Image.open(PACKAGED / "faces" / "preview.png")).astype(int)
    assert np.abs(preview - grid(images[:16])).max() <= 3  # drawn before the weights were stored in fp16
    assert sum(path.stat().st_size for path in (PACKAGED / "faces").iterdir()) < 1_000_000
    card = (PACKAGED / "faces" / "README.md").read_text("utf8")
    for words in (
        "license: cc-by-4.0",
        "synthetic",
        "Adventurer",
        "Search for copies",
        "Recipe `latent`",
        "stored in fp16",
    ):
        assert words in card, words
    assert faces.folder.place("generated/seed-0") == Path("generated/faces/seed-0")  # never into the package
    assert faces.folder.place("export") == Path("generated/faces/export")
    written = faces.export(to=("folder",), statement=CC)
    assert organza.load(written.folder).sample(2).tobytes() == images[:2].tobytes()
    assert packaged() == ("builtin:faces",)


# ---- labels that lie outside the data ---------------------------------------------------------------------------------------


def test_an_exported_run_is_evaluated_with_labels_from_a_table_outside_its_data(tmp_path: Path):
    drawings, table = tmp_path / "drawings", tmp_path / "private.csv"
    drawings.mkdir()
    single(drawings)
    names = sorted(path.name for path in drawings.iterdir())
    table.write_text("file,kind\n" + "".join(f"{name},{'ab'[index % 2]}\n" for index, name in enumerate(names)))
    recipe, labels = small(get("cgan")), f"{table}:kind"
    run = organza.train(
        drawings, tmp_path / "run", recipe=recipe, size=28, labels=labels, budget="16img", evaluate=False, report=False
    )  # fmt: skip
    run.export(tmp_path / "out", to=("folder",), statement=CC)
    assert b"private" not in b"".join(path.read_bytes() for path in (tmp_path / "out").iterdir())
    [own] = organza.evaluate(tmp_path / "out", count=20, data=drawings, extractors=[Mean()], labels=labels)
    [as_run] = organza.evaluate(run.path, count=20, extractors=[Mean()])
    assert own.metrics["mmd"] == as_run.metrics["mmd"]
    with pytest.raises(UserError):
        organza.evaluate(tmp_path / "out", count=20, data=drawings, extractors=[Mean()])
