"""Treatment: what a run does about an illness, first by itself, then with another recipe, and when it gives up."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest

from organza.data.batches import Batches, Images
from organza.data.source import Source
from organza.game import BEGINNING, REMEDY, due
from organza.games.latent import LatentGAN
from organza.recipe import Recipe
from organza.recipes import get
from organza.run.events import Stopped, Warned
from organza.run.folder import RunFolder, lines_of
from organza.run.health import BEGINNING as YOUNG
from organza.run.health import Vitals, at_a_glance
from organza.training.auto import fallback_for
from organza.training.rollback import Rollback, factor, strictness
from organza.training.trainer import Trainer
from tests.contracts.discovery import small
from tests.helpers import train, weights

SECOND = replace(small(get("dcgan-r1"), 4), stop=(), name="second")


def standing_still() -> Recipe:
    """A recipe whose generator never moves."""
    recipe = replace(small(get("dcgan-r1"), 4), stop=(), name="first")
    return replace(recipe, generator_optimizer=replace(recipe.generator_optimizer, rate=0.0))


@pytest.fixture
def second_recipe(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give every trainer another recipe to take."""
    genuine = Trainer.__init__

    def with_fallback(self, *arguments):
        genuine(self, *arguments)
        self.treatment = replace(self.treatment, fallback=lambda: (SECOND, 50.0))

    monkeypatch.setattr(Trainer, "__init__", with_fallback)


def texts(events: list) -> list[str]:
    return [
        event.text for event in events if isinstance(event, Warned) and ": " in event.text and "images)" in event.text
    ]


def test_what_half_the_rate_does_not_cure_is_begun_anew_with_another_recipe(
    pictures: Path, tmp_path: Path, second_recipe: None
):
    run = tmp_path / "run"
    events = train(pictures, run, standing_still(), budget="320img", evaluate=True)
    told = texts(events)
    assert len(told) == 2
    assert "rolled back to 0 images, with the learning rates multiplied by 0.5" in told[0]
    assert "restarted with the recipe second" in told[1]
    assert isinstance(events[-1], Stopped)
    assert events[-1].kind == "budget"
    content = RunFolder(run).read()
    assert content["recipe"]["name"] == "second"
    assert [one["recipe"] for one in content["rollbacks"]] == ["", "second"]
    assert all(line["images"] > 0 for line in lines_of(RunFolder(run).evaluations))


def test_a_run_with_another_recipe_resumes_to_the_same_bits(pictures: Path, tmp_path: Path, second_recipe: None):
    train(pictures, tmp_path / "whole", standing_still(), budget="320img", evaluate=True)
    train(pictures, tmp_path / "parts", standing_still(), budget="320img", evaluate=True, until=200)
    assert RunFolder(tmp_path / "parts").read()["recipe"]["name"] == "second"
    train(pictures, tmp_path / "parts", budget="320img", evaluate=True)
    assert weights(tmp_path / "parts") == weights(tmp_path / "whole")


def test_without_another_recipe_it_ends_early_saved_and_with_advice(pictures: Path, tmp_path: Path):
    events = train(pictures, tmp_path / "run", standing_still(), budget="640img", evaluate=True)
    last = events[-1]
    assert isinstance(last, Stopped)
    assert last.kind == "collapse"
    assert "3 rollbacks did not help" in last.reason
    assert "of its budget is spared" in last.reason
    assert "Try a learning rate above 0" in last.reason
    assert last.images < 640 / 4
    assert list(RunFolder(tmp_path / "run").checkpoints.iterdir())


def test_continue_does_nothing(pictures: Path, tmp_path: Path):
    events = train(pictures, tmp_path / "run", standing_still(), budget="160img", on_collapse="continue")
    assert not texts(events)
    assert events[-1].kind == "budget"


@pytest.mark.parametrize(
    ("now", "names"),
    [
        ({"apart": 1e-4}, ["blind discriminator"]),
        ({"apart": 0.001}, []),
        ({"apart": 1e-4, "images": YOUNG - 1}, []),
        ({"spread": 1e-4}, ["collapse"]),
        ({"spread": 1e-4, "images": YOUNG - 1}, []),
        ({"generator_last": 0.0}, ["still"]),
        ({"discriminator_jump": 0.9}, ["jump"]),
        ({"discriminator_jump": 0.9, "images": YOUNG - 1}, []),
    ],
    ids=str,
)
def test_what_the_steps_show_by_themselves(now: dict, names: list[str]):
    well = Vitals(9_000, math.nan, math.nan, spread=0.8, generator_last=1e-3, generator_jump=0.01, apart=0.05)
    assert [one.name for one in at_a_glance(well._replace(**now), [])] == names


def test_rates_and_penalties_follow_from_the_list_alone():
    ill = [Rollback(100, 150, "alike", stricter=True), Rollback(200, 250, "nan")]
    assert [factor(ill, at) for at in (50, 120, 220)] == [1, 0.5, 0.25]
    assert [strictness(ill, at) for at in (50, 120, 220)] == [1, 3, 3]
    fresh = [*ill, Rollback(0, 300, "alike", recipe="swift")]
    assert (factor(fresh, 220), strictness(fresh, 220)) == (1, 1)


def test_a_game_without_penalties_gets_one_when_it_shall_be_stricter(pictures: Path):
    game = small(get("dcgan"), 4).build(Images(Source(pictures, size=32)))
    assert due(game, BEGINNING) == []
    game.strictness = 3.0
    assert due(game, BEGINNING) == [REMEDY]


def test_who_has_codes_falls_back_on_images(pictures: Path):
    data: Batches = Images(Source(pictures, size=32))
    other = fallback_for(get("latent"), data)
    assert other is not None
    assert other.name == "few-shot"
    assert fallback_for(replace(get("latent"), name="coded"), data) == other  # a run of an earlier version
    assert fallback_for(get("pix2pix-paper"), data) is None


def test_an_autoencoder_that_learned_nothing_is_told(pictures: Path):
    data = Images(Source(pictures, size=32))
    game = small(get("latent"), 4).build(data)
    assert isinstance(game, LatentGAN)
    game.fit(data)
    assert "its latent codes say nothing of the images" in game.unready(data)
    assert game.training
