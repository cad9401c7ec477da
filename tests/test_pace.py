"""How many threads a run takes: the fewest that are as good as any, and those that it began with ever after."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from organza import Source
from organza.distributed.world import ALONE
from organza.recipes import get
from organza.run import checkpoint
from organza.run.events import Begun, Event
from organza.run.folder import RunFolder
from organza.training import snapshot, speed
from organza.training.accelerator import CPU
from organza.training.launch import train_events
from organza.training.plan import Plan
from organza.training.request import TrainArgs
from organza.training.state import TrainState
from organza.training.trainer import Trainer
from tests.contracts.discovery import small


@pytest.fixture
def four(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine of four threads, and no wish of the user's."""
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    with speed.threaded(4):
        yield


def by_threads(monkeypatch: pytest.MonkeyPatch, rates: dict[int, float]) -> None:
    def measure(state: TrainState, seconds: float) -> float:
        return rates[torch.get_num_threads()]

    monkeypatch.setattr(speed, "measure", measure)
    monkeypatch.setattr(speed, "trial", lambda recipe, data, machine, world=ALONE: None)


def begun(pictures: Path, run: Path, budget: str) -> tuple[int, str]:
    """The threads of a run at its first step, and its headline."""
    asked = TrainArgs(pictures, run, small(get("dcgan-r1"), 4), budget, size=32, evaluate=False, report=False)
    events = train_events(asked)
    for event in events:
        if isinstance(event, Begun):
            threads = torch.get_num_threads()
            events.close()  # type: ignore[attr-defined]
            return threads, " ".join(event.lines)
    raise AssertionError("it did not begin")


@pytest.mark.usefixtures("four")
def test_each_number_is_measured_and_the_old_one_left(monkeypatch: pytest.MonkeyPatch):
    by_threads(monkeypatch, {1: 10.0, 2: 19.0, 4: 20.0})
    assert speed.rates(get("dcgan-r1"), None, CPU) == {1: 10.0, 2: 19.0, 4: 20.0}  # type: ignore[arg-type]
    assert torch.get_num_threads() == 4
    monkeypatch.setenv("OMP_NUM_THREADS", "4")  # who says how many has them
    assert speed.rates(get("dcgan-r1"), None, CPU) == {4: 20.0}  # type: ignore[arg-type]


@pytest.mark.usefixtures("four")
def test_recipes_are_compared_by_the_threads_that_were_fastest_with_the_first(monkeypatch: pytest.MonkeyPatch):
    by_threads(monkeypatch, {1: 10.0, 2: 19.0, 4: 3.0})
    asked = speed.Pace(CPU)
    assert asked(get("dcgan-r1"), None) == 19.0  # type: ignore[arg-type]
    by_threads(monkeypatch, {2: 7.0})  # the others are not asked again
    assert asked(get("dcgan"), None) == 7.0  # type: ignore[arg-type]
    assert torch.get_num_threads() == 4


@pytest.mark.usefixtures("four")
def test_a_run_by_the_clock_takes_the_fewest_that_do_and_keeps_them(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    genuine = speed.rates
    monkeypatch.setattr("organza.training.preparation.rates", lambda *_: {1: 10.0, 2: 19.0, 4: 20.0})
    threads, told = begun(pictures, tmp_path / "run", "10m")
    assert (threads, torch.get_num_threads()) == (2, 4)
    assert "2 threads" in told
    assert json.loads((tmp_path / "run/recipe.json").read_text())["versions"]["threads"] == 2
    monkeypatch.setattr("organza.training.preparation.rates", genuine)
    assert begun(pictures, tmp_path / "run", "10m")[0] == 2  # others would round differently


@pytest.mark.usefixtures("four")
def test_a_run_by_images_measures_nothing(pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def never(*_: object) -> dict[int, float]:
        raise AssertionError("the same command makes the same bytes")

    monkeypatch.setattr("organza.training.preparation.rates", never)
    assert begun(pictures, tmp_path / "run", "64img")[0] == 4


class Walker:
    """A stand-in for a state whose steps of ten images take what a list says, on a clock of its own."""

    accelerator, world = CPU, ALONE

    def __init__(self, steps: list[float], monkeypatch: pytest.MonkeyPatch):
        self.images, self.now, self.steps = 0, 0.0, iter(steps)
        monkeypatch.setattr(speed.time, "perf_counter", lambda: self.now)
        monkeypatch.setattr(speed, "train_step", Walker.step)

    def step(self) -> None:
        self.images, self.now = self.images + 10, self.now + next(self.steps, 0.1)


@pytest.mark.parametrize(
    "steps",
    [[5.0], [0.1, 3.0], [0.1, 0.1, 0.1, 0.1, 4.0], [0.1] * 12 + [2.0, 0.1, 0.1, 2.0]],
    ids=["slow to begin", "then a break", "a break within", "two breaks"],
)
def test_a_moments_noise_does_not_decide_the_speed(steps: list[float], monkeypatch: pytest.MonkeyPatch):
    walker = Walker(steps, monkeypatch)
    assert speed.measure(walker, 1.0) == pytest.approx(100, rel=0.05)  # type: ignore[arg-type]
    assert walker.now < 12


def test_a_machine_that_never_agrees_is_measured_for_a_bounded_time(monkeypatch: pytest.MonkeyPatch):
    walker = Walker([0.01 * 3**k for k in range(12)], monkeypatch)
    speed.measure(walker, 1.0)  # type: ignore[arg-type]
    assert walker.now < 20


def test_a_plan_that_guessed_wrong_is_corrected_and_kept_with_the_checkpoint(pictures: Path, tmp_path: Path):
    run, recipe = tmp_path / "run", small(get("dcgan-r1"), 4)

    def told(budget: str, images: int) -> TrainState:
        data = recipe.data(Source(pictures, size=32))
        plan = Plan(budget, 80_000, 60.0, 400, 8_000, 8_000, 160)
        state = TrainState(recipe, data, plan, 0)
        for _event in Trainer(state, RunFolder(run), None).events():
            if state.images >= images:
                break
        return state

    RunFolder(run).begin()
    first = told("1m", 1)
    first.images, first.seconds = 160, 30.0  # the clock allows as much again
    list(saved(first, run))
    assert first.plan.images == 320
    assert first.plan.save_every < 160
    second = TrainState(recipe, first.data, Plan("1m", 80_000, 60.0, 400, 8_000, 8_000, 160), 0)
    snapshot.restore(second, checkpoint.load(checkpoint.existing(RunFolder(run).checkpoints)[-1]), RunFolder(run))
    assert second.plan == first.plan
    other = TrainState(recipe, first.data, Plan("2m", 160_000, 120.0, 800, 9_000, 9_000, 160), 0)
    snapshot.restore(other, checkpoint.load(checkpoint.existing(RunFolder(run).checkpoints)[-1]), RunFolder(run))
    assert other.plan.images == 160_000  # of another budget


def saved(state: TrainState, run: Path) -> Iterator[Event]:
    return Trainer(state, RunFolder(run), None)._save()
