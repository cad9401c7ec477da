"""Precision, recall, density and coverage: the definitions written out, and what they must see."""

import math

import pytest
import torch
from torch import Tensor

from organza.errors import UserError
from organza.metrics import manifold
from organza.metrics.manifold import Manifold, precision_recall_density_coverage


def draw(count: int, seed: int, dimension: int = 4) -> Tensor:
    return torch.randn(count, dimension, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def values(scores: Manifold) -> list[float]:
    return [score.value for score in scores]


def by_definition(real: Tensor, fake: Tensor, k: int) -> list[float]:
    def distance(x: Tensor, y: Tensor) -> float:
        return (x - y).norm().item()

    def radius(x: Tensor, items: Tensor) -> float:
        return sorted(distance(x, y) for y in items)[k]  # [0] is the point itself

    reals, fakes = [(x, radius(x, real)) for x in real], [(y, radius(y, fake)) for y in fake]
    return [
        sum(any(distance(x, y) <= r for x, r in reals) for y in fake) / len(fake),
        sum(any(distance(x, y) <= r for y, r in fakes) for x in real) / len(real),
        sum(distance(x, y) <= r for y in fake for x, r in reals) / (k * len(fake)),
        sum(any(distance(x, y) <= r for y in fake) for x, r in reals) / len(real),
    ]


@pytest.mark.parametrize("k", [1, 3])
@pytest.mark.parametrize("block", [5, 1024])
def test_is_what_the_papers_define(k: int, block: int, monkeypatch: pytest.MonkeyPatch):
    real, fake = draw(23, 0), draw(17, 1) * 0.6 + 0.4
    expected = by_definition(real, fake, k)
    assert all(value > 0 for value in expected)
    monkeypatch.setattr(manifold, "BLOCK", block)
    assert values(precision_recall_density_coverage(real, fake, k)) == pytest.approx(expected, abs=1e-6)


def test_same_distribution_scores_near_one():
    scores = precision_recall_density_coverage(draw(1000, 0), draw(1000, 1))
    assert min(values(scores)) > 0.9
    # Each of the k nearest of both sets together is a fake with probability 1/2: coverage is about 1 - 2^-k.
    assert scores.coverage.value == pytest.approx(1 - 2**-5, abs=0.02)


def test_dropped_modes_lower_coverage_and_recall_only():
    real = torch.cat([draw(250, 0), draw(250, 1) + 20])
    scores = precision_recall_density_coverage(real, draw(500, 2))
    assert scores.precision.value > 0.9
    assert scores.recall.value < 0.6
    assert scores.coverage.value < 0.6


def test_wrong_fakes_lower_precision_and_density_only():
    fake = torch.cat([draw(250, 0), draw(250, 1) + 20])
    scores = precision_recall_density_coverage(draw(500, 2), fake)
    assert scores.precision.value < 0.6
    assert scores.density.value < 0.6
    assert scores.recall.value > 0.9


@pytest.mark.parametrize(("count", "k", "word"), [(5, 5, "needs at least 6"), (9, 0, "k is 0")])
def test_too_few_for_k(count: int, k: int, word: str):
    with pytest.raises(UserError, match=word):
        precision_recall_density_coverage(draw(count, 0), draw(50, 1), k)


@pytest.mark.parametrize(("m", "n", "k"), [(60, 60, 3), (40, 90, 5), (90, 40, 2)])
def test_alike_sets_score_on_average_what_the_closed_forms_say(m: int, n: int, k: int):
    """Naeem et al. 2020, section 3: E density = 1, E coverage = 1 - (m-1)...(m-k) / (m+n-1)...(m+n-k)."""
    found = [precision_recall_density_coverage(draw(m, 2 * i), draw(n, 2 * i + 1), k) for i in range(200)]
    none_near = math.prod((m - j) / (m + n - j) for j in range(1, k + 1))
    for name, expected in (("density", n / n), ("coverage", 1 - none_near)):
        seen = torch.tensor([getattr(scores, name).value for scores in found])
        assert abs(seen.mean() - expected) < 4 * seen.std() / math.sqrt(len(seen)) + 0.03 * (name == "density")


def test_errors_are_those_of_the_fakes_given_the_balls():
    real = draw(200, 0)
    found = [precision_recall_density_coverage(real, draw(100, 1 + i) * 1.5) for i in range(100)]
    for name in ("precision", "density"):
        seen = torch.tensor([getattr(scores, name).value for scores in found]).std()
        told = torch.tensor([getattr(scores, name).error for scores in found]).mean()
        assert 0.75 * seen < told < 1.3 * seen
