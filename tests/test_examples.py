"""The examples run, at a tiny budget."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from examples.energy_gan import Autoencoder, energy, pulling_away
from PIL import Image

from organza import load
from tests.test_cli import call

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


def test_a_variant_of_ones_own_trains_by_the_same_command_and_goes_on_exactly(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(EXAMPLES.parent)

    def trained(run: str, images: int) -> str:
        command = ["train", pictures, "--recipe", "examples.energy_gan:energy_gan", "--run", tmp_path / run]
        command += ["--size", "16", "--channels", "1", "--budget", f"{images}img", "--seed", "3"]
        command += ["--no-evaluate", "--no-report"]
        command += ["--set", "batch=16", "generator.width=4", "discriminator.width=4", "discriminator.code=8"]
        code, told, error = call(capsys, *command)
        assert code == 0, error
        return told

    assert "pulling away" in trained("whole", 96)
    trained("halves", 48)
    trained("halves", 96)
    whole, halves = (load(tmp_path / name).generate(torch.ones(2, 100)) for name in ("whole", "halves"))
    np.testing.assert_array_equal(whole, halves)


def test_the_energy_gan_plays_by_its_equations():
    real, fake = torch.tensor([-0.1]), torch.tensor([-0.05])  # energies of 0.1 and 0.05, m = 0.2
    torch.testing.assert_close(energy.discriminator(real, fake), torch.tensor([0.1 + 0.15]))
    torch.testing.assert_close(energy.discriminator(real, torch.tensor([-0.3])), torch.tensor([0.1]))
    torch.testing.assert_close(energy.generator(real, fake), torch.tensor([0.05]))
    assert pulling_away(torch.tensor([[1.0, 0.0], [0.0, 3.0]])) == 0
    assert pulling_away(torch.tensor([[1.0, 1.0], [-2.0, -2.0], [5.0, 5.0]])) == pytest.approx(1.0)
    D = Autoencoder((1, 16, 16), width=4, code=8)
    assert (D(torch.zeros(3, 1, 16, 16)) <= 0).all()  # minus an energy


def test_every_example_is_short():
    for path in EXAMPLES.glob("*.py"):
        assert len(path.read_text().splitlines()) <= 100, path.name
