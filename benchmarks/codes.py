"""What makes a latent GAN good: contestants for race.py.

    python benchmarks/race.py run faces --out race --contestant codes:usual@4m --contestant codes:mild@4m --contestant codes:quiet@4m
    python benchmarks/race.py show race --reference usual

Each has 5,000 images for its autoencoder alone, a twentieth of four minutes of one core.
"""

from __future__ import annotations

from dataclasses import replace

from organza.penalties import Penalty, r1_finite, r2_finite
from organza.recipe import Recipe
from organza.recipes.swift import EASING, latent, swift
from organza.training.auto import sized


def usual() -> Recipe:
    """The recipe `latent`."""
    return replace(latent(), name="usual", generator_warmup=5_000)


def wide() -> Recipe:
    """Players twice as wide."""
    return replace(sized(usual(), 16), name="wide")


def quiet() -> Recipe:
    """Half of the noise on the codes."""
    return replace(usual(), name="quiet", game=latent().game.given(noise=0.15))


def mild() -> Recipe:
    """The penalties of `swift`."""
    return replace(
        usual(), name="mild", penalties=(Penalty(r1_finite, weight=EASING), Penalty(r2_finite, weight=EASING))
    )


def pictures() -> Recipe:
    """No codes: `swift`."""
    return replace(swift(), name="pictures")
