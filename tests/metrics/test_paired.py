"""Distances of pairs: closed forms, and the published implementation."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from organza.errors import UserError
from organza.metrics import paired
from organza.metrics.paired import faithfulness, l1, perceptual, psnr, ssim

C1, C2 = 0.01**2, 0.03**2


def noisy(*shape: int, noise: float = 0.2) -> tuple[Tensor, Tensor]:
    """Random images in [0, 1], and the same with noise."""
    source = torch.Generator().manual_seed(0)
    x = torch.rand(shape, generator=source, dtype=torch.float64)
    return (x + noise * torch.randn(shape, generator=source, dtype=torch.float64)).clamp(0, 1), x


def test_l1_and_psnr_of_pictures_that_differ_by_a_constant():
    x = torch.full((2, 3, 8, 8), 0.25, dtype=torch.float64)
    y = x + torch.tensor([0.1, 0.5], dtype=torch.float64)[:, None, None, None]
    assert l1(x, y).tolist() == pytest.approx([0.1, 0.5])
    assert psnr(x, y).tolist() == pytest.approx([20.0, 20 * math.log10(2)])
    assert psnr(x, x).tolist() == [100.0, 100.0]  # infinite, held where a mean is still of use


def test_ssim_of_flat_pictures_compares_their_brightness_alone():
    x, y = torch.full((1, 1, 16, 16), 0.2).double(), torch.full((1, 1, 16, 16), 0.6).double()
    assert ssim(x, y).item() == pytest.approx((2 * 0.2 * 0.6 + C1) / (0.2**2 + 0.6**2 + C1))


def test_ssim_of_a_negative_is_that_of_means_and_covariances_by_hand():
    x = torch.tensor([[0.0, 1.0] * 8, [1.0, 0.0] * 8] * 8).double()[None, None]
    whole = ssim(x, 1 - x, window=3, sigma=1e9)  # flat 3x3 windows: 4 or 5 ones of 9
    m, n = 5 / 9, 4 / 9
    variance, covariance = m - m * m, -m * n
    by_hand = (2 * m * n + C1) * (2 * covariance + C2) / ((m * m + n * n + C1) * (2 * variance + C2))
    assert whole.item() == pytest.approx(by_hand)


@pytest.mark.parametrize("shape", [(3, 3, 40, 56), (2, 1, 64, 32), (2, 4, 33, 17)], ids=str)
def test_psnr_and_ssim_are_the_published_ones(shape: tuple[int, ...]):
    from torchmetrics.functional.image import peak_signal_noise_ratio, structural_similarity_index_measure

    x, y = noisy(*shape)
    published = peak_signal_noise_ratio(x, y, data_range=1.0, reduction="none", dim=(1, 2, 3))
    torch.testing.assert_close(psnr(x, y), published)
    _, everywhere = structural_similarity_index_measure(x, y, data_range=1.0, reduction="none", return_full_image=True)
    inside = (
        everywhere[..., 5:-5, 5:-5].flatten(1).mean(1)
    )  # torchmetrics adds windows that reach over the border; Wang et al. do not
    torch.testing.assert_close(ssim(x, y), inside)


def test_ssim_of_pictures_smaller_than_its_window():
    x, y = noisy(2, 3, 6, 9)
    assert ssim(x, x).tolist() == pytest.approx([1.0, 1.0])
    assert (ssim(x, y) < 0.99).all()


def test_perceptual_is_an_angle():
    x, y = torch.tensor([[1.0, 0.0], [1.0, 0.0], [2.0, 2.0]]), torch.tensor([[3.0, 0.0], [0.0, 1.0], [-1.0, -1.0]])
    assert perceptual(x, y).tolist() == pytest.approx([0.0, 1.0, 2.0])


def test_faithfulness_takes_a_few_pairs_at_a_time_and_knows_its_error(monkeypatch: pytest.MonkeyPatch):
    source = torch.Generator().manual_seed(1)
    made, target = (torch.randint(0, 256, (37, 16, 20, 3), generator=source, dtype=torch.uint8) for _ in "ab")
    found = faithfulness(made, target, lambda images: images.float().flatten(1))
    assert set(found) == {"l1", "psnr", "ssim", "perceptual"}
    each = (made.double() - target.double()).abs().flatten(1).mean(1) / 255
    assert found["l1"].value == pytest.approx(each.mean().item())
    assert found["l1"].error == pytest.approx((each.std() / 37**0.5).item())
    monkeypatch.setattr(paired, "AT_ONCE", 37)
    whole = faithfulness(made, target)
    assert {name: estimate.value for name, estimate in whole.items()} == pytest.approx(
        {name: found[name].value for name in whole}
    )


def test_pairs_of_unlike_shapes_and_no_pairs_are_refused():
    with pytest.raises(UserError, match="the same shape"):
        faithfulness(torch.zeros(1, 8, 8, 1, dtype=torch.uint8), torch.zeros(1, 8, 8, 3, dtype=torch.uint8))
    with pytest.raises(UserError, match="no pairs"):
        faithfulness(*(torch.zeros(0, 8, 8, 1, dtype=torch.uint8) for _ in "ab"))
