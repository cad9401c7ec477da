"""Illness: noticed, told, and treated; and a run that was taken back resumes exactly."""

from __future__ import annotations

import json
import signal
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import organza
from organza.recipes import get
from organza.run import checkpoint
from organza.run.events import Event, Stopped, Tick, Warned
from organza.run.folder import RunFolder, lines_of
from organza.run.health import Vitals, findings, words
from organza.run.weights import not_finite
from organza.training.launch import train_events
from organza.training.request import TrainArgs
from organza.training.state import TrainState
from tests.contracts.discovery import small
from tests.helpers import train, weights

WELL = [
    Vitals(
        1000 * n, 0.5 - 0.02 * n, 0.01, 0.8, 1.0, 0.7, 0.1, 0.8, 1e-3, 1e-3, 1e-3, 0.01, 0.02, 1.0, 0.05, 0.0
    )
    for n in range(1, 5)
]  # fmt: skip
RECIPE = replace(small(get("dcgan-r1"), 4), stop=())


@pytest.mark.parametrize(
    ("ill", "name", "grave"),
    [
        ({"variety": 0.1}, "collapse", True), ({"variety": 0.3}, "collapse", True), ({"distinct": 0.5}, "collapse", True),
        ({"distinct": 0.6}, "copies", False),
        ({"repeats": 0.9, "distance": 0.5}, "collapse", True), ({"repeats": 0.9}, "collapse", False),
        ({"spread": 0.01}, "collapse", True), ({"discriminator_jump": 0.5}, "jump", True), ({"generator_jump": 0.1}, "jump", True),
        ({"generator_last": 0.0}, "still", True), ({"distance": 0.8}, "worse", True), ({"gradient": 1e-5}, "vanishing gradients", False),
        ({"overfitting": 0.9}, "overfitting", False), ({"lag": 2.0}, "lag", False),
    ],
    ids=str,
)  # fmt: skip
def test_each_illness_is_found_and_nothing_else(ill: dict, name: str, grave: bool):
    assert findings(WELL) == []
    found = findings([*WELL[:-1], WELL[-1]._replace(**ill)])
    assert [(one.name, one.grave) for one in found] == [(name, grave)]
    assert "Try" in words(found)
    assert words([]) == "well"


def test_what_always_repeated_itself_may_be_young():
    young = [one._replace(repeats=0.9) for one in WELL]
    assert [(one.name, one.grave) for one in findings(young)] == [("collapse", False)]


def test_a_game_that_goes_round_in_circles():
    circling = [WELL[0]._replace(images=n, distance=0.3 + 0.1 * (n % 2)) for n in range(6)]
    assert [one.name for one in findings(circling)] == ["oscillation"]
    assert findings([WELL[0]._replace(images=n, distance=0.3 + 0.01 * (n % 2)) for n in range(6)]) == []


def poison(monkeypatch: pytest.MonkeyPatch, at: int, cured: int = 1) -> None:
    """At one position of the run the latents are no numbers, until the run was taken back so many times."""
    genuine = TrainState.latents

    def poisoned(self: TrainState, purpose, positions):
        drawn = genuine(self, purpose, positions)
        ill = purpose == "z" and positions[0] == at and len(self.rollbacks) < cured
        return {name: torch.full_like(value, torch.nan) if ill else value for name, value in drawn.items()}

    monkeypatch.setattr(TrainState, "latents", poisoned)


def test_a_value_that_is_not_finite_takes_the_run_back_and_it_resumes_exactly(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    poison(monkeypatch, 72)
    events = train(pictures, tmp_path / "whole", RECIPE, budget="112img")
    told = [event.text for event in events if isinstance(event, Warned) and "rolled back to" in event.text]
    assert len(told) == 1
    assert "discriminator's turn after 72 images" in told[0]
    assert "multiplied by 0.5" in told[0]
    lines = [line for line in lines_of(tmp_path / "whole" / "events.jsonl") if line["event"] == "rolled back"]
    assert [(line["at"], line["rates"]) for line in lines] == [(72, 0.5)]
    assert lines[0]["to"] < 72
    for until in (64, 80, 96, 112):
        train(pictures, tmp_path / "parts", RECIPE, until=until, budget="112img")
    assert weights(tmp_path / "parts") == weights(tmp_path / "whole")
    monkeypatch.undo()
    train(pictures, tmp_path / "never ill", RECIPE, budget="112img")
    assert weights(tmp_path / "never ill") != weights(tmp_path / "whole")


def test_a_rollback_that_was_cut_short_is_finished(pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    train(pictures, tmp_path / "run", RECIPE, until=64, budget="112img")
    train(pictures, tmp_path / "other", RECIPE, until=64, budget="112img")
    folder = RunFolder(tmp_path / "run")
    older, newer = checkpoint.existing(folder.checkpoints)[-2:]
    note = {"rollbacks": [[int(older.name), 64, "ill"]]}
    folder.write(folder.read() | note)  # killed here: what was left behind is still there
    checkpoint.remove(RunFolder(tmp_path / "other").checkpoints / newer.name)
    RunFolder(tmp_path / "other").write(RunFolder(tmp_path / "other").read() | note)
    for run in ("run", "other"):
        train(pictures, tmp_path / run, RECIPE, budget="112img")
    assert weights(tmp_path / "run") == weights(tmp_path / "other")


def test_three_times_and_no_more(pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    poison(monkeypatch, 72, cured=100)
    events = train(pictures, tmp_path / "run", RECIPE, budget="112img")
    assert len([event for event in events if isinstance(event, Warned) and "rolled back to" in event.text]) == 3
    assert isinstance(events[-1], Stopped)
    assert events[-1].kind == "non-finite"
    assert "3 rollbacks" in events[-1].reason


@pytest.mark.parametrize("site", ["gradient", "moment", "average", "real data", "buffer"])
def test_nothing_that_is_not_finite_is_ever_saved(
    site: str, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """A value is spoilt after the fifth step; the save behind the sixth or the step itself notices."""
    spoilt = False

    def spoil(event: Event) -> None:
        nonlocal spoilt
        if isinstance(event, Tick) and event.images >= 64 and not spoilt:
            spoilt, state = True, made[-1]
            weight = next(iter(state.game.G.parameters()))
            if site == "gradient":
                weight.requires_grad_(True).register_hook(lambda gradient: gradient * torch.inf)
            elif site == "moment":
                state.optimizers["generator"].state[weight]["exp_avg"].fill_(torch.nan)
            elif site == "average":
                next(iter(state.average.network.parameters())).data[0] = torch.nan
            elif site == "real data":
                genuine, state.data.at = (
                    state.data.at,
                    lambda positions: {"image": genuine(positions)["image"] * torch.nan},
                )
            else:
                next(b for b in state.game.G.buffers() if b.is_floating_point()).fill_(torch.inf)

    made: list[TrainState] = []
    genuine_init = TrainState.__init__

    def noted(self, *arguments):
        genuine_init(self, *arguments)
        made.append(self)

    monkeypatch.setattr(TrainState, "__init__", noted)
    told: list[Event] = []
    for event in train_events(
        TrainArgs(pictures, tmp_path / "run", RECIPE, "112img", size=32, stop=(), evaluate=False, report=False)
    ):
        told.append(event)
        spoil(event)
    assert (
        any(isinstance(event, Warned) and "rolled back to" in event.text for event in told)
        or told[-1].kind == "non-finite"
    )  # type: ignore[union-attr]
    for folder in checkpoint.existing(tmp_path / "run" / "checkpoints"):
        assert not_finite(checkpoint.load(folder).tensors) is None


@pytest.mark.parametrize("wish", ["stop", "rollback", "continue"])
def test_on_collapse(wish: str, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    genuine = TrainState.latents

    def alike(self: TrainState, purpose, positions):
        drawn = genuine(self, purpose, positions)
        ill = self.images > 40 and not self.rollbacks
        return {name: value[:1].expand_as(value).clone() if ill else value for name, value in drawn.items()}

    monkeypatch.setattr(TrainState, "latents", alike)
    events = train(pictures, tmp_path / "run", RECIPE, budget="112img", evaluate=True, on_collapse=wish)
    lines = list(lines_of(tmp_path / "run" / "evaluations.jsonl"))
    back = [event.text for event in events if isinstance(event, Warned) and "rolled back to" in event.text]
    assert isinstance(events[-1], Stopped)
    if wish == "stop":
        assert events[-1].kind == "collapse"
        assert "exact copies" in events[-1].reason
    elif wish == "rollback":
        assert len(back) >= 1
        assert events[-1].kind == "budget"
    else:
        assert not back
        assert lines[-1]["health"]["findings"][0]["name"] == "collapse"


def test_an_evaluation_that_a_signal_came_before_is_made_up_for(pictures: Path, tmp_path: Path):
    train(pictures, tmp_path / "whole", RECIPE, budget="64img", evaluate=True)
    due = [line["images"] for line in lines_of(tmp_path / "whole" / "evaluations.jsonl")]

    def stop_at(event: Event) -> None:
        if isinstance(event, Tick) and event.images == due[0]:
            signal.raise_signal(signal.SIGTERM)

    with pytest.raises(KeyboardInterrupt):
        organza.train(
            pictures,
            tmp_path / "parts",
            on_event=stop_at,
            recipe=RECIPE,
            budget="64img",
            size=32,
            stop=(),
            evaluate=True,
            report=False,
        )
    train(pictures, tmp_path / "parts", budget="64img", evaluate=True)

    def told(run: str) -> list[dict]:
        lines = list(lines_of(tmp_path / run / "evaluations.jsonl"))
        return [{key: value for key, value in line.items() if key != "seconds"} for line in lines]

    assert json.dumps(told("parts")) == json.dumps(told("whole"))
    assert weights(tmp_path / "parts") == weights(tmp_path / "whole")
