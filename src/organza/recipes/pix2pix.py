"""Pairs of images: Isola et al. 2017, arXiv:1611.07004."""

from __future__ import annotations

from dataclasses import replace

from organza.config import Partial
from organza.data.pairs import Pairs
from organza.games.pix2pix import Pix2Pix, halved
from organza.networks import patch, unet
from organza.optimizers import Adam
from organza.recipe import Recipe
from organza.schedule import Linear

FALLING = Adam(Linear(2e-4, 0.0, begin=0.5), 0.5, 0.999)  # constant for half of the run, then linear to 0


def pix2pix_paper() -> Recipe:
    """Return the paper's pix2pix at 256x256."""
    return Recipe(
        name="pix2pix-paper",
        source="Isola et al. 2017, arXiv:1611.07004, section 6: U-Net, 70x70 PatchGAN, L1 x 100, batch 1, jitter 30, mirrored, "
        "dropout in use, too; instance norm, which is the paper's batch norm on a batch of one.",
        expect="Not trained here: 256x256 images for 200epochs, hours on a GPU.",
        game=Partial(Pix2Pix, l1=100.0),
        generator=Partial(unet.Generator, noise=0.5),
        discriminator=Partial(patch.Discriminator, depth=3),
        data=Partial(Pairs, size=256, jitter=30, mirror=True),
        adversarial=halved,
        generator_optimizer=FALLING,
        discriminator_optimizer=FALLING,
        batch=1,
        average=0,
        stop=(),
    )


def pix2pix() -> Recipe:
    """Return pix2pix for 64x64 and two cores."""
    return replace(
        pix2pix_paper(),
        name="pix2pix",
        source="pix2pix for 64x64: half the width, a U-Net of 5 halvings, 34x34 patches, batch 4, Adam 1e-3 for G, no jitter, no dropout "
        "in use, averaged weights.",
        expect="Faces from `organza data pairs --kind hints` at 64x64: lines kept, skin and hair as the dabs say, smooth but for "
        "long hair, after 30,000 pairs, 24 minutes of one core. Without hints hair is a woven brown.",
        generator=Partial(unet.Generator, width=32, depth=5),
        discriminator=Partial(patch.Discriminator, width=32, depth=2),
        data=Partial(Pairs, size=64, mirror=True),
        generator_optimizer=replace(FALLING, rate=Linear(1e-3, 0.0, begin=0.5)),
        batch=4,
        average=2_000,
    )
