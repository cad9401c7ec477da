"""A GPU as it is: where tensors are, in which precision, compiled or not. Skipped without one; see test_machine."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import organza
from organza.penalties import Penalty, r1_finite
from organza.recipes import get
from organza.training import snapshot
from organza.training.accelerator import CPU, Accelerator, choose, halves
from organza.training.plan import Plan
from organza.training.sampling import samples
from organza.training.state import TrainState
from organza.training.step import train_step
from tests.contracts.discovery import COVERING, RECIPES, small
from tests.contracts.material import Material
from tests.helpers import train

pytestmark = [pytest.mark.cuda, pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU is here")]
DEVICE = torch.device("cuda:0")
SINGLE, HALF = Accelerator(DEVICE), Accelerator(DEVICE, torch.bfloat16)
PLAN = Plan("80img", 80, None, 80, 80, 80, 80)


@pytest.fixture(autouse=True)
def _settings() -> Iterator[None]:
    """What `settle` sets for the whole process is set back."""
    matmul, cudnn = torch.get_float32_matmul_precision(), torch.backends.cudnn
    before = cudnn.allow_tf32, cudnn.benchmark
    yield
    torch.set_float32_matmul_precision(matmul)
    cudnn.allow_tf32, cudnn.benchmark = before


def begun(name: str, material: Material, accelerator: Accelerator, **changes) -> TrainState:
    recipe = replace(small(RECIPES[name]()), **changes)
    return TrainState(recipe, material.opened(recipe), PLAN, 0, accelerator)


def past_the_warm_ups(state: TrainState) -> int:
    return 6 if state.recipe.warmup or state.recipe.generator_warmup else 2


@pytest.mark.parametrize("accelerator", [SINGLE, HALF], ids=str)
@pytest.mark.parametrize("name", COVERING)
def test_steps_are_finite_and_everything_stays_on_the_device(name: str, accelerator: Accelerator, material: Material):
    state = begun(name, material, accelerator)
    for _ in range(past_the_warm_ups(state)):
        assert all(abs(value) < float("inf") for value in train_step(state).values())
    for player in (state.game.G, state.game.D, state.average.network):
        for weight in player.parameters():
            assert weight.device == DEVICE
            assert weight.dtype is torch.float32
            assert weight.isfinite().all()
    assert all(value.isfinite().all() for file in snapshot.tensors(state).values() for value in file.values())
    shown = samples(state, range(3))
    assert shown.device.type == "cpu"
    assert shown.dtype is torch.uint8


def test_the_first_step_is_that_of_the_cpu(material: Material):
    torch.backends.cudnn.allow_tf32 = False
    for name in ("dcgan-r1", "swift", "cgan"):
        here, there = (begun(name, material, accelerator) for accelerator in (CPU, SINGLE))
        torch.set_float32_matmul_precision("highest")
        torch.backends.cudnn.allow_tf32 = False
        for mine, other in zip(here.game.parameters(), there.game.parameters(), strict=True):
            assert torch.equal(mine, other.cpu())  # drawn on the CPU for every device
        told, also = train_step(here), train_step(there)
        for term in ("discriminator", "D(x)", "D(G(z))"):
            assert also[term] == pytest.approx(told[term], rel=1e-3), (name, term)


def test_float32_products_round_to_tf32_and_no_further(material: Material):
    begun("dcgan", material, SINGLE)
    assert torch.backends.cudnn.benchmark
    x, y = torch.randn(512, 512, device=DEVICE), torch.randn(512, 512, device=DEVICE)
    error = ((x @ y).double() - x.double() @ y.double()).norm() / (x.double() @ y.double()).norm()
    assert error < 2e-3  # 11 bits
    if torch.cuda.get_device_capability(DEVICE)[0] >= 8:
        assert error > 1e-5  # 24 bits would give 1e-7


def test_networks_run_in_bfloat16_but_not_in_turns_with_a_penalty(material: Material):
    if not halves(DEVICE):
        pytest.skip("this GPU has no instructions for bfloat16")
    assert choose("cuda") == HALF
    seen: dict[str, list[torch.dtype]] = {"D": [], "G": []}
    state = begun("dcgan-r1", material, HALF, penalties=(Penalty(r1_finite, every=2),))

    def watch(network: nn.Module, who: str) -> None:
        layer = next(layer for layer in network.modules() if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d))

        def hook(_: nn.Module, given: tuple[Tensor, ...], made: Tensor) -> None:
            seen[who].append(made.dtype)

        layer.register_forward_hook(hook)

    watch(state.game.D, "D")
    watch(state.game.G, "G")
    train_step(state)
    full, half = torch.float32, torch.bfloat16
    assert seen == {"D": [full] * 3 + [half] * 2, "G": [half]}
    seen["D"].clear()
    train_step(state)
    assert seen["D"] == [half] * 4


def test_compiled_networks_learn_the_same(material: Material):
    plain = begun("resize-r1", material, SINGLE)
    compiled = begun("resize-r1", material, replace(SINGLE, compiled=True))
    for _ in range(2):
        told, also = train_step(plain), train_step(compiled)
        for term in ("discriminator", "generator"):
            assert also[term] == pytest.approx(told[term], rel=0.02), term
    assert list(snapshot.tensors(plain)["generator"]) == list(snapshot.tensors(compiled)["generator"])


def test_a_run_of_the_gpu_resumes_there_and_is_used_on_the_cpu(pictures: Path, tmp_path: Path):
    recipe = small(get("dcgan-r1"))
    train(pictures, tmp_path / "run", recipe, until=24, budget="48img", device=str(DEVICE))
    train(pictures, tmp_path / "run", recipe, budget="48img", device=str(DEVICE))
    run = organza.load(tmp_path / "run")
    assert run.images == 48
    assert run.content["versions"]["device"] == str(DEVICE)
    assert run.sample(3).shape == (3, 32, 32, 3)
