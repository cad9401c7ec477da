"""Going on from checkpoints of now and of earlier formats: to the same bits, or told what differs."""

from __future__ import annotations

import json
import math
import shutil
import signal
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import organza
from organza.errors import UserError
from organza.recipes import get
from organza.run import checkpoint
from organza.run.checkpoint import Checkpoint
from organza.run.events import Event, Sampled, Stopped, Warned
from organza.run.folder import RunFolder
from organza.training import snapshot
from organza.training.plan import Plan, make_plan
from tests.contracts.discovery import small
from tests.helpers import train, weights

FIXTURES = Path(__file__).parent / "fixtures"
FORMATS = sorted(folder.name for folder in FIXTURES.glob("format-*"))


@pytest.fixture(scope="module")
def half(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of 16 images of 32, to be copied."""
    run = tmp_path_factory.mktemp("half") / "run"
    train(pictures, run, replace(small(get("mlp"), 4), stop=()), until=16, budget="32img")
    return run


@pytest.fixture(scope="module")
def whole(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The weights of the same run at its end, never interrupted."""
    run = tmp_path_factory.mktemp("whole") / "run"
    train(pictures, run, replace(small(get("mlp"), 4), stop=()), budget="32img")
    return weights(run)


@pytest.fixture
def begun(half: Path, tmp_path: Path) -> Path:
    """A run of 16 images of 32."""
    return Path(shutil.copytree(half, tmp_path / "run"))


def test_a_line_of_statistics_that_had_begun_is_finished_and_one_at_a_checkpoint_stays(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def planned(*asked) -> Plan:
        return replace(make_plan(*asked), stats_every=32, sample_every=16, evaluate_every=1000, save_every=16)

    def within(event: Event) -> None:
        if isinstance(event, Sampled) and event.images == 16:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr("organza.training.preparation.make_plan", planned)
    recipe, parts = replace(small(get("mlp"), 4), stop=()), tmp_path / "parts"
    train(pictures, tmp_path / "whole", recipe, budget="96img")
    asked = {"size": 32, "stop": (), "evaluate": False, "report": False, "progress": False}
    with suppress(KeyboardInterrupt):
        organza.train(pictures, parts, recipe=recipe, budget="96img", on_event=within, **asked)
    folder = RunFolder(parts).checkpoints
    assert 0 < int(checkpoint.existing(folder)[-1].name) < 32
    train(pictures, parts, recipe, until=64, budget="96img")
    for later in checkpoint.existing(folder):
        if int(later.name) > 64:
            shutil.rmtree(later)
    assert checkpoint.existing(folder)[-1].name == checkpoint.name_for(64)
    train(pictures, parts, recipe, budget="96img")

    def lines(run: str) -> list[dict]:
        told = [json.loads(line) for line in (tmp_path / run / "stats.jsonl").read_text().splitlines()]
        return [{name: value for name, value in one.items() if name not in ("seconds", "rate")} for one in told]

    assert [line["images"] for line in lines("whole")] == [32, 64, 96]
    assert lines("whole") == lines("parts")


@pytest.mark.parametrize(
    ("what", "told"), [("threads", 7), ("torch", "1.0"), ("cpu", "another"), ("numpy", "0"), ("device", "cuda:0")]
)
def test_what_can_no_longer_be_promised_is_said(what: str, told: object, begun: Path, pictures: Path):
    content = json.loads((begun / "recipe.json").read_text())
    content["versions"][what] = told
    (begun / "recipe.json").write_text(json.dumps(content))
    warnings = [event.text for event in train(pictures, begun, budget="32img") if isinstance(event, Warned)]
    assert any(text.startswith(f"{what} was {told}") and "not bit-for-bit reproducibly" in text for text in warnings)


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (("recipe", "batch"), 16, "batch is 8, not 16"),
        (("recipe", "discriminator", "width"), 5, "discriminator is"),
        (("asked", "seed"), 3, "seed 0, not 3"),
    ],
)
def test_a_recipe_changed_by_hand_is_noticed_and_named(
    path: tuple[str, ...], value: object, said: str, begun: Path, pictures: Path
):
    content = json.loads((begun / "recipe.json").read_text())
    place = content
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = value
    (begun / "recipe.json").write_text(json.dumps(content))
    with pytest.raises(UserError, match=f"recipe.json was changed.*{said}"):
        train(pictures, begun, budget="32img")


@pytest.mark.parametrize(
    "harm",
    [
        "nan",
        "inf in Adam",
        "negative step",
        "other shape",
        "other kind",
        "no optimizer",
        "negative images",
        "history",
        "strange",
    ],
)
def test_a_checkpoint_with_right_digests_and_wrong_content_is_refused_whole(
    harm: str, begun: Path, whole: dict[str, bytes], pictures: Path
):
    parent = RunFolder(begun).checkpoints
    saved = checkpoint.load(checkpoint.existing(parent)[-1])
    tensors, facts = {name: dict(values) for name, values in saved.tensors.items()}, dict(saved.facts, images=24)
    weight = next(iter(tensors["generator_training"]))
    if harm == "nan":
        tensors["generator_training"][weight] = torch.full_like(tensors["generator_training"][weight], torch.nan)
    elif harm == "inf in Adam":
        tensors["generator_optimizer"]["0.exp_avg"] = torch.full_like(
            tensors["generator_optimizer"]["0.exp_avg"], torch.inf
        )
    elif harm == "negative step":
        tensors["generator_optimizer"]["0.step"] = torch.tensor(-1.0)
    elif harm == "other shape":
        tensors["discriminator"] = tensors["generator"]
    elif harm == "other kind":
        tensors["generator_training"][weight] = tensors["generator_training"][weight].double()
    elif harm == "no optimizer":
        del tensors["discriminator_optimizer"]
    elif harm == "negative images":
        facts["images"] = -8
    elif harm == "history":
        facts["history"] = [[1, 2]]
    else:
        tensors["discriminator"]["strange"] = torch.zeros(1)
    checkpoint.save(parent, 24, tensors, facts)
    events = train(pictures, begun, budget="32img")
    assert any("00000024" in event.text for event in events if isinstance(event, Warned))
    assert weights(begun) == whole


def test_what_grew_beyond_all_bounds_but_was_finite_where_it_counts_goes_on(begun: Path, pictures: Path):
    """The change of weights of 1e20 over their size is no number in 32 bits; losses of 1e38 are."""
    parent = RunFolder(begun).checkpoints
    saved = checkpoint.load(checkpoint.existing(parent)[-1])
    nan, inf = math.nan, math.inf
    facts = saved.facts | {
        "sums": {"generator": [3e38, -3e38], "D step": [nan, inf, inf]},
        "pulse": {"G step": [2, nan, -inf, nan], "D step": [2, inf, inf, inf]},
        "history": [[8, 3e38, 0.1, 0.5, 0.1, None], [16, nan, inf, 0.5, 0.1, 1e38]],
        "vitals": [[8, 0.1, 0.1, *[None] * 13], [16, nan, inf, *[nan, inf, -3e38, None] * 3, 0.1]],
    }
    checkpoint.save(parent, saved.facts["images"], saved.tensors, facts)
    events = train(pictures, begun, budget="32img")
    assert not [event.text for event in events if isinstance(event, Warned) and "manifest" in event.text]
    assert isinstance(events[-1], Stopped)


def test_records_are_read_by_the_names_of_their_fields_and_as_the_rows_of_earlier_versions(begun: Path):
    told = json.loads((FIXTURES / "format-2" / "checkpoints" / "00000016" / "manifest.json").read_text())["facts"]
    rows = {name: [list(row.values()) for row in told[name]] for name in ("history", "vitals")}
    pulse = {"D step": {"largest": 2.0, "later": 5.0, "count": 2.0, "last": 1.0, "sum": 3.0}}
    named = told | {"pulse": pulse, "history": [dict(reversed(row.items())) | {"later": 1} for row in told["history"]]}
    found = []
    for facts in (named, told | rows | {"pulse": {"D step": [2.0, 3.0, 2.0, 1.0]}}):
        saved = Checkpoint(begun, {}, facts, {})
        snapshot.require_form(facts, snapshot.FACTS)
        found.append(
            (snapshot._read(saved), snapshot._told_of_health(saved)[0], snapshot._told_of_health(saved)[1].kept)
        )
    assert found[0] == found[1]
    for harm in ({"history": [{"images": 8}]}, {"vitals": ["ab"]}, {"pulse": {"D step": {"count": 1}}}):
        with pytest.raises(ValueError, match=next(iter(harm))):
            snapshot.require_form(told | harm, snapshot.FACTS)


def test_where_none_is_whole_the_run_begins_anew_and_says_so(begun: Path, whole: dict[str, bytes], pictures: Path):
    for folder in checkpoint.existing(RunFolder(begun).checkpoints):
        (folder / "discriminator.safetensors").write_bytes(b"")
    events = train(pictures, begun, budget="32img")
    assert any("begins again" in event.text for event in events if isinstance(event, Warned))
    assert weights(begun) == whole


def test_retention_counts_only_what_verifies(tmp_path: Path):
    tensors = {"generator": {"w": torch.arange(50.0)}}
    for images in (1, 2, 3, 4, 5):
        checkpoint.save(tmp_path, images, tensors, {})
    for images in (4, 5):
        (tmp_path / checkpoint.name_for(images) / "generator.safetensors").write_bytes(b"")
    checkpoint.retain(tmp_path, {"00000001"})
    assert [folder.name for folder in checkpoint.existing(tmp_path)] == [
        f"0000000{images}" for images in (1, 2, 3, 4, 5)
    ]
    checkpoint.save(tmp_path, 6, tensors, {})
    checkpoint.save(tmp_path, 7, tensors, {})
    checkpoint.retain(tmp_path, {"00000001"})
    assert [folder.name for folder in checkpoint.existing(tmp_path)] == ["00000001", "00000006", "00000007"]


@pytest.mark.parametrize("name", FORMATS)
def test_every_released_format_loads_for_ever(name: str, tmp_path: Path):
    """Each fixture is a run of 16 images of 32, on the noise below; `format-1-coded` names all kinds of values that recipes hold."""
    shutil.copytree(FIXTURES / name, tmp_path / "run")
    assert sum(file.stat().st_size for file in (tmp_path / "run").rglob("*") if file.is_file()) < 100_000
    run = organza.load(tmp_path / "run")
    assert run.images == 16
    channels, *sides = json.loads((tmp_path / "run" / "recipe.json").read_text())["data"]["shape"]
    assert run.sample(3).shape == (3, *sides, channels)
    assert run.judge(run.sample(3)).shape == (3,)
    np.save(tmp_path / "data.npy", np.random.default_rng(0).integers(0, 256, (120, *sides), np.uint8))
    events: list = []
    organza.train(tmp_path / "data.npy", tmp_path / "run", on_event=events.append, evaluate=False, report=False)
    assert isinstance(events[-1], Stopped)
    assert events[-1].images == 32
    assert not [event.text for event in events if isinstance(event, Warned) and "00000016" in event.text]


def test_there_is_a_fixture_of_the_format_that_is_written():
    assert f"format-{checkpoint.FORMAT}" in FORMATS
