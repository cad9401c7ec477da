"""Ranges of images: what extreme colours do to an autoencoder, and what cannot be seen and must not count."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from organza import Images, Source
from organza.game import Batch, update, warm_up_loss
from organza.games.latent import LatentGAN
from organza.networks.ranges import LEAK, Standard, leaky_tanh, standard, tanh
from organza.recipes.swift import latent


def sparks(folder: Path, ground: tuple[int, ...]) -> Path:
    """64 images of one colour with a bright square of eight pixels."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    for k in range(64):
        image = np.full((32, 32, len(ground)), ground, np.uint8)
        x, y = rng.integers(2, 22, 2)
        image[y : y + 8, x : x + 8] = (*rng.integers(120, 256, 3), 255)[: len(ground)]
        Image.fromarray(image).save(folder / f"{k}.png")
    return folder


@pytest.mark.parametrize(
    "ground",
    [
        (255, 255, 255),
        (0, 0, 0, 0),
        *(pytest.param(other, marks=pytest.mark.long) for other in ((0, 0, 0), (30, 30, 200))),
    ],
    ids=str,
)
def test_one_colour_that_fills_most_of_every_image_does_not_kill_the_autoencoder(
    ground: tuple[int, ...], tmp_path: Path
):
    """Within 100 steps it beats the best constant; with tanh and free codes it would end at it, without a gradient."""
    data = Images(Source(sparks(tmp_path / "images", ground), size=32))
    torch.manual_seed(0)
    game = latent().build(data)
    assert isinstance(game, LatentGAN)
    game.fit(data)
    optimizer = latent().generator_optimizer.build(game.G.parameters())
    for step in range(100):
        batch = data.at(range(16 * step, 16 * step + 16))
        made = rehearsed(game, batch)
        update(game.G, optimizer, lambda batch=batch, made=made: warm_up_loss(game, batch, made))
    real = data.referenced(range(6))["image"]
    game.eval()
    with torch.no_grad():
        codes = game.G.encoder(real)
        error = game.error(game.G.decoder(codes), real)
        constant = game.error(best_constant(real), real)
    assert error < 0.8 * constant
    assert (codes.abs() > 0.98).float().mean() < 0.3


def best_constant(real: Tensor) -> Tensor:
    """Return what an absolute error settles on where it sees nothing: the median colour of all pixels."""
    return real.movedim(1, -1).flatten(0, -2).median(0).values[None, :, None, None].expand_as(real)


def rehearsed(game: LatentGAN, batch: Batch) -> Batch:
    game.train().requires_grad_(True)
    return game.warm_up(batch)


def test_colours_of_nothing_do_not_count():
    """Two images that differ only where they are transparent are one to the encoder and to the error."""
    opaque = torch.rand(1, 4, 8, 8) * 2 - 1
    opaque[:, 3, :4] = -1
    other = opaque.clone()
    other[:, :3, :4] = 0.7
    scale = Standard(4)
    scale.fit(torch.cat([opaque, other]))
    assert torch.allclose(scale.enter(opaque), scale.enter(other))
    error = LatentGAN.error
    assert error(seeing_all(), opaque, other) == 0
    seen = other.clone()
    seen[:, 3] = 1
    assert error(seeing_all(), seen, other) > 0


def test_colours_of_nothing_have_no_contrast():
    """Images that differ only where they are transparent are as contrasty as one another."""
    opaque = torch.rand(1, 4, 16, 16) * 2 - 1
    opaque[:, 3, :8] = -1
    other = opaque.clone()
    other[:, :3, :8] = torch.rand(1, 3, 8, 16)
    recipe = latent()
    G, D = (player.given(shape=(4, 16, 16))() for player in (recipe.generator, recipe.discriminator))
    game = LatentGAN(G, D, recipe.adversarial, contrast=0.1)
    assert game.differences(opaque, other)["contrast"] == 0
    seen = other.clone()
    seen[:, :3, 8:] = torch.rand(1, 3, 8, 16)
    assert game.differences(seen, other)["contrast"] > 0


def seeing_all() -> LatentGAN:
    from types import SimpleNamespace

    return SimpleNamespace(G=SimpleNamespace(encoder=SimpleNamespace(seen=lambda x: x)))  # type: ignore[return-value]


def test_the_statistics_of_colours_are_those_of_what_can_be_seen():
    images = torch.full((2, 4, 4, 4), -1.0)  # black and transparent
    images[:, :3, 0], images[:, 3, 0] = 0.5, 1.0
    scale = Standard(4)
    scale.fit(images)
    assert scale.mean.flatten()[:3].tolist() == pytest.approx([0.5] * 3)
    assert scale.mean.flatten()[3].item() == pytest.approx(-0.5)


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_data_come_out_with_mean_0_and_deviation_1(channels: int):
    images = 0.1 * torch.rand(16, channels, 8, 8) - 0.9
    if channels == 4:
        images[:, 3] = 1
    scale = standard(channels)
    scale.fit(images)
    entered = scale.enter(images)[:, :3]
    assert entered.mean((0, 2, 3)).abs().max() < 1e-3
    assert entered.var(correction=0).sqrt().item() == pytest.approx(1, abs=0.05)


def test_images_all_of_one_colour_are_not_divided_by_nothing():
    scale = standard(3)
    scale.fit(torch.ones(4, 3, 8, 8))
    assert scale.enter(torch.ones(4, 3, 8, 8)).isfinite().all()


def test_the_ends_leave_a_way_back_where_tanh_has_none():
    def gradient(leave) -> float:
        h = torch.full((1, 1, 1, 1), 40.0, requires_grad=True)
        (leave(h) - 0.5).abs().sum().backward()
        assert h.grad is not None
        return h.grad.item()

    assert gradient(tanh(1).leave) == 0
    assert gradient(standard(1).leave) == pytest.approx(LEAK)
    h = torch.linspace(-3, 3, 7, requires_grad=True)
    assert torch.equal(leaky_tanh(h), h.tanh())


@pytest.mark.parametrize("mean", [-1.0, -0.3, 0.0, 1.0])
def test_what_says_nothing_draws_the_mean(mean: float):
    scale = Standard(1)
    scale.fit(torch.tensor([mean, mean - 0.1 * (mean or 1)]).view(2, 1, 1, 1))
    assert scale.leave(torch.zeros(1, 1, 1, 1)).item() == pytest.approx(float(scale.mean.clamp(-0.9, 0.9)), abs=1e-5)
