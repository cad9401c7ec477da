"""Opponent colours: a fixed change of what D sees and G draws, which leaves weights and grey images as they are."""

from __future__ import annotations

import pytest
import torch

from organza.networks import scales, skips
from organza.networks.colours import drawn, seen


def test_lightness_and_chroma_are_told_apart():
    grey, tint = torch.ones(1, 3, 1, 1), torch.tensor([1.0, 0.0, -1.0])[None, :, None, None]
    for chroma in (0.35, 2.5):
        torch.testing.assert_close(seen(3, chroma)(grey).flatten(), torch.tensor([3**0.5, 0.0, 0.0]))
        torch.testing.assert_close(seen(3, chroma)(tint).flatten(), torch.tensor([0.0, chroma * 2**0.5, 0.0]))


def test_opacity_stays_as_it_is():
    x = torch.randn(2, 4, 3, 3)
    for change in (seen(4, 2.5), drawn(4, 0.35)):
        assert torch.equal(change(x)[:, 3], x[:, 3])


def test_no_weights_are_added():
    for build, shape in ((skips.Generator, (3, 32, 32)), (scales.Discriminator, (3, 32, 32))):
        assert build(shape, chroma=0.35).state_dict().keys() == build(shape).state_dict().keys()


def test_d_sees_the_colours_that_were_made_loud():
    plain, loud = scales.Discriminator((3, 32, 32), width=8), scales.Discriminator((3, 32, 32), width=8, chroma=2.5)
    loud.load_state_dict(plain.state_dict())
    x = torch.randn(2, 3, 32, 32)
    torch.testing.assert_close(loud(x), plain(seen(3, 2.5)(x)))
    assert not torch.allclose(loud(x), plain(x))


@pytest.mark.parametrize("channels", [1, 2])
def test_pictures_without_colours_are_not_touched(channels: int):
    plain, quiet = (
        skips.Generator((channels, 32, 32), width=8),
        skips.Generator((channels, 32, 32), width=8, chroma=0.35),
    )
    quiet.load_state_dict(plain.state_dict())
    z = torch.randn(2, 100)
    assert torch.equal(quiet.eval()(z), plain.eval()(z))
