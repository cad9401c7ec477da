"""Priors: distributions of latents, as values that another program can read.

A latent z [N, z_dim] is a row of independent parts. A generator draws them from a stream
(`latent`); its `prior` describes the same distribution, for programs without torch. A contract test
compares the two.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True)
class Normal:
    """Numbers from N(0, deviation^2).

    Args:
        size: number of values.
        deviation: standard deviation of each.

    >>> Normal(100).facts()
    {'law': 'normal', 'size': 100, 'mean': 0.0, 'deviation': 1.0}
    """

    size: int
    deviation: float = 1.0

    def facts(self) -> dict[str, Any]:
        """Return the distribution for a file."""
        return {"law": "normal", "size": self.size, "mean": 0.0, "deviation": self.deviation}


@dataclass(frozen=True)
class Uniform:
    """Numbers from U(low, high).

    Args:
        size: number of values.
        low: lower end of each.
        high: upper end of each.
    """

    size: int
    low: float = -1.0
    high: float = 1.0

    def facts(self) -> dict[str, Any]:
        """Return the distribution for a file."""
        return {"law": "uniform", "size": self.size, "low": self.low, "high": self.high}


@dataclass(frozen=True)
class OneHot:
    """A 1 at one of so many places, each as likely as the others, and 0 elsewhere.

    Args:
        size: places.
    """

    size: int

    def facts(self) -> dict[str, Any]:
        """Return the distribution for a file."""
        return {"law": "one-hot", "size": self.size}


Prior = tuple[Normal | Uniform | OneHot, ...]
"""The parts of a latent, from its first number to its last."""


def shortened(prior: Prior, z_dim: int) -> Prior:
    """Return the law of the first z_dim numbers of a latent whose parts are of single numbers.

    >>> shortened((Normal(110),), 100)
    (Normal(size=100, deviation=1.0),)
    """
    parts = []
    for part in prior:
        if z_dim > 0:
            parts.append(replace(part, size=min(part.size, z_dim)))
        z_dim -= part.size
    return tuple(parts)
