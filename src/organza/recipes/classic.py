"""Images, as in the first papers and tutorials: fully connected networks and DCGAN's."""

from __future__ import annotations

from dataclasses import replace

from organza.config import Partial
from organza.games.unconditional import Unconditional
from organza.losses import relativistic
from organza.networks import dcgan as dcgan_networks
from organza.networks import mlp as mlp_networks
from organza.networks import resize as resize_networks
from organza.networks.layers import no_norm
from organza.optimizers import Adam
from organza.penalties import Penalty, r1_finite, r2_finite
from organza.recipe import Recipe
from organza.schedule import Cosine


def mlp() -> Recipe:
    """Return the recipe of the first GAN: fully connected networks."""
    return Recipe(
        name="mlp",
        source="Goodfellow et al. 2014, arXiv:1406.2661; Adam instead of SGD with a growing momentum.",
        expect="Fashion-MNIST at 32x32: garments at a glance in five minutes on 2 cores; not meant for colour images.",
        game=Partial(Unconditional),
        generator=Partial(mlp_networks.Generator),
        discriminator=Partial(mlp_networks.Discriminator),
        batch=100,
    )


def dcgan() -> Recipe:
    """Return the recipe of the tutorial's DCGAN."""
    return Recipe(
        name="dcgan",
        source="Radford et al. 2016, arXiv:1511.06434, with the sizes of the PyTorch DCGAN tutorial (batch 128, Adam 2e-4, 0.5).",
        expect="Faces at 64x64: smudged heads after ten minutes on 2 cores, faces after hours; very long training makes it worse.",
        game=Partial(Unconditional),
        generator=Partial(dcgan_networks.Generator),
        discriminator=Partial(dcgan_networks.Discriminator),
        batch=128,
    )


def dcgan_r1() -> Recipe:
    """Return the tutorial's convolutions with the loss and penalties of 2024: stable."""
    return replace(
        dcgan(),
        name="dcgan-r1",
        source="DCGAN's convolutions without batch norm in D; relativistic loss with R1 and R2 (Huang et al. 2024, arXiv:2501.05441), "
        "by finite differences on a quarter of the batch; Adam 5e-4 (0, 0.99), batch 32.",
        expect="Faces at 64x64: recognisable at a glance in about six minutes on 2 cores.",
        discriminator=Partial(dcgan_networks.Discriminator, norm=no_norm),
        adversarial=relativistic,
        penalties=(Penalty(r1_finite, weight=1.0), Penalty(r2_finite, weight=1.0)),
        generator_optimizer=Adam(5e-4, 0.0, 0.99),
        discriminator_optimizer=Adam(5e-4, 0.0, 0.99),
        batch=32,
        average=5_000,
    )


def resize_r1() -> Recipe:
    """Return `dcgan_r1` without transposed convolutions, narrower, and with a falling learning
    rate.
    """
    falling = Adam(Cosine(5e-4, 5e-5, begin=0.3), 0.0, 0.99)
    plain = dcgan_r1()
    return replace(
        plain,
        name="resize-r1",
        source="dcgan-r1 with resize-convolutions in G (Odena et al. 2016, Distill), width 40 in both players, Adam 5e-4 falling to 5e-5.",
        expect="Faces at 64x64: heads, eyes and hair at a glance after 10,000 images, four minutes on 2 quiet cores; blotchy colours.",
        generator=Partial(resize_networks.Generator),
        discriminator=plain.discriminator.given(width=40),
        generator_optimizer=falling,
        discriminator_optimizer=falling,
    )
