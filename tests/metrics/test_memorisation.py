"""Memorisation: planted copies are found, honest samples are not accused, and the measure is that of unseen reals."""

import pytest
import torch
from torch import Tensor

from organza.metrics import memorisation as module
from organza.metrics.memorisation import RARE, memorisation


def draw(count: int, seed: int) -> Tensor:
    return torch.randn(count, 12, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("block", [7, 1024])
def test_nearest_by_definition(block: int, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "BLOCK", block)
    training, fake, unseen = draw(50, 0), draw(30, 1), draw(20, 2)
    found = memorisation(training, fake, unseen)
    distances = torch.cdist(fake, training)
    assert torch.allclose(found.distances, distances.min(1).values, atol=1e-6)
    assert torch.equal(found.nearest, distances.argmin(1))
    usual = torch.cdist(unseen, training).min(1).values
    assert found.nearness.value == pytest.approx(
        distances.min(1).values.median().item() / usual.median().item(), rel=1e-6
    )
    assert found.copies.value == pytest.approx((distances.min(1).values <= usual.quantile(RARE)).double().mean().item())

    alone = memorisation(training, fake)
    apart = (torch.cdist(training, training) + 1e9 * torch.eye(50)).min(1).values
    assert alone.nearness.value == pytest.approx(
        distances.min(1).values.median().item() / apart.median().item(), rel=1e-6
    )


@pytest.mark.parametrize("held_out", [True, False])
def test_honest_samples_are_not_accused(held_out: bool):
    shares = []
    for i in range(20):
        found = memorisation(draw(500, 3 * i), draw(300, 3 * i + 1), draw(300, 3 * i + 2) if held_out else None)
        assert abs(found.nearness.value - 1) < 4 * found.nearness.error
        shares.append(found.copies.value)
    assert abs(sum(shares) / 20 - RARE) < 0.01


@pytest.mark.parametrize("share", [0.05, 0.3, 1.0])
def test_planted_copies_are_found(share: float):
    training, fresh = draw(500, 0), draw(300, 1)
    count = int(300 * share)
    planted = torch.cat([training[:count] + 0.02 * draw(count, 3), fresh[count:]])
    found = memorisation(training, planted, draw(300, 2))
    assert abs(found.copies.value - share) < 0.03
    assert found.copies.value - RARE > 3 * found.copies.error
    assert found.nearest[found.distances.argsort()[:count]].sort().values.tolist() == list(range(count))
    if share == 1:
        assert found.nearness.value < 0.1


def test_exact_copies_are_found_where_unseen_reals_are_copies_too():
    """Data with every image in it twice: no distance is left to be below, and a copy is still one."""
    training = draw(100, 0)
    assert memorisation(training, training[:50], training[50:]).copies.value == 1.0
    assert memorisation(training, draw(50, 1), training[50:]).copies.value == 0.0
