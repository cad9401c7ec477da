"""Two unpaired folders of images: translation from one to the other."""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor

from organza.config import Partial
from organza.data.pairs import Unpaired
from organza.games.cut import CUT
from organza.games.cyclegan import CycleGAN
from organza.losses import lsgan
from organza.networks import patch, translator
from organza.optimizers import Adam
from organza.recipe import Recipe
from organza.schedule import Linear


def _towards_one(real: Tensor, fake: Tensor) -> Tensor:
    return (fake - 1).square()


whole_lsgan = lsgan._replace(generator=_towards_one)
"""Least squares with the weights of CycleGAN and CUT: D's objective is halved, G's is not.  Zhu et
al. 2017, sections 4 and 7."""

LATE = Linear(2e-4, 0.0, begin=0.5)  # constant for one half of the run, then linear to 0


def cyclegan_paper() -> Recipe:
    """Return the recipe of CycleGAN: two translators that invert each other."""
    return Recipe(
        name="cyclegan-paper",
        source="Zhu et al. 2017, arXiv:1703.10593: ResNet-9 and 70x70 patches at 256x256, batch 1, pool 50, Adam 2e-4 (0.5) to 0. "
        "Differs: the averaged generator is evaluated and used.",
        expect="Not trained here: the paper takes 200 passes over 256x256 images, on a GPU; cyclegan was.",
        game=Partial(CycleGAN, cycle=10.0, identity=0.5, pool=50),
        generator=Partial(translator.Generator, width=64, blocks=9),
        discriminator=Partial(patch.Discriminator),
        data=Partial(Unpaired, size=256, jitter=30, mirror=True),
        adversarial=whole_lsgan,
        generator_optimizer=Adam(LATE, 0.5, 0.999),
        discriminator_optimizer=Adam(LATE, 0.5, 0.999),
        batch=1,
        average=1_000,
        stop=(),
    )


def cut_paper() -> Recipe:
    """Return the recipe of CUT: one translator, tied to its input by a comparison of patches."""
    return replace(
        cyclegan_paper(),
        name="cut-paper",
        source="Park et al. 2020, arXiv:2007.15651: NCE 1 with identity NCE, tau 0.07, 256 patches of five layers. Differs: convolutions "
        "with stride 2 as in CycleGAN, instead of the paper's blur; the averaged generator is used.",
        expect="Not trained here: the paper takes 400 passes over 256x256 images, on a GPU; cut was.",
        game=Partial(CUT, nce=1.0, identity=1.0, patches=256),
    )


def cyclegan() -> Recipe:
    """Return CycleGAN for 64x64 and two cores."""
    return replace(
        cyclegan_paper(),
        name="cyclegan",
        source="CycleGAN for 64x64: width 16 and 3 blocks, resize-convolutions, no identity term; patches of 16x16, the same share of an "
        "image as the paper's; Adam 5e-4 for the translators, 2e-4 for D.",
        expect="Two styles of faces at 64x64: clean ink after 2,000 images, seven minutes of a core; small features "
        "often lost; longer is worse.",
        game=Partial(CycleGAN, cycle=10.0, identity=0.0, pool=50),
        generator=Partial(translator.Generator, width=16, blocks=3, up=translator.resized),
        discriminator=Partial(patch.Discriminator, width=24, depth=1),
        data=Partial(Unpaired),
        generator_optimizer=Adam(replace(LATE, start=5e-4), 0.5, 0.999),
        average=500,
    )


def cut() -> Recipe:
    """Return CUT for 64x64 and two cores."""
    return replace(
        cyclegan(),
        name="cut",
        source="CUT's game and weights with the networks and rates of cyclegan, and 64 patches.",
        expect="Two styles of faces at 64x64: ink with outlines, eyes and mouths kept after 4,000 images, twelve minutes of one core.",
        game=Partial(CUT, nce=1.0, identity=1.0, patches=64),
    )
