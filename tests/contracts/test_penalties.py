"""Every penalty against its closed form on a linear critic D(x) = w.x, where grad D = w everywhere."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from organza.game import Duel
from tests.contracts.discovery import PENALTIES

SHAPES = {"vectors": (6,), "images": (3, 4, 5), "volumes": (1, 3, 4, 5)}
NORM = 2.5
CLOSED = {
    "r1": NORM**2 / 2,
    "r2": NORM**2 / 2,
    "wgan_gp": (NORM - 1) ** 2,
    "dragan": (NORM - 1) ** 2,
    "r1_finite": NORM**2 / 2,
    "r2_finite": NORM**2 / 2,
}


class Linear(nn.Module):
    def __init__(self, shape: tuple[int, ...]):
        super().__init__()
        w = torch.randn(shape)
        self.w = nn.Parameter(w * NORM / w.norm())

    def forward(self, x: Tensor) -> Tensor:
        return (x * self.w).flatten(1).sum(1)


class Patches(nn.Module):
    """Two logits an item, whose sum is the linear critic."""

    def __init__(self, whole: Linear):
        super().__init__()
        self.whole = whole

    def forward(self, x: Tensor) -> Tensor:
        logit = self.whole(x)
        return torch.stack([0.25 * logit, 0.75 * logit], 1)


def values(name: str, critic: nn.Module, shape: tuple[int, ...], count: int) -> Tensor:
    torch.manual_seed(3)
    duel = Duel(critic, torch.randn(count, *shape).requires_grad_(), torch.randn(count, *shape).requires_grad_())
    return PENALTIES[name](duel, duel.judge(duel.real), duel.judge(duel.fake))


def test_every_penalty_has_a_closed_form():
    assert set(CLOSED) == set(PENALTIES)


@pytest.mark.parametrize("patches", [False, True])
@pytest.mark.parametrize("kind", SHAPES)
@pytest.mark.parametrize("name", CLOSED)
def test_closed_form_on_a_linear_critic(name: str, kind: str, patches: bool):
    torch.manual_seed(1)
    linear = Linear(SHAPES[kind])
    critic = Patches(linear) if patches else linear
    finite = name.endswith("finite")
    found = values(name, critic, SHAPES[kind], 16_000 if finite else 5)
    if (
        finite
    ):  # a draw has a relative deviation of sqrt(2): 4,000 draws (a quarter) have 2.2 %, so 4 deviations are 9 %
        assert found.mean().item() == pytest.approx(CLOSED[name], rel=0.09)
    else:
        assert found.shape == (5,)
        assert found.tolist() == pytest.approx([CLOSED[name]] * 5, rel=1e-4)


@pytest.mark.parametrize("name", CLOSED)
def test_gradients_reach_the_critics_weights(name: str):
    torch.manual_seed(1)
    critic = nn.Sequential(nn.Flatten(), nn.Linear(12, 8), nn.Tanh(), nn.Linear(8, 1), nn.Flatten(0))
    values(name, critic, (3, 2, 2), 8).mean().backward()
    for number, weight in enumerate(critic.parameters()):
        if weight.shape != (1,) and (number != 3):  # a last bias shifts all logits alike and has no say in a slope
            assert weight.grad is not None
            assert weight.grad.abs().sum() > 0


def test_finite_differences_agree_with_the_exact_penalty_on_a_curved_critic():
    torch.manual_seed(1)
    critic = nn.Sequential(nn.Linear(10, 32), nn.Tanh(), nn.Linear(32, 1), nn.Flatten(0))
    exact = values("r1", critic, (10,), 16_000).mean().item()
    assert values("r1_finite", critic, (10,), 16_000).mean().item() == pytest.approx(exact, rel=0.09)


def test_dragan_looks_around_the_data_and_nowhere_else():
    seen = []

    def critic(x: Tensor) -> Tensor:
        seen.append(x.detach())
        return x.flatten(1).sum(1)

    torch.manual_seed(2)
    real = torch.randn(512, 3, 4, 4)
    duel = Duel(critic, real, real + 100)
    PENALTIES["dragan"](duel, real, real)
    away = (seen[0] - real) / (0.5 * real.std())
    assert len(seen) == 1
    assert 0 <= away.min() < away.max() <= 1
    assert away.mean().item() == pytest.approx(0.25, abs=0.02)  # the mean of e u
    assert away.flatten(1).amax(1).std() > 0.2  # each item has a share of its own


def test_wgan_gp_looks_between_each_real_and_its_fake_at_a_share_of_its_own():
    seen = []

    def critic(x: Tensor) -> Tensor:
        seen.append(x.detach())
        return x.flatten(1).sum(1)

    torch.manual_seed(2)
    real, fake = torch.randn(512, 3, 4, 4), torch.randn(512, 3, 4, 4) + 5
    PENALTIES["wgan_gp"](Duel(critic, real, fake), real, real)
    shares = ((seen[0] - fake) / (real - fake)).flatten(1)
    assert len(seen) == 1
    torch.testing.assert_close(
        shares, shares[:, :1].expand_as(shares), atol=1e-4, rtol=0
    )  # one for all values of an item
    assert 0 <= shares.min() < 0.05 < 0.95 < shares.max() <= 1.0001
    assert shares[:, 0].mean().item() == pytest.approx(0.5, abs=0.05)
