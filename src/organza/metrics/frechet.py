"""The Fréchet distance between two sets of features, each taken as one Gaussian."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from organza.metrics.kernels import checked


def frechet_distance(real: Tensor, fake: Tensor) -> float:
    """|mu_x - mu_y|^2 + tr(S_x + S_y - 2 (S_x S_y)^(1/2)), the squared Wasserstein-2 distance of two Gaussians.

    With Inception features this is the FID of Heusel et al. 2017, arXiv:1706.08500, equation 6; with others it has another scale: name
    the extractor with the number. It is biased upwards by an amount that falls with the counts: compare equal counts only.

    The trace of the square root is the sum of the singular values of A B^T, where S_x = A^T A and S_y = B^T B. No matrix square root
    is taken and nothing is clamped: this holds with fewer rows than dimensions, too.

    Args:
        real: features [m, d], m >= 2.
        fake: features [n, d], n >= 2.

    Raises:
        UserError: too few rows, or unlike or non-finite features.

    >>> x = torch.tensor([[-1.0], [0.0], [1.0]])
    >>> frechet_distance(x, 3 * x + 2)  # means 2 apart, deviations 2 apart
    8.0
    """
    real, fake = checked(real, fake, least=2)
    a, b = _factor(real), _factor(fake)
    root = torch.linalg.svdvals(a @ b.T).sum()
    distance = (real.mean(0) - fake.mean(0)).square().sum() + a.square().sum() + b.square().sum() - 2 * root
    return distance.item()


def _factor(x: Tensor) -> Tensor:
    """A matrix A of at most d rows, whose A^T A is the (unbiased) covariance of the rows of x."""
    centred = (x - x.mean(0)) / math.sqrt(len(x) - 1)
    # With many rows, the triangle of a QR decomposition has the same A^T A and is smaller.
    return centred if len(x) <= x.shape[1] else torch.linalg.qr(centred, mode="r").R
