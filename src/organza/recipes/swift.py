"""Images, in little time: thin networks, small batches and large steps, for many turns of the
players; `auto` sizes them.
"""

from __future__ import annotations

from dataclasses import replace

from organza.augment import Augment, cutout, jitter, translation
from organza.config import Partial
from organza.deprecated import forwarding
from organza.games.latent import LatentGAN
from organza.games.unconditional import Unconditional
from organza.losses import relativistic
from organza.networks import latent as latent_networks
from organza.networks import r3, scales, skips
from organza.networks.layers import one_scale
from organza.networks.ranges import standard
from organza.optimizers import Adam
from organza.penalties import Penalty, r1_finite, r2_finite
from organza.recipe import Recipe
from organza.schedule import Cosine, Point, Share

EASING = Cosine(1.0, 0.1, end=0.7)
"""Weight of the penalties: strict at first, then weaker, as G would otherwise never have to learn
fine lines."""

STRICTER = Cosine(3.0, 0.3, end=Share(0.7, most=56_000))
"""The same for codes, which have a sixth of the numbers (docs/lab-log.md, 51). In a long run they ease as soon as in one of 80,000 images:
longer under strict penalties, generators repeat themselves (docs/lab-log.md, 92)."""

SOON = Share(0.3, most=24_000)
"""Point where the rates begin to fall on codes: in a long run as soon as in one of 80,000 images."""

BURN_IN = Cosine(2.0, 0.2, end=0.2)
"""The same as R3GAN has it for faces at 64x64: Huang et al. 2024, arXiv:2501.05441, table of settings."""

QUIET, LOUD = 0.35, 2.5
"""Factors of the chromas in G's output and in D's input, which give plain colours sooner
(docs/lab-log.md, 43)."""

JITTER = Augment(0.0, (translation, cutout), always=(jitter,))
"""Augmentation: D's input is always shifted by a pixel or two, as D's strides would leave a grid in
G's images (docs/lab-log.md, 46). The rest is for runs that show D the same images often."""


CONTRAST = 0.05
"""Weight of the autoencoder's difference in local contrast: codes then keep thin lines, and become rougher, which the game is the
slower on the greater the weight (docs/lab-log.md, 96)."""


def falling(width: int, begin: Point = 0.3) -> Adam:
    """Return Adam with a learning rate that falls tenfold from some point on, in inverse proportion
    to the width: 2e-3 for 16 maps, and no more for fewer.

    A step of Adam changes each weight by about the rate, so a layer's output by the rate times its
    inputs: Yang et al. 2022, arXiv:2203.03466, table 3. At width 24 the rate of width 16 makes D
    diverge in the first minute (docs/lab-log.md, 28).
    """
    rate = 2e-3 * min(16 / width, 1.0)
    return Adam(Cosine(rate, rate / 10, begin=begin), 0.0, 0.99)


def swift() -> Recipe:
    """Return the recipe with many turns in little time, which achieves most in minutes."""
    return Recipe(
        name="swift",
        source="Loss and penalties of R3GAN (Huang et al. 2024, arXiv:2501.05441), the penalties by finite differences on a quarter of the "
        "batch, easing tenfold; in G resize-convolutions (Odena et al. 2016) with output skips (Karras et al. 2020, arXiv:1912.04958) and "
        "self-modulation (Chen et al. 2019, arXiv:1810.01365); in D DCGAN's convolutions without batch norm, at two scales (Wang et al. "
        "2018, arXiv:1711.11585), which see it moved by up to two pixels; both in opponent colours; Adam 2e-3 falling to 2e-4 (0, 0.99).",
        expect="Faces at 64x64: after 20,000 images, one to four minutes of a core, plain skin and hair, brows, pupils and mouths; after "
        "160,000 at width 16, 20 minutes of 2 cores, faces of many looks, hair of one colour with frayed edges. "
        "Fashion-MNIST at 28x28: garments of all kinds with smooth edges after 31,000, 80 seconds.",
        game=Partial(Unconditional),
        generator=Partial(skips.Generator, width=16, chroma=QUIET),
        discriminator=Partial(scales.Discriminator, width=16, chroma=LOUD),
        adversarial=relativistic,
        penalties=(Penalty(r1_finite, weight=EASING), Penalty(r2_finite, weight=EASING)),
        augment=JITTER,
        generator_optimizer=falling(16),
        discriminator_optimizer=falling(16),
        batch=16,
        average=10_000,
    )


def few_shot() -> Recipe:
    """Return `swift` for a few hundred images: D never sees the same one twice."""
    return replace(
        swift(),
        name="few-shot",
        source="swift, with differentiable augmentation (Zhao et al. 2020, arXiv:2006.10738): shifts and cut-out rectangles, on more and "
        "more images until half of the budget.",
        expect="300 faces at 64x64: faces of many kinds after 32,000 images, four minutes of one core.",
        augment=replace(JITTER, chance=Cosine(0.0, 0.8, end=0.5)),
    )


def latent() -> Recipe:
    """Return the latent GAN, `swift` on codes: an autoencoder is trained first, then the players on its small codes."""
    return replace(
        swift(),
        name="latent",
        source="Two stages as in Esser et al. 2021, arXiv:2012.09841: an autoencoder with noise on its codes (Ghosh et al. 2020, "
        "arXiv:1903.12436), absolute error and the error of local contrast, which keeps learning beside swift on codes of a fourth of "
        "the size, with penalties three times as strict.",
        expect="Faces at 64x64: round heads with eyes after 10,000 images, half a minute of one core, plain skin and closed outlines after "
        "20,000; after 190,000 at width 24, 37 minutes of a busy core, faces of many looks with clean outlines, eyes and "
        "mouths, and frayed hair. Below 48 pixels a side it gains nothing over swift.",
        game=Partial(LatentGAN, contrast=CONTRAST),
        generator=Partial(latent_networks.Generator, width=8, loud=1.5, quiet=0.5, range=standard, norm=one_scale),
        discriminator=Partial(latent_networks.Discriminator, width=8),
        penalties=(Penalty(r1_finite, weight=STRICTER), Penalty(r2_finite, weight=STRICTER)),
        generator_optimizer=falling(16, SOON),
        discriminator_optimizer=falling(16, SOON),
        augment=None,
        generator_warmup=8_000,
    )


def rates_of_r3(width: int) -> Adam:
    """Return Adam with a rate that falls fourfold, in inverse proportion to the width over f: 2e-4 for 192.

    2e-4 falling to 5e-5 (0, 0.99): Huang et al. 2024, arXiv:2501.05441, table of settings; in proportion to 1/width, 2e-4 at 768 maps:
    arXiv:2509.24935.
    """
    rate = 2e-4 * 192 / width
    return Adam(Cosine(rate, rate / 4), 0.0, 0.99)


def latent_wide() -> Recipe:
    """Return the latent GAN for GPUs: players of 15 million weights each on the codes, large batches."""
    return replace(
        latent(),
        name="latent-wide",
        source="latent, whose players are those of R3GAN (Huang et al. 2024, arXiv:2501.05441) at width 768 on codes of 16x16, with "
        "their settings for faces at 64x64: batch 256, Adam 2e-4 falling to 5e-5 (0, 0.99), penalties 2 falling to 0.2 over the first "
        "fifth, averages of up to 500,000 images; an autoencoder of four times latent's width.",
        expect="made for a GPU and not trained on one yet: neither its speed nor its images were seen. On a CPU a batch takes minutes.",
        generator=Partial(
            latent_networks.Generator,
            z_dim=64,
            width=192,
            brush=64,
            loud=1.5,
            quiet=0.5,
            range=standard,
            norm=one_scale,
            inner=r3.Generator,
        ),
        discriminator=Partial(r3.OfCodes, width=192),
        penalties=(Penalty(r1_finite, weight=BURN_IN), Penalty(r2_finite, weight=BURN_IN)),
        generator_optimizer=rates_of_r3(192),
        discriminator_optimizer=rates_of_r3(192),
        batch=256,
        generator_warmup=320_000,
        average=500_000,
    )


__getattr__ = forwarding(__name__, {"coded": "organza.recipes.swift:latent"})
