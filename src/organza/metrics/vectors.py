"""Distances between sets of vectors, on standardised columns: no trained network, so that numbers are the same on every machine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from organza.errors import UserError
from organza.metrics.kernels import Estimate, checked, median_distance, mmd, squared_distances
from organza.metrics.manifold import precision_recall_density_coverage
from organza.metrics.memorisation import thumbnails
from organza.networks.standard import Columns

SCALES = (1.0, 0.5, 0.25, 0.125)
"""Bandwidths of the kernels, relative to the median distance of real vectors."""
NEIGHBOURS = 5
"""Neighbour whose distance is the radius of a ball: see `metrics.manifold`."""


class Standardised:
    """Features of vectors: their columns in units of the standard deviations of the training rows.

    Args:
        table: names and scale of the columns.

    >>> Standardised(Columns(("a", "b"), (1.0, 0.0), (2.0, 1.0)))(np.array([[3.0, 5.0]]))
    tensor([[1., 5.]])
    """

    name = "standardised columns"

    def __init__(self, table: Columns):
        self.table, self.dimension = table, len(table.names)

    def card(self) -> dict[str, Any]:
        """Return the conditions of the features, ready for JSON."""
        return {"name": self.name, "weights": "none", "columns": self.table.facts(), "bandwidths": list(SCALES)}

    def __call__(self, images: np.ndarray | Tensor) -> Tensor:
        """Return vectors [N, D] in units of the deviations, float32 [N, D].

        Raises:
            UserError: if they are not vectors of these columns.
        """
        if images.ndim != 2 or images.shape[1] != self.dimension:
            raise UserError(f"Vectors of {self.dimension} columns are compared, not {list(images.shape)}.")
        return self.table.standardised(images)


def compact(items: np.ndarray | Tensor, table: Columns | None = None) -> Tensor:
    """Return items as vectors in which near ones are alike: images and volumes as thumbnails, vectors by their standardised columns.

    Args:
        items: uint8 [N, H, W, C] or [N, D, H, W, C], or vectors [N, D] in their own units.
        table: columns of the vectors.
    """
    return thumbnails(items) if table is None else table.standardised(items)


def scales_mmd(real: Tensor, fake: Tensor) -> Estimate:
    """Compute the squared MMD of a mean of Gaussian kernels, of the median distance of the reals, its half, fourth and eighth.

    k(x, y) = mean_s exp(-|x - y|^2 / (s w)^2), s = 1, 1/2, 1/4, 1/8: a mixture of bandwidths as in Li et al. 2017, MMD GAN,
    arXiv:1705.08584, section 5. The median alone sees whole sets moved or spread, and hardly the gap between two modes of a mixture.

    Args:
        real: standardised vectors [m, D], m >= 3.
        fake: the same, [n, D], n >= 3.

    Raises:
        UserError: if there are too few rows, all reals are equal, or values are not finite.
    """
    width = median_distance(real)

    def kernel(x: Tensor, y: Tensor) -> Tensor:
        squares = squared_distances(x, y)
        return torch.stack([(-squares / (scale * width) ** 2).exp() for scale in SCALES]).mean(0)

    return mmd(real, fake, kernel)


def energy(real: Tensor, fake: Tensor) -> Estimate:
    """Compute the energy distance of two sets of vectors: 0 if both come from one distribution, unbiased, with its jackknife error.

    E = 2 mean |x_i - y_j| - mean |x_i - x_j| - mean |y_i - y_j|, i != j within a set: Székely and Rizzo 2013, J. Stat. Plan. Inference
    143, eq. 6. It has no bandwidth, and is the squared MMD of the kernel -|x - y| (Sejdinovic et al. 2013, arXiv:1207.6076).

    Args:
        real: standardised vectors [m, D], m >= 3.
        fake: the same, [n, D], n >= 3.

    Raises:
        UserError: if there are too few rows, or values are not finite.

    >>> energy(torch.zeros(3, 1), torch.ones(3, 1))
    Estimate(value=2.0, error=0.0)
    """
    return mmd(real, fake, lambda x, y: -squared_distances(x, y).sqrt())


def floor(real: Tensor, measure: Callable[[Tensor, Tensor], Estimate] = energy, times: int = 10) -> Estimate:
    """Compute a distance between random halves of a set, its mean over some splits and their deviation: what other samples of the same
    distribution come to.

    Args:
        real: vectors [m, D], m >= 6.
        measure: distance of two sets.
        times: number of splits.

    >>> x = torch.randn(200, 2, generator=torch.Generator().manual_seed(0))
    >>> value, error = floor(x)
    >>> abs(value) < 0.05, error < 0.05
    (True, True)
    """
    found, middle = [], len(real) // 2
    for seed in range(times):
        order = torch.randperm(len(real), generator=torch.Generator().manual_seed(seed))
        found.append(measure(real[order[:middle]], real[order[middle:]]).value)
    values = torch.tensor(found, dtype=torch.float64)
    return Estimate(values.mean().item(), values.std().item())


def marginals(real: Tensor, fake: Tensor) -> Tensor:
    """Compute the Kolmogorov-Smirnov statistic of each column, [D]: the largest difference of the shares below a value, 0 to 1.

    sup_t |F_real(t) - F_fake(t)|: Massey 1951, JASA 46; its mean over the columns is one minus the "column shapes" of SDMetrics (Patki et
    al. 2016, The Synthetic Data Vault).

    Args:
        real: vectors [m, D].
        fake: vectors [n, D].

    >>> marginals(torch.tensor([[0.0], [1.0]]), torch.tensor([[0.0], [5.0]]))
    tensor([0.5000], dtype=torch.float64)
    """
    real, fake = checked(real, fake, least=2)
    found = []
    for x, y in zip(real.T.contiguous(), fake.T.contiguous(), strict=True):
        every = torch.cat([x, y]).sort().values
        below = [torch.searchsorted(side.sort().values, every, right=True).double() / len(side) for side in (x, y)]
        found.append((below[0] - below[1]).abs().max())
    return torch.stack(found)


def correlations(x: Tensor) -> Tensor:
    """Compute Pearson's correlation of each pair of columns, [D, D]; 0 for a column of one value.

    >>> round(correlations(torch.tensor([[0.0, 1.0], [1.0, 0.0], [2.0, -1.0]]))[0, 1].item(), 6)
    -1.0
    """
    centred = x.double() - x.double().mean(0)
    length = centred.square().sum(0).sqrt()
    unit = centred / length.where(length > 0, torch.ones_like(length))
    return (unit.T @ unit).clamp(-1, 1)


class Column(NamedTuple):
    """One column of real and of generated vectors, in its own unit.

    Args:
        name: name of the column.
        real, made: mean and standard deviation of each side.
        difference: Kolmogorov-Smirnov statistic: see `marginals`.
    """

    name: str
    real: tuple[float, float]
    made: tuple[float, float]
    difference: float


def by_column(real: Tensor, fake: Tensor, table: Columns) -> tuple[Column, ...]:
    """Compare the columns of standardised vectors, [m, D] and [n, D], one by one.

    >>> table = Columns(("age",), (40.0,), (10.0,))
    >>> by_column(torch.tensor([[-1.0], [1.0]]), torch.tensor([[0.0], [1.0]]), table)[0].made
    (45.0, 5.0)
    """
    sides = [[side[:, column].double() for column in range(len(table.names))] for side in (real, fake)]
    means = [
        [float(x.mean()) * d + m for x, m, d in zip(side, table.means, table.deviations, strict=True)] for side in sides
    ]
    spreads = [[float(x.std(correction=0)) * d for x, d in zip(side, table.deviations, strict=True)] for side in sides]
    ours, theirs = (list(zip(mean, spread, strict=True)) for mean, spread in zip(means, spreads, strict=True))
    return tuple(map(Column, table.names, ours, theirs, marginals(real, fake).tolist()))


def compared(real: Tensor, fake: Tensor) -> dict[str, Estimate]:
    """Compute the numbers of vectors: MMD, energy distance and its floor, columns, pairs of columns, and the shares of neighbourhoods.

    columns = mean Kolmogorov-Smirnov statistic; correlations = mean |r_real - r_fake| / 2 over pairs, one minus the "column pair trends"
    of SDMetrics. Their errors are those of halves of the fakes.

    Args:
        real: standardised vectors [m, D].
        fake: the same, [n, D].
    """
    even = min(len(real), len(fake))
    shares = (
        precision_recall_density_coverage(real[:even], fake[:even], NEIGHBOURS)._asdict() if even > NEIGHBOURS else {}
    )
    return shares | {
        "mmd": scales_mmd(real, fake),
        "energy": energy(real, fake),
        "energy_floor": floor(real) if len(real) >= 6 else Estimate(0.0, 0.0),
        "columns": _halves(lambda some: marginals(real, some).mean().item(), fake),
        "correlations": _halves(lambda some: _difference(real, some), fake),
    }


def alike(coverage: float, density: float) -> float:
    """Return the share of real neighbourhoods that generated vectors meet, of those that other real vectors would: 0 to about 1.

    min(coverage / (1 - 2^-k), density): for one distribution and equal counts both are 1 on average, whatever the distribution and D
    (Naeem et al. 2020, arXiv:2002.09797, section 3.4). Missing modes lower the coverage, vectors between the modes the density.

    >>> alike(0.97, 1.2), alike(0.97, 0.1)
    (1.0..., 0.1)
    """
    return min(coverage / (1 - 2**-NEIGHBOURS), density)


def _difference(real: Tensor, fake: Tensor) -> float:
    rows, columns = torch.triu_indices(real.shape[1], real.shape[1], 1)
    return float(((correlations(real) - correlations(fake)).abs() / 2)[rows, columns].mean())


def _halves(measure: Callable[[Tensor], float], fake: Tensor) -> Estimate:
    """Return a number of a set, and half the difference of those of its halves."""
    one, other = measure(fake[::2]), measure(fake[1::2])
    return Estimate(measure(fake), abs(one - other) / 2)
