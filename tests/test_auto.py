"""The recipe that is chosen where none is asked for: by the pictures, the turns that the budget allows, and the wish for labels."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import organza
from organza.config import settings_of
from organza.data.batches import Images
from organza.data.source import Source
from organza.errors import UserError
from organza.recipes.swift import JITTER, latent, latent_wide, rates_of_r3, swift
from organza.run.events import Begun
from organza.schedule import Cosine, at
from organza.training.auto import GROWING, LONGEST, ON_CODES, PASSES, WIDTHS, recipe_for, sized, widest
from organza.training.plan import Budget
from tests.drawings import drawing


def width_of(recipe) -> int:
    assert recipe.generator.settings["width"] == recipe.discriminator.settings["width"]
    return recipe.generator.settings["width"]


def never(recipe, data) -> float:
    raise AssertionError("a budget in images needs no measurement")


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("auto") / "many.npy"
    np.save(path, np.stack([np.asarray(drawing(seed)) for seed in range(40)]).repeat(60, 0))
    return path


@pytest.mark.parametrize(("width", "least"), WIDTHS.items())
def test_a_width_is_chosen_from_the_turns_that_it_needs(width: int, least: int, many: Path):
    images = max(least, 1) * swift().batch
    for count, right in ((images, width), (images - swift().batch, max([w for w in WIDTHS if w < width], default=12))):
        choice = recipe_for(Source(many), Budget("n", images=max(count, 1)), never)
        assert width_of(choice.recipe) == right
        assert f"width {right}" in choice.reasons[1]


def test_a_slow_machine_gets_a_thin_network_and_a_fast_one_a_wide_one(many: Path):
    def speed(factor: float):
        return lambda recipe, data: factor / width_of(recipe) ** 2

    widths = [width_of(recipe_for(Source(many), Budget.parse("10m"), speed(10.0**n)).recipe) for n in range(1, 9)]
    assert widths == sorted(widths)
    assert (widths[0], widths[-1]) == (min(WIDTHS), max(WIDTHS))


def test_widths_are_measured_upwards_until_one_is_too_slow():
    tried = []

    def turns(recipe) -> float:
        tried.append(width_of(recipe))
        return 10.0

    assert widest(swift(), turns) == (12, 10.0)
    assert tried == [12, 16]
    assert width_of(sized(swift(), 24)) == 24
    assert [settings_of(sized(latent(), width).generator)["brush"] for width in (8, 16, 24)] == [16, 16, 24]
    assert settings_of(sized(latent_wide(), 192).generator)["brush"] == 64  # its own


def test_pictures_of_some_size_get_a_latent_gan_with_a_twentieth_of_the_run_for_the_autoencoder(tmp_path: Path):
    path = tmp_path / "larger.npy"
    np.save(path, np.stack([np.asarray(drawing(seed).resize((48, 48))) for seed in range(40)]).repeat(60, 0))
    for turns, width in ((ON_CODES[16], 16), (ON_CODES[16] - 1, 8)):
        choice = recipe_for(Source(path), Budget("n", images=turns * 16), never)
        assert (choice.recipe.name, width_of(choice.recipe), choice.recipe.augment) == ("latent", width, None)
        alone = choice.recipe.alone(turns * 16)
        assert alone == pytest.approx(turns * 16 / 20, abs=16)
        assert f"the first {alone:,} images are for the autoencoder alone" in choice.reasons[2]
    assert recipe_for(Source(path), Budget("n", images=10**7), never).recipe.alone(10**7) == LONGEST
    np.save(path, np.load(path)[::60])  # few of them, too
    assert recipe_for(Source(path), Budget("n", images=1600), never).recipe.name == "latent"


def test_few_pictures_get_augmentation_and_labels_a_conditional_recipe(tmp_path: Path, many: Path):
    for seed in range(40):
        (tmp_path / "few").mkdir(exist_ok=True)
        drawing(seed).save(tmp_path / "few" / f"{seed}.png")
    rows = [f"{seed}.png,{'cat' if seed % 2 else 'dog'}" for seed in range(40)]
    (tmp_path / "few" / "labels.csv").write_text("\n".join(["file,kind", *rows]))
    few = recipe_for(Source(tmp_path / "few"), Budget.parse("1kimg"), never)
    assert few.recipe.name == "few-shot"
    assert few.recipe.augment
    assert (
        few.reasons[0]
        == "40 images to learn from, colour, 32x32: recipe few-shot, since fewer than 2,000 are soon memorised"
    )
    assert few.reasons[2].endswith("what D sees is changed at random")
    enough = recipe_for(Source(many), Budget.parse("1kimg"), never)
    assert (enough.recipe.name, enough.recipe.augment) == ("swift", JITTER)
    assert recipe_for(Source(tmp_path / "few", labels="kind"), Budget.parse("1kimg"), never).recipe.name == "cgan-swift"


def test_labels_are_for_the_game_on_images_where_they_are_large_too(tmp_path: Path):
    for seed in range(40):
        (tmp_path / "ab"[seed % 2]).mkdir(exist_ok=True)
        drawing(seed).resize((48, 48)).save(tmp_path / "ab"[seed % 2] / f"{seed}.png")
    choice = recipe_for(Source(tmp_path, labels="folders"), Budget.parse("1kimg"), never)
    assert choice.recipe.name == "cgan-swift"
    assert not choice.recipe.generator_warmup


def test_images_full_of_pixels_get_codes_of_half_their_size(tmp_path: Path):
    draw = np.random.default_rng(0)
    images = np.full((40, 64, 64, 3), 255, np.uint8)
    for image in images:
        image[9:54, 9:54] = draw.integers(0, 256, (45, 45, 1), np.uint8)
    np.save(tmp_path / "pixels.npy", images)
    recipe = recipe_for(Source(tmp_path / "pixels.npy"), Budget.parse("1kimg"), never).recipe
    assert (recipe.generator.settings["reduction"], recipe.generator.settings["code"]) == (2, 4)


def test_a_gpu_gets_the_wide_players_with_codes_of_an_eighth_for_large_images(tmp_path: Path):
    for side, reduction in ((64, None), (128, 8)):
        np.save(tmp_path / f"{side}.npy", np.stack([np.asarray(drawing(k).resize((side, side))) for k in range(40)]))
        recipe = recipe_for(Source(tmp_path / f"{side}.npy", size=side), Budget.parse("20Mimg"), never, gpu=True).recipe
        assert (recipe.name, recipe.generator.settings.get("reduction")) == ("latent-wide", reduction)
        assert recipe.alone(20_000_000) == LONGEST * 256 // 16
        assert width_of(recipe) == 192
    small = recipe_for(Source(tmp_path / "64.npy"), Budget.parse("256kimg"), never, gpu=True).recipe
    assert width_of(small) == 48
    assert small.generator_optimizer == rates_of_r3(48)


def test_what_d_sees_is_changed_only_where_it_comes_often(many: Path):
    pictures = len(Images(Source(many)).parts.train)
    seldom, often = (recipe_for(Source(many), Budget("n", epochs=passes), never) for passes in (PASSES - 1, PASSES + 1))
    assert (seldom.recipe.augment, often.recipe.augment) == (JITTER, replace(JITTER, chance=GROWING))
    assert (at(GROWING, 0, 10 * pictures), at(GROWING, 5 * pictures, 10 * pictures)) == (0.0, 0.3)
    assert "6.0 times" in often.reasons[2]


def test_a_run_keeps_what_was_chosen_and_goes_on_with_it(tmp_path: Path, many: Path):
    asked = {"run": tmp_path / "run", "budget": "64img", "size": 32, "stop": (), "evaluate": False, "report": False}
    seen: list = []
    organza.train(many, on_event=seen.append, settings=("batch=8", "generator.z_dim=10"), **asked)
    (begun,) = [event for event in seen if isinstance(event, Begun)]
    assert any("recipe swift" in line for line in begun.lines)
    content = json.loads((tmp_path / "run" / "recipe.json").read_text())
    assert content["recipe"]["batch"] == 8
    assert len(content["chosen"]) == 3
    # A larger budget would recipe_for another width now: the run goes on with its own.
    organza.train(many, recipe="auto", **(asked | {"budget": "96img"}))
    organza.train(many, settings=("batch=8",), **(asked | {"budget": "96img"}))
    assert json.loads((tmp_path / "run" / "recipe.json").read_text())["recipe"] == content["recipe"]
    with pytest.raises(UserError, match="its batch is 8, not 16"):
        organza.train(many, settings=("batch=16",), **asked)


def test_phases_of_the_latent_gan_end_as_soon_in_long_runs_and_as_ever_in_shorter_ones():
    weight, rate = latent().penalties[0].weight, sized(latent(), 16).generator_optimizer.rate
    easing, falling = Cosine(3.0, 0.3, end=0.7), Cosine(2e-3, 2e-4, begin=0.3)
    for planned in (16, 13_348, 40_000, 79_999, 80_000):
        for images in range(0, planned, max(planned // 40, 1)):
            assert at(weight, images, planned) == easing(images, planned)
            assert at(rate, images, planned) == falling(images, planned)
    for planned in (250_000, 10**7):
        assert at(weight, 56_000, planned) == pytest.approx(0.3)
        assert at(rate, 24_000, planned) == 2e-3 > at(rate, 30_000, planned)
