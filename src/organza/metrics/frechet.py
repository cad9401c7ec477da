"""Fréchet distance of two sets of features, each approximated by a Gaussian, and its extrapolation to infinitely many images."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from organza.metrics.kernels import Estimate, checked
from organza.seeding import permutation

BLOCKS = 10
"""Random parts of each set: leaving out one at a time gives the error, halves of them the bias."""


class Frechet(NamedTuple):
    """The distance as measured, and extrapolated without the bias of finite counts."""

    distance: Estimate
    infinite: Estimate


def frechet_distance(real: Tensor, fake: Tensor) -> float:
    """Compute |mu_x - mu_y|^2 + tr(S_x + S_y - 2 (S_x S_y)^(1/2)), the squared Wasserstein-2 distance of two Gaussians.

    With Inception features this is the FID of Heusel et al. 2017, arXiv:1706.08500, equation 6; with others it has another scale: state
    the extractor with the number. Its upward bias falls with the counts: compare equal counts only.

    The trace of the square root is the sum of the singular values of A B^T, where S_x = A^T A and S_y = B^T B. This needs no matrix
    square root and no clamping, and also holds with fewer rows than dimensions.

    Args:
        real: features [m, d], m >= 2.
        fake: features [n, d], n >= 2.

    Raises:
        UserError: if there are too few rows, or features differ in dimension or are not finite.

    >>> x = torch.tensor([[-1.0], [0.0], [1.0]])
    >>> frechet_distance(x, 3 * x + 2)  # means 2 apart, deviations 2 apart
    8.0
    """
    real, fake = checked(real, fake, least=2)
    a, b = _factor(real), _factor(fake)
    root = torch.linalg.svdvals(a @ b.T).sum()
    distance = (real.mean(0) - fake.mean(0)).square().sum() + a.square().sum() + b.square().sum() - 2 * root
    return distance.item()


def frechet(real: Tensor, fake: Tensor) -> Frechet:
    """Compute the distance and its extrapolation to infinitely many images on both sides, with jackknife errors.

    The bias of the distance is nearly b / n on each side: Chong & Forsyth 2020, "Effectively unbiased FID and Inception Score",
    arXiv:1911.07023, who fit a line to distances of parts of the fakes. Here reals are few as well, so each side has its line,
    through the whole and the mean of its two halves; smaller parts are outside of the linear range. Below about
    1,000 images a side the curve is not linear yet, and `infinite` stays too large.

    The errors are jackknife errors from leaving out a tenth of a side at a time.

    Args:
        real: features [m, d], m >= 10.
        fake: features [n, d], n >= 10.

    Raises:
        UserError: if there are too few rows, or features differ in dimension or are not finite.

    >>> draw = torch.Generator().manual_seed(0)
    >>> x, y = torch.randn(400, 8, generator=draw), torch.randn(400, 8, generator=draw)
    >>> measured = frechet(x, y)
    >>> measured.distance.value > 0.1 > abs(measured.infinite.value)
    True
    """
    real, fake = checked(real, fake, least=BLOCKS)
    whole, infinite, errors = frechet_distance(real, fake), 0.0, []
    for fixed, varying in ((real, fake), (fake, real)):
        distances, biases = _jackknifed(fixed, varying)
        infinite -= biases[0].item()
        errors.append([_deviation(distances[1:]), _deviation((distances - biases)[1:])])
    measured, extrapolated = (math.hypot(*both) for both in zip(*errors, strict=True))
    return Frechet(Estimate(whole, measured), Estimate(whole + infinite, extrapolated))


def _factor(x: Tensor) -> Tensor:
    """Return a matrix A of at most d rows, whose A^T A is the (unbiased) covariance of the rows of x."""
    centred = (x - x.mean(0)) / math.sqrt(len(x) - 1)
    # With many rows, the triangle of a QR decomposition has the same A^T A and is smaller.
    return centred if len(x) <= x.shape[1] else torch.linalg.qr(centred, mode="r").R


def _jackknifed(fixed: Tensor, varying: Tensor) -> tuple[Tensor, Tensor]:
    """Return distances and their bias from the count of `varying`: of the whole, and without one block at a time, [1 + BLOCKS] each."""
    parts = _Parts(fixed, varying)
    every = list(range(BLOCKS))
    halves = [every[::2], every[1::2]]
    of_halves = [parts.distance(half) for half in halves]
    distances, owed = [], []
    for left_out in [None, *every]:  # the unchanged half is not computed again: most of the time is spent here
        whole, count = parts.distance([block for block in every if block != left_out])
        smaller = [
            parts.distance([block for block in half if block != left_out]) if left_out in half else known
            for half, known in zip(halves, of_halves, strict=True)
        ]
        rise = sum(distance for distance, _ in smaller) / 2 - whole
        distances.append(whole)
        owed.append(rise / (sum(1 / few for _, few in smaller) / 2 - 1 / count) / count)
    return torch.tensor(distances), torch.tensor(owed)


def _deviation(without_one: Tensor) -> float:
    """Return the jackknife standard error."""
    count = len(without_one)
    return math.sqrt((count - 1) / count * (without_one - without_one.mean()).square().sum().item())


class _Parts:
    """Distances of parts of a set from a fixed one. The moments of each block are computed once, and added for a part."""

    def __init__(self, fixed: Tensor, varying: Tensor):
        a, centre = _factor(fixed), varying.mean(0)
        self.away, self.spread = fixed.mean(0) - centre, a.square().sum()
        rows = (varying - centre)[permutation(len(varying), "frechet", len(varying))]
        seen = rows
        if len(rows) < len(a):  # few rows span few dimensions: nothing outside of them contributes
            basis = torch.linalg.qr(rows.T).Q
            a, seen = torch.linalg.qr(a @ basis, mode="r").R, rows @ basis
        blocks = [
            (one, two @ a.T) for one, two in zip(rows.tensor_split(BLOCKS), seen.tensor_split(BLOCKS), strict=True)
        ]
        self.counts = torch.tensor([len(one) for one, _ in blocks])
        self.sums = torch.stack([one.sum(0) for one, _ in blocks])  # [BLOCKS, d]
        self.squares = torch.stack([one.square().sum() for one, _ in blocks])  # [BLOCKS]
        self.seen = torch.stack([two.sum(0) for _, two in blocks])  # [BLOCKS, r]
        self.products = torch.stack([two.T @ two for _, two in blocks])  # [BLOCKS, r, r]

    def distance(self, blocks: Sequence[int]) -> tuple[float, int]:
        """Return the distance of these blocks together, and their number of rows."""
        n = self.counts[blocks].sum()
        mean, seen = self.sums[blocks].sum(0) / n, self.seen[blocks].sum(0) / n
        variance = (self.squares[blocks].sum() - n * mean.square().sum()) / (n - 1)
        between = (self.products[blocks].sum(0) - n * seen[:, None] * seen) / (n - 1)  # A S_y A^T
        root = torch.linalg.eigvalsh(between).clamp(min=0).sqrt().sum()
        return ((self.away - mean).square().sum() + self.spread + variance - 2 * root).item(), int(n)
