"""The examples run, at a tiny budget."""

from __future__ import annotations

import math
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from examples import own_parts, plain_loop
from examples.energy_gan import Autoencoder, energy, pulling_away
from PIL import Image

import organza
from organza import load
from tests.test_cli import call

EXAMPLES = Path(__file__).parent.parent / "examples"


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """A function that runs a file with arguments, as `python FILE` does, in this process; it returns what was printed."""

    def of(name: str, *arguments: str | Path) -> str:
        monkeypatch.setattr(sys, "argv", [name, *map(str, arguments)])
        runpy.run_path(str(EXAMPLES / name), run_name="__main__")
        return capsys.readouterr().out

    return of


def test_first_gan_is_short_and_trains(run, pictures: Path, tmp_path: Path):
    assert len((EXAMPLES / "first_gan.py").read_text().splitlines()) <= 100
    told = run("first_gan.py", pictures, "--steps", "3", "--batch", "16", "--out", tmp_path / "grid.png")
    assert "step     2" in told
    picture = np.asarray(Image.open(tmp_path / "grid.png"))
    assert picture.shape == (8 * 34 - 2, 8 * 34 - 2)
    assert picture.std() > 5


@pytest.mark.slow
def test_anime_faces_renders_trains_and_samples(run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    recipe = ["--recipe", "swift", "--budget", "64img"]  # the tutorial's own is ten times as large
    told = run("anime_faces.py", "--count", "64", *recipe, "--run", tmp_path / "run")
    grids = [Path(line.split("samples in ")[1]) for line in told.splitlines() if "samples in" in line]
    assert len(set(grids)) >= 2  # before the first step, and at the end
    assert all(grid.is_file() for grid in grids)
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


def test_the_plain_loop_and_the_blocks_have_the_same_losses():
    torch.set_default_dtype(torch.float64)
    try:
        pairs = [(*one, *other) for one, other in zip(plain_loop.plain(12), plain_loop.blocks(12), strict=True)]
    finally:
        torch.set_default_dtype(torch.float32)
    assert pairs[0][0] != pairs[-1][0]
    for loss_D, loss_G, same_D, same_G in pairs:
        assert (loss_D, loss_G) == pytest.approx((same_D, same_G), rel=1e-9)


def test_parts_of_ones_own_are_trained_resumed_sampled_and_judged(pictures: Path, tmp_path: Path):
    recipe, settings = own_parts.own(), ["batch=16", "generator.width=4", "discriminator.width=4"]
    asked = {"recipe": recipe, "settings": settings, "size": 16, "evaluate": False, "report": False, "progress": False}
    whole = organza.train(pictures, tmp_path / "whole", budget="64img", **asked)
    organza.train(pictures, tmp_path / "halves", budget="32img", **asked)
    halves = organza.train(pictures, tmp_path / "halves", budget="64img", **asked)
    np.testing.assert_array_equal(whole.sample(4, seed=1), halves.sample(4, seed=1))
    assert ((whole.judge(whole.sample(4)) > 0) & (whole.judge(whole.sample(4)) < 1)).all()


def test_the_parts_of_ones_own_are_what_their_comments_say():
    logits = torch.tensor([-1.0, 2.0])
    target = torch.full_like(logits, 0.9)
    cross_entropy = torch.nn.functional.binary_cross_entropy_with_logits(logits, target, reduction="none")
    fake = torch.zeros(2)
    torch.testing.assert_close(own_parts.smoothed.discriminator(logits, fake), cross_entropy + math.log(2))
    D = own_parts.Discriminator((1, 16, 16), width=4)
    game = own_parts.TwoJudges(torch.nn.Identity(), D, own_parts.smoothed)
    batch, made = {"image": torch.rand(3, 1, 16, 16)}, {"image": torch.rand(3, 1, 16, 16)}
    large, small = game.duels(batch, made)
    assert (large.real.shape, small.real.shape) == ((3, 1, 16, 16), (3, 1, 8, 8))
    torch.testing.assert_close((large.judge(large.real) + small.judge(small.real)) / 2, D(batch["image"]))
    assert own_parts.drift(large, logits, fake).tolist() == [1.0, 4.0]


def test_every_example_is_short():
    for path in EXAMPLES.glob("*.py"):
        assert len(path.read_text().splitlines()) <= (120 if path.name == "own_parts.py" else 100), path.name
