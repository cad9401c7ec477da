"""Images with labels: conditional GANs, by class, tag or number."""

from __future__ import annotations

from dataclasses import replace

from organza.config import Partial
from organza.data.labels import Labelled
from organza.games.acgan import AuxiliaryClassifier
from organza.games.conditional import Conditional
from organza.games.latent import ConditionalLatentGAN
from organza.losses import hinge
from organza.networks import conditional as networks
from organza.networks import latent as latent_networks
from organza.networks import resize, scales, skips
from organza.networks.layers import no_norm, one_scale, spectral
from organza.networks.ranges import standard
from organza.optimizers import Adam
from organza.recipe import Recipe
from organza.recipes.classic import resize_r1
from organza.recipes.swift import CONTRAST, LOUD, QUIET, latent, swift
from organza.schedule import Linear


def cgan_paper() -> Recipe:
    """Return the recipe of the conditional GAN."""
    return Recipe(
        name="cgan-paper",
        source="Mirza and Osindero 2014, arXiv:1411.1784: both players receive the label; with DCGAN's convolutions and settings "
        "instead of fully connected layers and SGD.",
        expect="Not trained to its end here; cgan is the one for a few minutes.",
        game=Partial(Conditional),
        data=Partial(Labelled),
        generator=Partial(networks.Generator),
        discriminator=Partial(networks.Concatenation),
        batch=128,
    )


def cgan_projection_paper() -> Recipe:
    """Return the recipe of the conditional GAN with a projection discriminator."""
    return replace(
        cgan_paper(),
        name="cgan-projection-paper",
        source="Miyato and Koyama 2018, arXiv:1802.05637: projection, hinge, spectral normalisation, five turns of D, batch 64, Adam "
        "2e-4 (0, 0.9) falling to 0 over the last ninth; with DCGAN's convolutions instead of residual blocks, and the label "
        "concatenated to z instead of conditional batch norm.",
        expect="Not trained here: the paper takes 450,000 turns of G on ImageNet. cgan-swift has its projection, for minutes.",
        discriminator=Partial(networks.Projection, norm=no_norm, constraint=spectral),
        adversarial=hinge,
        generator_optimizer=Adam(Linear(2e-4, 0.0, begin=8 / 9), 0.0, 0.9),
        discriminator_optimizer=Adam(Linear(2e-4, 0.0, begin=8 / 9), 0.0, 0.9),
        batch=64,
        discriminator_turns=5,
    )


def acgan_paper() -> Recipe:
    """Return the recipe of the auxiliary classifier GAN."""
    return replace(
        cgan_paper(),
        name="acgan-paper",
        source="Odena et al. 2017, arXiv:1610.09585: z of 110, batch 100, Adam 2e-4 (0.5, 0.999); with DCGAN's discriminator, dropout on "
        "its last features only, and no noise on its activations.",
        expect="Not trained to its end here: the paper takes 50,000 steps for every ten classes of ImageNet.",
        game=Partial(AuxiliaryClassifier),
        generator=Partial(networks.Generator, z_dim=110),
        discriminator=Partial(networks.AuxiliaryClassifier),
        batch=100,
    )


def acgan() -> Recipe:
    """Return the recipe of an auxiliary classifier GAN for ten minutes of one core."""
    return replace(
        acgan_paper(),
        name="acgan",
        source="acgan-paper with the thinner networks, batch and rates of cgan.",
        expect="Fashion-MNIST at 28x28: ten classes at a glance after 200,000 images, five minutes of a core; sandals and bags in pieces, "
        "and shapes within a class much alike.",
        generator=Partial(networks.Generator, width=24, backbone=resize.Generator),
        discriminator=Partial(networks.AuxiliaryClassifier, width=32),
        generator_optimizer=Adam(1e-3, 0.5),
        discriminator_optimizer=Adam(2e-4, 0.5),
        batch=64,
        average=5_000,
    )


def cgan() -> Recipe:
    """Return the recipe of a conditional GAN for ten minutes on two cores."""
    return replace(
        cgan_paper(),
        name="cgan",
        source="cgan with thinner networks, resize-convolutions in G (Odena et al. 2016, Distill), batch 64, and the rates of InfoGAN: "
        "Adam 1e-3 for G and 2e-4 for D (0.5).",
        expect="Fashion-MNIST at 28x28: ten distinct and varied classes after 214,000 images, seven minutes of a core. On faces at 64x64 D "
        "wins at once.",
        generator=Partial(networks.Generator, width=24, backbone=resize.Generator),
        discriminator=Partial(networks.Concatenation, width=32),
        generator_optimizer=Adam(1e-3, 0.5),
        discriminator_optimizer=Adam(2e-4, 0.5),
        batch=64,
        average=5_000,
    )


def cgan_projection() -> Recipe:
    """Return projection with the loss and penalties of `resize_r1`, for labelled images in colour."""
    plain = resize_r1()
    return replace(
        plain,
        name="cgan-projection",
        source="Projection (Miyato and Koyama 2018, arXiv:1802.05637) in D; in G an embedding that makes the label as strong as z; "
        "otherwise resize-r1.",
        expect="Faces at 64x64, skin and hair colour: followed after 17,000 images, ten minutes of one core; blotchy. On Fashion-MNIST all "
        "images of a class come out alike.",
        game=Partial(Conditional),
        data=Partial(Labelled),
        generator=Partial(networks.Generator, embedding=32, width=40, backbone=resize.Generator),
        discriminator=Partial(networks.Projection, norm=no_norm, width=40),
    )


def cgan_swift() -> Recipe:
    """Return `swift` with labels for both players."""
    return replace(
        swift(),
        name="cgan-swift",
        source="Projection (Miyato and Koyama 2018, arXiv:1802.05637) in D; in G an embedding that makes the label as strong as z; "
        "otherwise swift.",
        expect="Faces at 64x64, hair and skin colour: both followed, plain colours, after 27,000 images at width 12, five minutes of one "
        "core; hair with comb-like fringes, and little variety for one hair and skin.",
        game=Partial(Conditional),
        data=Partial(Labelled),
        generator=Partial(networks.Generator, embedding=32, width=16, backbone=Partial(skips.Generator, chroma=QUIET)),
        discriminator=Partial(scales.Projection, width=16, chroma=LOUD),
    )


def cgan_latent() -> Recipe:
    """Return `latent` with labels for both players of codes; the autoencoder knows none."""
    return replace(
        latent(),
        name="cgan-latent",
        source="The label as planes beside D's input (Mirza and Osindero 2014, arXiv:1411.1784), by an embedding of eight numbers; in G an "
        "embedding that makes it as strong as z; otherwise latent.",
        expect="Faces at 64x64, hair and skin colour: both followed after 54,000 images at width 8, two and a half minutes of one core; "
        "many faces, frayed hair; after that samples begin to repeat one another.",
        game=Partial(ConditionalLatentGAN, contrast=CONTRAST),
        data=Partial(Labelled),
        generator=Partial(latent_networks.Generator, width=8, loud=1.5, quiet=0.5, range=standard, norm=one_scale),
        discriminator=Partial(latent_networks.Concatenation, width=8),
    )
