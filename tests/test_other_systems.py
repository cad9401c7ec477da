"""Training, resuming and sampling where the system is another: see `tests.other_systems`."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import organza
from tests.drawings import drawing

TINY = [
    "--recipe",
    "swift",
    "--size",
    "16",
    "--no-report",
    "--no-evaluate",
    "--set",
    "generator.width=4",
    "discriminator.width=4",
    "batch=8",
]
HERE = Path(__file__).parent.parent
pytestmark = pytest.mark.skipif(os.name != "posix", reason="another system is imitated on this one")


def command(kind: str, *arguments: object) -> list[str]:
    return [sys.executable, "-m", "tests.other_systems", kind, *map(str, arguments)]


def call(kind: str, *arguments: object) -> str:
    ended = subprocess.run(
        command(kind, *arguments), cwd=HERE, capture_output=True, text=True, check=False, timeout=200
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("few") / "photos"
    folder.mkdir()
    for seed in range(24):
        drawing(seed, 32, 32).save(folder / f"{seed}.png")
    return folder


@pytest.mark.parametrize("kind", ["posixless", "windows"])
def test_train_kill_resume_and_sample(kind: str, few: Path, tmp_path: Path):
    run = tmp_path / "run"
    training = ["train", few, "--run", run, "--budget", "400img", *TINY]
    process = subprocess.Popen(command(kind, *training), cwd=HERE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    while not list(run.glob("checkpoints/[0-9]*")) and process.poll() is None:
        time.sleep(0.02)
    if process.poll() is None:
        again = subprocess.run(
            command(kind, *training), cwd=HERE, capture_output=True, text=True, check=False, timeout=200
        )
        if process.poll() is None:
            assert again.returncode == 2
            assert f"is being trained by process {process.pid}" in again.stderr
    process.send_signal(signal.SIGKILL)
    process.communicate()
    call(kind, *training)
    events = [json.loads(line) for line in (run / "events.jsonl").read_text(encoding="utf-8").splitlines()]
    assert next(event["event"] for event in events if event["event"] != "warned") == "started"
    assert events[-1]["kind"] == "budget"
    call(kind, "sample", run, "--count", 3, "--out", tmp_path / "new")
    call(kind, "sample", run, "--count", 3, "--out", tmp_path / "new")  # over those that are there
    assert Image.open(tmp_path / "new" / "00002.png").size == (16, 16)
    here = organza.load(run).sample(3)
    assert (here[2] == np.asarray(Image.open(tmp_path / "new" / "00002.png"))).all()


@pytest.mark.parametrize("kind", ["posixless", "windows"])
def test_ctrl_c_saves(kind: str, few: Path, tmp_path: Path):
    run = tmp_path / "run"
    process = subprocess.Popen(
        command(kind, "train", few, "--run", run, "--budget", "1000000img", *TINY),
        cwd=HERE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    while not (run / "samples" / "00000000.png").exists() and process.poll() is None:
        time.sleep(0.02)
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 130, error
    assert json.loads((run / "events.jsonl").read_text(encoding="utf-8").splitlines()[-1])["kind"] == "SIGINT"


@pytest.mark.parametrize("kind", ["posixless", "windows"])
def test_faces_are_drawn_by_workers(kind: str, tmp_path: Path):
    pytest.importorskip("resvg_py")
    call(kind, "data", "faces", tmp_path / "faces", "--count", 210, "--size", 16)
    assert len(list((tmp_path / "faces").glob("*.png"))) == 210
    assert "210 images" in call(kind, "data", "check", tmp_path / "faces").replace("pictures", "images")


def test_labels_and_names_that_windows_forbids_become_names_of_files(tmp_path: Path):
    data = tmp_path / "data"
    for label in ("what?", "con"):
        (data / label).mkdir(parents=True)
        for seed in range(16):
            drawing(seed, 32, 32).save(data / label / f"{seed}.png")
    run = tmp_path / "run"
    call(
        "windows",
        "train",
        data,
        "--run",
        run,
        "--recipe",
        "cgan",
        "--size",
        "32",
        "--budget",
        "32img",
        "--no-report",
        "--no-evaluate",
    )
    for label in ("what?", "con"):
        assert "seed-0" in call("windows", "sample", run, "--count", 1, "--class", label)
    assert len(list((run / "generated").iterdir())) == 2
