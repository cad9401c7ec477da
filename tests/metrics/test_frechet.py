"""The Fréchet distance: closed forms and the published implementation."""

import pytest
import torch
from torch import Tensor, nn

from organza.errors import UserError
from organza.metrics.frechet import BLOCKS, Frechet, _Parts, frechet, frechet_distance
from organza.seeding import permutation


def draw(count: int, dimension: int, seed: int) -> Tensor:
    return torch.randn(count, dimension, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def whitened(count: int, dimension: int, seed: int) -> Tensor:
    """Rows whose mean is 0 and whose covariance is 1, exactly."""
    x = draw(count, dimension, seed)
    return torch.linalg.qr(x - x.mean(0)).Q * (count - 1) ** 0.5


def test_closed_form_of_two_gaussians():
    a, b = torch.tensor([1.0, 2.0, 3.0]).double(), torch.tensor([2.0, 2.0, 5.0]).double()
    shift = torch.tensor([1.0, 0.0, -2.0]).double()
    # Covariances that commute: |shift|^2 + |a - b|^2.
    assert frechet_distance(whitened(50, 3, 0) * a, whitened(40, 3, 1) * b + shift) == pytest.approx(5 + 5, rel=1e-10)


class Identity(nn.Module):
    num_features = 6

    def forward(self, features: Tensor) -> Tensor:
        return features


def test_is_torchmetrics_fid():
    from torchmetrics.image.fid import FrechetInceptionDistance, _compute_fid

    real, fake = draw(200, 6, 0) @ draw(6, 6, 2), draw(150, 6, 1) @ draw(6, 6, 3) + 0.3
    moments = [moment for x in (real, fake) for moment in (x.mean(0), x.T.cov())]
    assert frechet_distance(real, fake) == pytest.approx(_compute_fid(*moments).item(), rel=1e-9)

    published = FrechetInceptionDistance(feature=Identity()).set_dtype(torch.float64)
    published.update(real, real=True)
    published.update(fake, real=False)
    assert frechet_distance(real, fake) == pytest.approx(published.compute().item(), rel=1e-6)


def test_fewer_rows_than_dimensions():
    from torchmetrics.image.fid import _compute_fid

    real, fake = draw(20, 64, 0), draw(30, 64, 1)
    moments = [moment for x in (real, fake) for moment in (x.mean(0), x.T.cov())]
    # The published form takes square roots of eigenvalues that are zero but for rounding: hence the tolerance.
    assert frechet_distance(real, fake) == pytest.approx(_compute_fid(*moments).item(), rel=1e-5)


def test_a_set_against_itself():
    x = draw(100, 16, 0) * 10
    assert frechet_distance(x, x.flip(0)) == pytest.approx(0, abs=1e-9)


def test_one_row_has_no_covariance():
    with pytest.raises(UserError, match="needs at least 2"):
        frechet_distance(torch.zeros(1, 3), torch.zeros(5, 3))


def test_parts_are_measured_as_the_whole_is():
    """The moments of blocks, added, against rows; with fewer and with more rows than dimensions."""
    for m, n, d in ((40, 60, 8), (60, 40, 8), (25, 60, 64), (60, 25, 64), (30, 30, 64)):
        fixed, varying = draw(m, d, 0) + 1, draw(n, d, 1) * 1.5 - 3
        parts, every = _Parts(fixed, varying), list(range(BLOCKS))
        assert parts.distance(every) == (pytest.approx(frechet_distance(fixed, varying), rel=1e-6), n)
        order = permutation(n, "frechet", n)
        some = torch.cat([varying[order].tensor_split(BLOCKS)[block] for block in (0, 3, 4)])
        assert parts.distance([0, 3, 4]) == (pytest.approx(frechet_distance(fixed, some), rel=1e-6), len(some))


def test_the_extrapolation_removes_the_bias_and_the_errors_are_the_errors():
    d, truth = 16, 16 * 0.3**2  # means 0.3 apart in each dimension
    found = [frechet(draw(300, d, 2 * i), draw(300, d, 2 * i + 1) + 0.3) for i in range(60)]
    plain, infinite = (torch.tensor([getattr(one, name).value for one in found]) for name in Frechet._fields)
    assert plain.mean() - truth > 0.4  # a quarter and more too large
    assert abs(infinite.mean() - truth) < 0.1
    for name, values in zip(Frechet._fields, (plain, infinite), strict=True):
        told = torch.tensor([getattr(one, name).error for one in found]).mean()
        assert 0.7 * values.std() < told < 1.6 * values.std()


def test_ten_rows_are_needed_for_errors():
    with pytest.raises(UserError, match="needs at least 10"):
        frechet(draw(9, 3, 0), draw(50, 3, 1))
