"""Evidence of a verdict: the measurements of a run, and conclusions from several of them."""

from __future__ import annotations

import math
from dataclasses import dataclass

from organza.metrics.damage import Damage
from organza.metrics.kernels import Estimate
from organza.run import health
from organza.run.health import Vitals
from organza.stop import Check, best

SURE = 3.0
"""Standard errors beyond which a difference is believed."""
ONE_IMAGE = 0.2
"""Share of the variance between images, of thumbnails, below which they are nearly one image: copies of one, moved by a pixel and a little
brighter or darker, have 0.06, and of 22 kinds of images none had less than 0.42 (docs/lab-log.md, 63)."""
NOISE = 0.1
"""Contrast that images keep at a quarter of their size, below which they are noise: that of every pixel for itself keeps 0.04, and of 22
kinds of images none less than 0.24 (docs/lab-log.md, 63)."""


@dataclass(frozen=True)
class Evidence:
    """Measurements that a verdict is drawn from. A field is None if it was not measured.

    Args:
        trained_on, held_out: number of training and of held-out images.
        checks: evaluations in the order of time.
        variety: spread of the samples over that of real images, at the best evaluation; of features, or else of thumbnails.
        repeats: share of samples that repeat another: see `metrics.diversity.repeats`.
        nearness, copies: see `metrics.memorisation`.
        knows_training, knows_held_out: share of training and of held-out images that D classifies as real.
        kind: rule that ended the run; "" if it has not ended.
        reason: reason for its end in words.
        translates: True if images are made from images.
        images: images seen; None if they do not matter.
        vitals: health readings of the evaluations.
        pieces, blurred: distances of damaged real images, see `metrics.damage`.
        between, apart: variance between real images, and distance of the mean sample: see `metrics.diversity`.
        kept: share of the contrast between neighbours that real images keep at a quarter of their size: see `data.detail`.
        alike: share of neighbourhoods that vectors fill, at the best evaluation: see `metrics.vectors.alike`.
    """

    trained_on: int
    held_out: int
    checks: tuple[Check, ...] = ()
    variety: Estimate | None = None
    repeats: Estimate | None = None
    nearness: Estimate | None = None
    copies: Estimate | None = None
    knows_training: Estimate | None = None
    knows_held_out: Estimate | None = None
    kind: str = ""
    reason: str = ""
    translates: bool = False
    images: int | None = None
    vitals: tuple[Vitals, ...] = ()
    pieces: float | None = None
    blurred: float | None = None
    between: float | None = None
    apart: float | None = None
    kept: float | None = None
    alike: float | None = None

    @property
    def noise(self) -> bool:
        """True if neighbours in the real images have nothing to do with each other."""
        return self.kept is not None and self.kept < NOISE

    @property
    def one_image(self) -> bool:
        """True if the data are nearly one image, so that samples which are all alike are right."""
        return self.between is not None and self.between < ONE_IMAGE and not self.translates

    @property
    def drawn(self) -> bool:
        """True if the mean sample is that one image, nearly."""
        return self.apart is not None and self.apart < ONE_IMAGE

    @property
    def damage(self) -> Damage | None:
        """Distances of damaged real images, if both were measured."""
        return None if self.pieces is None or self.blurred is None else Damage(self.pieces, self.blurred)


def collapse(seen: Evidence) -> health.Finding | None:
    """Return the finding of mode collapse at the best evaluation, or None."""
    return health.collapse(best_vitals(seen), _before(seen))


def young(seen: Evidence) -> bool:
    """Return True if the run has seen too few images for samples that are all alike to mean anything."""
    found = collapse(seen)
    return bool(found and not found.grave and seen.images is not None and seen.images < health.BEGINNING)


def best_vitals(seen: Evidence) -> Vitals:
    """Return the vitals at the best evaluation, completed by the measurements of the report, which shows these samples."""
    if seen.checks:
        least = best(seen.checks)
        told = next((one for one in seen.vitals if one.images == least.images), None)
        found = told or Vitals(least.images, least.distance, least.error)
    else:
        found = Vitals(seen.images or 0, math.nan, math.nan)
    variety = found.variety if seen.variety is None else seen.variety.value
    return found._replace(variety=variety, repeats=repeated(seen) if seen.held_out else None)


def _before(seen: Evidence) -> list[Vitals]:
    return [one for one in seen.vitals if one.images < best_vitals(seen).images]


def repeated(seen: Evidence) -> float:
    """Return the share of samples that repeat another, less three standard errors."""
    return 0.0 if seen.repeats is None else seen.repeats.value - SURE * seen.repeats.error
