"""Quality and diversity separately: the share of fakes among the reals, and the share of the reals covered by fakes.

The manifold of a set is approximated by balls around its points, up to their k-th nearest neighbour.
Precision and recall: Kynkäänniemi et al. 2019, arXiv:1904.06991. Density and coverage: Naeem et al. 2020, arXiv:2002.09797.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from organza.errors import UserError
from organza.metrics.kernels import BLOCK, Estimate, checked, squared_distances


class Manifold(NamedTuple):
    """Shares from 0 to 1, except for density, which has no upper bound; if fakes and reals are alike, all are near 1.

    For equal distributions and counts, density is 1 and coverage 1 - 2^-k on average. The errors are those of a mean over the fakes
    (precision, density) or the reals (recall, coverage), for given balls: they do not include the sampling of the balls' centres.
    """

    precision: Estimate
    recall: Estimate
    density: Estimate
    coverage: Estimate


def precision_recall_density_coverage(real: Tensor, fake: Tensor, k: int = 5) -> Manifold:
    """Compute precision, recall, density and coverage; r_k(p) is the distance from p to its k-th neighbour within its own set.

    precision = share of fakes in some real's ball;  recall = share of reals in some fake's ball;
    density = mean number of reals' balls around a fake, over k;  coverage = share of reals with a fake in their ball.

    All depend on k and on both counts: compare equal counts only. Time grows with (m + n)^2, memory with m + n.

    Args:
        real: features [m, d], m > k.
        fake: features [n, d], n > k.
        k: index of the neighbour that gives a ball its radius; a point is not its own neighbour.

    Raises:
        UserError: if there are too few rows for k, or features differ in dimension or are not finite.

    >>> x = torch.arange(10.0)[:, None]
    >>> [share.value for share in precision_recall_density_coverage(x, x + 100, k=3)]
    [0.0, 0.0, 0.0, 0.0]
    >>> scores = precision_recall_density_coverage(x, x[:5], k=1)  # half the reals, exactly
    >>> [share.value for share in scores]  # nothing false, half missing but for the border
    [1.0, 0.6, 2.8, 0.6]
    """
    if k < 1:
        raise UserError(f"k is {k}; it must be at least 1.")
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
        _share(around_fake > 0),
        _share(torch.cat(recalled)),
        _mean(around_fake.double() / k),
        _share(torch.cat(covered)),
    )


def _share(yes: Tensor) -> Estimate:
    """Return a share and its binomial error, with half a success and half a failure added, so that it is never 0."""
    near = (yes.sum().item() + 0.5) / (len(yes) + 1)
    return Estimate(yes.double().mean().item(), math.sqrt(near * (1 - near) / len(yes)))


def _mean(values: Tensor) -> Estimate:
    return Estimate(values.mean().item(), values.std().item() / math.sqrt(len(values)))


def squared_radii(x: Tensor, k: int) -> Tensor:
    """Compute the squared distance from each row to its k-th nearest other row: [m, d] -> [m].

    >>> squared_radii(torch.tensor([[0.0], [1.0], [3.0]]), 1)
    tensor([1., 1., 4.])
    """
    radii = []
    for start in range(0, len(x), BLOCK):
        distances = squared_distances(x[start : start + BLOCK], x)
        nowhere = torch.full((len(distances),), torch.inf, dtype=x.dtype)  # a point is not its own neighbour
        radii.append(distances.diagonal_scatter(nowhere, start).kthvalue(k, dim=1).values)
    return torch.cat(radii)
