"""Runs from a stranger that lead elsewhere: to other folders, files, modules and sizes; and caches that another user wrote."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

import organza
from organza import untrusted
from organza.cli import main
from organza.data import cache, location
from organza.data.location import KEY, asked_of, is_own, places, remember
from organza.data.pack import open_data
from organza.errors import UserError, nearest
from organza.inference import judging
from organza.metrics.extractors import weight_cache
from organza.optimizers import SGD, Adam, Optimizer, RMSprop
from organza.recipes import get
from organza.run import checkpoint
from organza.run.checkpoint import Damaged
from organza.run.folder import RunFolder
from organza.run.moments import optimizer_tensors, restore_optimizer
from tests.contracts.discovery import COVERING, small
from tests.contracts.exports import Exports
from tests.drawings import drawing

SECRET = "do not show"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with photos in two classes, and a run on each of two recipes."""
    root = tmp_path_factory.mktemp("trained")
    for seed in range(24):
        (root / "photos" / "ab"[seed % 2]).mkdir(parents=True, exist_ok=True)
        drawing(seed).save(root / "photos" / "ab"[seed % 2] / f"{seed}.png")
    for name in ("mlp", "cgan"):
        recipe = small(get(name), 4)
        organza.train(
            root / "photos", root / name, recipe=recipe, budget="32img", size=16, evaluate=False, report=False
        )
    return root


@pytest.fixture
def foreign(trained: Path, tmp_path: Path) -> Path:
    """A run as a stranger sends it: without a note that this user could have marked."""
    run = Path(shutil.copytree(trained / "mlp", tmp_path / "sent" / "run"))
    (run / "data.json").unlink()
    return run


def edited(run: Path, change: Callable[[dict], object]) -> None:
    content = json.loads((run / "recipe.json").read_text())
    change(content)
    (run / "recipe.json").write_text(json.dumps(content))


def called(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str]:
    with pytest.raises(SystemExit) as end:
        main([str(word) for word in words])
    told = capsys.readouterr()
    assert "Traceback" not in told.err
    assert isinstance(end.value.code, int)
    return end.value.code, told.out + told.err


# ---- places that a run leads to ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", ["{outside}", "/usr", "//host/share", "\\\\host\\share", "../../..", "C:/x"])
def test_a_strangers_note_and_source_lead_nowhere_else(place: str, foreign: Path, tmp_path: Path):
    outside = tmp_path.parent / f"{tmp_path.name}-outside"
    outside.mkdir()
    place = place.format(outside=outside)
    (foreign / "data.json").write_text(json.dumps({"path": place, "beside": place, "mark": "0" * 64}))
    edited(foreign, lambda c: c["data"].update(source=place))
    assert places(RunFolder(foreign).read(), foreign) == []


@pytest.mark.parametrize("name", ["\ud800x", "x\0y", "x" * 5000, "x/" * 3000], ids=["surrogate", "nul", "long", "deep"])
def test_a_source_that_no_system_can_have_is_no_place(
    name: str, trained: Path, foreign: Path, capsys: pytest.CaptureFixture[str]
):
    edited(foreign, lambda c: c["data"].update(source=name))
    (foreign / "data.json").write_text(json.dumps({"path": name, "beside": name}))
    assert places(RunFolder(foreign).read(), foreign) == []
    assert called(capsys, "report", foreign)[0] == 0
    assert called(capsys, "compare", foreign, trained / "mlp", "--out", foreign / "compare.html")[0] == 0


def test_only_what_lies_in_a_folder_above_a_run_is_near(tmp_path: Path):
    run, far = tmp_path / "a" / "b" / "c" / "d" / "run", tmp_path / "e" / "f" / "g" / "h" / "i" / "j"
    run.mkdir(parents=True)
    far.mkdir(parents=True)
    assert location._is_near(run.parent / "photos", run)
    assert location._is_near(run.parents[1] / "photos", run)
    for place in (far, tmp_path / "a" / "x" / "c" / "d" / "photos", tmp_path / "a", tmp_path):
        assert not location._is_near(place, run), place
    if hasattr(os, "symlink"):
        (run.parent / "link").symlink_to(far)
        assert not location._is_near(run.parent / "link", run)


def test_ones_own_note_leads_anywhere_and_a_project_finds_its_data(trained: Path, tmp_path: Path):
    run = Path(shutil.copytree(trained / "mlp", tmp_path / "run"))
    content = RunFolder(run).read()
    assert is_own(content, run)
    assert places(content, run) == [trained / "photos"]
    assert not is_own(content | {"asked": content["asked"] | {"labels": "/etc/passwd"}}, run)
    project = Path(shutil.copytree(trained, tmp_path / "project"))
    (project / "mlp" / "data.json").write_text(
        json.dumps({"beside": "../photos"})
    )  # another user's, or another machine's
    assert places(content, project / "mlp") == [project / "photos"]
    (project / "mlp" / "data.json").unlink()
    remember(project / "mlp", project / "photos")
    assert is_own(content, project / "mlp")


def test_the_key_of_the_marks_is_this_users_alone(trained: Path):
    key = Path(os.environ["ORGANZA_CACHE"]) / KEY
    assert key.stat().st_size == 32
    if os.name == "posix":
        assert key.stat().st_mode & 0o077 == 0


def test_nothing_of_a_table_elsewhere_is_read_or_put_on_a_page(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    project = Path(shutil.copytree(trained, tmp_path / "project"))
    run, table = project / "cgan", tmp_path / "secret.txt"
    table.write_text(f"{SECRET}\n" * 3)
    edited(run, lambda c: c["asked"].update(labels=str(table)))
    code, told = called(capsys, "report", run)
    assert code == 0
    assert SECRET not in told + (run / "report.html").read_text("utf8")
    code, told = called(capsys, "train", project / "photos", "--run", run, "--no-report", "--no-evaluate")
    assert (code, SECRET in told, "does not lie in its data" in told) == (2, False, True)
    (project / "photos" / "secret.txt").write_text("file,kind\n")  # a table in the data is one, wherever it was then
    content = RunFolder(run).read()
    assert asked_of(content, run, project / "photos")["labels"] == str(project / "photos" / "secret.txt")
    (project / "photos" / "secret.txt").unlink()
    (project / "photos" / "secret.txt").symlink_to(table)
    with pytest.raises(UserError, match="does not lie in its data"):
        asked_of(content, run, project / "photos")


def test_names_in_a_folder_that_a_strangers_run_led_to_are_not_told(foreign: Path, capsys: pytest.CaptureFixture[str]):
    near = foreign.parent / "private"
    near.mkdir()
    for seed in range(3):
        drawing(seed).save(near / f"{SECRET} {seed}.png")
    edited(foreign, lambda c: c["data"].update(source="private"))
    code, told = called(capsys, "evaluate", foreign)
    assert (code, SECRET in told, "--data" in told) == (2, False, True)
    called(capsys, "report", foreign)
    assert SECRET not in (foreign / "report.html").read_text("utf8")


def test_links_of_a_strangers_data_are_not_followed_because_its_run_says_so(foreign: Path):
    edited(foreign, lambda c: c["asked"].update(follow_links=True))
    assert asked_of(RunFolder(foreign).read(), foreign, foreign.parent)["follow_links"] is False


# ---- what does not fit together ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [[3, 64, 64], [1, 16, 16], [4, 16, 16], [3, 1, 1], [3, 1, 4096], [1, 16, 16, 16]])
def test_pictures_of_another_shape_than_the_networks_are_one_sentence(
    shape: list[int], foreign: Path, trained: Path, capsys: pytest.CaptureFixture[str]
):
    edited(foreign, lambda c: c["data"].update(shape=shape))
    for verb in (["sample", foreign, "--count", "1"], ["judge", foreign, trained / "photos"]):
        code, told = called(capsys, *verb)
        assert (code, "recipe.json gives" in told) == (2, True), told


@pytest.mark.parametrize("shape", [[4096, 4096, 4096], [1, 4096, 4096, 4096], [3, 4096, 4096]])
def test_pictures_of_a_shape_that_no_memory_holds_are_compared_before_any_is_made(
    shape: list[int], foreign: Path, trained: Path, capsys: pytest.CaptureFixture[str]
):
    edited(foreign, lambda c: c["data"].update(shape=shape))
    code, told = called(capsys, "judge", foreign, trained / "photos")
    assert (code, "do not match the networks of this run; restore it" in told, len(told.splitlines())) == (
        2,
        True,
        1,
    ), told


@pytest.mark.parametrize("name", COVERING)
def test_a_discriminator_in_outline_refuses_nothing_that_it_takes(
    name: str, exports: Exports, monkeypatch: pytest.MonkeyPatch
):
    run = organza.load(exports.trained(name))
    try:
        run.require_judging()
    except UserError:  # of pairs, or of labels that must be named
        pytest.skip("judges no image alone")
    monkeypatch.setattr(judging, "LARGE", 0)
    run.require_judging()


def test_labels_that_the_networks_or_the_data_do_not_have_are_one_sentence(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    field = {"name": "class", "values": ["a", "b"], "shares": [0.5, 0.5], "several": False}
    project = Path(shutil.copytree(trained, tmp_path / "project"))
    edited(project / "mlp", lambda c: c["data"].update(labels=[field]))
    edited(project / "cgan", lambda c: c["data"].update(labels=[field, field | {"name": "other"}]))
    for run in (project / "mlp", project / "cgan"):
        for verb in (["report", run], ["evaluate", run, "--count", "12"], ["judge", run, trained / "photos"]):
            called(capsys, *verb)


@pytest.mark.parametrize(
    ("field", "part"), [("data", "organza.data.batches:Batches"), ("game", "organza.game:Game")], ids=str
)
def test_a_recipe_of_what_cannot_be_made_is_one_sentence(
    field: str, part: str, foreign: Path, trained: Path, capsys: pytest.CaptureFixture[str]
):
    edited(foreign, lambda c: c["recipe"].update({field: {"part": part}}))
    assert called(capsys, "train", trained / "photos", "--run", foreign, "--no-report", "--no-evaluate")[0] == 2


@pytest.mark.parametrize(
    "change",
    [
        {"generator": {"part": "organza.networks.mlp:Generator", "width": 65536}},
        {"discriminator": {"part": "organza.networks.mlp:Discriminator", "width": 65536}},
        {"game": {"part": "organza.games.cyclegan:CycleGAN"}},
        {"game": {"part": "organza.games.infogan:InfoGAN"}},
        {"game": {"part": "organza.games.aae:AAE"}},
    ],
    ids=str,
)
def test_a_recipe_that_its_checkpoint_does_not_fit_is_one_sentence(
    change: dict, foreign: Path, trained: Path, capsys: pytest.CaptureFixture[str]
):
    edited(foreign, lambda c: c["recipe"].update(change))
    for words in (["evaluate", foreign, "--count", "12"], ["report", foreign], ["quiz", foreign, "--count", "10"]):
        assert called(capsys, *words, "--data", trained / "photos")[0] == 2


@pytest.mark.parametrize("names", [b'["a"]', b"5", b"[" * 5000, b'["caf\xe9"]', b"[1" + b",1" * 23 + b"]"], ids=str)
def test_names_of_a_pack_that_are_none_are_one_sentence(names: bytes, trained: Path, tmp_path: Path):
    packed = open_data(trained / "photos", cache=tmp_path).directory
    names += b" " * 100
    (packed / "names.json").write_bytes(names)
    facts = cache._checked(json.loads((packed / "manifest.json").read_text()))
    facts["names"] = hashlib.sha256(names).hexdigest()
    (packed / "manifest.json").write_text(json.dumps(cache._signed(facts)))
    with pytest.raises(UserError, match="are not those of its images"):
        _ = open_data(trained / "photos", cache=tmp_path).names[0]
    with (packed / "names.json").open("r+b") as file:
        file.truncate(2**40)
    with pytest.raises(ValueError, match="its names"):
        cache.load(packed)


@pytest.mark.parametrize("name", ["1²", "１２", "9" * 30])
def test_a_folder_that_no_checkpoint_is_called_is_none(name: str, foreign: Path, trained: Path):
    newest = checkpoint.existing(foreign / "checkpoints")[-1]
    shutil.copytree(newest, foreign / "checkpoints" / name)
    assert name not in [p.name for p in checkpoint.existing(foreign / "checkpoints")]
    organza.train(trained / "photos", foreign, budget="40img", evaluate=False, report=False)


@pytest.mark.parametrize("threads", [-1, 0, None, True, -(2**62)])
@pytest.mark.parametrize(
    "line",
    [("stats", {"images": "x"}), ("stats", {"images": None}), ("events", {"event": "stopped", "images": 32, "kind": "budget"})],
    ids=str,
)  # fmt: skip
def test_a_run_goes_on_whatever_its_lines_and_threads_say(
    threads: object,
    line: tuple[str, dict],
    foreign: Path,
    trained: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch,
):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    edited(foreign, lambda c: c["versions"].update(threads=threads))
    with (foreign / f"{line[0]}.jsonl").open("a") as file:
        file.write(json.dumps(line[1]) + "\n")
    code, told = called(capsys, "train", trained / "photos", "--run", foreign, "--no-report", "--no-evaluate")
    assert code == 0, told


def test_a_sum_of_nothing_in_a_manifest_is_damage(foreign: Path, trained: Path, capsys: pytest.CaptureFixture[str]):
    for file in foreign.glob("checkpoints/*/manifest.json"):
        manifest = json.loads(file.read_text())
        manifest["facts"]["sums"] = {"D(x)": []}
        manifest["self"] = checkpoint._own_digest(manifest)
        file.write_text(json.dumps(manifest))
    code, told = called(capsys, "train", trained / "photos", "--run", foreign, "--no-report", "--no-evaluate")
    assert (code, "a sum of nothing" in told) == (0, True)


MOMENTS = {
    "scalars": lambda t: {k: v.sum() for k, v in t.items()},
    "halves": lambda t: {k: v.half() for k, v in t.items()},
    "no step": lambda t: {k: v for k, v in t.items() if not k.endswith("step")},
    "the step alone": lambda t: {k: v for k, v in t.items() if k.endswith("step")},
    "one alone": lambda t: {"0.exp_avg": t["0.exp_avg"]},
    "an unknown one": lambda t: t | {"0.zebra": t["0.exp_avg"].clone()},
    "negative": lambda t: {k: -1 - v if k.endswith("sq") else v for k, v in t.items()},
    "a position of another script": lambda t: t | {"².step": t["0.step"].clone()},
    "a step of many": lambda t: {k: v.expand(5).clone() if k.endswith("step") else v for k, v in t.items()},
}


@pytest.mark.parametrize("name", MOMENTS)
def test_moments_that_a_fused_step_would_trust_are_damage(
    name: str, foreign: Path, trained: Path, capsys: pytest.CaptureFixture[str]
):
    import safetensors.torch

    for folder in checkpoint.existing(foreign / "checkpoints"):
        file = folder / "generator_optimizer.safetensors"
        content = safetensors.torch.save(MOMENTS[name](safetensors.torch.load(file.read_bytes())))
        file.write_bytes(content)
        manifest = json.loads((folder / "manifest.json").read_text())
        manifest["sha256"][file.name] = hashlib.sha256(content).hexdigest()
        manifest["self"] = checkpoint._own_digest(manifest)
        (folder / "manifest.json").write_text(json.dumps(manifest))
    words = ["train", trained / "photos", "--run", foreign, "--budget", "40img", "--no-report", "--no-evaluate"]
    code, told = called(capsys, *words)
    assert (code, "generator_optimizer" in told and "begins again" in told) == (0, True), told


@pytest.mark.parametrize("optimizer", [Adam(), RMSprop(), SGD(), SGD(momentum=0.9)], ids=str)
def test_the_moments_of_each_optimizer_come_back(optimizer: Optimizer):
    weights = [torch.nn.Parameter(torch.ones(shape)) for shape in ((3, 2), (1,), ())]
    built = optimizer.build(weights)
    for weight in weights[1:]:
        weight.grad = torch.ones_like(weight)
    built.step()
    saved = optimizer_tensors(built)
    restore_optimizer(optimizer.build(weights), saved)


@pytest.mark.parametrize("name", [":", "..:x", ".x:y", "os:sep", "os:getcwd", "a b:c"])
def test_a_module_that_is_none_is_one_sentence(
    name: str, foreign: Path, trained: Path, capsys: pytest.CaptureFixture[str]
):
    photos = trained / "photos"
    for words in (
        ["sample", foreign, "--recipe", name],
        ["evaluate", photos, "--against", photos, "--extractor", name],
    ):
        assert called(capsys, *words)[0] == 2


def test_a_recipe_json_of_millions_of_values_and_a_hole_for_weights(foreign: Path):
    newest = checkpoint.existing(foreign / "checkpoints")[-1]
    with (newest / "generator.safetensors").open("r+b") as file:
        file.truncate(2**40)
    with pytest.raises(Damaged, match="does not match its header"):
        checkpoint.load(newest)
    text = (foreign / "recipe.json").read_text().rstrip().removesuffix("}")
    (foreign / "recipe.json").write_text(text + ', "more": [' + ",".join(["0"] * 600_000) + "]}")
    with pytest.raises(UserError, match="holds more than"):
        RunFolder(foreign).read()
    (foreign / "recipe.json").write_text(text + ', "more": "' + "\\u202e" * 5_000_000 + '"}')
    with pytest.raises(UserError, match="larger than"):
        RunFolder(foreign).read()
    with pytest.raises(untrusted.Refused, match="larger than"):
        untrusted.read_bytes(newest / "generator.safetensors", 10)


def test_the_nearest_of_very_many_or_very_long_names_is_found_in_no_time():
    assert nearest("zebra" + "v" * 60, [f"{'v' * 60}{n}" for n in range(65_000)])
    assert nearest("x" * 10**6, ["y" * 10**6]) == ""


@pytest.mark.skipif(not hasattr(os, "link"), reason="needs hard links")
def test_nothing_is_added_to_a_file_of_another_name(foreign: Path, trained: Path):
    (foreign / "events.jsonl").unlink()
    outside = foreign.parent / "outside"
    outside.write_text(f"{SECRET}\n")
    os.link(outside, foreign / "events.jsonl")
    with pytest.raises(UserError, match="second name"):
        organza.train(trained / "photos", foreign, budget="40img", evaluate=False, report=False)
    assert outside.read_text() == f"{SECRET}\n"


# ---- modules, weights and caches of others ----------------------------------------------------------------------------------------


def test_modules_of_the_current_folder_are_not_taken_for_others(tmp_path: Path):
    for name in ("torch", "PIL", "psutil", "numpy", "signal", "filelock", "html"):
        (tmp_path / f"{name}.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    done = subprocess.run(
        [sys.executable, "-m", "organza", "recipes"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "ran").exists()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes")
@pytest.mark.parametrize("kind", ["pipe", "zero", "hole"])
def test_weights_that_are_no_file_are_not_waited_for(
    kind: str, trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    file = tmp_path / "weights.pth"
    if kind == "pipe":
        os.mkfifo(file)
    elif kind == "zero":
        file.symlink_to("/dev/zero")
    else:
        with file.open("wb") as hole:
            hole.truncate(2**40)
    photos = trained / "photos"
    words = ["evaluate", photos, "--against", photos, "--extractor", "inception", "--weights", file]
    code, told = called(capsys, *words)
    assert (code, "regular file" in told or "not the weights" in told) == (2, True), told


def test_what_another_user_put_into_a_cache_is_made_again(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    first = open_data(trained / "photos", cache=tmp_path)
    images = np.array(first.images[:])
    foreign = np.flip(images, 0)
    packed = first.directory

    def forged(directory: Path) -> None:
        """As another user would write it: other images, with digests that are right."""
        np.save(directory / "images.npy", foreign)
        facts = cache._checked(json.loads((directory / "manifest.json").read_text()))
        facts["sha256"] = cache.sha256_of([np.ascontiguousarray(foreign).data])
        (directory / "manifest.json").write_text(json.dumps(cache._signed(facts)))

    forged(packed)
    monkeypatch.setattr(cache, "is_trusted", lambda path, folder=None: False)  # a test has one user only
    again = open_data(trained / "photos", cache=tmp_path)
    assert np.array_equal(again.images[:], images)
    weight_cache.write(tmp_path / "a.safetensors", {"x": torch.ones(2)}, {})
    assert weight_cache.read(tmp_path / "a.safetensors", {}) is not None
    monkeypatch.setattr(weight_cache, "is_trusted", lambda path, folder=None: False)
    assert weight_cache.read(tmp_path / "a.safetensors", {}) is None


@pytest.mark.skipif(not hasattr(os, "chown") or os.getuid() != 0, reason="only root can give files away")
def test_owners_that_are_trusted(tmp_path: Path):
    (tmp_path / "file").touch()
    assert untrusted.is_trusted(tmp_path / "file")
    os.chown(tmp_path / "file", 12345, -1)
    assert not untrusted.is_trusted(tmp_path / "file")
    assert not untrusted.is_trusted(tmp_path / "file", tmp_path)
    os.chown(tmp_path, 12345, -1)
    assert untrusted.is_trusted(tmp_path / "file", tmp_path)


@pytest.mark.parametrize(
    "change", [{"count": 0}, {"shape": {"a": 1}}, {"classes": 5}, {"scale": 5}, {"labels": [None]}]
)
def test_a_manifest_of_another_form_is_made_again(change: dict, trained: Path, tmp_path: Path):
    packed = open_data(trained / "photos", cache=tmp_path).directory
    facts = cache._checked(json.loads((packed / "manifest.json").read_text())) | change
    if change.get("count") == 0:
        np.save(packed / "images.npy", np.zeros((0, *facts["shape"]), np.uint8))
    (packed / "manifest.json").write_text(json.dumps(cache._signed(facts)))
    assert not cache.whole(packed) or "scale" in change
    if "scale" not in change:
        assert len(open_data(trained / "photos", cache=tmp_path)) == 24
