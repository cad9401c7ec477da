"""CycleGAN and CUT: their terms by hand, what `make` runs, channels, and the translator they share."""

from __future__ import annotations

import runpy
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor, nn

import organza
from organza import UserError
from organza.game import generator_loss
from organza.games.cut import CUT, contrast
from organza.games.cyclegan import CycleGAN
from organza.losses import lsgan
from organza.networks import translator
from organza.networks.layers import NetworkDict, main_network
from organza.networks.projection import Projections
from organza.networks.translator import resized, transposed
from organza.overrides import apply
from organza.recipes import get, names
from organza.recipes.unpaired import whole_lsgan
from organza.run.folder import RunFolder, lines_of
from tests.contracts.discovery import small
from tests.drawings import drawing

FASTCUT = ("game.nce=10", "game.identity=0", "game.flip=0.5")
"""Settings of CUT that make it FastCUT, for which there was a recipe."""


def transposed_even(wide: int, narrow: int) -> nn.Module:
    """Return the even upsampling that the benchmark of translators compares with the two of organza."""
    module = runpy.run_path(str(Path(__file__).parent.parent / "benchmarks" / "translators.py"))
    return module["transposed_even"](wide, narrow)


class Shift(nn.Module):
    """x + c, which counts how often it was asked."""

    shape = (3, 8, 8)
    feature_maps = (3,)

    def __init__(self, c: float):
        super().__init__()
        self.c, self.asked = nn.Parameter(torch.tensor(c)), 0

    def forward(self, x: Tensor) -> Tensor:
        self.asked += 1
        return x + self.c

    def features(self, x: Tensor) -> list[Tensor]:
        return [x]


class Same(nn.Module):
    """Patches as they are, on the unit sphere."""

    def forward(self, patches: list[Tensor]) -> list[Tensor]:
        return [nn.functional.normalize(patch, dim=-1) for patch in patches]


def cycle_game(there: float, back: float, **weights: float) -> CycleGAN:
    G = NetworkDict(b=lambda: Shift(there), a=lambda: Shift(back))
    D = NetworkDict(b=lambda: nn.Flatten(), a=lambda: nn.Flatten())
    return CycleGAN(G, D, whole_lsgan, **weights)  # type: ignore[arg-type]


BATCH = {"a": torch.zeros(2, 3, 8, 8), "b": torch.ones(2, 3, 8, 8)}


def test_cyclegans_terms_by_hand():
    game = cycle_game(0.5, -0.25)
    made = game.play(BATCH)
    terms = generator_loss(game, BATCH, made).terms
    assert terms["cycle"].item() == pytest.approx(10 * (0.25 + 0.25))  # both round trips end 0.25 off
    assert terms["identity"].item() == pytest.approx(10 * 0.5 * (0.5 + 0.25))
    # D is the image itself: fakes of b are 0.5, those of a 0.75
    assert terms["generator"].item() == pytest.approx((0.5 - 1) ** 2 + (0.75 - 1) ** 2)


def test_translators_that_undo_each_other_have_no_cycle_loss_and_weights_are_settings():
    game = cycle_game(0.5, -0.5, cycle=3.0, identity=0.0)
    terms = generator_loss(game, BATCH, game.play(BATCH)).terms
    assert terms["cycle"].item() == 0
    assert "identity" not in terms
    halved = apply(get("cyclegan"), ["game.cycle=5", "game.identity=0", "game.pool=7"])
    built = halved.build(SimpleNamespace(shape=(3, 32, 32), source_shape=(3, 32, 32)))
    assert (built.cycle, built.identity, len(built.pools["a"].items)) == (5.0, 0, 7)


def test_make_runs_only_the_generator_from_a_to_b():
    game = cycle_game(0.5, -0.25)
    made = game.make(BATCH)
    assert torch.equal(made, torch.full((2, 3, 8, 8), 0.5))
    assert [game.G[name].asked for name in "ba"] == [1, 0]
    given, output = game.shown(BATCH, made)
    assert given is BATCH["a"]
    assert output is made


def test_main_network_is_the_way_from_a_to_b():
    game = small(get("cyclegan")).build(SimpleNamespace(shape=(3, 32, 32), source_shape=(3, 32, 32)))
    assert main_network(game.G) is game.G["b"]
    assert main_network(game.D) is game.D["b"]


def test_cyclegan_between_domains_of_unlike_channels():
    data = SimpleNamespace(shape=(3, 32, 48), source_shape=(1, 32, 48))
    recipe = small(get("cyclegan"))
    recipe = replace(recipe, game=recipe.game.given(identity=0.5))
    with pytest.raises(UserError, match=r"a have 1 channels .* b 3.*game.identity=0"):
        recipe.build(data)
    game = replace(recipe, game=recipe.game.given(identity=0.0)).build(data)
    batch = {"a": torch.zeros(2, 1, 32, 48), "b": torch.zeros(2, 3, 32, 48)}
    made = game.play(batch)
    assert made["b"].shape == game.make(batch).shape == (2, 3, 32, 48)
    assert made["a"].shape == (2, 1, 32, 48)
    assert isinstance(game, CycleGAN)
    assert [game.pools[name].items.shape[1] for name in "ab"] == [1, 3]
    assert all(term.isfinite() for term in generator_loss(game, batch, made).terms.values())


def test_cut_refuses_unlike_channels_in_words():
    with pytest.raises(UserError, match=r"a have 1 channels .* b 3.*`channels=3`"):
        small(apply(get("cut-paper"), FASTCUT)).build(SimpleNamespace(shape=(3, 32, 48), source_shape=(1, 32, 48)))


def test_least_squares_as_the_papers_weigh_them():
    real, fake = torch.tensor([0.5]), torch.tensor([3.0])
    assert whole_lsgan.generator(real, fake).item() == 4.0
    assert whole_lsgan.discriminator is lsgan.discriminator
    assert whole_lsgan.neutral == 0.5


def test_contrast_by_hand():
    key = torch.eye(3)[None]
    assert contrast(key, key, 0.5).item() == pytest.approx(torch.log(1 + 2 * torch.exp(torch.tensor(-2.0))).item())
    shifted = key.roll(1, 1)
    assert contrast(shifted, key, 0.5).item() == pytest.approx(2 + contrast(key, key, 0.5).item(), rel=1e-5)


def test_a_patch_competes_with_patches_of_its_own_picture_only():
    query, key = torch.eye(3).repeat(2, 1, 1), torch.eye(3).repeat(2, 1, 1)  # the same three in both images
    assert contrast(query, key, 1.0).item() == pytest.approx(contrast(query[:1], key[:1], 1.0).item())


def cut_game(**settings: float) -> CUT:
    return CUT(NetworkDict(b=lambda: Shift(0.0), heads=Same), nn.Flatten(), whole_lsgan, **settings)  # type: ignore[arg-type]


def test_patches_are_compared_at_the_same_places_and_mirrored_back():
    torch.manual_seed(0)
    game, a = cut_game(), torch.randn(2, 3, 8, 8)
    kept, moved = game.patch_loss(a, a), game.patch_loss(a, a.flip(-1))
    assert kept < 0.5 * moved
    torch.testing.assert_close(game.patch_loss(a, a.flip(-1), turned=True), kept, rtol=0.05, atol=0.05)


def test_what_was_given_is_a_constant_for_the_generator():
    a = torch.randn(1, 3, 8, 8, requires_grad=True)
    game = cut_game()
    game.patch_loss(a, game.G["b"](a.detach())).backward()
    assert a.grad is None
    assert game.G["b"].c.grad is not None


def test_cut_mirrors_in_training_only_and_weighs_its_terms():
    a, b = torch.randn(2, 3, 8, 8), torch.randn(2, 3, 8, 8)
    batch = {"a": a, "b": b}
    game = cut_game(flip=1.0, nce=10.0, identity=0.0)
    assert torch.equal(game.play(batch)["b"], a.flip(-1))
    assert torch.equal(game.eval().play(batch)["b"], a)
    assert torch.equal(game.make(batch), a)
    terms = generator_loss(game, batch, game.train().play(batch)).terms
    assert set(terms) == {"generator", "patches"}
    one = cut_game(nce=1.0, identity=1.0)
    both = generator_loss(one, batch, one.play(batch)).terms
    assert both["patches"].item() * 10 == pytest.approx(
        terms["patches"].item(), rel=0.2
    )  # other draws of all 64 places
    assert both["identity patches"] > 0


def test_cuts_projections_learn_in_the_generators_turn():
    game = small(get("cut")).build(SimpleNamespace(shape=(3, 32, 32), source_shape=(3, 32, 32)))
    batch = {name: torch.rand(2, 3, 32, 32) * 2 - 1 for name in "ab"}
    sum(generator_loss(game, batch, game.play(batch)).terms.values()).backward()
    for weight in game.G["heads"].parameters():
        assert weight.grad is not None
        assert weight.grad.abs().sum() > 0


def test_projections_lie_on_the_unit_sphere():
    (z,) = Projections((5,), width=8)([torch.randn(2, 7, 5)])
    torch.testing.assert_close(z.norm(dim=-1), torch.ones(2, 7))


def test_the_papers_translator_has_its_size():
    """ResNet-9 of width 64: 11,378,179 weights in the authors' code, of which 5,248 are biases that an instance norm undoes."""
    G = translator.Generator((3, 256, 256))
    assert sum(weight.numel() for weight in G.parameters()) == 11_378_179 - 5_248


def test_features_are_named_by_their_maps_and_end_at_the_middle_block():
    G = translator.Generator((3, 32, 32), source=1, width=4, blocks=9)
    found = G.features(torch.rand(2, 1, 32, 32))
    assert tuple(feature.shape[1] for feature in found) == G.feature_maps == (1, 8, 16, 16, 16)
    assert [feature.shape[-1] for feature in found] == [32, 16, 8, 8, 8]
    assert G.tapped == [0, 4]
    assert len(translator.Generator((3, 32, 32), width=4, blocks=0).features(torch.rand(1, 3, 32, 32))) == 3


@pytest.mark.parametrize("up", [transposed, transposed_even, resized])
def test_every_upsampling_doubles(up):
    G = translator.Generator((3, 32, 48), width=4, blocks=1, up=up)
    assert G(torch.rand(1, 3, 32, 48)).shape == (1, 3, 32, 48)


@pytest.mark.parametrize(("up", "even"), [(transposed, False), (transposed_even, True), (resized, True)])
def test_which_upsamplings_reach_every_pixel_alike(up, even: bool):
    layer = up(1, 1)
    for weight in layer.parameters():
        nn.init.ones_(weight)
    inside = layer(torch.ones(1, 1, 8, 8))[0, 0, 4:-4, 4:-4]
    assert (inside.std().item() < 1e-6) == even


def test_a_run_of_a_recipe_that_left_the_catalogue_goes_on_by_its_recipe_json(tmp_path: Path):
    for name in "ab":
        (tmp_path / "data" / name).mkdir(parents=True)
        for k in range(30):
            drawing(k if name == "a" else k + 500).save(tmp_path / "data" / name / f"{k:03d}.png")
    assert "fastcut" not in names()
    recipe = replace(small(apply(get("cut"), FASTCUT)), name="fastcut")
    run, asked = tmp_path / "run", {"size": 32, "channels": 3, "evaluate": False, "report": False}
    organza.train(tmp_path / "data", run, recipe=recipe, budget="8img", **asked)
    again = organza.train(tmp_path / "data", run, budget="16img", **asked)
    assert again.images == 16
    assert (again.content["recipe"]["name"], again.content["recipe"]["game"]["flip"]) == ("fastcut", 0.5)


def test_a_translation_is_measured_once_for_each_input(tmp_path: Path):
    """Inputs that come round again would count twice, and make the distance look surer than it is."""
    for name, count in (("a", 120), ("b", 150)):
        (tmp_path / "data" / name).mkdir(parents=True)
        for k in range(count):
            drawing(k if name == "a" else k + 500).save(tmp_path / "data" / name / f"{k:03d}.png")
    recipe = small(get("cut"))
    organza.train(tmp_path / "data", tmp_path / "run", recipe=recipe, budget="2img", size=32, channels=3, report=False)
    (line,) = lines_of(RunFolder(tmp_path / "run").evaluations)
    assert line["card"]["fake"] == 12  # a tenth of a is held out
