"""The examples run, at a tiny budget."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

EXAMPLES = Path(__file__).parent.parent / "examples"


def run(name: str, *arguments: str | Path) -> str:
    result = subprocess.run(
        [sys.executable, str(EXAMPLES / name), *map(str, arguments)], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def test_first_gan_is_short_and_trains(pictures: Path, tmp_path: Path):
    assert len((EXAMPLES / "first_gan.py").read_text().splitlines()) <= 100
    told = run("first_gan.py", pictures, "--steps", "3", "--batch", "16", "--out", tmp_path / "grid.png")
    assert "step     2" in told
    picture = np.asarray(Image.open(tmp_path / "grid.png"))
    assert picture.shape == (8 * 34 - 2, 8 * 34 - 2)
    assert picture.std() > 5


@pytest.mark.slow
def test_anime_faces_renders_trains_and_samples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    told = run("anime_faces.py", "--count", "150", "--budget", "256img", "--run", tmp_path / "run")
    assert "stopped: the budget of 256img is spent" in told
    assert (tmp_path / "run" / "faces.png").is_file()
    assert (tmp_path / "faces" / "labels.csv").is_file()


def test_every_example_is_short():
    for path in EXAMPLES.glob("*.py"):
        assert len(path.read_text().splitlines()) <= 100, path.name
