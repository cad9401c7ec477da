"""Kernel distances: closed forms, the published implementation, and an error that is the error."""

import math

import pytest
import torch
from torch import Tensor
from torch.nn import Flatten

from organza.errors import UserError
from organza.metrics import kernels
from organza.metrics.kernels import gaussian_mmd, kid, median_distance, mmd
from organza.metrics.suite import evaluate


def draw(count: int, dimension: int, seed: int, mean: float = 0.0, deviation: float = 1.0) -> Tensor:
    return mean + deviation * torch.randn(
        count, dimension, generator=torch.Generator().manual_seed(seed), dtype=torch.float64
    )


def expected_kernel(width: float, dimension: int, shift: float, variance: float) -> float:
    """E exp(-|x - y|^2 / width^2) for x - y ~ N(shift in each dimension, variance)."""
    spread = width**2 + 2 * variance
    return (width**2 / spread) ** (dimension / 2) * math.exp(-dimension * shift**2 / spread)


@pytest.mark.parametrize(("shift", "deviation"), [(0.0, 1.0), (0.4, 1.0), (0.0, 1.5), (0.3, 0.7)])
def test_gaussian_mmd_is_on_average_what_it_is_for_two_gaussians(shift: float, deviation: float):
    width, d = 3.0, 4
    exact = expected_kernel(width, d, 0, 2) + expected_kernel(width, d, 0, 2 * deviation**2)
    exact -= 2 * expected_kernel(width, d, shift, 1 + deviation**2)
    # Sets of 8 and 6: a biased form would be off by some 1/8, thirty times the error of this mean.
    values = torch.tensor(
        [gaussian_mmd(draw(8, d, 2 * i), draw(6, d, 2 * i + 1, shift, deviation), width).value for i in range(1500)]
    )
    assert abs(values.mean().item() - exact) < 3.5 * values.std().item() / math.sqrt(len(values))


def test_a_set_against_itself_is_as_far_below_zero_as_its_diagonal_says():
    x = draw(30, 5, 0)
    values = (-torch.cdist(x, x).square() / 4).exp()
    others = (values.sum() - 30) / (30 * 29)
    assert gaussian_mmd(x, x, 2.0).value == pytest.approx(-2 * (1 - others.item()) / 30, rel=1e-12)


@pytest.mark.filterwarnings("ignore:Metric `Kernel Inception Distance`")
@pytest.mark.parametrize("dimension", [3, 64])
def test_kid_is_torchmetrics_kid(dimension: int):
    from torchmetrics.image.kid import KernelInceptionDistance, poly_mmd

    real, fake = draw(50, dimension, 0, 1), draw(50, dimension, 1, 1.2)
    assert kid(real, fake).value == pytest.approx(poly_mmd(real, fake).item(), rel=1e-10)

    published = KernelInceptionDistance(feature=Flatten(), subsets=1, subset_size=50).set_dtype(torch.float64)
    published.update(real, real=True)
    published.update(fake, real=False)
    assert kid(real, fake).value == pytest.approx(published.compute()[0].item(), rel=1e-5)


def by_hand(real: Tensor, fake: Tensor) -> float:
    """Unbiased MMD with the cubic kernel, pair by pair."""

    def mean(pairs: list[tuple[Tensor, Tensor]]) -> float:
        return sum((x @ y / len(x) + 1).item() ** 3 for x, y in pairs) / len(pairs)

    def others(items: Tensor) -> list[tuple[Tensor, Tensor]]:
        return [(x, y) for i, x in enumerate(items) for j, y in enumerate(items) if i != j]

    return mean(others(real)) + mean(others(fake)) - 2 * mean([(x, y) for x in real for y in fake])


def test_value_and_error_are_those_of_the_definition():
    real, fake = draw(6, 3, 0), draw(4, 3, 1, 0.5)
    estimate = kid(real, fake)
    assert estimate.value == pytest.approx(by_hand(real, fake), rel=1e-12)
    variance = 0.0
    for side in (0, 1):
        count = (6, 4)[side]
        without = [
            by_hand(*(torch.cat([x[:i], x[i + 1 :]]) if k == side else x for k, x in enumerate((real, fake))))
            for i in range(count)
        ]
        mean = sum(without) / count
        variance += (count - 1) / count * sum((value - mean) ** 2 for value in without)
    assert estimate.error == pytest.approx(math.sqrt(variance), rel=1e-10)


@pytest.mark.parametrize(("shift", "least", "most"), [(0.5, 0.85, 1.2), (0.0, 1.0, 1.7)])
def test_error_is_the_spread_over_independent_draws(shift: float, least: float, most: float):
    """Where the sets differ it is the spread; where they do not it is up to sqrt(2) too large, never too small."""
    estimates = [gaussian_mmd(draw(60, 4, 2 * i), draw(80, 4, 2 * i + 1, shift), 2.5) for i in range(400)]
    spread = torch.tensor([estimate.value for estimate in estimates]).std().item()
    errors = math.sqrt(sum(estimate.error**2 for estimate in estimates) / len(estimates))
    assert least < errors / spread < most


@pytest.mark.parametrize("metric", [gaussian_mmd, kid])
def test_order_and_blocks_do_not_matter(metric, monkeypatch: pytest.MonkeyPatch):
    real, fake = draw(40, 6, 0), draw(25, 6, 1, 0.3)
    whole = metric(real, fake)
    monkeypatch.setattr(kernels, "BLOCK", 7)
    assert metric(real.flip(0), fake.roll(3, 0)) == pytest.approx(whole, rel=1e-9)


def test_float32_features_lose_nothing_that_matters():
    real, fake = draw(200, 64, 0, 3), draw(200, 64, 1, 3.1)
    assert gaussian_mmd(real.float(), fake.float()).value == pytest.approx(gaussian_mmd(real, fake).value, rel=1e-5)


def test_median_distance(monkeypatch: pytest.MonkeyPatch):
    x = draw(101, 3, 0)
    exact = torch.nn.functional.pdist(x).median().item()
    assert median_distance(x) == pytest.approx(exact, rel=1e-6)
    monkeypatch.setattr(kernels, "BLOCK", 10)
    assert median_distance(x) == pytest.approx(exact, rel=1e-6)
    assert median_distance(x, most=60) == pytest.approx(torch.nn.functional.pdist(x[::2]).median().item(), rel=1e-6)


def test_mostly_copies_still_have_a_bandwidth():
    x = torch.cat([torch.full((9, 4), 3.3), torch.full((1, 4), 4.3)])
    assert median_distance(x) == pytest.approx(2 * 9 / 45, rel=1e-5)  # 9 of the 45 pairs are 2 apart


def test_bounded_kernel_and_unbounded_one_disagree_about_an_outlier():
    real, fake = draw(100, 8, 0), draw(100, 8, 1)
    fake[0] = 100
    assert gaussian_mmd(real, fake).value < 0.05
    assert kid(real, fake).value > 100


@pytest.mark.parametrize(
    ("real", "fake", "word"),
    [
        (torch.zeros(5, 3), torch.zeros(5, 4), "cannot be compared"),
        (torch.zeros(5), torch.zeros(5), "cannot be compared"),
        (draw(2, 3, 0), draw(9, 3, 0), "needs at least 3"),
        (draw(9, 3, 0), draw(0, 3, 0), "needs at least 3"),
        (draw(9, 3, 0), torch.full((4, 3), torch.nan), "generated images are not all finite"),
        (torch.ones(9, 3), draw(9, 3, 0), "all equal"),
        (torch.full((9, 3), 0.1), draw(9, 3, 0), "all equal"),
    ],
)
def test_mistakes_are_told_in_words(real: Tensor, fake: Tensor, word: str):
    with pytest.raises(UserError, match=word):
        evaluate(real, fake)


def test_evaluate_holds_both_distances():
    real, fake = draw(20, 4, 0), draw(20, 4, 1)
    assert evaluate(real, fake) == {"mmd": gaussian_mmd(real, fake), "kid": kid(real, fake)}


def test_any_kernel_may_be_used():
    real, fake = draw(2000, 2, 0, 1), draw(2000, 2, 1, 3)
    linear = mmd(real, fake, lambda x, y: x @ y.T)
    assert linear.value == pytest.approx(
        8, abs=4 * linear.error
    )  # the squared distance of the means: 2 dimensions, 2 apart
