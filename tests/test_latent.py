"""The latent GAN: what each stage trains, what it leaves alone, the sizes it serves, and how a run in two stages looks to its user."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

import organza
from organza import Images, Source
from organza.errors import UserError
from organza.game import Batch, discriminator_loss, generator_loss, warm_up_loss
from organza.games.latent import FAINT, LEVEL, LatentGAN, local_contrast
from organza.networks.latent import Discriminator, Generator, code_shape, greatest_reduction
from organza.recipe import Recipe
from organza.recipes.swift import latent
from organza.run import checkpoint
from organza.run.checkpoint import _own_digest
from organza.run.events import Evaluated, Sampled, Warned
from organza.run.folder import RunFolder, lines_of
from organza.schedule import Share
from organza.training import snapshot
from organza.training.plan import Plan
from organza.training.state import TrainState
from organza.training.step import train_step
from tests.helpers import train


def tiny(**changes) -> Recipe:
    recipe = replace(latent(), batch=8, stop=(), **changes)
    generator = recipe.generator.given(width=2, brush=4, z_dim=10)
    return replace(recipe, generator=generator, discriminator=recipe.discriminator.given(width=2))


@pytest.fixture
def setting(pictures: Path) -> tuple[LatentGAN, Batch, Batch]:
    torch.manual_seed(0)
    data = Images(Source(pictures, size=32))
    game = tiny().build(data)
    assert isinstance(game, LatentGAN)
    batch = data.at(range(8)) | game.latents([torch.Generator().manual_seed(item) for item in range(8)])
    return game, batch, game.play(batch)


def moved(game: LatentGAN, terms: dict[str, Tensor]) -> set[str]:
    """The parts of G that these terms have gradients for."""
    game.G.zero_grad(set_to_none=True)
    torch.stack(list(terms.values())).sum().backward()
    return {name.split(".")[0] for name, weight in game.G.named_parameters() if weight.grad is not None}


@pytest.mark.parametrize(
    ("shape", "by"),
    [
        ((3, 64, 64), 4),
        ((1, 28, 28), 2),
        ((3, 32, 32), 2),
        ((4, 64, 96), 4),
        ((3, 128, 128), 4),
        ((3, 48, 96), 4),
        ((3, 16, 24), 2),
    ],
)
def test_pictures_go_to_codes_and_back_to_their_size(shape: tuple[int, ...], by: int):
    assert greatest_reduction(shape) == by
    G, D = Generator(shape, z_dim=10, width=2, brush=4), Discriminator(shape, width=2)
    x = torch.rand(2, *shape) * 2 - 1
    q = G.encoder(x)
    assert q.shape[1:] == G.inner(torch.randn(2, 10)).shape[1:] == code_shape(shape, 8)
    assert q.abs().max() < 1
    assert G.decoder(q).shape == x.shape == G(torch.randn(2, 10)).shape
    assert len(D(q)) == 2
    assert torch.equal(D.evidence(x, G.encoder), q)


def test_sides_that_no_code_fits_are_refused_with_the_nearest():
    with pytest.raises(UserError, match="must be divisible by 4"):
        Generator((3, 65, 65))
    with pytest.raises(UserError, match="8x8 are too small"):
        Generator((3, 8, 8))


@pytest.mark.parametrize(
    ("part", "setting", "said"),
    [
        ("generator", {"brush": 1}, "brush is 1; it must be at least 2"),
        ("generator", {"code": 0}, "code is 0; it must be at least 1"),
        ("game", {"noise": -1.0}, "noise is 0 or more"),
        ("game", {"share": 1.5}, "a share from 0 to 1"),
        ("game", {"contrast": -0.1}, "game.contrast is -0.1; it must be 0 or more"),
    ],
)
def test_settings_out_of_range_are_refused_in_words(part: str, setting: dict, said: str, pictures: Path):
    recipe = tiny()
    recipe = replace(recipe, **{part: getattr(recipe, part).given(**setting)})
    with pytest.raises(UserError, match=said):
        recipe.build(Images(Source(pictures, size=32)))


@pytest.mark.parametrize(("warmup", "last"), [(0, 0), (8, 0), (9, 8), (400, 392)])
def test_the_last_step_of_the_rehearsal_begins_before_its_end(warmup: int, last: int):
    recipe = tiny(generator_warmup=warmup)
    assert recipe.alone(1000) == warmup
    assert recipe.turns(last, warmup)[0] == (0 if warmup else 1)
    assert recipe.turns(last + 8, warmup)[0] == 1


def test_the_rehearsal_trains_the_autoencoder_and_the_game_leaves_the_encoder_to_its_own_error(setting):
    game, batch, made = setting
    assert moved(game, warm_up_loss(game, batch, game.warm_up(batch)).terms) == {"encoder", "decoder"}
    assert moved(game, {"generator": generator_loss(game, batch, made).terms["generator"]}) == {"inner"}
    made = game.play(batch)
    assert moved(game, generator_loss(game, batch, made).terms) == {"inner", "encoder", "decoder"}
    made = game.play(batch)
    turn = discriminator_loss(game, batch, made)
    game.G.zero_grad(set_to_none=True)
    torch.stack(list(turn.terms.values())).sum().backward()
    assert all(weight.grad is None for weight in game.G.parameters())
    assert all(weight.grad is not None for weight in game.D.parameters())


def test_local_contrast_is_the_root_of_the_mean_square_of_the_gradient():
    x = torch.zeros(1, 1, 9, 9, dtype=torch.float64)
    x[..., 3] = 0.4  # one dark line: a step up and a step down of 0.4 in each row
    lines = (x[0, 0, 1:, 1:] - x[0, 0, 1:, :-1]).square()
    for column, window in enumerate(lines.unfold(1, 4, 2).unfold(0, 4, 2)[0]):
        assert local_contrast(x)[0, 0, 0, column].exp().item() == pytest.approx(
            (window.mean() + FAINT**2).sqrt().item()
        )
    assert local_contrast(x.transpose(2, 3)).equal(local_contrast(x).transpose(2, 3))
    assert local_contrast(0 * x).exp().unique().tolist() == pytest.approx([FAINT])


def test_a_smooth_copy_has_another_contrast_(setting):
    game, batch, _ = setting
    assert game.contrast > 0
    x = batch["image"]
    smooth = torch.nn.functional.avg_pool2d(x, 3, 1, 1)
    terms = game.differences(smooth, x)
    assert terms["contrast"] == pytest.approx(
        game.contrast * (local_contrast(smooth) - local_contrast(x)).abs().mean().item()
    )
    assert game.differences(x, x)["contrast"] == 0 < terms["contrast"]


def test_without_the_weight_there_is_no_term(setting):
    game, batch, _ = setting
    game.contrast = 0.0
    assert set(game.warm_up_terms(batch, game.warm_up(batch))) == {"reconstruction"}


def test_the_error_is_of_noisy_codes_and_of_a_share_of_the_batch(setting):
    game, batch, made = setting
    x, q = batch["image"], made["real code"]
    game.noise = 0.0
    see = game.G.encoder.seen

    def error(y: Tensor, x: Tensor) -> Tensor:
        return see((y - x) * ((y - x).abs() > LEVEL)).abs().mean()

    expected = error(game.G.decoder(q), x)
    assert torch.isclose(warm_up_loss(game, batch, game.warm_up(batch)).terms["reconstruction"], expected)
    part = error(game.G.decoder(game.G.encoder(x[:2])), x[:2])
    assert torch.isclose(game.extra_generator_terms(batch, made)["reconstruction"], part)
    game.noise = 0.3
    assert not torch.isclose(warm_up_loss(game, batch, game.warm_up(batch)).terms["reconstruction"], expected)


def test_a_run_shows_reconstructions_first_and_measures_nothing_before_the_game(pictures: Path, tmp_path: Path):
    seen: list = []
    recipe = tiny(generator_warmup=320)
    asked = {"recipe": recipe, "budget": "640img", "size": 32, "report": False}
    run = organza.train(pictures, tmp_path / "run", on_event=seen.append, **asked)
    measured = [event.check.images for event in seen if isinstance(event, Evaluated)]
    assert measured == [320, 640]
    sheets = {event.images: event.pictures for event in seen if isinstance(event, Sampled)}
    last = run.sample(len(sheets[640]))
    assert np.abs(sheets[640].astype(int) - last).max() <= 1
    real = Images(Source(pictures, size=32)).gallery(range(16))["image"]
    with torch.no_grad():
        again = run.generator.decoder(run.generator.encoder(real))  # type: ignore[operator, union-attr]
    error = (again - real).abs().mean()
    assert error < (real - real.mean((0, 2, 3), keepdim=True)).abs().mean()  # better than one colour for all
    lines = [json.loads(line) for line in (tmp_path / "run" / "stats.jsonl").read_text().splitlines()]
    assert set(lines[0]) >= {"reconstruction"}
    assert "discriminator" not in lines[0]
    assert {"discriminator", "generator", "reconstruction"} <= set(lines[-1])


def test_what_was_due_in_the_rehearsal_is_not_owed_after_it(pictures: Path, tmp_path: Path):
    recipe = tiny(generator_warmup=400)
    for until in (480, float("inf")):
        train(pictures, tmp_path / "parts", recipe, until=until, budget="640img", evaluate=True)
    train(pictures, tmp_path / "whole", recipe, budget="640img", evaluate=True)
    parts, whole = (
        [line["images"] for line in lines_of(RunFolder(tmp_path / name).evaluations)] for name in ("parts", "whole")
    )
    assert parts == whole == [640]


def test_a_run_of_the_time_when_the_recipe_was_called_coded_goes_on_by_both_names(pictures: Path, tmp_path: Path):
    run, recipe, asked = tmp_path / "run", tiny(generator_warmup=32), {"size": 32, "evaluate": False, "report": False}
    organza.train(pictures, run, recipe=recipe, budget="64img", **asked)
    for file in (run / "recipe.json", *(run / "checkpoints").glob("*/manifest.json")):
        text = file.read_text().replace('"name": "latent"', '"name": "coded"')
        text = text.replace("games.latent:LatentGAN", "games.coded:Coded").replace(
            "networks.latent:", "networks.coded:"
        )
        assert ":Coded" in text
        content = json.loads(text)
        if "self" in content:
            content["self"] = _own_digest(content)
        file.write_text(json.dumps(content))
    assert organza.load(run).sample(2).shape == (2, 32, 32, 3)
    for images, named in ((96, recipe), (128, replace(recipe, name="coded")), (160, None)):
        seen: list = []
        assert (
            organza.train(pictures, run, on_event=seen.append, recipe=named, budget=f"{images}img", **asked).images
            == images
        )
        assert not [event.text for event in seen if isinstance(event, Warned) and "checkpoint" in event.text]
    assert json.loads((run / "recipe.json").read_text())["recipe"]["name"] == "coded"


def test_the_discriminator_of_codes_judges_pictures(pictures: Path, tmp_path: Path):
    run = organza.train(
        pictures,
        tmp_path / "run",
        recipe=tiny(generator_warmup=32),
        budget="96img",
        size=32,
        evaluate=False,
        report=False,
    )
    chances = run.judge(run.sample(5))
    assert chances.shape == (5,)
    assert ((chances > 0) & (chances < 1)).all()
    with pytest.raises(UserError, match="no encoder"):
        run.encode(run.sample(1))


def test_a_rehearsal_that_is_a_share_of_the_time_is_corrected_until_the_game_begins(pictures: Path, tmp_path: Path):
    recipe = tiny(generator_warmup=Share(0.5))
    plan = Plan("80s", 800, 80.0, 80, 80, 80, 80, pace=2.0)
    data = Images(Source(pictures, size=32))
    state = TrainState(recipe, data, plan, 0)
    assert state.alone == 400
    while state.images < 200:
        train_step(state)
    assert state.due(192).save  # in the middle of the rehearsal, where the length is corrected
    state.set_clock(40.0)  # twice as slow as planned
    state.correct_plan()
    assert (state.plan.images, state.alone) == (266, 208)  # half of it is over: the game begins after the next step
    train_step(state)
    state.set_clock(41.0)
    state.correct_plan()
    assert not state.warming_up
    state.set_clock(20.0)  # a faster machine now: the game is not interrupted for it
    state.correct_plan()
    assert state.plan.images > 400
    assert state.alone == 208

    folder = RunFolder(tmp_path / "run")
    folder.begin()
    snapshot.save(state, folder)
    again = TrainState(recipe, data, plan, 0)
    snapshot.restore(again, checkpoint.load(checkpoint.existing(folder.checkpoints)[-1]), folder)
    assert (again.alone, again.plan) == (208, state.plan)
