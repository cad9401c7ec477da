"""Enlarge images: photographs, photographs as they come from the web, pixel art."""

from __future__ import annotations

from dataclasses import replace

from organza.config import Partial
from organza.data.degradation import Bicubic, Camera, Nearest
from organza.data.patches import Reduced
from organza.games.enlarge import Enlarge
from organza.losses import relativistic
from organza.networks import chooser, enlarger
from organza.optimizers import Adam
from organza.penalties import Penalty, r1_finite, r2_finite
from organza.recipe import Recipe
from organza.schedule import Cosine, Share


def enlarge_light() -> Recipe:
    """Return the recipe for photographs and artwork that were reduced well."""
    return Recipe(
        name="enlarge-light",
        source="Two stages as in SRGAN (Ledig et al. 2017, arXiv:1609.04802): absolute error, then the game. A compact network with pixel "
        "shuffle (Real-ESRGAN's, Wang et al. 2021, arXiv:2107.10833) of 24 feature maps and 4 residual blocks, a learned filter that "
        "begins as the cubic one and grain of a learned strength, relativistic pairing loss with finite-difference penalties, and the "
        "contrasts of details (Portilla and Simoncelli 2000) in place of a pretrained network's features.",
        expect="48 photographs, four times, 40,000 patches of warm-up: PSNR of held-out patches 0.8 dB above the cubic filter, 0.6 above "
        "Lanczos; 6,100 patches of the game lose 0.4 of it, the perceptual distance falls from 0.334 to 0.304 (Lanczos 0.347), the MMD "
        "of patches from 0.022 to 0.014 (0.028). Five minutes of one core. Twice, 20,000 patches each, nine minutes: 1.8 dB above the "
        "cubic filter, 0.7 of it lost, 0.112 to 0.097 (0.133), 0.0024 to -0.0020 (0.0049). On paintings the game gains neither distance.",
        game=Partial(Enlarge, factor=4, l1=300.0, features=0.0, texture=8.0),
        generator=Partial(enlarger.Generator, width=24, blocks=4, smooth=True, fine=8, grain=True),
        discriminator=Partial(enlarger.Discriminator, width=16, depth=2),
        data=Partial(
            Reduced, size=64, longest=600, degrade=Bicubic()
        ),  # sharp at its pixels, as a large photograph is not: log 89
        adversarial=relativistic,
        penalties=(Penalty(r1_finite, weight=1e-7), Penalty(r2_finite, weight=1e-7)),  # of a sum of 256 logits
        generator_optimizer=Adam(Cosine(1e-3, 2e-4, begin=0.1, end=0.5), 0.9, 0.99),
        discriminator_optimizer=Adam(Cosine(5e-4, 1e-4, begin=0.6), 0.5, 0.99),
        batch=16,
        generator_warmup=Share(0.5),
        warmup=1_600,
        average=2_000,
        stop=(),
    )


def enlarge_camera_light() -> Recipe:
    """Return the recipe for photographs with blur, noise and traces of JPEG."""
    return replace(
        enlarge_light(),
        name="enlarge-camera-light",
        source="enlarge-light, on the degradations of Real-ESRGAN (Wang et al. 2021, arXiv:2107.10833): blur, noise and JPEG, twice.",
        expect="Not trained to its end here.",
        data=Partial(Reduced, size=64, longest=600, degrade=Camera()),
    )


def enlarge_pixel_art_light() -> Recipe:
    """Return the recipe for pixel art."""
    return replace(
        enlarge_light(),
        name="enlarge-pixel-art-light",
        source="enlarge-light, twice the size, on images of which each second pixel was dropped. The network weighs the pixels nearby "
        "(kernel prediction, Bako et al. 2017, ACM TOG 36(4)), and learns by the squared error, as the median of what a pixel may be is a "
        "repeated one.",
        expect="177 figures, twice, 16,000 patches of warm-up: PSNR of held-out patches 2.0 dB above the cubic filter; 3,200 patches of "
        "the game lose 1.0 of it, crisp, the MMD of patches falls from 0.023 to 0.011 (cubic 0.027). Two minutes of one core.",
        game=Partial(Enlarge, factor=2, l1=300.0, features=0.0, texture=16.0, squared=True),
        generator=Partial(chooser.Generator, width=24, blocks=4),
        discriminator=Partial(enlarger.Discriminator, width=16, depth=2, contrast=4.0),
        data=Partial(Reduced, size=32, longest=0, degrade=Nearest()),
        penalties=(Penalty(r1_finite, weight=1e-6), Penalty(r2_finite, weight=1e-6)),
        generator_optimizer=Adam(Cosine(1e-3, 2e-4, begin=0.1, end=0.5), 0.9, 0.99),
    )
