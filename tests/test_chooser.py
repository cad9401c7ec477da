"""Enlarging pixel art: pixels are weighed, so that plain areas stay to the bit and lines go on."""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional as F
from torch.testing import assert_close

from organza.data.batches import to_float, to_uint8
from organza.games.enlarge import Enlarge
from organza.losses import relativistic
from organza.networks import chooser, enlarger


@torch.no_grad()
def test_no_colour_is_made_that_is_not_between_those_nearby():
    torch.manual_seed(0)
    G = chooser.Generator((3, 32, 32), factor=2, width=8, blocks=1)
    G.leave.weight.mul_(50)  # decided, not the start
    a = torch.rand(1, 3, 12, 10) * 2 - 1
    around = F.pad(a, (2, 2, 2, 2), mode="replicate")
    for wanted, sign in ((F.max_pool2d(around, 5, 1), 1), (-F.max_pool2d(-around, 5, 1), -1)):
        bound = F.interpolate(wanted, scale_factor=2.0)
        assert (sign * (G(a) - bound) < 1e-5).all()
    assert (G(a) - F.interpolate(a, scale_factor=2.0)).abs().mean() > 0.1


@torch.no_grad()
def test_plain_areas_stay_as_they_are_to_the_bit():
    torch.manual_seed(0)
    image = np.zeros((1, 16, 24, 3), np.uint8)
    image[:, :, :8], image[:, :, 8:] = (255, 13, 77), (3, 255, 200)
    for factor in (2, 4):
        G = chooser.Generator((3, 32, 32), factor=factor, width=8, blocks=1)
        made = to_uint8(G(to_float(image))).numpy()
        wanted = image.repeat(factor, 1).repeat(factor, 2)
        far = np.abs(np.arange(24 * factor) - 8 * factor + 0.5) > 2 * factor
        assert np.array_equal(made[:, :, far], wanted[:, :, far])
        assert not np.array_equal(made, wanted)


@torch.no_grad()
def test_a_pixel_that_is_sure_of_itself_is_repeated():
    torch.manual_seed(0)
    a = torch.rand(1, 1, 9, 7) * 2 - 1
    assert_close(
        chooser.Generator((1, 32, 32), factor=4, width=4, blocks=1, sure=80.0)(a), F.interpolate(a, scale_factor=4.0)
    )


def test_a_slanted_border_is_learned_by_the_squared_error():
    torch.manual_seed(0)
    draws = torch.Generator().manual_seed(0)
    place = torch.arange(16.0)

    def borders(count: int) -> torch.Tensor:
        slope, start = 2 * torch.rand(2, count, 1, 1, generator=draws)
        return torch.where(place[:, None] > slope * (place - 8) + 4 + 4 * start, 0.8, -0.6)[:, None]

    G = chooser.Generator((1, 16, 16), factor=2, width=8, blocks=1)
    D = enlarger.Discriminator((1, 16, 16), condition=1, width=4)
    game, optimizer = Enlarge(G, D, relativistic, factor=2, squared=True), torch.optim.Adam(G.parameters(), 5e-3)
    for _ in range(80):
        b = borders(8)
        batch = {"a": b[..., 1::2, 1::2], "b": b}
        loss = game.warm_up_terms(batch, game.play(batch))["squared"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    b = borders(64)
    a = b[..., 1::2, 1::2]
    simple = [F.interpolate(a, scale_factor=2.0), game.cubic(a)]
    with torch.no_grad():
        error, *others = (F.mse_loss(x, b).item() for x in (G(a), *simple))
    assert error < 0.7 * min(others)


def test_the_error_is_squared_in_the_warm_up_where_the_game_says_so():
    b = torch.rand(2, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    batch, made = {"a": b[..., ::2, ::2], "b": b}, {"b": b + 0.5}
    D = enlarger.Discriminator((1, 16, 16), condition=1, width=4)
    for squared, wanted in ((True, {"squared": 1.0}), (False, {"l1": 2.0})):
        game = Enlarge(torch.nn.Identity(), D, relativistic, factor=2, l1=4.0, features=0.0, squared=squared)
        assert_close(game.warm_up_terms(batch, made), {name: torch.tensor(x) for name, x in wanted.items()})
        assert_close(game.extra_generator_terms(batch, made), {"l1": torch.tensor(2.0)})
