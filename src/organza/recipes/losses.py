"""Images, one recipe for each adversarial loss: its stabilisation, DCGAN's networks and the numbers of its paper.

Each row is a recipe: `dcgan` with the fields of the row.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from organza import losses, penalties
from organza.config import Partial
from organza.networks import dcgan as networks
from organza.networks.layers import no_norm, spectral
from organza.optimizers import Adam, Optimizer, RMSprop
from organza.penalties import Penalty
from organza.recipe import Recipe
from organza.recipes.classic import dcgan
from organza.schedule import Cosine

PLAIN = Partial(networks.Discriminator, norm=no_norm)
"""Discriminator without batch norm, as a gradient penalty needs one that scores each item
independently."""
SPECTRAL = Partial(networks.Discriminator, norm=no_norm, constraint=spectral)
FALLING = Cosine(2.0, 0.2, end=0.2)


def row(name: str, summary: str, optimizer: Optimizer | None = None, **fields: Any) -> Callable[[], Recipe]:
    """Return the function that makes a recipe.

    Args:
        name: name of the recipe.
        summary: docstring of the function.
        optimizer: optimizer of both players; None for that of `dcgan`, or those in `fields`.
        fields: fields of the recipe that differ from those of `dcgan`.

    >>> row("mine", "DCGAN with small batches.", batch=16)().batch
    16
    """
    both = {} if optimizer is None else {"generator_optimizer": optimizer, "discriminator_optimizer": optimizer}

    def recipe() -> Recipe:
        return replace(dcgan(), name=name, **both, **fields)

    recipe.__name__ = recipe.__qualname__ = name.replace("-", "_")
    recipe.__doc__ = summary
    return recipe


lsgan = row(
    "lsgan",
    "Least squares: fakes that fool D are still pulled towards the boundary.",
    adversarial=losses.lsgan,
    batch=64,
    source="Mao et al. 2017, arXiv:1611.04076, targets 1 and 0; batch 64, Adam 2e-4 (0.5), the authors' numbers for small images.",
    expect="Fashion-MNIST at 28x28, width 16: garments in outline after 100,000 images, a minute of one core.",
)
wgan = row(
    "wgan",
    "The Wasserstein critic, kept Lipschitz by clipping its weights.",
    adversarial=losses.wasserstein,
    generator_optimizer=RMSprop(5e-5),
    discriminator_optimizer=RMSprop(5e-5, clip=0.01),
    discriminator_turns=5,
    batch=64,
    source="Arjovsky et al. 2017, arXiv:1701.07875, algorithm 1: RMSprop 5e-5, weights clipped to 0.01, five turns of D, batch 64.",
    expect="Fashion-MNIST at 28x28, width 16: a grey haze after 100,000 images, 313 turns of G; its rate is made for hours.",
)
wgan_gp = row(
    "wgan-gp",
    "The Wasserstein critic, kept Lipschitz by a penalty on its gradient.",
    Adam(1e-4, 0.0, 0.9),
    adversarial=losses.wasserstein,
    discriminator=PLAIN,
    penalties=(Penalty(penalties.wgan_gp, weight=10.0),),
    discriminator_turns=5,
    batch=64,
    source="Gulrajani et al. 2017, arXiv:1704.00028, algorithm 1: lambda 10, Adam 1e-4 (0, 0.9), five turns of D, batch 64; "
    "no batch norm in D.",
    expect="Fashion-MNIST at 28x28, width 16: blots after 100,000 images, 313 turns of G; its rate is made for hours.",
)
dragan = row(
    "dragan",
    "The first game, with D's gradient held near one around the data.",
    Adam(1e-4, 0.5, 0.9),
    discriminator=PLAIN,
    penalties=(Penalty(penalties.dragan, weight=10.0),),
    batch=64,
    source="Kodali et al. 2017, arXiv:1705.07215: lambda 10, Adam 1e-4 (0.5, 0.9), one turn of D, batch 64; no batch norm in D here.",
    expect="Fashion-MNIST at 28x28, width 16: a dotted blob after 100,000 images, 94 s of one core; needs longer.",
)
sngan_hinge = row(
    "sngan-hinge",
    "The hinge loss, with every layer of D divided by its largest singular value.",
    Adam(2e-4, 0.0, 0.9),
    adversarial=losses.hinge,
    discriminator=SPECTRAL,
    discriminator_turns=5,
    batch=64,
    source="Miyato et al. 2018, arXiv:1802.05957: hinge, spectral normalisation, Adam 2e-4 (0, 0.9), five turns of D, batch 64, "
    "as the authors' code has it for CIFAR-10, without its falling rate; DCGAN's networks in the place of their residual ones.",
    expect="Fashion-MNIST at 28x28, width 16: soft blots after 100,000 images, 313 turns of G; needs longer.",
)
ragan = row(
    "ragan",
    "Relativistic average: each side against the mean of the other.",
    adversarial=losses.relativistic_average,
    discriminator=SPECTRAL,
    batch=32,
    source="Jolicoeur-Martineau 2018, arXiv:1807.00734, the CIFAR-10 experiments: spectral normalisation, Adam 2e-4 (0.5), batch 32.",
    expect="Fashion-MNIST at 28x28, width 16: garments, a little ragged, after 100,000 images, 83 s of one core.",
)
rpgan_r1_r2 = row(
    "rpgan-r1-r2",
    "Relativistic pairs with both zero-centred penalties, exact and at every step.",
    Adam(Cosine(2e-4, 5e-5, end=0.2), 0.0, 0.99),
    adversarial=losses.relativistic,
    discriminator=PLAIN,
    penalties=(Penalty(penalties.r1, weight=FALLING), Penalty(penalties.r2, weight=FALLING)),
    batch=256,
    source="Huang et al. 2024, arXiv:2501.05441: r1 and r2 with gamma from 2 to 0.2 and Adam from 2e-4 to 5e-5 (0, 0.9 to 0.99 there, "
    "0.99 here) by a cosine over the first fifth, batch 256, as for FFHQ-64; DCGAN's networks in the place of theirs.",
    expect="Fashion-MNIST at 28x28, width 16: a blob after 100,000 images, of which batches of 256 make 391 turns; needs longer.",
)
