"""How many threads a run takes: the fewest that are as good as any, and those that it began with ever after."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from organza import pace
from organza.events import Begun
from organza.machine import CPU
from organza.recipe import find
from organza.start import Request, training
from organza.trainer import Trainer
from tests.contracts.discovery import small


@pytest.fixture
def four(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine of four threads, and no wish of the user's."""
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    with pace.threaded(4):
        yield


def by_threads(monkeypatch: pytest.MonkeyPatch, rates: dict[int, float]) -> None:
    def measure(trainer: Trainer, seconds: float) -> float:
        return rates[torch.get_num_threads()]

    monkeypatch.setattr(pace, "measure", measure)
    monkeypatch.setattr(pace, "trial", lambda recipe, data, machine: None)


def begun(pictures: Path, run: Path, budget: str) -> tuple[int, str]:
    """The threads of a run at its first step, and its headline."""
    asked = Request(pictures, run, small(find("dcgan-r1"), 4), budget, size=32, evaluate=False, report=False)
    events = training(asked)
    for event in events:
        if isinstance(event, Begun):
            threads = torch.get_num_threads()
            events.close()  # type: ignore[attr-defined]
            return threads, " ".join(event.lines)
    raise AssertionError("it did not begin")


@pytest.mark.usefixtures("four")
def test_each_number_is_measured_and_the_old_one_left(monkeypatch: pytest.MonkeyPatch):
    by_threads(monkeypatch, {1: 10.0, 2: 19.0, 4: 20.0})
    assert pace.rates(find("dcgan-r1"), None, CPU) == {1: 10.0, 2: 19.0, 4: 20.0}  # type: ignore[arg-type]
    assert torch.get_num_threads() == 4
    monkeypatch.setenv("OMP_NUM_THREADS", "4")  # who says how many has them
    assert pace.rates(find("dcgan-r1"), None, CPU) == {4: 20.0}  # type: ignore[arg-type]


@pytest.mark.usefixtures("four")
def test_recipes_are_compared_by_the_threads_that_were_fastest_with_the_first(monkeypatch: pytest.MonkeyPatch):
    by_threads(monkeypatch, {1: 10.0, 2: 19.0, 4: 3.0})
    asked = pace.Pace(CPU)
    assert asked(find("dcgan-r1"), None) == 19.0  # type: ignore[arg-type]
    by_threads(monkeypatch, {2: 7.0})  # the others are not asked again
    assert asked(find("dcgan"), None) == 7.0  # type: ignore[arg-type]
    assert torch.get_num_threads() == 4


@pytest.mark.usefixtures("four")
def test_a_run_by_the_clock_takes_the_fewest_that_do_and_keeps_them(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    genuine = pace.rates
    monkeypatch.setattr("organza.start.rates", lambda *_: {1: 10.0, 2: 19.0, 4: 20.0})
    threads, told = begun(pictures, tmp_path / "run", "10m")
    assert (threads, torch.get_num_threads()) == (2, 4)
    assert "2 threads" in told
    assert json.loads((tmp_path / "run/recipe.json").read_text())["versions"]["threads"] == 2
    monkeypatch.setattr("organza.start.rates", genuine)
    assert begun(pictures, tmp_path / "run", "10m")[0] == 2  # others would round differently


@pytest.mark.usefixtures("four")
def test_a_run_by_images_measures_nothing(pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def never(*_: object) -> dict[int, float]:
        raise AssertionError("the same command makes the same bytes")

    monkeypatch.setattr("organza.start.rates", never)
    assert begun(pictures, tmp_path / "run", "64img")[0] == 4
