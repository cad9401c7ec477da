"""Recipes on several ranks: the gradients of the whole batch, and equal bytes on all ranks after some steps.

Gradients are compared, not weights: Adam turns a rounding difference into a step of the learning rate where the true gradient is near zero.
They are compared in float64, as float32 rounds those of finite differences to 1e-5.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from organza import Source, losses
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
from tests.contracts.discovery import COVERING, RECIPES, small
from tests.contracts.material import Material, size_of
from tests.contracts.ranks import Ranks, alone, ranks
from tests.helpers import enough

STEPS, BATCH = enough(6, 20), 8
PLAN = Plan("", 1000, None, 1, 1, 1, 1)
FOUR = ("swift", "simgan")
"""Recipes that are tried on four ranks in `make test`: one of images, one with an image pool."""
AVERAGED = [name for name, make in RECIPES.items() if make().adversarial is losses.relativistic_average]
"""Recipes whose loss of an item depends on others of the batch, which may be on another rank."""
SHORT = {(2, name) for name in (*COVERING, *AVERAGED)} | {(4, name) for name in FOUR}
CASES = [(size, name) for size in (2, 4) for name in RECIPES]
QUICK = {"swift", "acgan", "simgan", "mlp", "wgan-gp", "latent"}
"""Recipes that `make test-fast` looks at."""


class Double(Accelerator):
    """A CPU that computes in float64, in which only a mistake differs by more than 1e-9."""

    def take(self, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {name: value.double() if value.is_floating_point() else value for name, value in batch.items()}


def started(world: World, name: str, folder: str, accelerator: Accelerator = CPU, **changes: Any) -> TrainState:
    """The beginning of a recipe's smallest variant, past its warm-ups."""
    recipe = replace(small(RECIPES[name](), 4, blocks=2), batch=BATCH, warmup=0, generator_warmup=0, **changes)
    return TrainState(recipe, recipe.opened(Source(Path(folder), size=size_of(recipe))), PLAN, 7, accelerator, world)


@contextmanager
def in_float64() -> Iterator[None]:
    """Weights and draws in float64 for the block."""
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)


ON = {torch.float64: Double(CPU.device), torch.float32: CPU, torch.bfloat16: Accelerator(CPU.device, torch.bfloat16)}
"""The CPU by the type that the networks compute in."""


def gradients(world: World, name: str, folder: str, kind: torch.dtype = torch.float64) -> dict[str, dict[str, Tensor]]:
    """The gradients of each turn of the first step, all at the initial weights, and the terms and readings of the step."""
    seen: dict[str, dict[str, Tensor]] = {}

    def noted(player: Any, optimizer: Any, loss: Any, max_accuracy: float, shared: World) -> StepOutput:
        turn = update(player, optimizer, loss, max_accuracy, shared)
        who = f"player {len(seen)}"
        seen[who] = {key: w.grad.clone().contiguous() for key, w in player.named_parameters() if w.grad is not None}
        return turn

    before, stepping.update = stepping.update, noted
    try:
        with in_float64() if kind is torch.float64 else nullcontext():
            still = {"generator_optimizer": SGD(0.0), "discriminator_optimizer": SGD(0.0)}
            numbers = train_step(started(world, name, folder, ON[kind], **still))
    finally:
        stepping.update = before
    return seen | {"numbers": {key: torch.tensor(value) for key, value in numbers.items()}}


def digest(world: World, name: str, folder: str, kind: torch.dtype = torch.float32) -> str:
    """The sha256 of all that a rank holds after some steps."""
    state = started(world, name, folder, ON[kind])
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


@pytest.fixture(scope="module")
def several() -> Iterator[Callable[[int], Ranks]]:
    """Groups of ranks by their size, each begun when it is asked for."""
    with ExitStack() as groups:
        yield functools.cache(lambda size: groups.enter_context(ranks(size)))


def marks(case: tuple[int, str]) -> list[pytest.MarkDecorator]:
    if case not in SHORT:
        return [pytest.mark.slow, pytest.mark.long]
    return [] if case[1] in QUICK else [pytest.mark.slow]


@pytest.mark.parametrize(("size", "name"), [pytest.param(*case, marks=marks(case)) for case in CASES])
def test_ranks_compute_the_gradients_of_the_whole_batch_and_stay_equal(
    size: int, name: str, several: Callable[[int], Ranks], material: Material
):
    group, folder = several(size), str(material(RECIPES[name]()))
    whole = alone(gradients, name, folder)
    for shared in group(gradients, name, folder):
        for player, values in whole.items():
            if player == "numbers":
                apart = {key: abs(shared[player][key] - values[key]).item() for key in values}
                assert max(apart.values()) < 1e-5, apart
            else:
                assert distance(shared[player], values) < 1e-9, player
    assert len(set(group(digest, name, folder))) == 1


@pytest.mark.parametrize("name", ["dcgan", "swift"])
def test_ranks_in_bfloat16_err_as_one_process_does(name: str, several: Callable[[int], Ranks], material: Material):
    group, folder = several(2), str(material(RECIPES[name]()))
    exact, half = (alone(gradients, name, folder, kind) for kind in (torch.float32, torch.bfloat16))
    for shared in group(gradients, name, folder, torch.bfloat16):
        for player in exact.keys() - {"numbers"}:
            error = distance(half[player], exact[player])
            assert distance(shared[player], half[player]) < error / 5 < 0.05, player
    assert len(set(group(digest, name, folder, torch.bfloat16))) == 1


def waited(world: World) -> str:
    """The reason why a sum fails in which rank 1, which lives on, takes no part."""
    if world.rank == 1:
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
