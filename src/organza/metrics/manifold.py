"""Quality and variety apart: how many fakes lie among the reals, and how much of the reals the fakes cover.

A set's manifold is taken as the balls around its points that reach to their k-th nearest neighbour.
Precision and recall: Kynkäänniemi et al. 2019, arXiv:1904.06991. Density and coverage: Naeem et al. 2020, arXiv:2002.09797.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from organza.errors import UserError
from organza.metrics.kernels import BLOCK, checked, squared_distances


class Manifold(NamedTuple):
    """Shares from 0 to 1, but density, which has no upper bound; where fake and real are alike, density and coverage are near 1."""

    precision: float
    recall: float
    density: float
    coverage: float


def precision_recall_density_coverage(real: Tensor, fake: Tensor, k: int = 5) -> Manifold:
    """How fakes and reals lie in each other's balls; r_k(p) is the distance from p to its k-th neighbour within its own set.

    precision = share of fakes in some real's ball;  recall = share of reals in some fake's ball;
    density = mean number of reals' balls around a fake, over k;  coverage = share of reals with a fake in their ball.

    All depend on k and on both counts: compare equal counts only. Time grows with (m + n)^2, memory with m + n.

    Args:
        real: features [m, d], m > k.
        fake: features [n, d], n > k.
        k: which neighbour gives a ball its radius; a point is not its own neighbour.

    Raises:
        UserError: too few rows for k, or unlike or non-finite features.

    >>> x = torch.arange(10.0)[:, None]
    >>> precision_recall_density_coverage(x, x + 100, k=3)
    Manifold(precision=0.0, recall=0.0, density=0.0, coverage=0.0)
    >>> precision_recall_density_coverage(x, x[:5], k=1)  # half the reals, exactly: nothing false, half missing but for the border
    Manifold(precision=1.0, recall=0.6, density=2.8, coverage=0.6)
    """
    if k < 1:
        raise UserError(f"k = {k} names no neighbour; use 1 or more.")
    real, fake = checked(real, fake, least=k + 1)
    real_radius, fake_radius = squared_radii(real, k), squared_radii(fake, k)
    around_fake = torch.zeros(len(fake))
    recalled, covered = [], []
    for start in range(0, len(real), BLOCK):
        distances = squared_distances(real[start : start + BLOCK], fake)  # [block, n]
        inside = distances <= real_radius[start : start + BLOCK, None]
        around_fake += inside.sum(0)
        covered.append(inside.any(1))
        recalled.append((distances <= fake_radius).any(1))
    return Manifold(
        (around_fake > 0).double().mean().item(),
        torch.cat(recalled).double().mean().item(),
        around_fake.double().mean().item() / k,
        torch.cat(covered).double().mean().item(),
    )


def squared_radii(x: Tensor, k: int) -> Tensor:
    """The squared distance from each row to its k-th nearest other row: [m, d] -> [m].

    >>> squared_radii(torch.tensor([[0.0], [1.0], [3.0]]), 1)
    tensor([1., 1., 4.])
    """
    radii = []
    for start in range(0, len(x), BLOCK):
        distances = squared_distances(x[start : start + BLOCK], x)
        nowhere = torch.full((len(distances),), torch.inf, dtype=x.dtype)  # a point is not its own neighbour
        radii.append(distances.diagonal_scatter(nowhere, start).kthvalue(k, dim=1).values)
    return torch.cat(radii)
