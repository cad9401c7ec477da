"""The metrics of one evaluation: samples against real images, in features, with the conditions of the numbers."""

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
"""Least number of images on each side of a thorough evaluation."""
LEAST_OF_CLASS = 10
"""Least number of images of a class on each side, for metrics of that class."""
HARMLESS = {"seed"}
"""Card entries that may differ between comparable numbers: the errors include the random sampling."""


@dataclass(frozen=True)
class Card:
    """Conditions of the numbers of an evaluation; numbers with different cards must not be compared. JSON: `dataclasses.asdict`.

    >>> from dataclasses import asdict
    >>> asdict(Card({"name": "lite0"}, real=1000, fake=500, split="held-out", seed=7, version="0.1.0"))["split"]
    'held-out'
    """

    extractor: dict[str, Any]  # card of the extractor
    real: int  # number of real images
    fake: int  # number of generated images
    split: str  # part of the data: "held-out" or "training" of a run's own, or "all" of a folder's
    seed: int  # random seed of the latents
    version: str = __version__  # version of organza
    data: str = ""  # fingerprint of the real images
    real_size: str = ""  # size before the extractor: width x height x channels
    fake_size: str = ""
    spread: str = "standard error"  # meaning of the number after ±


def unlike(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """List the differences of two cards that make their numbers incomparable; empty if they may be compared.

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
    """Compute the squared Gaussian-kernel MMD, which selects the best checkpoint, and the cubic-kernel distance. Not rounded.

    The MMD is the mean over the scales of the features; all other numbers are for the first scale, the images at full size.

    Args:
        real_features: [m, d] or [m, looks, d], m >= 3.
        fake_features: [n, d] or [n, looks, d], n >= 3, of the same extractor.

    Raises:
        UserError: if there are too few rows, features differ in dimension or are not finite, or all reals are equal.

    >>> import torch
    >>> sorted(evaluate(torch.eye(4), torch.eye(4)))
    ['kid', 'mmd']
    """
    return {
        "mmd": distance(real_features, fake_features),
        "kid": kid(as_they_are(real_features), as_they_are(fake_features)),
    }


def distance(real_features: Tensor, fake_features: Tensor, widths: Sequence[float] | None = None) -> Estimate:
    """Compute the mean over the scales of the squared Gaussian MMD. Its error is the mean of theirs, as the images are the same.

    Args:
        real_features: [m, d] or [m, looks, d], m >= 3.
        fake_features: [n, d] or [n, looks, d], n >= 3, of the same extractor.
        widths: bandwidth of the kernel for each scale; by default the median distance among the reals.

    Raises:
        UserError: if there are too few rows, features differ in dimension or are not finite, or all reals are equal.
    """
    pairs = zip(looks_of(real_features), looks_of(fake_features), strict=True)
    found = [
        gaussian_mmd(real, fake, None if widths is None else widths[look]) for look, (real, fake) in enumerate(pairs)
    ]
    return Estimate(float(np.mean([part.value for part in found])), float(np.mean([part.error for part in found])))


def thorough(real_features: Tensor, fake_features: Tensor) -> dict[str, Estimate]:
    """Compute all metrics of two sets of features: distances, quality and diversity, each with its standard error.

    Precision, recall, density and coverage use the first images of the larger side, as many as the smaller has, since they
    depend on the counts.

    Args:
        real_features: [m, d] or [m, looks, d], m >= 10.
        fake_features: [n, d] or [n, looks, d], n >= 10, of the same extractor.

    Raises:
        UserError: if there are too few rows, features differ in dimension or are not finite, or all reals are equal.

    >>> import torch
    >>> draw = torch.Generator().manual_seed(0)
    >>> list(thorough(torch.randn(30, 4, generator=draw), torch.randn(30, 4, generator=draw)))
    ['mmd', 'kid', 'frechet', 'frechet_infinite', 'precision', 'recall', 'density', 'coverage', 'diversity']
    """
    even = min(len(real_features), len(fake_features))
    if even < LEAST:
        raise UserError(
            f"{len(real_features)} real and {len(fake_features)} generated images are too few; at least {LEAST} of each are needed."
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
    """Compute the MMD and diversity of each class, all with the bandwidth of the whole set; classes with few images are left out.

    Args:
        real_features: [m, d] or [m, looks, d].
        real_classes: class of each real image, int [m], index into names.
        fake_features: [n, d] or [n, looks, d].
        fake_classes: requested class of each generated image, int [n].
        names: names of the classes.

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
