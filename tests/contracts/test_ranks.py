"""Every recipe on several ranks: the gradients of the whole batch, and equal bytes on all ranks after twenty steps.

Gradients are compared, not weights: Adam turns a rounding difference into a step of the learning rate where the true gradient is near zero.
They are compared in float64, as float32 rounds those of finite differences to 1e-5.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from organza import Source
from organza.distributed.failure import RankFailed
from organza.distributed.world import World
from organza.game import StepOutput, update
from organza.optimizers import SGD
from organza.training import step as stepping
from organza.training.accelerator import CPU, Accelerator
from organza.training.plan import Plan
from organza.training.snapshot import memory
from organza.training.state import TrainState
from organza.training.step import train_step
from tests.contracts.discovery import RECIPES, small
from tests.contracts.material import SIZE, Material
from tests.contracts.ranks import Ranks, alone, ranks

STEPS, BATCH = 20, 8
PLAN = Plan("", 1000, None, 1, 1, 1, 1)
GAMES = (
    "swift",
    "cgan",
    "acgan",
    "bigan",
    "cyclegan",
    "simgan",
    "infogan",
    "mlp",
    "wgan-gp",
    "latent",
)
"""Recipes that `make test-fast` looks at, one for each kind of random draw, and for four ranks."""


class Double(Accelerator):
    """A CPU that computes in float64, in which only a mistake differs by more than 1e-9."""

    def take(self, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {name: value.double() if value.is_floating_point() else value for name, value in batch.items()}


def started(world: World, name: str, folder: str, accelerator: Accelerator = CPU, **changes: Any) -> TrainState:
    """The beginning of a recipe's smallest variant, past its warm-ups."""
    recipe = replace(small(RECIPES[name](), 4), batch=BATCH, warmup=0, generator_warmup=0, **changes)
    return TrainState(recipe, recipe.opened(Source(Path(folder), size=SIZE)), PLAN, 7, accelerator, world)


@contextmanager
def in_float64() -> Iterator[None]:
    """Weights and draws in float64 for the block."""
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)


def gradients(world: World, name: str, folder: str) -> dict[str, dict[str, Tensor]]:
    """The gradients of each turn of the first step, all at the initial weights, and the terms and readings of the step."""
    seen: dict[str, dict[str, Tensor]] = {}

    def noted(player: Any, optimizer: Any, loss: Any, max_accuracy: float, shared: World) -> StepOutput:
        turn = update(player, optimizer, loss, max_accuracy, shared)
        who = f"player {len(seen)}"
        seen[who] = {key: w.grad.clone().contiguous() for key, w in player.named_parameters() if w.grad is not None}
        return turn

    before, stepping.update = stepping.update, noted
    try:
        with in_float64():
            double = Double(torch.device("cpu"))
            still = {"generator_optimizer": SGD(0.0), "discriminator_optimizer": SGD(0.0)}
            numbers = train_step(started(world, name, folder, double, **still))
    finally:
        stepping.update = before
    return seen | {"numbers": {key: torch.tensor(value) for key, value in numbers.items()}}


def digest(world: World, name: str, folder: str) -> str:
    """The sha256 of all that a rank holds after some steps."""
    state = started(world, name, folder)
    for _ in range(STEPS):
        train_step(state)
    total = hashlib.sha256()
    for values in (state.game.state_dict(), state.average.state_dict(), memory(state.game)):
        for key, value in sorted(values.items()):
            total.update(key.encode() + value.contiguous().numpy().tobytes())
    return total.hexdigest()


def distance(one: dict[str, Tensor], other: dict[str, Tensor]) -> float:
    """The distance of two sets of gradients, relative to the norm of the second."""
    assert one.keys() == other.keys()
    away = torch.stack([(one[key] - other[key]).norm() for key in other]).norm()
    return (away / torch.stack([value.norm() for value in other.values()]).norm()).item()


@pytest.fixture(scope="module", params=[2, 4])
def several(request: pytest.FixtureRequest) -> Iterator[Ranks]:
    with ranks(request.param) as some:
        yield some


@pytest.mark.parametrize(
    "name", [name if name in GAMES else pytest.param(name, marks=pytest.mark.slow) for name in RECIPES]
)
def test_ranks_compute_the_gradients_of_the_whole_batch_and_stay_equal(name: str, several: Ranks, material: Material):
    if several.size > 2 and name not in GAMES:
        pytest.skip("one recipe of each kind is enough for more ranks")
    folder = str(material(RECIPES[name]()))
    whole = alone(gradients, name, folder)
    for shared in several(gradients, name, folder):
        for player, values in whole.items():
            if player == "numbers":
                apart = {key: abs(shared[player][key] - values[key]).item() for key in values}
                assert max(apart.values()) < 1e-5, apart
            else:
                assert distance(shared[player], values) < 1e-9, player
    assert len(set(several(digest, name, folder))) == 1


def waited(world: World) -> str:
    """The reason why a sum fails for which rank 1 comes late."""
    if world.rank == 1:
        time.sleep(12)
        return ""
    with pytest.raises(RankFailed) as failed:
        world.mean(torch.ones(1))
    return failed.value.text


@pytest.mark.slow
def test_a_rank_that_does_not_come_is_named():
    some = Ranks(2, timeout=3)
    try:
        assert some(waited)[0] == "rank 1 ended or did not answer within 3 s"
    finally:
        some.end()
