"""One evaluation of a generator: its samples against real images, in features, and what the numbers depend on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

from organza.errors import UserError
from organza.metrics.diversity import diversity
from organza.metrics.extractors.multiscale import as_they_are, looks_of
from organza.metrics.frechet import frechet
from organza.metrics.kernels import Estimate, gaussian_mmd, kid, median_distance
from organza.metrics.manifold import precision_recall_density_coverage
from organza.version import __version__

LEAST = 10
"""Images on each side of a thorough evaluation."""
LEAST_OF_CLASS = 10
"""Images of a class on each side, for numbers of its own."""
HARMLESS = {"seed"}
"""What cards may differ in without making numbers unlike: the luck of the draw is what the errors are for."""


@dataclass(frozen=True)
class Card:
    """What the numbers of an evaluation depend on; numbers with unlike cards must not be compared. JSON: `dataclasses.asdict`.

    >>> from dataclasses import asdict
    >>> asdict(Card({"name": "lite0"}, real=1000, fake=500, split="held-out", seed=7, version="0.1.0"))["split"]
    'held-out'
    """

    extractor: dict[str, Any]  # the extractor's own card
    real: int  # how many real images
    fake: int  # how many generated ones
    split: str  # which part of the data: "held-out" or "training" of a run's own, or "all" of a folder's
    seed: int  # of the latents
    version: str = __version__  # of organza
    data: str = ""  # fingerprint of the real images
    real_size: str = ""  # as they came to the extractor: width x height x channels
    fake_size: str = ""
    spread: str = "standard error"  # what stands behind the ±


def unlike(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """What makes the numbers of two cards unlike, in words; nothing where they may be compared.

    >>> unlike({"real": 500, "seed": 1}, {"real": 1000, "seed": 2})
    ['real (500 and 1000)']
    """
    found = []
    for name in {**one, **other}:
        a, b = one.get(name), other.get(name)
        if name in HARMLESS or a == b:
            continue
        if isinstance(a, Mapping) and isinstance(b, Mapping):
            found += [f"{name} {part}" for part in unlike(a, b)]
        else:
            found.append(f"{name} ({_short(a)} and {_short(b)})")
    return found


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 40 else text[:12] + "..."


def evaluate(real_features: Tensor, fake_features: Tensor) -> dict[str, Estimate]:
    """The squared Gaussian-kernel MMD, which chooses the best checkpoint, and the cubic-kernel distance beside it. Not rounded.

    Of several looks at each image the MMD is the mean; all other numbers are of the first look, the images as they are.

    Args:
        real_features: [m, d] or [m, looks, d], m >= 3.
        fake_features: [n, d] or [n, looks, d], n >= 3, of the same extractor.

    Raises:
        UserError: too few rows, unlike or non-finite features, or reals that are all alike.

    >>> import torch
    >>> sorted(evaluate(torch.eye(4), torch.eye(4)))
    ['kid', 'mmd']
    """
    return {
        "mmd": distance(real_features, fake_features),
        "kid": kid(as_they_are(real_features), as_they_are(fake_features)),
    }


def distance(real_features: Tensor, fake_features: Tensor, widths: Sequence[float] | None = None) -> Estimate:
    """The mean over the looks of the squared Gaussian MMD. Its error is the mean of theirs: they look at the same images.

    Args:
        real_features: [m, d] or [m, looks, d], m >= 3.
        fake_features: [n, d] or [n, looks, d], n >= 3, of the same extractor.
        widths: of the kernel, one a look; by default the median distance among the reals.

    Raises:
        UserError: too few rows, unlike or non-finite features, or reals that are all alike.
    """
    pairs = zip(looks_of(real_features), looks_of(fake_features), strict=True)
    found = [
        gaussian_mmd(real, fake, None if widths is None else widths[look]) for look, (real, fake) in enumerate(pairs)
    ]
    return Estimate(float(np.mean([part.value for part in found])), float(np.mean([part.error for part in found])))


def thorough(real_features: Tensor, fake_features: Tensor) -> dict[str, Estimate]:
    """All that two sets of features tell of each other: distances, quality and variety apart, each with its standard error.

    Precision, recall, density and coverage are taken on the first images of the larger side, as many as the smaller has: with unlike
    counts they would depend on the counts.

    Args:
        real_features: [m, d] or [m, looks, d], m >= 10.
        fake_features: [n, d] or [n, looks, d], n >= 10, of the same extractor.

    Raises:
        UserError: too few rows, unlike or non-finite features, or reals that are all alike.

    >>> import torch
    >>> draw = torch.Generator().manual_seed(0)
    >>> list(thorough(torch.randn(30, 4, generator=draw), torch.randn(30, 4, generator=draw)))
    ['mmd', 'kid', 'frechet', 'frechet_infinite', 'precision', 'recall', 'density', 'coverage', 'diversity']
    """
    even = min(len(real_features), len(fake_features))
    if even < LEAST:
        raise UserError(
            f"{len(real_features)} real and {len(fake_features)} generated images are too few; {LEAST} of each are the least."
        )
    scores = evaluate(real_features, fake_features)
    real_features, fake_features = as_they_are(real_features), as_they_are(fake_features)
    apart, infinite = frechet(real_features, fake_features)
    scores |= {"frechet": apart, "frechet_infinite": infinite}
    scores |= precision_recall_density_coverage(real_features[:even], fake_features[:even])._asdict()
    return scores | {"diversity": diversity(real_features, fake_features)}


def by_class(
    real_features: Tensor,
    real_classes: np.ndarray,
    fake_features: Tensor,
    fake_classes: np.ndarray,
    names: Sequence[str],
) -> dict[str, dict[str, Estimate]]:
    """MMD and diversity of each class by itself, all with the bandwidth of the whole; classes with few images are left out.

    Args:
        real_features: [m, d] or [m, looks, d]; real_classes: int [m], index into names.
        fake_features: as the real ones, [n, ...]; fake_classes: int [n], the classes that were asked for.
        names: of the classes.

    >>> import torch
    >>> x, classes = torch.randn(40, 3, generator=torch.Generator().manual_seed(0)), np.arange(40) // 20
    >>> {name: list(scores) for name, scores in by_class(x, classes, x[:25], classes[:25], ["cat", "dog"]).items()}
    {'cat': ['mmd', 'diversity']}
    """
    widths, found = [median_distance(look) for look in looks_of(real_features)], {}
    for index, name in enumerate(names):
        real, fake = real_features[real_classes == index], fake_features[fake_classes == index]
        if min(len(real), len(fake)) >= LEAST_OF_CLASS:
            varied = diversity(as_they_are(real), as_they_are(fake))
            found[name] = {"mmd": distance(real, fake, widths), "diversity": varied}
    return found
