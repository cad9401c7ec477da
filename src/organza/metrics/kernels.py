"""Kernel distances between two sets of features: maximum mean discrepancies, unbiased, with their standard errors.

Gretton et al. 2012, "A kernel two-sample test", JMLR 13. For a kernel k, reals x_1..x_m and fakes y_1..y_n,

    MMD^2 = mean of k(x_i, x_j) over i != j  +  mean of k(y_i, y_j) over i != j  -  2 mean of k(x_i, y_j)

is zero on average if both come from one distribution (a little below zero as often as above), and positive otherwise.
All sums use float64 on the CPU, by blocks of rows: memory grows with m + n, time with (m + n)^2.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from organza.errors import UserError

Kernel = Callable[[Tensor, Tensor], Tensor]
"""Function of [m, d] and [n, d] that returns the kernel's values [m, n]."""

BLOCK = 1024
"""Rows of a kernel matrix in memory at once: 80 MB against 10,000 columns."""


class Estimate(NamedTuple):
    """A number and its standard error."""

    value: float
    error: float


def gaussian_mmd(real: Tensor, fake: Tensor, bandwidth: float | None = None) -> Estimate:
    """Compute the squared MMD with a Gaussian kernel: k(x, y) = exp(-|x - y|^2 / bandwidth^2).

    The kernel is bounded, so that a few outliers do not dominate: it orders early training as the eye does, while `kid` does not.
    From 0 (alike) to about 1; a single image repeated, far from the reals, comes near 1 + the mean of k over the reals.
    Used for images by Jayasumana et al. 2024 (CMMD), arXiv:2401.09603, with other features and bandwidth.

    Args:
        real: features [m, d], m >= 3.
        fake: features [n, d], n >= 3.
        bandwidth: bandwidth of the kernel; by default the median distance among the reals, so that runs on the same reals compare. Equal
            to sqrt(2) sigma in papers that write exp(-|x - y|^2 / (2 sigma^2)).

    Raises:
        UserError: if there are too few rows, features differ in dimension or are not finite, or (without a bandwidth) all reals are equal.

    >>> draw = torch.Generator().manual_seed(0)
    >>> x, y = torch.randn(200, 8, generator=draw), torch.randn(200, 8, generator=draw)
    >>> same, other = gaussian_mmd(x, y), gaussian_mmd(x, y + 1)
    >>> abs(same.value) < 3 * same.error, other.value > 10 * other.error
    (True, True)
    """
    real, fake = checked(real, fake)
    width = median_distance(real) if bandwidth is None else bandwidth
    return mmd(real, fake, lambda x, y: (-squared_distances(x, y) / width**2).exp())


def kid(real: Tensor, fake: Tensor) -> Estimate:
    """Compute the kernel distance with the cubic kernel k(x, y) = (x.y / d + 1)^3, over all pairs rather than subsets.

    With Inception features this is the KID of Bińkowski et al. 2018, arXiv:1801.01401, section 4; with others it has another scale:
    state the extractor with the number. The kernel is unbounded and dominated by the length of the features.

    Args:
        real: features [m, d], m >= 3.
        fake: features [n, d], n >= 3.

    Raises:
        UserError: if there are too few rows, or features differ in dimension or are not finite.

    >>> kid(torch.zeros(3, 2), torch.ones(3, 2))  # 1 + 2^3 - 2
    Estimate(value=7.0, error=0.0)
    """
    real, fake = checked(real, fake)
    return mmd(real, fake, lambda x, y: (x @ y.T / x.shape[1] + 1) ** 3)


def mmd(real: Tensor, fake: Tensor, kernel: Kernel) -> Estimate:
    """Compute the unbiased squared MMD with any kernel, and its jackknife error.

    The error is from leaving out one row at a time, on both sides: sqrt((m-1)/m sum (U_-i - mean)^2 + the same for the fakes).
    Each U_-i is a closed form of the rows' sums, so it costs nothing beyond the kernel's values. It tends to be too large rather than
    too small: if both sets come from one distribution, by a factor of up to sqrt(2). It includes the sampling error of both sides;
    two numbers against the same reals differ by less.

    Args:
        real: features [m, d], m >= 3.
        fake: features [n, d], n >= 3.
        kernel: symmetric function [m, d], [n, d] -> [m, n].

    Raises:
        UserError: if there are too few rows, or features differ in dimension or are not finite.

    >>> mmd(torch.zeros(3, 1), torch.ones(3, 1), lambda x, y: x @ y.T)  # a linear kernel: the squared distance of the means
    Estimate(value=1.0, error=0.0)
    """
    real, fake = checked(real, fake)
    among_reals, among_fakes = _sums_of_others(real, kernel), _sums_of_others(fake, kernel)  # [m], [n]
    across_reals, across_fakes = _sums_across(real, fake, kernel)  # [m], [n]
    m, n, total = len(real), len(fake), across_reals.sum()

    a, b, c = _mean_of_pairs(among_reals), _mean_of_pairs(among_fakes), total / (m * n)
    without_real = _means_without_one(among_reals) + b - 2 * (total - across_reals) / ((m - 1) * n)
    without_fake = a + _means_without_one(among_fakes) - 2 * (total - across_fakes) / (m * (n - 1))
    variance = _jackknife_variance(without_real) + _jackknife_variance(without_fake)
    return Estimate((a + b - 2 * c).item(), math.sqrt(variance.item()))


def checked(real: Tensor, fake: Tensor, least: int = 3) -> tuple[Tensor, Tensor]:
    """Return both sets as finite float64 on the CPU, of one dimension and with at least `least` rows.

    Raises:
        UserError: if this is not possible.
    """
    if real.ndim != 2 or fake.ndim != 2 or real.shape[1] != fake.shape[1]:
        raise UserError(
            f"Features of shape {list(real.shape)} and {list(fake.shape)} cannot be compared: use [count, dimension] of one extractor."
        )
    if min(len(real), len(fake)) < least:
        raise UserError(
            f"{len(real)} real and {len(fake)} generated images were given; a distance needs at least {least} of each."
        )
    for name, features in (("real", real), ("generated", fake)):
        if not features.isfinite().all():
            raise UserError(
                f"The features of the {name} images are not all finite, so they cannot be compared; check the images."
            )
    return real.detach().to("cpu", torch.float64), fake.detach().to("cpu", torch.float64)


def squared_distances(x: Tensor, y: Tensor) -> Tensor:
    """Compute |x_i - y_j|^2 = |x_i|^2 + |y_j|^2 - 2 x_i.y_j: [m, d], [n, d] -> [m, n], never negative.

    >>> squared_distances(torch.zeros(1, 2), torch.tensor([[3.0, 4.0]]))
    tensor([[25.]])
    """
    return torch.addmm(x.square().sum(1, keepdim=True) + y.square().sum(1), x, y.T, alpha=-2).clamp(min=0)


def median_distance(real: Tensor, most: int = 10_000) -> float:
    """Compute the median of |x_i - x_j| over pairs i < j; the mean distance if most pairs are copies.

    Args:
        real: features [m, d], m >= 2.
        most: largest number of rows; if there are more, evenly spaced ones are used, so that the pairs fit in memory.

    Raises:
        UserError: if all rows are equal.

    >>> median_distance(torch.tensor([[0.0], [1.0], [3.0]]))
    2.0
    """
    some = real.double()[:: -(-len(real) // most)]
    distances = torch.cat(
        [
            squared_distances(block, some)
            .sqrt()
            .float()[torch.ones(len(block), len(some), dtype=torch.bool).triu(start + 1)]
            for start, block in _blocks(some)
        ]
    )
    # Copies have a distance of about 1e-7 of their length, not 0: the rounding of squared distances.
    least = 1e-6 * some.square().sum(1).mean().sqrt().item()
    width = next((w for w in (distances.median().item(), distances.mean().item()) if w > least), None)
    if width is None:
        raise UserError(
            f"The features of the {len(real)} real images are all equal; a distance needs different images."
        )
    return width


def _blocks(x: Tensor) -> Iterator[tuple[int, Tensor]]:
    return ((start, x[start : start + BLOCK]) for start in range(0, len(x), BLOCK))


def _sums_of_others(x: Tensor, kernel: Kernel) -> Tensor:
    """Return the sums over j != i of k(x_i, x_j), [m]. The diagonal is removed before adding, as it may dominate."""
    return torch.cat(
        [
            kernel(block, x).diagonal_scatter(torch.zeros(len(block), dtype=x.dtype), start).sum(1)
            for start, block in _blocks(x)
        ]
    )


def _sums_across(x: Tensor, y: Tensor, kernel: Kernel) -> tuple[Tensor, Tensor]:
    """Return the sums of k(x_i, y_j) over j, [m], and over i, [n]."""
    rows, columns = [], torch.zeros(len(y), dtype=y.dtype)
    for _, block in _blocks(x):
        values = kernel(block, y)
        rows.append(values.sum(1))
        columns += values.sum(0)
    return torch.cat(rows), columns


def _mean_of_pairs(sums: Tensor) -> Tensor:
    return sums.sum() / (len(sums) * (len(sums) - 1))


def _means_without_one(sums: Tensor) -> Tensor:
    """Return the mean over the pairs without i, for each i: i is in 2 sums_i of the total."""
    return (sums.sum() - 2 * sums) / ((len(sums) - 1) * (len(sums) - 2))


def _jackknife_variance(without_one: Tensor) -> Tensor:
    n = len(without_one)
    return (n - 1) / n * (without_one - without_one.mean()).square().sum()
