"""The benchmark of kinds, small: folders are written, trained on as a user does, measured, and shown."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"


@pytest.mark.slow
def test_the_benchmark_of_kinds_runs(tmp_path: Path):
    command = [
        sys.executable,
        str(BENCHMARKS / "kinds.py"),
        "run",
        str(tmp_path),
        "--count",
        "120",
        "--budget",
        "480img",
    ]
    kinds = ["dark-sparks", "cut-out-sparks", "icons"]
    done = subprocess.run([*command, "--only", *kinds], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "left out: icons needs the Debian package papirus-icon-theme" in done.stdout
    for name in kinds[:2]:
        told = json.loads((tmp_path / "runs" / f"{name}-0.json").read_text())
        assert told["recipe"] == "latent"
        assert [one["metrics"]["mmd"]["value"] >= -0.1 for one in told["numbers"]] == [True, True]
        assert told["words"]
    sheet = np.asarray(Image.open(tmp_path / "kinds.png"))
    assert sheet.shape[0] == 4 * 64


def test_every_folder_that_is_drawn_here_is_the_same_each_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import folders

    for kind in (*folders.KINDS, *folders.DEGENERATE):
        if kind.package or kind.name.endswith(("faces", "lines")):
            continue
        first, again = (folders.write(kind, tmp_path / place, tmp_path, count=3) for place in "ab")
        for path in first.iterdir():
            assert path.read_bytes() == (again / path.name).read_bytes()
