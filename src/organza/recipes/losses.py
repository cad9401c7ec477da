"""One recipe for each adversarial loss with its stabilisation, all on DCGAN's networks, with the numbers of their papers."""

from __future__ import annotations

from dataclasses import replace

from organza import losses
from organza.config import Partial
from organza.networks import dcgan as networks
from organza.networks.layers import no_norm, spectral
from organza.optimizers import Adam, RMSprop
from organza.penalties import Penalty, r1, r2
from organza.penalties import dragan as around_the_data
from organza.penalties import wgan_gp as between_real_and_fake
from organza.recipe import Recipe
from organza.recipes.classic import dcgan
from organza.schedule import Cosine

PLAIN = Partial(networks.Discriminator, norm=no_norm)
"""Discriminator without batch norm, as a gradient penalty needs one that scores each item independently."""
SPECTRAL = Partial(networks.Discriminator, norm=no_norm, constraint=spectral)


def lsgan() -> Recipe:
    """Return the least squares recipe: fakes that fool D are still pulled towards the boundary."""
    return replace(
        dcgan(),
        name="lsgan",
        source="Mao et al. 2017, arXiv:1611.04076, targets 1 and 0; batch 64, Adam 2e-4 (0.5), the authors' numbers for small images.",
        expect="Fashion-MNIST at 28x28, width 16: garments in outline after 100,000 images, a minute of one core.",
        adversarial=losses.lsgan,
        batch=64,
    )


def wgan() -> Recipe:
    """Return the Wasserstein recipe with a critic made Lipschitz by weight clipping."""
    return replace(
        dcgan(),
        name="wgan",
        source="Arjovsky et al. 2017, arXiv:1701.07875, algorithm 1: RMSprop 5e-5, weights clipped to 0.01, five turns of D, batch 64.",
        expect="Fashion-MNIST at 28x28, width 16: a grey haze after 100,000 images, 313 turns of G; its rate is made for hours.",
        adversarial=losses.wasserstein,
        generator_optimizer=RMSprop(5e-5),
        discriminator_optimizer=RMSprop(5e-5, clip=0.01),
        discriminator_turns=5,
        batch=64,
    )


def wgan_gp() -> Recipe:
    """Return the Wasserstein recipe with a critic made Lipschitz by a gradient penalty."""
    return replace(
        dcgan(),
        name="wgan-gp",
        source="Gulrajani et al. 2017, arXiv:1704.00028, algorithm 1: lambda 10, Adam 1e-4 (0, 0.9), five turns of D, batch 64; "
        "no batch norm in D.",
        expect="Fashion-MNIST at 28x28, width 16: blots after 100,000 images, 313 turns of G; its rate is made for hours.",
        discriminator=PLAIN,
        adversarial=losses.wasserstein,
        penalties=(Penalty(between_real_and_fake, weight=10.0),),
        generator_optimizer=Adam(1e-4, 0.0, 0.9),
        discriminator_optimizer=Adam(1e-4, 0.0, 0.9),
        discriminator_turns=5,
        batch=64,
    )


def dragan() -> Recipe:
    """Return the original game with D's gradient norm held near one around the data."""
    return replace(
        dcgan(),
        name="dragan",
        source="Kodali et al. 2017, arXiv:1705.07215: lambda 10, Adam 1e-4 (0.5, 0.9), one turn of D, batch 64; no batch norm in D here.",
        expect="Fashion-MNIST at 28x28, width 16: a dotted blob after 100,000 images, 94 s of one core; needs longer.",
        discriminator=PLAIN,
        penalties=(Penalty(around_the_data, weight=10.0),),
        generator_optimizer=Adam(1e-4, 0.5, 0.9),
        discriminator_optimizer=Adam(1e-4, 0.5, 0.9),
        batch=64,
    )


def sngan_hinge() -> Recipe:
    """Return the hinge recipe with spectral normalisation in D."""
    return replace(
        dcgan(),
        name="sngan-hinge",
        source="Miyato et al. 2018, arXiv:1802.05957: hinge, spectral normalisation, Adam 2e-4 (0, 0.9), five turns of D, batch 64, "
        "as in the authors' code for CIFAR-10, without its falling rate; DCGAN's networks instead of their residual ones.",
        expect="Fashion-MNIST at 28x28, width 16: soft blots after 100,000 images, 313 turns of G; needs longer.",
        discriminator=SPECTRAL,
        adversarial=losses.hinge,
        generator_optimizer=Adam(2e-4, 0.0, 0.9),
        discriminator_optimizer=Adam(2e-4, 0.0, 0.9),
        discriminator_turns=5,
        batch=64,
    )


def ragan() -> Recipe:
    """Return the relativistic average recipe: each side against the mean of the other."""
    return replace(
        dcgan(),
        name="ragan",
        source="Jolicoeur-Martineau 2018, arXiv:1807.00734, the CIFAR-10 experiments: spectral normalisation, Adam 2e-4 (0.5), batch 32.",
        expect="Fashion-MNIST at 28x28, width 16: garments, a little ragged, after 100,000 images, 83 s of one core.",
        discriminator=SPECTRAL,
        adversarial=losses.relativistic_average,
        batch=32,
    )


def rpgan_r1_r2() -> Recipe:
    """Return the relativistic pairing recipe with both zero-centred penalties, exact and at every step."""
    return replace(
        dcgan(),
        name="rpgan-r1-r2",
        source="Huang et al. 2024, arXiv:2501.05441: r1 and r2 with gamma from 2 to 0.2 and Adam from 2e-4 to 5e-5 (0, 0.9 to 0.99 there, "
        "0.99 here) by a cosine over the first fifth, batch 256, as for FFHQ-64; DCGAN's networks instead of theirs.",
        expect="Fashion-MNIST at 28x28, width 16: a blob after 100,000 images, of which batches of 256 make 391 turns; needs longer.",
        discriminator=PLAIN,
        adversarial=losses.relativistic,
        penalties=(Penalty(r1, weight=Cosine(2.0, 0.2, end=0.2)), Penalty(r2, weight=Cosine(2.0, 0.2, end=0.2))),
        generator_optimizer=Adam(Cosine(2e-4, 5e-5, end=0.2), 0.0, 0.99),
        discriminator_optimizer=Adam(Cosine(2e-4, 5e-5, end=0.2), 0.0, 0.99),
        batch=256,
    )
