"""Distances of vectors: zero for one distribution, closed forms, and a share of neighbourhoods that needs no scale."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from organza.data.points import drawn
from organza.metrics.vectors import alike, by_column, compared, correlations, energy, marginals, scales_mmd
from organza.networks.standard import Columns


def normal(count: int, columns: int, seed: int) -> torch.Tensor:
    return torch.randn(count, columns, generator=torch.Generator().manual_seed(seed))


def test_the_energy_distance_has_its_closed_form():
    """Of N(0, 1) and N(m, 1) in one dimension: 2 E|x - y| - 2 E|x - x'|, both folded normals (Székely and Rizzo 2013)."""
    shift = 1.5
    folded = 2 / np.pi**0.5 * np.exp(-(shift**2) / 4) + shift * float(torch.erf(torch.tensor(shift / 2)))
    value, error = energy(normal(3000, 1, 0), normal(3000, 1, 1) + shift)
    assert value == pytest.approx(2 * folded - 4 / np.pi**0.5, abs=5 * error)


def test_kolmogorov_smirnov_is_that_of_scipy():
    stats = pytest.importorskip("scipy.stats")
    x, y = normal(300, 2, 0), normal(200, 2, 1) * torch.tensor([1.0, 2.0])
    wanted = [stats.ks_2samp(x[:, k].numpy(), y[:, k].numpy()).statistic for k in range(2)]
    assert marginals(x, y).tolist() == pytest.approx(wanted)


def test_narrow_kernels_see_the_gaps_of_a_ring_which_the_median_does_not():
    table = Columns.measured(drawn("ring", 4000), ("x", "y"))
    real, same = (table.standardised(drawn("ring", 400, seed)) for seed in (1, 2))
    angle = torch.rand(400, generator=torch.Generator().manual_seed(0)) * 2 * np.pi
    circle = table.standardised(0.75 * torch.stack([angle.cos(), angle.sin()], 1).numpy())
    (near, error), (far, _) = scales_mmd(real, same), scales_mmd(real, circle)
    assert abs(near) < 3 * error
    assert far > 4 * error


def test_the_share_of_neighbourhoods_is_one_for_any_law_and_falls_with_modes_and_noise():
    for columns in (2, 20):
        found = compared(normal(400, columns, 0), normal(400, columns, 1))
        assert 0.85 < alike(found["coverage"].value, found["density"].value) < 1.15
    real, same = (torch.from_numpy(drawn("ring", 400, seed)) for seed in (1, 2))
    halved, noisy = same[same[:, 0] > 0], same + 0.15 * normal(400, 2, 0)
    for worse in (halved, noisy):
        found = compared(real, worse)
        assert alike(found["coverage"].value, found["density"].value) < 0.65


def test_columns_and_correlations_are_compared_in_their_own_units():
    table = Columns(("age", "income"), (40.0, 5000.0), (10.0, 100.0))
    real = normal(500, 2, 0)
    real[:, 1] = -real[:, 0]
    age, income = by_column(real, real * torch.tensor([1.0, 3.0]), table)
    assert (age.name, age.difference) == ("age", 0.0)
    assert income.made[1] == pytest.approx(3 * income.real[1])
    assert income.difference > 0.2
    assert correlations(real)[0, 1].item() == pytest.approx(-1)
    assert compared(real, normal(500, 2, 1))["correlations"].value == pytest.approx(0.5, abs=0.05)
