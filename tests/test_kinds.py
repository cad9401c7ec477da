"""The benchmark of kinds, small: folders are written, trained on as a user does, measured, and shown."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from tests.forks import forked

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"


def typed(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
    """Run a command of the benchmark in a process that is forked, and evaluate 100 samples instead of 500."""
    assert command[:3] == [sys.executable, "-m", "organza"]
    ended = forked(*("100" if word == "500" else word for word in command[3:]))
    return subprocess.CompletedProcess(command, ended.returncode, ended.stdout.decode(), ended.stderr.decode())


@pytest.mark.slow
@pytest.mark.parametrize(
    "kinds", [["cut-out-sparks"], pytest.param(["dark-sparks", "cut-out-sparks"], marks=pytest.mark.long)], ids=len
)
def test_the_benchmark_of_kinds_runs(
    kinds: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    benchmark = importlib.import_module("kinds")
    stand_in = SimpleNamespace(run=typed, CalledProcessError=subprocess.CalledProcessError)
    monkeypatch.setattr(benchmark, "subprocess", stand_in)
    arguments = ["run", str(tmp_path), "--count", "120", "--budget", "320img", "--only", *kinds, "icons"]
    monkeypatch.setattr(sys, "argv", ["kinds.py", *arguments])
    benchmark.main()
    assert "left out: icons needs the Debian package papirus-icon-theme" in capsys.readouterr().out
    for name in kinds:
        told = json.loads((tmp_path / "runs" / f"{name}-0.json").read_text())
        assert told["recipe"] == "latent"
        assert [one["metrics"]["mmd"]["value"] >= -0.1 for one in told["numbers"]] == [True, True]
        assert told["words"]
    sheet = np.asarray(Image.open(tmp_path / "kinds.png"))
    assert sheet.shape[0] == 2 * len(kinds) * 64


def test_every_folder_that_is_drawn_here_is_the_same_each_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import folders

    for kind in (*folders.KINDS, *folders.DEGENERATE):
        if kind.package or kind.name.endswith(("faces", "lines")):
            continue
        first, again = (folders.write(kind, tmp_path / place, tmp_path, count=3) for place in "ab")
        for path in first.iterdir():
            assert path.read_bytes() == (again / path.name).read_bytes()
