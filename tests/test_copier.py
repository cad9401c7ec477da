"""Filling by copies: a surface that solves its equation, textures that go on, nothing taken from the hole."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from organza.networks import copier, filler, surface, waves
from organza.networks.filler import smooth
from organza.networks.loops import repeated
from organza.networks.surface import bent, biharmonic
from organza.networks.waves import continued, joined, parted, strong


@pytest.fixture(autouse=True)
def whole(monkeypatch: pytest.MonkeyPatch):
    """Other tests take one step at each size."""
    monkeypatch.setattr(filler, "ROUNDS", 4)
    monkeypatch.setattr(surface, "STEPS", (4, 8, 8, 10, 10))


def with_hole(x: torch.Tensor, top: int, left: int, side: int) -> tuple[torch.Tensor, torch.Tensor]:
    """An image [1, C, H, W] without a square, and what of it is known."""
    known = torch.ones_like(x[:, :1])
    known[..., top : top + side, left : left + side] = 0
    return torch.cat([x * known, 1 - 2 * known], 1), known


def test_the_surface_is_near_the_solution_of_its_equation():
    y, x = torch.meshgrid(torch.linspace(-1, 1, 32), torch.linspace(-1, 1, 32), indexing="ij")
    image = (0.4 * torch.sin(3 * x) * torch.cos(2 * y) + 0.3 * x)[None, None]
    matrix = bent(torch.eye(32 * 32).reshape(-1, 1, 32, 32)).reshape(32 * 32, -1).T.double().numpy()
    errors = []
    for top, left, side in ((9, 12, 9), (8, 8, 12), (7, 9, 13)):
        _, known = with_hole(image, top, left, side)
        hole = (known == 0).flatten().numpy()
        given = (image * known).flatten().double().numpy()
        exact = given.copy()
        exact[hole] = np.linalg.solve(matrix[np.ix_(hole, hole)], -matrix[hole] @ given)
        made, harmonic = (fill(image * known, known).flatten().numpy() for fill in (biharmonic, smooth))
        assert np.array_equal(made[~hole], given[~hole].astype(np.float32))
        errors.append([np.abs(filled - exact)[hole].mean() for filled in (made, harmonic)])
    near, far = np.mean(errors, 0)
    assert near < far / 2


@torch.no_grad()
def test_a_texture_goes_on_before_any_training():
    torch.manual_seed(0)
    columns = torch.arange(64.0)
    for angle in (0.0, math.pi / 2):
        wave = torch.sin(math.tau / 4 * (columns * math.cos(angle) + columns[:, None] * math.sin(angle)) + 0.4)
        image = (0.6 * wave).expand(1, 3, 64, 64)
        a, known = with_hole(image, 26, 24, 14)
        made = copier.Generator((3, 64, 64), width=4, fine=2)(a)
        flat = biharmonic(image * known, known)
        errors = [((1 - known) * (y - image)).square().mean().item() for y in (made, flat)]
        assert errors[0] < errors[1] / 2, angle


@torch.no_grad()
def test_what_lies_in_the_hole_is_not_looked_at():
    torch.manual_seed(0)
    network = copier.Generator((3, 64, 64), width=4, fine=2)
    for layer in (network.choose, network.trust, network.finish[1]):
        torch.nn.init.normal_(layer.weight, std=0.3)
    image = torch.rand(1, 3, 64, 64) * 2 - 1
    a, known = with_hole(image, 20, 8, 21)
    other = torch.where(a[:, -1:] > 0, torch.rand_like(a), a)
    other[:, -1:] = a[:, -1:]
    made = network(a)
    assert torch.equal(network(other), made)
    assert torch.equal(made * known, image * known)
    assert made[known.expand_as(made) == 0].std() > 0.1


def test_windows_of_waves_rebuild_an_image_of_which_nothing_is_left_out():
    x = torch.randn(2, 3, 48, 64, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(joined(parted(x, waves.waves()), waves.waves()), x, atol=1e-5)
    kept = joined(strong(parted(x, waves.waves()), torch.tensor(1e-6)), waves.waves())
    assert torch.allclose(kept, x, atol=1e-5)


def test_a_wave_is_kept_or_left_out_by_its_own_direction():
    y, x = torch.meshgrid(torch.arange(64.0), torch.arange(64.0), indexing="ij")
    rising, falling = (torch.cos(math.tau / 8 * (x + sign * y))[None, None] for sign in (1, -1))
    between = torch.tensor(1.5)  # above the threshold of a wave of 0.1, below that of a wave of 1
    left = joined(strong(parted(rising + 0.1 * falling, waves.waves()), between), waves.waves())
    sizes = [((left * wave).mean() / wave.square().mean()).item() for wave in (rising, falling)]
    assert sizes[0] > 0.9
    assert abs(sizes[1]) < 0.03


@torch.no_grad()
def test_stripes_go_on_through_a_hole():
    y, x = torch.meshgrid(torch.arange(96.0), torch.arange(96.0), indexing="ij")
    stripes = (0.7 * torch.sin(0.45 * x + 0.3 * y)).expand(1, 3, 96, 96)
    for side in (6, 14, 22):
        a, known = with_hole(stripes, 35, 40, side)
        guess = torch.where(known > 0, stripes, biharmonic(a[:, :3], known))
        made = continued(guess, known)
        errors = [((1 - known) * (filled - stripes)).square().sum().item() for filled in (made, guess)]
        assert errors[0] < errors[1] / 4, side


@torch.no_grad()
def test_an_image_without_a_hole_is_left():
    image = torch.rand(1, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(continued(image, torch.ones_like(image)), image, atol=1e-5)


@pytest.mark.slow
def test_a_loop_in_a_file_is_the_loop_in_python():
    class Falling(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return repeated(lambda x, share: x - share * x.roll(1, -1), x, torch.tensor([0.5, 0.25, 0.1]))

    x = torch.rand(2, 5)
    exported = torch.export.export(Falling(), (x,), strict=False)
    assert torch.allclose(exported.module()(x), Falling()(x))
    loops = [node for node in exported.graph.nodes if node.target is torch.ops.higher_order.scan]
    assert len(loops) == 1
