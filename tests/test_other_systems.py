"""Training, resuming and sampling where the system is another: see `tests.other_systems`. One process of each kind does it all."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

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
LABELS = ("what?", "con")
"""Names that Windows forbids."""
HERE = Path(__file__).parent.parent
pytestmark = pytest.mark.skipif(os.name != "posix", reason="another system is imitated on this one")


class Session(NamedTuple):
    """Outcome of the commands of one system.

    Args:
        kind: system.
        place: folder of everything.
        holder: number of the process that held the run when it was asked for a second time.
        codes: exit codes, in order.
        out: text of each command on standard output.
        error: text of all on standard error.
    """

    kind: str
    place: Path
    holder: int
    codes: list[int]
    out: list[str]
    error: str


def started(kind: str, place: Path, name: str, *commands: list[object]) -> subprocess.Popen[str]:
    """A process of another system that runs commands, one after the other; it writes into NAME.out and NAME.error."""
    words = [str(word) for command in commands for word in ("then", *command)]
    with (place / f"{name}.out").open("w") as out, (place / f"{name}.error").open("w") as error:
        return subprocess.Popen(
            [sys.executable, "-m", "tests.other_systems", kind, *words],
            cwd=HERE, stdin=subprocess.PIPE, stdout=out, stderr=error, text=True,
        )  # fmt: skip


def wait_for(there: Path, process: subprocess.Popen[str], text: str = "") -> None:
    """Wait until a file is there and holds a text, or the process has ended."""
    until = time.monotonic() + 300
    while not (there.exists() and text in there.read_bytes().decode(errors="replace")) and process.poll() is None:
        assert time.monotonic() < until, there
        time.sleep(0.02)


def furnished(place: Path) -> None:
    (place / "few").mkdir()
    for seed in range(24):
        drawing(seed).save(place / "few" / f"{seed}.png")
    for label in LABELS:
        (place / "labelled" / label).mkdir(parents=True)
        for seed in range(16):
            drawing(seed).save(place / "labelled" / label / f"{seed}.png")


@pytest.fixture(scope="module", params=["posixless", "windows"])
def session(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Session:
    """A training that is killed, and a process that is refused its run, resumes it when it is free, and does everything else."""
    place = tmp_path_factory.mktemp(request.param)
    furnished(place)
    run = place / "run"
    training = ["train", place / "few", "--run", run, "--budget", "400img", *TINY]
    labelled = ["train", place / "labelled", "--run", place / "labels", "--recipe", "cgan", "--size", 32]
    labels = [
        [*labelled, "--budget", "32img", "--no-report", "--no-evaluate"],
        *(["sample", place / "labels", "--count", 1, "--class", label] for label in LABELS),
    ] if request.param == "windows" else []  # fmt: skip
    sample = ["sample", run, "--count", 3, "--out", place / "new"]
    killed = started(request.param, place, "killed", training)
    while not list(run.glob("checkpoints/[0-9]*")) and killed.poll() is None:
        time.sleep(0.02)
    killed.send_signal(signal.SIGSTOP)  # it holds the run, and costs nothing
    commands: list[list[object]] = [
        training, ["wait"], training, sample, sample,  # the second time over images that are there
        ["data", "faces", place / "faces", "--count", 210, "--size", 16], ["data", "check", place / "faces"],
        *labels,
        ["train", place / "few", "--run", place / "endless", "--budget", "1000000img", *TINY],
    ]  # fmt: skip
    process = started(request.param, place, "session", *commands)
    wait_for(place / "session.out", process, "exit code")
    killed.kill()
    killed.wait()
    assert process.stdin is not None
    process.stdin.write("go on\n")
    process.stdin.flush()
    wait_for(place / "endless" / "samples" / "00000000.png", process)
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    out, error = ((place / f"session.{name}").read_text(encoding="utf-8") for name in ("out", "error"))
    parts = re.split(r"exit code (\d+)\n", out)
    return Session(request.param, place, killed.pid, [int(code) for code in parts[1::2]], parts[::2], error)


def test_train_kill_resume_and_sample(session: Session):
    run = session.place / "run"
    assert session.codes[:-1] == [2] + [0] * (len(session.codes) - 2), session.error
    assert len(session.codes) == (10 if session.kind == "windows" else 7), session.error
    assert f"is being trained by process {session.holder}" in session.error
    events = [json.loads(line) for line in (run / "events.jsonl").read_text(encoding="utf-8").splitlines()]
    assert next(event["event"] for event in events if event["event"] != "warned") == "started"
    assert "resumed" in [event["event"] for event in events]
    assert events[-1]["kind"] == "budget"
    assert Image.open(session.place / "new" / "00002.png").size == (16, 16)
    assert Image.open(run / "samples" / "00000000.png").size == (8 * 18 - 2, 8 * 18 - 2)  # as a user sees them
    here = organza.load(run).sample(3)
    assert (here[2] == np.asarray(Image.open(session.place / "new" / "00002.png"))).all()


def test_ctrl_c_saves(session: Session):
    assert session.codes[-1] == 130, session.error
    events = (session.place / "endless" / "events.jsonl").read_text(encoding="utf-8").splitlines()
    assert json.loads(events[-1])["kind"] == "SIGINT"


def test_faces_are_drawn_by_workers(session: Session):
    assert len(list((session.place / "faces").glob("*.png"))) == 210
    assert "210 images" in session.out[5]


def test_labels_and_names_that_windows_forbids_become_names_of_files(session: Session):
    if session.kind != "windows":
        pytest.skip("names that only Windows forbids")
    for out in session.out[7:9]:
        assert "seed-0" in out
    assert len(list((session.place / "labels" / "generated").iterdir())) == 2
