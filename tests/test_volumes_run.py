"""Volumes end to end: trained, sampled into files, judged, resumed; and refused in words where they do not fit."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import organza
from organza import Batches, cli
from organza.errors import UserError
from organza.game import discriminator_loss, update
from organza.recipes import get
from organza.training.dry_run import dry_run
from organza.training.request import TrainArgs
from tests.contracts.discovery import small
from tests.contracts.material import Material
from tests.helpers import train


@pytest.fixture(scope="module")
def run(material: Material, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("voxels") / "run"
    recipe = small(get("gan3d"), 4)
    with pytest.MonkeyPatch.context() as changed:
        changed.setattr(Batches, "columns", 3)  # shading 64 volumes in each sheet takes longer than training
        organza.train(material(recipe), folder, recipe=recipe, budget="16img", size=32, stop=(), report=False)
    return folder


def call(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as end:
        cli.main([str(argument) for argument in arguments])
    told = capsys.readouterr()
    return int(end.value.code or 0), told.out, told.err


def test_a_run_shows_shaded_pictures_and_measures_shapes(run: Path):
    sheet = Image.open(run / "samples" / "real.png")
    assert sheet.mode == "RGB"
    assert sheet.size == (3 * 98 - 2, 2 * 98 - 2)
    line = json.loads((run / "evaluations.jsonl").read_text().splitlines()[-1])
    assert line["card"]["extractor"]["name"] == "shape statistics"
    assert line["variety"]["value"] >= 0
    content = json.loads((run / "recipe.json").read_text())
    assert content["data"]["shape"] == [1, 32, 32, 32]


def test_sample_writes_an_archive_pictures_a_turntable_and_surfaces(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    code, out, error = call(capsys, "sample", run, "--count", "5", "--seed", "7", "--out", tmp_path, "--stl")
    assert code == 0, error
    assert "5 volumes in volumes.npz" in out
    made = np.load(tmp_path / "volumes.npz", allow_pickle=False)["volumes"]
    assert made.shape == (5, 32, 32, 32)
    assert made.dtype == np.uint8
    assert np.array_equal(made[..., None], organza.load(run).sample(5, seed=7))
    solid = [index for index in range(5) if made[index].max() > 127]
    expected = {"volumes.npz", "grid.png", "turntable.gif"} | {f"{index:05d}.png" for index in range(5)}
    assert {path.name for path in tmp_path.iterdir()} == expected | {f"{index:05d}.stl" for index in solid}
    assert Image.open(tmp_path / "00000.png").size == (192, 192)
    assert Image.open(tmp_path / "turntable.gif").n_frames > 1  # type: ignore[attr-defined]


def test_what_was_sampled_can_be_trained_on_and_judged(run: Path, material: Material, tmp_path: Path, capsys):
    folder = material(get("gan3d"))
    code, out, error = call(capsys, "judge", run, folder, folder / "000.npz", "--json")
    assert code == 0, error
    verdicts = json.loads(out)
    assert len(verdicts) == 61
    chances = [verdict["probability"] for verdict in verdicts]
    assert chances == sorted(chances)
    assert all(0 < chance < 1 for chance in chances)
    same = [verdict["probability"] for verdict in verdicts if "000.npz" in verdict["file"]]
    assert len(same) == 2
    assert len(set(same)) == 1
    with pytest.raises(UserError, match=r"\[N, 32, 32, 32, 1\]"):
        organza.load(run).judge(np.zeros((2, 32, 32, 1), np.uint8))


def test_stl_of_pictures_and_pictures_for_a_voxel_recipe_are_refused(
    material: Material, pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    train(pictures, tmp_path / "flat", small(get("mlp")), budget="8img")
    code, _, error = call(capsys, "sample", tmp_path / "flat", "--stl")
    assert (code, "which have no surface" in error) == (2, True)
    code, _, error = call(capsys, "train", pictures, "--recipe", "gan3d", "--run", tmp_path / "x")
    assert (code, "no volumes" in error) == (2, True)
    code, _, error = call(capsys, "data", "check", material(get("gan3d")))
    assert (code, "60 volumes" in error) == (2, True)


def test_a_dry_run_names_the_cubes(material: Material, tmp_path: Path):
    recipe = small(get("gan3d"), 4)
    text = dry_run(TrainArgs(material(recipe), tmp_path / "run", recipe, "16img", size=32))
    assert "60 volumes of 32x32x32" in text


def test_the_same_command_goes_on_where_a_run_on_volumes_was_left(material: Material, tmp_path: Path):
    recipe = small(get("gan3d"), 4)
    for budget in ("8img", "16img"):
        train(material(recipe), tmp_path / "run", recipe, budget=budget, size=16)
    assert (tmp_path / "run" / "checkpoints" / "00000016").is_dir()


def test_the_papers_rule_a_discriminator_that_is_right_too_often_sits_out(material: Material):
    recipe = small(get("gan3d-paper"))
    assert recipe.discriminator_limit == 0.8
    game = recipe.build(material.opened(recipe))
    streams = [torch.Generator().manual_seed(item) for item in range(8)]
    batch = material.opened(recipe).at(range(8)) | game.latents(streams)
    made = game.play(batch)
    optimizer = recipe.discriminator_optimizer.build(game.D.parameters())
    before = [weight.clone() for weight in game.D.parameters()]
    turn = update(game.D, optimizer, lambda: discriminator_loss(game, batch, made), max_accuracy=-1.0)
    assert "D accuracy" in turn.metrics
    assert all((a == b).all() for a, b in zip(before, game.D.parameters(), strict=True))
