"""One evaluation of a generator: the distances of its samples from real images, and what the numbers depend on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from organza import __version__
from organza.metrics.kernels import Estimate, gaussian_mmd, kid


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
    split: str  # which part of the data: "held-out" or "training"
    seed: int  # of the latents
    version: str = __version__  # of organza


def evaluate(real_features: Tensor, fake_features: Tensor) -> dict[str, Estimate]:
    """The squared Gaussian-kernel MMD, which chooses the best checkpoint, and the cubic-kernel distance beside it. Not rounded.

    Args:
        real_features: [m, d], m >= 3.
        fake_features: [n, d], n >= 3, of the same extractor.

    Raises:
        UserError: too few rows, unlike or non-finite features, or reals that are all alike.

    >>> import torch
    >>> sorted(evaluate(torch.eye(4), torch.eye(4)))
    ['kid', 'mmd']
    """
    return {"mmd": gaussian_mmd(real_features, fake_features), "kid": kid(real_features, fake_features)}
