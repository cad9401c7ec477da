"""The Fréchet distance: closed forms and the published implementation."""

import pytest
import torch
from torch import Tensor, nn
from torchmetrics.image.fid import FrechetInceptionDistance, _compute_fid

from organza.errors import UserError
from organza.metrics.frechet import frechet_distance


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
    real, fake = draw(200, 6, 0) @ draw(6, 6, 2), draw(150, 6, 1) @ draw(6, 6, 3) + 0.3
    moments = [moment for x in (real, fake) for moment in (x.mean(0), x.T.cov())]
    assert frechet_distance(real, fake) == pytest.approx(_compute_fid(*moments).item(), rel=1e-9)

    published = FrechetInceptionDistance(feature=Identity()).set_dtype(torch.float64)
    published.update(real, real=True)
    published.update(fake, real=False)
    assert frechet_distance(real, fake) == pytest.approx(published.compute().item(), rel=1e-6)


def test_fewer_rows_than_dimensions():
    real, fake = draw(20, 64, 0), draw(30, 64, 1)
    moments = [moment for x in (real, fake) for moment in (x.mean(0), x.T.cov())]
    # The published form takes square roots of eigenvalues that are zero but for rounding: hence the tolerance.
    assert frechet_distance(real, fake) == pytest.approx(_compute_fid(*moments).item(), rel=1e-5)


def test_a_set_against_itself():
    x = draw(100, 16, 0) * 10
    assert frechet_distance(x, x.flip(0)) == pytest.approx(0, abs=1e-9)


def test_one_row_has_no_covariance():
    with pytest.raises(UserError, match="needs 2"):
        frechet_distance(torch.zeros(1, 3), torch.zeros(5, 3))
