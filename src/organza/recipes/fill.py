"""Fill holes in images."""

from __future__ import annotations

from organza.config import Partial
from organza.data.masks import Masks
from organza.data.patches import Masked
from organza.games.fill import Fill
from organza.losses import relativistic
from organza.networks import copier, enlarger
from organza.optimizers import Adam
from organza.penalties import Penalty, r1_finite, r2_finite
from organza.recipe import Recipe
from organza.schedule import Cosine, Share


def fill_light() -> Recipe:
    """Return the recipe for holes of strokes and boxes, narrow to wide."""
    return Recipe(
        name="fill-light",
        source="Masks of strokes and boxes, a discriminator of patches that counts only those that touch the hole, and its features, as "
        "in LaMa (Suvorov et al. 2021, arXiv:2109.07161); copies from fixed distances where the image agrees with itself (He and Sun 2012; "
        "Yu et al. 2018, arXiv:1801.07892) over a nearly biharmonic surface (Chui and Mhaskar 2010), dilated convolutions (Yu and Koltun "
        "2016, arXiv:1511.07122); relativistic pairing loss, finite-difference penalties.",
        expect="48 photographs, before any training: perceptual distance a tenth below that of a biharmonic surface for medium and wide "
        "holes, and above it for narrow ones. Some thousand patches do not change that; a whole run was not measured.",
        game=Partial(Fill, l1=100.0, features=10.0),
        generator=Partial(copier.Generator, width=24, fine=8),
        discriminator=Partial(enlarger.Discriminator, width=16, depth=3),
        data=Partial(Masked, size=64, longest=640, masks=Masks()),
        adversarial=relativistic,
        penalties=(Penalty(r1_finite, weight=1e-6), Penalty(r2_finite, weight=1e-6)),  # of a sum of 64 logits
        generator_optimizer=Adam(Cosine(1e-3, 1e-4, begin=0.1, end=0.6), 0.9, 0.99),
        discriminator_optimizer=Adam(Cosine(5e-4, 1e-4, begin=0.6), 0.5, 0.99),
        batch=16,
        generator_warmup=Share(0.6),
        warmup=1_600,
        average=4_000,
        stop=(),
    )
