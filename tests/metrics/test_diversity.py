"""Diversity: all pairs written out, what it must see, and an error that is the error."""

import math

import pytest
import torch
from torch import Tensor

from organza.metrics.diversity import diversity, pairwise
from organza.metrics.paired import perceptual


def draw(count: int, seed: int, mean: float = 0.5) -> Tensor:
    return mean + torch.randn(count, 8, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def by_hand(x: Tensor) -> float:
    distances = [perceptual(a[None], b[None]).item() for i, a in enumerate(x) for j, b in enumerate(x) if i != j]
    return sum(distances) / len(distances)


def test_is_the_mean_over_pairs_and_its_error_that_of_leaving_one_out():
    x = draw(12, 0)
    assert pairwise(x).value == pytest.approx(by_hand(x), rel=1e-12)
    without = torch.tensor([by_hand(torch.cat([x[:i], x[i + 1 :]])) for i in range(12)])
    assert pairwise(x).error == pytest.approx(
        (11 / 12 * (without - without.mean()).square().sum()).sqrt().item(), rel=1e-6
    )


def test_alike_is_one_and_repetition_is_less():
    real, fake = draw(400, 0), draw(400, 1)
    same = diversity(real, fake)
    assert abs(same.value - 1) < 3 * same.error
    assert diversity(real, fake[:1].repeat(400, 1)).value == pytest.approx(0, abs=1e-9)
    assert diversity(real, fake[:4].repeat(100, 1)).value < 0.9
    assert diversity(real, draw(400, 2, mean=1.5)).value < 0.5  # directions closer together


def test_the_error_is_the_error():
    found = [diversity(draw(150, 2 * i), draw(150, 2 * i + 1)) for i in range(80)]
    seen = torch.tensor([one.value for one in found]).std()
    assert 0.75 * seen < torch.tensor([one.error for one in found]).mean() < 1.4 * seen


def test_reals_that_are_all_alike_have_no_ratio():
    assert math.isnan(diversity(torch.ones(5, 3), draw(5, 0)[:, :3]).value)
