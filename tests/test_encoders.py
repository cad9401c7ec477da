"""Games with an encoder: who is trained by what, images to latents and back in Python and on the command line, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import organza
from organza import Images, Source, cli
from organza.config import settings_of
from organza.data.batches import to_float, to_uint8
from organza.errors import UserError
from organza.game import Batch, TrainProgress, discriminator_loss, generator_loss, update
from organza.games.bigan import BiGAN, exchanged
from organza.games.encoding import Encoding
from organza.inference.load import Run
from organza.losses import Adversarial, relativistic
from organza.networks.bigan import pair
from organza.overrides import apply
from organza.penalties import Penalty, r1, r2
from organza.recipe import Recipe
from organza.recipes import get
from organza.training.dry_run import cost
from tests.contracts.discovery import LOSSES, RECIPES, small

WITH_ENCODER = [name for name in RECIPES if issubclass(RECIPES[name]().game.make, Encoding)]


def setting(recipe: Recipe, pictures: Path) -> tuple[Encoding, Batch]:
    torch.manual_seed(0)
    data = Images(Source(pictures, size=32))
    game = small(recipe).build(data)
    assert isinstance(game, Encoding)
    return game, data.at(range(8)) | game.latents([torch.Generator().manual_seed(item) for item in range(8)])


@pytest.fixture(scope="module")
def run(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("runs") / "aae"
    return organza.train(
        pictures, folder, recipe=small(get("aae")), budget="64img", size=32, evaluate=False, report=False
    )


def test_the_recipes_with_an_encoder_are_these():
    assert {"bigan-paper", "bigan", "aae-paper", "aae"} <= set(WITH_ENCODER)


@pytest.mark.parametrize("name", WITH_ENCODER)
def test_both_networks_of_the_player_learn(name: str, pictures: Path):
    game, batch = setting(RECIPES[name](), pictures)
    loss = generator_loss(game, batch, game.play(batch))
    torch.stack(list(loss.terms.values())).sum().backward()
    for network in ("generator", "encoder"):
        gradients = [weight.grad for weight in game.G[network].parameters()]  # type: ignore[index]
        assert all(gradient is not None and gradient.abs().sum() > 0 for gradient in gradients), network


@pytest.mark.parametrize("name", WITH_ENCODER)
def test_the_generator_alone_decides_the_size_of_the_latent(name: str, pictures: Path):
    recipe = apply(RECIPES[name](), ["generator.generator.z_dim=7"])
    G, D = recipe.players(Images(Source(pictures, size=32)))
    for part in (G.settings["generator"], G.settings["encoder"], D):
        assert settings_of(part)["z_dim"] == 7  # type: ignore[index]
    with pytest.raises(UserError, match="no field z_dim"):
        apply(RECIPES[name](), ["generator.encoder.z_dim=7"])


@pytest.mark.parametrize("name", WITH_ENCODER)
def test_the_cost_of_a_step_can_be_counted(name: str, pictures: Path):
    assert cost(small(RECIPES[name]()), Images(Source(pictures, size=32))) > 0


def test_pairs_are_a_picture_with_its_latent_and_a_latent_with_its_picture(pictures: Path):
    game, batch = setting(get("bigan"), pictures)
    game.eval()
    (duel,) = game.duels(batch, game.play(batch))
    pixels = 3 * 32 * 32
    assert torch.equal(duel.real[:, :pixels], batch["image"].flatten(1))
    torch.testing.assert_close(duel.real[:, pixels:], game.encode(batch["image"]))
    torch.testing.assert_close(duel.fake[:, :pixels], game.decode(batch["z"]).flatten(1))
    assert torch.equal(duel.fake[:, pixels:], batch["z"])


def test_a_penalty_on_pairs_counts_the_slope_along_the_latent(pictures: Path):
    game, batch = setting(get("bigan"), pictures)
    w = torch.randn(3 * 32 * 32 + 32)
    game.D.forward = lambda pairs: pairs @ w  # type: ignore[method-assign]
    (duel,) = game.duels(batch, game.play(batch))
    duel.real = duel.real.detach().requires_grad_()
    slope = r1(duel, duel.judge(duel.real), duel.judge(duel.fake))
    assert slope.tolist() == pytest.approx([w.square().sum().item() / 2] * 8, rel=1e-4)


@pytest.mark.parametrize("name", LOSSES)
def test_who_stands_on_the_real_side_wants_its_logits_low(name: str):
    loss: Adversarial = LOSSES[name]
    middle, fake = loss.neutral or 0.0, torch.tensor([loss.neutral or 0.0])
    higher, lower = torch.tensor([middle + 0.4]), torch.tensor([middle - 0.4])
    assert exchanged(loss, lower, fake) < exchanged(loss, higher, fake)
    # The game is the same seen from the other side: G at +l above an even chance is as well off as E at -l.
    assert exchanged(loss, lower, fake).item() == pytest.approx(loss.generator(fake, higher).item(), abs=1e-6)


def test_the_relativistic_game_trains_both_sides_by_one_objective(pictures: Path):
    """G's and E's gradients together are those of softplus(D(x, E(x)) - D(G(z), z)), neither counted twice."""
    game, batch = setting(replace(get("bigan"), adversarial=relativistic), pictures)
    game.eval()  # the same statistics in every pass

    def gradients(loss: torch.Tensor) -> list[torch.Tensor]:
        return list(torch.autograd.grad(loss, list(game.G.parameters())))

    found = gradients(torch.stack(list(generator_loss(game, batch, game.play(batch)).terms.values())).sum())
    real, fake = (game.D(side) for side in (lambda d: (d.real, d.fake))(game.duels(batch, game.play(batch))[0]))
    expected = gradients(torch.nn.functional.softplus(real - fake).mean())
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-6)


def test_bigan_inverts_a_generator_it_can_invert():
    """A line is to be learnt: x = 2 z + 1. E ends near (x - 1) / 2, without a term that compares x with G(E(x))."""
    torch.manual_seed(0)

    class Line(torch.nn.Linear):
        z_dim = 1

        def latent(self, stream: torch.Generator) -> torch.Tensor:
            return torch.randn(1, generator=stream)

    G = torch.nn.ModuleDict({"generator": Line(1, 1), "encoder": torch.nn.Linear(1, 1)})
    D = torch.nn.Sequential(
        torch.nn.Linear(2, 32),
        torch.nn.LeakyReLU(0.2),
        torch.nn.Linear(32, 32),
        torch.nn.LeakyReLU(0.2),
        torch.nn.Linear(32, 1),
        torch.nn.Flatten(0),
    )
    game = BiGAN(G, D, relativistic)
    players = [torch.optim.Adam(player.parameters(), 0.016, (0.0, 0.99)) for player in (D, G)]
    game.penalties = (Penalty(r1, 0.3), Penalty(r2, 0.3))
    for step in range(250):  # 100 are too few
        batch = {"image": 2 * torch.randn(64, 1) + 1, "z": torch.randn(64, 1)}
        game.requires_grad_(False)
        G.requires_grad_(True)
        made = game.play(batch)
        update(D, players[0], lambda b=batch, m=made, s=step: discriminator_loss(game, b, m, TrainProgress(s)))
        update(G, players[1], lambda b=batch, m=made: generator_loss(game, b, m))
    x = 2 * torch.randn(1000, 1) + 1
    again = game.decode(game.encode(x))
    assert (again - x).square().mean() < 0.1 * x.var()


def test_the_adversary_of_latents_takes_the_prior_for_real(pictures: Path):
    game, batch = setting(get("aae"), pictures)
    (duel,) = game.duels(batch, game.play(batch))
    assert duel.real is batch["z"]
    assert duel.fake.shape == batch["z"].shape


def test_the_reconstruction_term_is_a_weighted_mean_square(pictures: Path):
    game, batch = setting(apply(get("aae"), ["game.reconstruction=3.0"]), pictures)
    made = {"image": batch["image"] + 0.5}
    assert game.extra_generator_terms(batch, made)["reconstruction"].item() == pytest.approx(3 * 0.25, rel=1e-5)


def test_what_is_shown_while_an_autoencoder_trains(pictures: Path):
    game, batch = setting(get("aae"), pictures)
    game.eval()
    sample = game.make(batch)
    original, again, shown = game.shown(batch, sample)
    assert original is batch["image"]
    assert shown is sample
    torch.testing.assert_close(again, game.decode(game.encode(batch["image"])))
    assert game.shown(batch, batch["image"]) == [batch["image"]]  # the sheet of real images


# ---- a trained run ------------------------------------------------------------------------------------------------------------


def some(count: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, 32, 32, 3), np.uint8)


def test_each_picture_has_one_latent_whatever_its_company(run: Run):
    latents = run.encode(some(20))
    assert latents.shape == (20, 32)
    assert torch.equal(latents[3:4], run.encode(some(20)[3:4]))
    assert latents.std(0).min() > 0


def test_a_reconstruction_is_the_picture_of_its_latent(run: Run):
    again = run.reconstruct(some(3))
    assert again.shape == (3, 32, 32, 3)
    assert again.dtype == np.uint8
    made = to_uint8(run.generate(run.encode(some(3)))).numpy()
    assert np.abs(again.astype(int) - made).max() <= 1


def test_a_way_leads_from_one_reconstruction_to_another(run: Run, monkeypatch: pytest.MonkeyPatch):
    first, last = some(2)
    asked, genuine = [], run.generate
    monkeypatch.setattr(run, "generate", lambda z: asked.append(z) or genuine(z))
    way, ends = run.interpolate(first, last, 5), run.reconstruct(some(2))
    assert way.shape == (5, 32, 32, 3)
    assert np.abs(way[[0, -1]].astype(int) - ends).max() <= 1
    a, b = run.encode(some(2))  # images of a little trained decoder are too alike to tell their latents
    steps = torch.stack([a + share * (b - a) for share in (0, 0.25, 0.5, 0.75, 1)])
    assert ((asked[0] - steps).norm(dim=1) < 1e-3 * (b - a).norm()).all()
    with pytest.raises(UserError, match="at least 2"):
        run.interpolate(first, last, 1)


def test_a_way_is_straight_and_ends_at_its_goal(run: Run, monkeypatch: pytest.MonkeyPatch):
    """In latents: the images of so short a run are too alike to show it."""
    size = len(run.latent(0, 0))
    seen: list[torch.Tensor] = []
    generate = run.generate
    monkeypatch.setattr(run, "encode", lambda _: torch.stack([torch.zeros(size), torch.ones(size)]))
    monkeypatch.setattr(run, "generate", lambda z: (seen.append(z), generate(z))[1])
    run.interpolate(*some(2), 5)
    torch.testing.assert_close(seen[0], torch.linspace(0, 1, 5)[:, None].expand(5, size))


def test_a_generator_trained_as_a_decoder_samples_from_the_prior(run: Run):
    assert run.sample(4, seed=3).shape == (4, 32, 32, 3)
    assert ((run.judge(some(4)) > 0) & (run.judge(some(4)) < 1)).all()


def test_a_discriminator_of_pairs_judges_a_picture_with_its_latent(pictures: Path, tmp_path: Path):
    recipe = small(get("bigan"))
    run = organza.train(
        pictures, tmp_path / "bigan", recipe=recipe, budget="16img", size=32, evaluate=False, report=False
    )
    x = to_float(np.concatenate([some(4)] * 4))
    expected = torch.sigmoid(run.discriminator(pair(x, run.encoder(x))) - run.saved.facts["neutral"])
    torch.testing.assert_close(torch.from_numpy(run.judge(some(4))), expected[:4], rtol=1e-4, atol=1e-5)


def test_a_run_without_an_encoder_says_so(pictures: Path, tmp_path: Path):
    recipe = small(get("dcgan"))
    run = organza.train(
        pictures, tmp_path / "plain", recipe=recipe, budget="8img", size=32, evaluate=False, report=False
    )
    for ask in (run.encode, run.reconstruct):
        with pytest.raises(UserError, match=r"has no encoder.*`recipe='aae'`"):
            ask(some(1))


def test_pictures_of_another_size_are_refused_in_python(run: Run):
    with pytest.raises(UserError, match=r"encode takes uint8 images \[N, 32, 32, 3\]"):
        run.encode(np.zeros((1, 16, 16, 3), np.uint8))


def call(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as end:
        cli.main([str(argument) for argument in arguments])
    told = capsys.readouterr()
    return int(end.value.code or 0), told.out, told.err


def test_files_are_encoded_on_the_command_line(
    run: Run, pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    files = sorted(pictures.iterdir())[:2]
    out = tmp_path / "out"
    code, told, _ = call(capsys, "encode", run.path, *files, "--out", out, "--between", "4", "--checkpoint", "latest")
    assert code == 0
    assert "2 images as 32 numbers" in told
    kept = np.load(out / "latents.npz")
    assert kept["names"].tolist() == [str(file) for file in files]
    pixels = np.stack([np.asarray(Image.open(file).convert("RGB").resize((32, 32))) for file in files])
    assert kept["latents"].shape == (len(pixels), 32)
    assert Image.open(out / "reconstructions.png").size == (2 * 64 + 2, 32)
    assert Image.open(out / "between.png").size == (6 * 34 - 2, 32)


def test_mistakes_on_the_command_line_get_one_sentence(
    run: Run, pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    text = tmp_path / "text.png"
    text.write_text("not an image")
    for arguments, said in (
        ([pictures / "000.png", "--between", "4"], "two images"),
        ([text], "can be encoded"),
        ([tmp_path / "nothing.png"], "There is no"),
    ):
        code, _, told = call(capsys, "encode", run.path, *arguments, "--out", tmp_path / "none")
        assert code == 2
        assert said in told
    assert not (tmp_path / "none").exists()
