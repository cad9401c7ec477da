"""Enlarge images: photographs, photographs as they come from the web, pixel art."""

from __future__ import annotations

from dataclasses import replace

from organza.config import Partial
from organza.data.degradation import Bicubic, Camera, Nearest
from organza.data.patches import Reduced
from organza.games.enlarge import Enlarge
from organza.losses import relativistic
from organza.networks import enlarger
from organza.optimizers import Adam
from organza.penalties import Penalty, r1_finite, r2_finite
from organza.recipe import Recipe
from organza.schedule import Cosine

WARM_UP = 48_000
"""Patches of the warm-up."""


def enlarge_light() -> Recipe:
    """Return the recipe for photographs and artwork that were reduced well."""
    falling = Adam(Cosine(1e-3, 5e-5, begin=0.2), 0.9, 0.99)
    return Recipe(
        name="enlarge-light",
        source="Two stages as in SRGAN (Ledig et al. 2017, arXiv:1609.04802): absolute error, then the game. A compact network with pixel "
        "shuffle (Real-ESRGAN's, Wang et al. 2021, arXiv:2107.10833) of 24 feature maps and 4 residual blocks, relativistic pairing "
        "loss with finite-difference penalties, and D's features (pix2pixHD) in place of a pretrained network's.",
        expect="25 photographs, four times: after 34,000 patches, a minute and a half of one core, 0.5 dB above the cubic filter by "
        "PSNR on held-out patches, and a perceptual distance of 0.25 (Lanczos 0.27): sharper edges, no new texture yet.",
        game=Partial(Enlarge, factor=4, l1=10.0, features=1.0),
        generator=Partial(enlarger.Generator, width=24, blocks=4),
        discriminator=Partial(enlarger.Discriminator, width=16, depth=2),
        data=Partial(Reduced, size=64, longest=1600, degrade=Bicubic()),
        adversarial=relativistic,
        penalties=(Penalty(r1_finite, weight=0.001), Penalty(r2_finite, weight=0.001)),
        generator_optimizer=falling,
        discriminator_optimizer=Adam(Cosine(1e-3, 1e-4, begin=0.2), 0.5, 0.99),
        batch=16,
        generator_warmup=WARM_UP,
        warmup=1_600,
        average=4_000,
        stop=(),
    )


def enlarge_camera_light() -> Recipe:
    """Return the recipe for photographs with blur, noise and traces of JPEG."""
    return replace(
        enlarge_light(),
        name="enlarge-camera-light",
        source="enlarge-light, on the degradations of Real-ESRGAN (Wang et al. 2021, arXiv:2107.10833): blur, noise and JPEG, twice.",
        expect="Not trained to its end here.",
        data=Partial(Reduced, size=64, longest=1600, degrade=Camera()),
    )


def enlarge_pixel_art_light() -> Recipe:
    """Return the recipe for pixel art."""
    return replace(
        enlarge_light(),
        name="enlarge-pixel-art-light",
        source="enlarge-light, twice the size, on images of which each second pixel was dropped.",
        expect="Crawl's tiles, twice: crisp pixels, and after 30,000 patches no others than repeating them makes.",
        game=Partial(Enlarge, factor=2, l1=10.0, features=1.0),
        data=Partial(Reduced, size=32, longest=0, degrade=Nearest()),
    )
