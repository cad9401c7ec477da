"""Diversity of a set of images, relative to that of real images."""

from __future__ import annotations

import math

from torch import Tensor
from torch.nn import functional as F

from organza.metrics.kernels import Estimate, checked
from organza.metrics.memorisation import RARE, nearest


def diversity(real: Tensor, fake: Tensor) -> Estimate:
    """Compute the mean perceptual distance of two fakes over that of two reals: 1 = as varied, 0 = all alike, above 1 = more varied.

    mean over i != j of 1 - cos(y_i, y_j), divided by the same of the reals; the perceptual distance of `paired.perceptual`, in the
    spirit of the LPIPS between samples of Zhu et al. 2017 (BicycleGAN), arXiv:1711.11586. All pairs are used, at the cost of a sum. Noise
    counts as diversity: consider precision as well.

    Args:
        real: features [m, d], m >= 3.
        fake: features [n, d], n >= 3.

    Raises:
        UserError: if there are too few rows, or features differ in dimension or are not finite.

    >>> import torch
    >>> diversity(torch.eye(4), torch.eye(4)[[0, 0, 1, 1]]).value  # of six pairs, two are alike
    0.6666666666666667
    """
    real, fake = checked(real, fake)
    among_real, among_fake = pairwise(real), pairwise(fake)
    if among_real.value <= 0:
        return Estimate(math.nan, math.nan)
    ratio = among_fake.value / among_real.value
    return Estimate(ratio, math.hypot(among_fake.error, ratio * among_real.error) / among_real.value)


def pairwise(x: Tensor) -> Estimate:
    """Compute the mean of 1 - cos(x_i, x_j) over pairs i != j of rows [n, d], and its jackknife error.

    >>> import torch
    >>> pairwise(torch.tensor([[1.0, 0.0], [0.0, 2.0], [0.0, 3.0]])).value
    0.6666666666666667
    """
    directions = F.normalize(x.double(), dim=1)
    n, total = len(x), directions.sum(0)
    others = directions @ total - directions.square().sum(1)  # sum over j != i of cos(x_i, x_j)
    mean = 1 - others.sum() / (n * (n - 1))
    without_one = 1 - (others.sum() - 2 * others) / ((n - 1) * (n - 2))
    variance = (n - 1) / n * (without_one - without_one.mean()).square().sum()
    return Estimate(mean.item(), math.sqrt(variance.item()))


def repeats(real: Tensor, fake: Tensor) -> Estimate:
    """Compute the share of fakes as near to another fake as only RARE of the reals are to another real: about RARE without repeats.

    It detects a case that the spread of a set does not: a generator that repeats three different images. Equal counts are used, since
    more neighbours are nearer.

    Args:
        real: features [m, d], m >= 3.
        fake: features [n, d], n >= 3.

    Raises:
        UserError: if there are too few rows, or features differ in dimension or are not finite.

    >>> import torch
    >>> x = torch.randn(100, 8, generator=torch.Generator().manual_seed(0))
    >>> repeats(x, x + 1).value, repeats(x, x[:3].repeat(34, 1)).value
    (0.02, 1.0)
    """
    real, fake = checked(real, fake)
    even = min(len(real), len(fake))
    usual, found = (nearest(side[:even], side[:even], itself=True)[0] for side in (real, fake))
    least = 1e-6 * real.square().sum(1).mean().sqrt()  # rounding error of zero
    share = (found <= usual.quantile(RARE).clamp(min=least)).double().mean().item()
    spread = max(share * (1 - share), RARE * (1 - RARE)) + RARE * (1 - RARE)
    return Estimate(share, math.sqrt(spread / even))


def between(x: Tensor) -> float:
    """Compute the share of the variance that lies between images: near 1 if they have nothing in common, near 0 for copies of one.

    between = mean_p Var_n x[n, p] / Var_np x[n, p]

    Args:
        x: images as rows, [N, d], N >= 2.

    >>> import torch
    >>> one = torch.linspace(0, 1, 100).expand(20, 100)
    >>> between(one) < 0.01 < 0.9 < between(one[0, torch.rand(20, 100).argsort()])
    True
    """
    return float(x.var(0).mean() / x.var().clamp_min(1e-12))


def apart(x: Tensor, y: Tensor) -> float:
    """Compute the squared distance of the mean images of two sets, in units of the first's variance.

    apart = mean_p (mean_n x[n, p] - mean_n y[n, p])^2 / Var_np x[n, p]

    Args:
        x: images as rows, [N, d].
        y: images of the other set, [M, d].

    >>> import torch
    >>> x = torch.linspace(0, 1, 100).expand(20, 100)
    >>> apart(x, x) < 0.01 < 1 < apart(x, 1 - x)
    True
    """
    return float((x.mean(0) - y.mean(0)).square().mean() / x.var().clamp_min(1e-12))
