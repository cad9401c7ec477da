"""The command line as a user meets it: help that fits a screen, one sentence for each mistake, exit codes, and the main job."""

from __future__ import annotations

import errno
import json
import os
import shutil
import zipfile
from pathlib import Path

import pytest
from PIL import Image

from organza import cli
from organza.cli import parsing
from organza.run import checkpoint, folder
from tests.drawings import drawing
from tests.forks import Forked

TINY = ["--set", "generator.width=4", "discriminator.width=4", "batch=8", "--size", "32", "--budget", "24img"]
VERBS = [[verb] for verb in parsing.VERBS] + [["data", verb] for verb in parsing.DATA_VERBS]


def call(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as end:
        cli.main([str(argument) for argument in arguments])
    told = capsys.readouterr()
    return int(end.value.code or 0), told.out, told.err


@pytest.mark.parametrize("verb", [[], ["data"], *VERBS], ids=" ".join)
def test_help_fits_a_screen(verb: list[str], capsys: pytest.CaptureFixture[str]):
    code, out, _ = call(capsys, *verb, "--help")
    assert code == 0
    assert 3 < len(out.splitlines()) <= 48
    assert "None" not in out


def test_version(capsys: pytest.CaptureFixture[str]):
    assert call(capsys, "--version")[1].startswith("organza 0.")


def mistakes(pictures: Path, tmp_path: Path) -> dict[str, tuple[list, str]]:
    empty, text = tmp_path / "empty", tmp_path / "text.png"
    empty.mkdir()
    text.write_text("not an image")
    only_broken = tmp_path / "broken"
    only_broken.mkdir()
    shutil.copy(text, only_broken)
    run = ["--run", tmp_path / "run"]
    return {
        "verb": (["trian"], "Did you mean train?"),
        "data verb": (["data", "chek"], "Did you mean check?"),
        "option": (["train", pictures, "--sise", "3"], "Did you mean --size?"),
        "another command's option": (["studio", "--no-open"], "does not take --no-open. Did you mean --no-browser?"),
        "an option and value of another": (["quiz", tmp_path, "--out", "q"], "organza quiz does not take --out."),
        "no data": (["train"], "needs DATA"),
        "recipe": (["train", pictures, *run, "--recipe", "dcgam"], "Did you mean dcgan?"),
        "missing folder": (["train", pictures.parent / (pictures.name + "x"), *run], f"Did you mean {pictures.name}?"),
        "empty folder": (["train", empty, *run], "no images"),
        "broken only": (["train", only_broken, *run], "text.png"),
        "size 0": (["train", pictures, *run, "--size", "0"], "--size"),
        "size words": (["train", pictures, *run, "--size", "big"], "--size"),
        "size 51": (["train", pictures, *run, "--size", "51"], "50x50 and 52x52"),
        "channels": (["train", pictures, *run, "--channels", "2"], "1"),
        "budget": (["train", pictures, *run, "--budget", "soon"], "10m"),
        "budget 0": (["train", pictures, *run, "--budget", "0m"], "10m"),
        "field": (["train", pictures, *run, "--set", "batchs=3"], "Did you mean batch?"),
        "value": (["train", pictures, *run, "--set", "batch=many"], "batch=many"),
        "batch 0": (["train", pictures, *run, "--set", "batch=0"], "at least 1"),
        "no field": (["train", pictures, *run, "--set", "batch"], "field=value"),
        "loss": (["train", pictures, *run, "--set", "adversarial=hinges"], "Did you mean hinge?"),
        "run": (["sample", tmp_path / "nothing"], "is not a run"),
        "count": (["data", "faces", tmp_path / "faces", "--count", "0"], "at least 1"),
        "style": (["data", "faces", tmp_path / "faces", "--style", "adventurers"], "Did you mean adventurer?"),
        "idx": (["data", "fashion-mnist", tmp_path / "fashion", "--source", empty], "--download"),
        "seed": (["train", pictures, "--seed", "x"], "whole number"),
    }


def test_every_mistake_gets_one_sentence_and_exit_code_2(
    pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    for name, (arguments, said) in mistakes(pictures, tmp_path).items():
        code, _, error = call(capsys, *arguments)
        assert code == 2, f"{name}: {error}"
        assert said in error, f"{name}: {error}"
        assert "Traceback" not in error
        assert len(error.strip().splitlines()) == 1, f"{name}: {error}"
    assert not (tmp_path / "run").exists()


def test_the_main_job_from_folder_to_verdicts(pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    run = tmp_path / "run"
    code, out, error = call(capsys, "train", pictures, "--run", run, *TINY)
    assert code == 0, error
    assert "organza sample" in out + error
    code, out, error = call(capsys, "sample", run, "--count", "5", "--seed", "7", "--out", tmp_path / "new")
    assert code == 0, error
    files = sorted(path.name for path in (tmp_path / "new").iterdir())
    images = ["00000.png", "00001.png", "00002.png", "00003.png", "00004.png"]
    assert files == [".series.json", *images, "grid.png"]
    assert Image.open(tmp_path / "new" / "00000.png").size == (32, 32)
    code, out, error = call(capsys, "sample", run, "--count", "9", "--seed", "7", "--out", tmp_path / "more")
    for name in images:
        assert (tmp_path / "new" / name).read_bytes() == (tmp_path / "more" / name).read_bytes()
    drawing(3, 50, 40).save(tmp_path / "odd.png")
    code, out, error = call(capsys, "judge", run, pictures, tmp_path / "odd.png", "--json")
    assert code == 0, error
    verdicts = json.loads(out)
    assert len(verdicts) == 121
    chances = [verdict["probability"] for verdict in verdicts]
    assert chances == sorted(chances)
    assert all(0 < chance < 1 for chance in chances)
    assert "50x40" in next(verdict["note"] for verdict in verdicts if verdict["file"].endswith("odd.png"))


def test_the_same_command_finds_the_run_ended(pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    command = ["train", pictures, "--run", tmp_path / "run", "--no-evaluate", "--no-report", *TINY]
    assert call(capsys, *command)[0] == 0
    code, out, error = call(capsys, *command)
    assert code == 0
    assert "ended before" in out + error


@pytest.mark.parametrize("kind", ["rectangle", "grey", "transparent", "zip", "some broken", "photos"])
def test_the_one_command_works_on_folders_of_every_kind(kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    folder, expected = tmp_path / "data", (32, 32, "RGB")
    folder.mkdir()
    size = ["--size", "32"]
    for item in range(40):
        image = drawing(item, 120, 80) if kind == "photos" else drawing(item)
        if kind == "grey":
            image, expected = image.convert("L"), (32, 32, "L")
        if kind == "transparent":
            image.putalpha(drawing(item + 1000).convert("L"))
            expected = (32, 32, "RGBA")
        image.save(folder / (f"{item}.jpg" if kind == "photos" else f"{item}.png"))
    if kind == "rectangle":
        size, expected = ["--size", "48x32"], (48, 32, "RGB")
    if kind == "some broken":
        (folder / "cut.png").write_bytes((folder / "0.png").read_bytes()[:60])
        (folder / "text.jpg").write_text("hello")
    source = folder
    if kind == "zip":
        source = tmp_path / "data.zip"
        with zipfile.ZipFile(source, "w") as archive:
            for file in folder.iterdir():
                archive.write(file, file.name)
    command = [
        "train",
        source,
        "--run",
        tmp_path / "run",
        *TINY[:4],
        *size,
        "--budget",
        "16img",
        "--no-evaluate",
        "--no-report",
    ]
    code, out, error = call(capsys, *command)
    assert code == 0, error
    if kind == "some broken":
        assert "2 of 42 files are left out" in out + error
        assert "cut.png" in out + error
    assert call(capsys, "sample", tmp_path / "run", "--count", "1", "--out", tmp_path / "new")[0] == 0
    made = Image.open(tmp_path / "new" / "00000.png")
    assert (*made.size, made.mode) == expected


def test_a_corrupt_checkpoint_falls_back_and_says_so(
    pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    for budget in ("16img", "24img"):
        call(capsys, "train", pictures, "--run", tmp_path / "run", "--no-evaluate", "--no-report", *TINY[:-1], budget)
    newest = checkpoint.existing(tmp_path / "run" / "checkpoints")[-1]
    (newest / "generator.safetensors").write_bytes(b"x" * 100)
    code, out, error = call(capsys, "sample", tmp_path / "run", "--count", "1", "--out", tmp_path / "new")
    assert code == 0
    assert "was damaged" in error
    assert "using 00000016 instead" in error
    assert "checkpoint 00000016" in out


def test_dry_run_measures_and_writes_nothing(pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    code, out, error = call(capsys, "train", pictures, "--run", tmp_path / "run", *TINY, "--dry-run")
    assert code == 0, error
    for word in ('"batch": 8', "weights", "GFLOP", "images/s", "memory", "Nothing was written"):
        assert word in out
    assert not (tmp_path / "run").exists()


def test_recipes_are_listed_with_source_and_expectation(capsys: pytest.CaptureFixture[str]):
    code, out, _ = call(capsys, "recipes")
    assert code == 0
    for word in ("mlp", "dcgan", "dcgan-r1", "arXiv", "expect"):
        assert word in out
    assert json.loads(call(capsys, "recipes", "dcgan")[1])["batch"] == 128
    assert call(capsys, "recipes", "coded") == call(capsys, "recipes", "latent")


def test_a_recipe_of_ones_own(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    (tmp_path / "cautious_recipe.py").write_text(
        "from dataclasses import replace\n"
        "from torch.nn.functional import softplus\n"
        "from organza.losses import Adversarial\n"
        "from organza.recipes import get\n"
        "def d(r, f): return softplus(0.5 - r) + softplus(0.5 + f)\n"
        "def g(r, f): return softplus(-f)\n"
        "cautious = Adversarial(d, g)\n"
        "def my_recipe(): return replace(get('dcgan'), name='mine', adversarial=cautious)\n"
    )
    monkeypatch.chdir(tmp_path)
    command = ["train", pictures, "--recipe", "cautious_recipe:my_recipe", "--run", "run", *TINY, "--no-evaluate"]
    for _ in range(2):  # the second finds the run again
        code, _, error = call(capsys, *command, "--no-report")
        assert code == 0, error
    content = json.loads((tmp_path / "run" / "recipe.json").read_text())
    assert content["recipe"]["adversarial"] == {"the": "cautious_recipe:cautious"}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks a process")
def test_a_reader_that_goes_away_is_no_error():
    """As `organza recipes dcgan | head`."""
    process = Forked("recipes", "dcgan")
    process.stdout.close()
    _, error = process.communicate()
    assert (process.returncode, error) == (141, b"")


def test_a_full_disk_is_told_in_a_sentence(
    pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    def full(descriptor: int, content: bytes) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    place = tmp_path / "run"
    assert call(capsys, "train", pictures, "--run", place, "--no-evaluate", "--no-report", *TINY)[0] == 0
    monkeypatch.setattr(folder, "write_all", full)
    code, _, error = call(capsys, "train", pictures, "--run", place, "--no-evaluate", *TINY[:-1], "32img")
    assert code == 2
    assert "the disk is full" in error
    assert "Traceback" not in error
