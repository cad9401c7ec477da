"""Pix2Pix: the paper's numbers, what D sees, what weighs how much, and the noise that is kept in use."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from organza.errors import UserError
from organza.game import discriminator_loss, generator_loss, update
from organza.games.pix2pix import halved
from organza.losses import nonsaturating
from organza.networks import patch, unet
from organza.optimizers import Adam
from organza.overrides import apply
from organza.recipes import get
from organza.schedule import at
from tests.contracts.discovery import small
from tests.contracts.material import Material


def test_the_u_net_is_the_papers_layer_for_layer():
    network = unet.Generator((3, 256, 256))
    down = [layer for layer in network.modules() if isinstance(layer, nn.Conv2d)]
    up = [layer for layer in network.modules() if isinstance(layer, nn.ConvTranspose2d)]
    assert [layer.out_channels for layer in down] == [64, 128, 256, 512, 512, 512, 512, 512]  # C64-C128-...-C512
    assert [layer.out_channels for layer in up] == [512, 512, 512, 512, 256, 128, 64, 3]  # CD512-CD512-CD512-C512-...
    assert [layer.in_channels for layer in up] == [512, 1024, 1024, 1024, 1024, 512, 256, 128]
    assert all(layer.kernel_size == (4, 4) and layer.stride == (2, 2) for layer in [*down, *up])
    drops = [any(isinstance(layer, unet.Dropout) for layer in step) for step in network.up]
    assert drops == [True] * 3 + [False] * 5
    weights = torch.cat([layer.weight.flatten() for layer in down])
    assert abs(weights.std().item() - 0.02) < 2e-4
    assert sum(isinstance(layer, nn.InstanceNorm2d) for layer in network.modules()) == 6 + 7


def test_the_70x70_patch_sees_70_pixels():
    network = patch.Discriminator((3, 128, 128), width=8, norm=lambda channels: nn.Identity()).eval()
    x = torch.zeros(1, 3, 128, 128, requires_grad=True)
    logits = network(x)
    logits[0, 0, logits.shape[2] // 2, logits.shape[3] // 2].backward()
    assert x.grad is not None
    seen = x.grad.abs().sum((0, 1)) > 0
    assert (seen.any(0).sum().item(), seen.any(1).sum().item()) == (70, 70)


@pytest.mark.parametrize(
    ("shape", "depth", "said"),
    [
        ((3, 50, 50), 0, "divisible by 8; try `size='48x48'`"),
        ((3, 64, 64), 7, "divisible by 128; try `size='128x128'`, or `settings=\\['generator.depth=6'\\]`"),
        ((3, 64, 64), -1, "cannot make"),
    ],
)
def test_a_size_or_depth_that_does_not_fit_names_one_that_does(shape: tuple[int, ...], depth: int, said: str):
    with pytest.raises(UserError, match=said):
        unet.Generator(shape, depth=depth)


def test_noise_in_use_is_one_draw_for_all_and_none_without_it():
    torch.manual_seed(0)
    quiet = unet.Generator((3, 64, 64), width=8).eval()
    noisy = unet.Generator((3, 64, 64), width=8, noise=0.5).eval()
    noisy.load_state_dict(quiet.state_dict())
    x = torch.rand(2, 3, 64, 64)
    assert torch.equal(quiet(x), quiet(x))
    torch.manual_seed(1)
    first = noisy(x)
    torch.manual_seed(2)
    assert torch.equal(noisy(x), first)
    assert not torch.equal(first, quiet(x))
    assert torch.equal(noisy(x.flip(0)).flip(0), first)
    assert not torch.equal(noisy.train()(x), noisy(x))  # but in training each pass has another
    with pytest.raises(UserError, match=r"noise is 1.5; it must be from 0 to less than 1"):
        unet.Generator((3, 64, 64), width=8, noise=1.5)


def game_and_batch(material: Material, *settings: str):
    torch.manual_seed(0)
    recipe = apply(get("pix2pix"), settings)
    data = material.opened(recipe)
    return small(recipe).build(data), data.at(range(8))


def test_the_discriminator_judges_the_pair_not_the_picture(material: Material):
    game, batch = game_and_batch(material)
    made = game.play(batch)
    (duel,) = game.duels(batch, made)
    swapped = game.duels(batch | {"a": batch["a"].flip(0)}, made)[0]
    assert not torch.allclose(duel.judge(duel.real), swapped.judge(swapped.real), atol=1e-3)
    assert game.D.layers[0].in_channels == 1 + 3


def test_l1_weighs_as_the_recipe_says(material: Material):
    paper, batch = game_and_batch(material)
    lighter, _ = game_and_batch(material, "game.l1=25")
    made = paper.play(batch)
    mean = (made["b"] - batch["b"]).abs().mean()
    torch.testing.assert_close(generator_loss(paper, batch, made).terms["l1"], 100 * mean)
    torch.testing.assert_close(generator_loss(lighter, batch, made).terms["l1"], 25 * mean)


def test_halving_the_discriminators_loss_halves_it_and_leaves_adams_step_as_it_is(material: Material):
    game, batch = game_and_batch(material)
    made = {name: value.detach() for name, value in game.play(batch).items()}
    assert game.adversarial is halved
    other = copy.deepcopy(game)
    other.adversarial = nonsaturating
    losses = []
    for one in (game, other):
        one.requires_grad_(False)
        turn = update(one.D, Adam().build(one.D.parameters()), lambda one=one: discriminator_loss(one, batch, made))
        losses.append(turn.terms["discriminator"].item())
    assert losses[0] == pytest.approx(losses[1] / 2)
    for mine, theirs in zip(game.D.parameters(), other.D.parameters(), strict=True):
        assert (mine - theirs).abs().max() < 0.05 * 2e-4  # of steps of 2e-4


def test_the_rate_is_constant_and_then_falls_to_nothing():
    rate = get("pix2pix-paper").generator_optimizer.rate
    assert [at(rate, images, 200) for images in (0, 100, 150, 200)] == pytest.approx([2e-4, 2e-4, 1e-4, 0.0])
