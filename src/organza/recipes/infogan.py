"""Images, with codes that it finds without labels: InfoGAN."""

from __future__ import annotations

from dataclasses import replace

from organza.config import Partial
from organza.games.infogan import InfoGAN
from organza.networks import infogan as networks
from organza.optimizers import Adam
from organza.recipe import Recipe


def infogan_paper() -> Recipe:
    """Return the recipe of the paper's MNIST experiment."""
    return Recipe(
        name="infogan-paper",
        source="Chen et al. 2016, arXiv:1606.03657, appendix C.1 and the authors' code: 62 numbers of noise, a code of 10 values, two "
        "continuous ones; Adam with beta1 0.5, G 1e-3, D 2e-4, batch 128.",
        expect="28x28 grey images of ten kinds; the paper trains 640,000 images, hours on 2 cores.",
        game=Partial(InfoGAN),
        generator=Partial(networks.Generator, codes=networks.MNIST),
        discriminator=Partial(networks.Discriminator),
        generator_optimizer=Adam(1e-3, 0.5),
        discriminator_optimizer=Adam(2e-4, 0.5),
        batch=128,
    )


def infogan() -> Recipe:
    """Return the same game with half the feature maps."""
    return replace(
        infogan_paper(),
        name="infogan",
        source="As infogan, with half the feature maps in both players and batch 64.",
        expect="Fashion-MNIST at 28x28: clean garments, a category for each kind, after 297,000 images, eight "
        "minutes on 2 cores.",
        generator=Partial(networks.Generator, codes=networks.MNIST, width=32),
        discriminator=Partial(networks.Discriminator, width=32),
        batch=64,
    )
