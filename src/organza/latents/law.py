"""The law of a latent as tensors: centre, deviation and limits of each number.

Symbols: z [N, z_dim] a latent, u = (z - centre) / deviation its standard form.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from organza.networks.priors import Normal, OneHot, Prior, Uniform


@dataclass(frozen=True)
class Law:
    """Law of a latent, number by number.

    Args:
        prior: parts of a latent.
        centre: mean of each number, [z_dim].
        deviation: standard deviation of each number, [z_dim].
        low: least value of each number, [z_dim]; -inf if there is none.
        high: largest value of each number, [z_dim].
        free: numbers that may change continuously, bool [z_dim]: not those of a category.
        normal: numbers from a normal distribution, bool [z_dim].

    >>> law = Law.of((Normal(2, 5.0), Uniform(1), OneHot(3)))
    >>> law.free.tolist(), law.deviation[:2].tolist(), law.low[2].item()
    ([True, True, True, False, False, False], [5.0, 5.0], -1.0)
    """

    prior: Prior
    centre: Tensor
    deviation: Tensor
    low: Tensor
    high: Tensor
    free: Tensor
    normal: Tensor

    @classmethod
    def of(cls, prior: Prior) -> Law:
        """Return the law of a prior."""
        rows: list[tuple[float, float, float, float, bool, bool]] = []
        for part in prior:
            match part:
                case Normal(deviation=deviation):
                    one = (0.0, deviation, -math.inf, math.inf, True, True)
                case Uniform(low=low, high=high):
                    one = ((low + high) / 2, (high - low) / 12**0.5, low, high, True, False)
                case OneHot(size=size):
                    one = (1 / size, (1 / size * (1 - 1 / size)) ** 0.5, 0.0, 1.0, False, False)
            rows += [one] * part.size
        centre, deviation, low, high = torch.tensor([row[:4] for row in rows]).unbind(1)
        free, normal = torch.tensor([row[4:] for row in rows]).unbind(1)
        return cls(prior, centre, deviation, low, high, free, normal)

    def to(self, device: torch.device) -> Law:
        """Return the law with its tensors on a device."""
        parts = (self.centre, self.deviation, self.low, self.high, self.free, self.normal)
        return Law(self.prior, *(part.to(device) for part in parts))

    def standard(self, z: Tensor) -> Tensor:
        """Return u = (z - centre) / deviation, [..., z_dim]."""
        return (z - self.centre) / self.deviation

    def limited(self, z: Tensor) -> Tensor:
        """Return latents whose numbers are cut off at the ends of their law."""
        return torch.minimum(torch.maximum(z, self.low), self.high)

    def moved(self, z: Tensor, axis: Tensor, steps: Tensor | float) -> Tensor:
        """Return z + steps * deviation * axis, cut off at the ends of the law.

        Args:
            z: latents, [N, z_dim].
            axis: unit vector in standard form, [z_dim].
            steps: deviations to move by, a number or [N, 1].
        """
        return self.limited(z + steps * self.deviation * axis)
