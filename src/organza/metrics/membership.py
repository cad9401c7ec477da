"""Membership test: the degree to which a discriminator's scores separate training images from unseen real ones.

Hayes et al. 2019, LOGAN, arXiv:1705.07663: the training images of a GAN that memorised them are those that its D finds most real.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from organza.errors import UserError
from organza.metrics.kernels import Estimate


def membership(members: Tensor, others: Tensor) -> Estimate:
    """Compute the probability that a training image scores higher than an unseen one (area under the ROC curve), and its standard error.

    A value of 1/2 reveals nothing. The error is that of Hanley and McNeil 1982, Radiology 143(1).

    Args:
        members: D's scores of training images, [m].
        others: D's scores of unseen real images, [n].

    Raises:
        UserError: if one of them is empty.

    >>> membership(torch.tensor([2.0, 3.0]), torch.tensor([0.0, 1.0])).value
    1.0
    >>> membership(torch.zeros(4), torch.zeros(4)).value
    0.5
    """
    m, n = len(members), len(others)
    if not m or not n:
        raise UserError("Membership needs scores of training images and of unseen ones; one of the two is empty.")
    ordered, places = torch.cat([members, others]).double().sort()
    _, which, counts = torch.unique_consecutive(ordered, return_inverse=True, return_counts=True)
    ends = counts.cumsum(0).double()
    ranks = torch.empty_like(ordered)
    ranks[places] = (ends - (counts - 1) / 2)[which]  # mean rank of equal scores
    area = ((ranks[:m].sum() - m * (m + 1) / 2) / (m * n)).item()
    above, below = area / (2 - area), 2 * area**2 / (1 + area)
    variance = (area * (1 - area) + (m - 1) * (above - area**2) + (n - 1) * (below - area**2)) / (m * n)
    return Estimate(area, math.sqrt(max(variance, 0.0)))
