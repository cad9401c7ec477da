"""InfoGAN: latents made of codes, the information terms, the table of a traversal, and how it refuses what has no codes."""

from __future__ import annotations

import doctest
import importlib
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import organza
from organza import cli
from organza.errors import UserError
from organza.game import StepOutput, discriminator_loss, generator_loss, update
from organza.games.infogan import InfoGAN
from organza.losses import Adversarial, nonsaturating, relativistic
from organza.networks.infogan import MNIST, Codes, Discriminator, Generator
from organza.networks.layers import no_norm
from organza.overrides import apply
from organza.recipe import Recipe
from organza.recipes import get
from tests.contracts.discovery import small
from tests.contracts.material import Material


def latents(codes: Codes, count: int) -> torch.Tensor:
    return torch.stack([codes.draw(torch.Generator().manual_seed(item)) for item in range(count)])


def test_a_latent_is_noise_then_one_hot_codes_then_continuous_ones():
    codes = Codes(noise=5, categories=(3, 4), continuous=2)
    z = latents(codes, 600)
    assert z.shape == (600, 14)
    (three, four), continuous = codes.split(codes.of(z))
    for hot, values in ((three, 3), (four, 4)):
        assert hot.shape == (600, values)
        assert set(hot.flatten().tolist()) == {0.0, 1.0}
        assert (hot.sum(1) == 1).all()
        assert (hot.mean(0) - 1 / values).abs().max() < 0.08
    for uniform in (z[:, :5], continuous):
        assert -1 <= uniform.min() < -0.95
        assert 0.95 < uniform.max() <= 1


@pytest.mark.parametrize("wrong", [{"categories": (1,)}, {"categories": (), "continuous": 0}, {"noise": -1}])
def test_codes_that_cannot_be_are_refused(wrong: dict):
    with pytest.raises(UserError, match="code"):
        Codes(**wrong)


def test_at_28_pixels_the_networks_are_the_papers_layer_for_layer():
    def sizes(network: nn.Module, kind: type) -> list[tuple[int, int]]:
        return [tuple(m.weight.shape[:2]) for m in network.modules() if isinstance(m, kind)]

    G, D = Generator((1, 28, 28)), Discriminator((1, 28, 28))
    assert sizes(G, nn.Linear) == [(1024, 74), (128 * 7 * 7, 1024)]
    assert sizes(G, nn.ConvTranspose2d) == [(128, 64), (64, 1)]
    assert sizes(D, nn.Conv2d) == [(64, 1), (128, 64)]
    assert sizes(D, nn.Linear) == [(1024, 128 * 7 * 7), (1, 1024), (128, 1024), (12, 128)]
    assert sum(isinstance(module, nn.BatchNorm2d) for module in D.modules()) == 3


class Reader(nn.Module):
    """A recogniser that says what it is told."""

    def __init__(self, said: torch.Tensor):
        super().__init__()
        self.trunk, self.said = nn.Identity(), said

    def recogniser(self, features: torch.Tensor) -> torch.Tensor:
        return self.said


@pytest.mark.parametrize("adversarial", [nonsaturating, relativistic])
def test_features_shared_by_the_two_heads_give_the_terms_of_two_passes(adversarial: Adversarial):
    torch.manual_seed(0)
    game = InfoGAN(Generator((1, 16, 16), width=8), Discriminator((1, 16, 16), width=8, norm=no_norm), adversarial)
    batch = {"z": latents(MNIST, 8), "image": torch.rand(8, 1, 16, 16)}
    passes = []
    game.D.trunk.register_forward_hook(lambda *call: passes.append(1))
    made = game.play(batch)
    apart = game.unread(batch, made)
    for loss in (discriminator_loss, generator_loss):
        passes.clear()
        terms = loss(game, batch, made).terms
        assert {name: terms[name].item() for name in apart} == {name: apart[name].item() for name in apart}
        assert len(passes) == {discriminator_loss: 2, generator_loss: 3 if adversarial is relativistic else 1}[loss]


def test_the_information_terms_by_hand():
    z = latents(MNIST, 50)
    truth = MNIST.of(z)
    made = {"image": torch.zeros(50, 1, 28, 28)}

    def terms(said: torch.Tensor, **weights: float) -> dict[str, float]:
        game = InfoGAN(Generator((1, 28, 28), width=4), Reader(said), nonsaturating, **weights)
        assert (
            game.extra_generator_terms({"z": z}, made).keys() == game.extra_discriminator_terms({"z": z}, made).keys()
        )
        return {name: value.item() for name, value in game.extra_generator_terms({"z": z}, made).items()}

    knows = torch.cat([truth[:, :10] * 100, truth[:, 10:]], 1)
    assert terms(knows) == pytest.approx({"categorical code": 0, "continuous code": 0}, abs=1e-6)
    nothing = terms(torch.zeros(50, 12), categorical=0.5, continuous=3.0)
    squares = truth[:, 10:].square().sum(1).mean().item()
    assert nothing == pytest.approx({"categorical code": math.log(10) / 2, "continuous code": 1.5 * squares})


def test_both_players_together_make_codes_that_can_be_read_again():
    """On the information terms alone, in the two turns of the game, Q soon reads all that G writes."""
    torch.manual_seed(0)
    codes = Codes(noise=4, categories=(5,), continuous=1)
    G, D = Generator((1, 16, 16), codes=codes, width=8), Discriminator((1, 16, 16), codes=codes, width=8)
    game = InfoGAN(G, D, nonsaturating)
    optimizers = [torch.optim.Adam(player.parameters(), 2e-3) for player in (D, G)]
    for step in range(60):
        batch = {"z": latents(codes, 32) if step % 2 else latents(codes, 64)[32:]}
        for player, optimizer, terms in zip(
            (D, G), optimizers, (game.extra_discriminator_terms, game.extra_generator_terms), strict=True
        ):
            update(player, optimizer, lambda terms=terms, batch=batch: StepOutput(terms(batch, game.play(batch)), {}))
    unseen = torch.stack([codes.draw(torch.Generator().manual_seed(9000 + item)) for item in range(100)])
    (guess,), mean = codes.split(D.recognise(G(unseen)))
    (truth,), value = codes.split(codes.of(unseen))
    assert (guess.argmax(1) == truth.argmax(1)).float().mean() > 0.9
    assert torch.corrcoef(torch.cat([mean, value], 1).T)[0, 1] > 0.8


def test_a_traversal_has_a_row_for_each_category_and_columns_along_one_code():
    codes = Codes(noise=3, categories=(4, 2), continuous=2)
    z = latents(codes, 1)[0]
    table = codes.traversal(z, along=1, steps=5, reach=2.0).unflatten(0, (4, 5))
    assert torch.equal(table[:, :, 3:7].argmax(2), torch.arange(4)[:, None].expand(4, 5))
    assert (table[:, :, 3:7].sum(2) == 1).all()
    assert torch.equal(table[0, :, -1], torch.linspace(-2, 2, 5))
    unchanged = [0, 1, 2, 7, 8, 9]
    assert (table[:, :, unchanged] == z[unchanged]).all()
    with pytest.raises(UserError, match="code 2; this run has continuous codes 0 to 1"):
        codes.traversal(z, along=2, steps=5, reach=2.0)


def trained(name: str, material: Material, folder: Path, settings: list[str]) -> Path:
    recipe: Recipe = small(apply(get(name), settings))
    run = folder / name
    organza.train(material(recipe), run, recipe=recipe, budget="32img", size=32, stop=(), evaluate=False, report=False)
    return run


def test_a_trained_run_is_sampled_as_any_other_and_traversed(material: Material, tmp_path: Path, capsys):
    run = trained("infogan", material, tmp_path, ["generator.codes.categories.0=3"])
    opened = organza.load(run)
    assert opened.sample(5, seed=1).shape == (5, 32, 32, 3)
    table = opened.traversal(along=1, steps=4)
    assert table.shape == (12, 32, 32, 3)
    assert np.array_equal(table, opened.traversal(along=1, steps=4))
    assert not np.array_equal(table, opened.traversal(along=0, steps=4))
    for reach in (10**30, 10**400, float("nan"), "far"):
        with pytest.raises(UserError, match="reach is"):
            opened.traversal(along=1, steps=4, reach=reach)  # type: ignore[arg-type]
    with pytest.raises(SystemExit) as ended:
        cli.main(["sample", str(run), "--traverse", "1", "--out", str(tmp_path / "out")])
    assert ended.value.code == 0
    assert "traversal-1.png" in capsys.readouterr().out
    assert Image.open(tmp_path / "out" / "traversal-1.png").size == (10 * 34 - 2, 3 * 34 - 2)


def test_a_run_without_codes_is_told_what_to_do(material: Material, tmp_path: Path):
    run = trained("mlp", material, tmp_path, [])
    with pytest.raises(UserError, match="has no codes; train a run that has, with `recipe='infogan'`"):
        organza.load(run).traversal()


def test_purity_and_information_do_not_depend_on_the_names_of_the_groups(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parent.parent / "benchmarks"))
    clusters = importlib.import_module("clusters")
    assert doctest.testmod(clusters) == (0, 4)
    purity, normalised_information = clusters.purity, clusters.normalised_information
    rng = np.random.default_rng(0)
    true = rng.integers(0, 4, 400)
    found = np.where(rng.random(400) < 0.8, true, rng.integers(0, 4, 400))
    renamed = np.array([2, 0, 3, 1])[found]
    assert purity(found, true) == purity(renamed, true) == (found == true).mean()
    assert normalised_information(found, true) == pytest.approx(normalised_information(renamed, true))
    assert normalised_information(true, true) == pytest.approx(1)
    assert normalised_information(np.zeros(400, int), true) == 0
