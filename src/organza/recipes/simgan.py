"""Synthetic images, refined by real ones."""

from __future__ import annotations

from dataclasses import replace

from organza.config import Partial
from organza.data.pairs import Unpaired
from organza.games.simgan import SimGAN
from organza.networks import refiner
from organza.optimizers import SGD, Adam
from organza.recipe import Recipe


def simgan_paper() -> Recipe:
    """Return the paper's refiner of synthetic eyes."""
    batch, pixels, patches = 512, 35 * 55, 9 * 14
    return Recipe(
        name="simgan-paper",
        source="Shrivastava et al. 2017, arXiv:1612.07828, with its numbers for gaze (grey, --size 55x35): batch 512, SGD 1e-3 (times the "
        "126 patches, over which the paper sums and this takes a mean), R alone for 1,000 updates and D alone for 200, then two turns of R "
        "to one of D. Lambda (0.5 on its sums) and the pool's size (ten batches) are choices made here.",
        expect="Not trained to its end here; `--dry-run` shows the time it takes. simgan shows the method.",
        game=Partial(SimGAN, fidelity=round(0.5 * pixels / patches, 2), pool=10 * batch),
        generator=Partial(refiner.Refiner),
        discriminator=Partial(refiner.Discriminator),
        data=Partial(Unpaired),
        generator_optimizer=SGD(1e-3 * patches),
        discriminator_optimizer=SGD(1e-3 * patches),
        batch=batch,
        generator_turns=2,
        generator_warmup=500 * batch,  # a step has two turns of R
        warmup=200 * batch,
        average=0,
    )


def simgan() -> Recipe:
    """Return a refiner that makes typeset digits look handwritten, in minutes."""
    return replace(
        simgan_paper(),
        name="simgan",
        source="SimGAN (arXiv:1612.07828) with 24 of 64 feature maps and 3 of 4 blocks in R, three quarters of D's maps, batch 16, and "
        "Adam 1e-3 (0.5, 0.99) instead of SGD; an average of R's weights is kept.",
        expect="`organza data digits` at 32x32: typeset digits look drawn with a pen after 20,000 images, four minutes on 2 cores; the "
        "distance to real ones falls from 0.12 to 0.02, and their classes stay legible.",
        game=Partial(SimGAN, fidelity=2.0, pool=512),
        generator=Partial(refiner.Refiner, width=24, blocks=3),
        discriminator=Partial(refiner.Discriminator, width=48),
        generator_optimizer=Adam(1e-3, 0.5, 0.99),
        discriminator_optimizer=Adam(1e-3, 0.5, 0.99),
        batch=16,
        generator_warmup=50 * 16,
        warmup=30 * 16,
        average=2_000,
    )
