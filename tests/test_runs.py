"""Runs end to end on small real images: what is written, exact resume after real kills, stops, and what is refused in words."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import organza
from organza.errors import UserError
from organza.recipes import get
from organza.run import checkpoint
from organza.run.events import Evaluated, Event, Saved, Stopped, Tick, Warned
from organza.run.folder import RunFolder, lines_of
from organza.training.evaluator import tried
from organza.training.plan import Plan
from tests.contracts.discovery import small
from tests.forks import forked
from tests.helpers import train, weights

CHILD = """
import sys, organza
from organza.recipes import get
from tests.contracts.discovery import small
from tests.forks import forked
data, run, recipe, budget = sys.argv[1:]
organza.train(data, run, recipe=small(get(recipe)), budget=budget, size=32, stop=(), evaluate=False, report=False)
"""


def test_evaluation_and_sampling_do_not_change_the_weights(pictures: Path, tmp_path: Path):
    recipe = small(get("dcgan"))
    train(pictures, tmp_path / "blind", recipe, budget="96img")
    train(pictures, tmp_path / "looked", recipe, budget="96img", evaluate=True)
    assert weights(tmp_path / "blind") == weights(tmp_path / "looked")


def test_an_evaluation_and_its_checkpoint_ask_the_discriminator_once(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    asked: list[int] = []

    def counted(game, batch):
        asked.append(len(batch["image"]))
        return tried(game, batch)

    monkeypatch.setattr("organza.training.evaluator.tried", counted)
    events = train(pictures, tmp_path / "run", small(get("resize-r1")), evaluate=True)  # its loss has no neutral logit
    assert len(asked) == len([event for event in events if isinstance(event, Saved)])


@pytest.mark.parametrize(
    ("late", "every", "measured", "end"),
    [
        (Evaluated, 160, [160], 168),
        (Tick, 640, [16], 16),  # what was never measured is, however short
    ],
)
def test_a_few_steps_that_the_clock_allows_after_an_evaluation_are_not_measured_again(
    late: type[Event],
    every: int,
    measured: list[int],
    end: int,
    pictures: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    now, events = [0.0], []
    monkeypatch.setattr("organza.training.trainer.time", SimpleNamespace(perf_counter=lambda: now[0]))
    monkeypatch.setattr(
        "organza.training.preparation.make_plan", lambda *_: Plan("1h", 640, 3600.0, 640, 640, every, 640)
    )

    def show(event: Event) -> None:
        events.append(event)
        if isinstance(event, late):
            now[0] = 3600.0

    recipe = replace(small(get("dcgan")), batch=8)
    organza.train(pictures, tmp_path / "run", on_event=show, recipe=recipe, budget="1h", size=32, stop=(), report=False)
    assert [event.check.images for event in events if isinstance(event, Evaluated)] == measured
    assert [event.images for event in events if isinstance(event, Stopped)] == [end]


def test_the_run_directory_holds_what_it_promises(pictures: Path, tmp_path: Path):
    train(pictures, tmp_path / "run", small(get("dcgan-r1")), evaluate=True)
    folder = RunFolder(tmp_path / "run")
    content = folder.read()
    assert content["recipe"]["name"] == "dcgan-r1"
    assert content["data"]["count"] == 120
    assert content["data"]["held_out"] == 12
    assert content["versions"]["torch"]
    stats = list(lines_of(folder.stats))
    assert stats[-1]["images"] == 160
    assert {"discriminator", "generator", "D(x)", "D(G(z))", "r1_finite", "rate", "seconds"} <= set(stats[-1])
    assert 0 < stats[-1]["D(x)"]["mean"] < 1
    checks = list(lines_of(folder.evaluations))
    assert checks[-1]["mmd"]["error"] > 0
    assert checks[-1]["card"]
    best = json.loads(folder.best.read_text())
    assert best["images"] == min(checks, key=lambda line: line["mmd"]["value"])["images"]
    assert (folder.checkpoints / best["checkpoint"]).is_dir()
    assert (folder.samples / "real.png").is_file()
    assert (folder.samples / "00000160.png").is_file()
    assert [line["event"] for line in lines_of(folder.events)] == ["started", "stopped"]


def kill_and_finish(data: Path, run: Path, recipe: str, budget: str, delays: list[float]) -> int:
    """Train in a child process that is killed with SIGKILL after each delay; then let it finish. Returns the kills that landed."""
    landed = 0
    for delay in [*delays, None]:
        child = subprocess.Popen(
            [sys.executable, "-c", CHILD, str(data), str(run), recipe, budget], stderr=subprocess.PIPE
        )
        if delay is None:
            _, error = child.communicate(timeout=300)
            assert child.returncode == 0, error.decode()
            return landed
        waited = time.monotonic()
        while not (run / "checkpoints").exists() and time.monotonic() - waited < 60 and child.poll() is None:
            time.sleep(0.01)  # importing torch takes seconds; the kills are meant for the training
        time.sleep(delay)
        if child.poll() is None:
            child.send_signal(signal.SIGKILL)
            landed += 1
        child.communicate()
    return landed


@pytest.mark.long  # tests/faults kills forked processes of three recipes, at more instants
@pytest.mark.slow
def test_killed_at_random_instants_it_ends_with_the_same_bytes(pictures: Path, tmp_path: Path):
    recipe, budget = "dcgan-r1", "3000img"
    began = time.monotonic()
    train(pictures, tmp_path / "whole", small(get(recipe)), budget=budget)
    whole, rng = time.monotonic() - began, random.Random(11)  # so that kills land on a machine of any speed
    delays = [rng.uniform(0.1, 0.3) * whole for _ in range(3)]
    landed = kill_and_finish(pictures, tmp_path / "killed", recipe, budget, delays)
    assert landed >= 3
    assert weights(tmp_path / "whole", 3000) == weights(tmp_path / "killed", 3000)
    assert not list((tmp_path / "killed" / "checkpoints").glob(".*"))


@pytest.mark.parametrize(("number", "kind"), [(signal.SIGINT, "SIGINT"), (signal.SIGTERM, "SIGTERM")])
def test_a_signal_finishes_the_step_saves_and_the_same_command_goes_on(
    number, kind: str, pictures: Path, tmp_path: Path
):
    recipe = small(get("dcgan-r1"))
    train(pictures, tmp_path / "whole", recipe, budget="160img")
    events = []

    def stop_after_forty(event) -> None:
        events.append(event)
        if getattr(event, "images", 0) == 40 and len(events) < 100:
            events.extend([None] * 100)
            os.kill(os.getpid(), number)

    with pytest.raises(KeyboardInterrupt):
        organza.train(
            pictures,
            tmp_path / "run",
            on_event=stop_after_forty,
            recipe=recipe,
            budget="160img",
            size=32,
            stop=(),
            evaluate=False,
            report=False,
        )
    ended = events[-1]
    assert isinstance(ended, Stopped)
    assert ended.kind == kind
    assert ended.images in (40, 48)
    assert json.loads((tmp_path / "run" / "latest.json").read_text())["images"] == ended.images
    train(pictures, tmp_path / "run")
    assert weights(tmp_path / "run") == weights(tmp_path / "whole")


def test_what_a_kill_in_the_last_save_left_is_tidied_by_the_same_command(pictures: Path, tmp_path: Path):
    recipe, places = small(get("dcgan-r1")), tmp_path / "run" / "checkpoints"
    train(pictures, tmp_path / "run", recipe)
    first, last = checkpoint.existing(places)[0], checkpoint.existing(places)[-1]
    whole = weights(tmp_path / "run", 160)
    shutil.copytree(first, places / ".00000032.old")  # was being removed
    shutil.copytree(first, places / ".00000160.123")  # was being written
    last.rename(places / ".00000160.before")  # was being replaced
    train(pictures, tmp_path / "run", recipe)
    assert not list(places.glob(".*"))
    assert weights(tmp_path / "run", 160) == whole


def test_a_finished_run_is_not_trained_on_by_accident_and_a_larger_budget_goes_on(pictures: Path, tmp_path: Path):
    recipe = small(get("mlp"))
    train(pictures, tmp_path / "run", recipe, budget="80img")
    before = weights(tmp_path / "run")
    again = train(pictures, tmp_path / "run", recipe, budget="80img")
    assert again[-1].reason.startswith("this run ended before")
    assert weights(tmp_path / "run") == before
    train(pictures, tmp_path / "run", budget="120img")
    assert checkpoint.existing(tmp_path / "run" / "checkpoints")[-1].name == "00000120"


def test_a_corrupt_checkpoint_falls_back_to_the_one_before_and_says_so(pictures: Path, tmp_path: Path):
    recipe = small(get("dcgan"))
    train(pictures, tmp_path / "whole", recipe, budget="160img")
    for budget in ("80img", "120img"):
        train(pictures, tmp_path / "run", recipe, budget=budget)
    newest = checkpoint.existing(tmp_path / "run" / "checkpoints")[-1] / "generator_training.safetensors"
    content = bytearray(newest.read_bytes())
    content[len(content) // 2] ^= 1
    newest.write_bytes(content)
    events = train(pictures, tmp_path / "run", recipe, budget="160img")
    warnings = [event.text for event in events if isinstance(event, Warned)]
    assert any("00000120/generator_training.safetensors was damaged" in text for text in warnings)
    assert weights(tmp_path / "run") == weights(tmp_path / "whole")


def test_warm_up_trains_the_discriminator_alone(pictures: Path, tmp_path: Path):
    recipe = replace(small(get("dcgan-r1")), warmup=32)
    train(pictures, tmp_path / "cold", replace(recipe, warmup=0), budget="2img")
    train(pictures, tmp_path / "warm", recipe, budget="32img")
    stats = list(lines_of(tmp_path / "warm" / "stats.jsonl"))
    assert all("generator" not in line for line in stats)
    assert all("discriminator" in line for line in stats)
    train(pictures, tmp_path / "warm", recipe, budget="40img")
    assert "generator" in list(lines_of(tmp_path / "warm" / "stats.jsonl"))[-1]


def test_several_turns_of_the_discriminator(pictures: Path, tmp_path: Path):
    recipe = replace(small(get("dcgan-r1")), discriminator_turns=3)
    train(pictures, tmp_path / "run", recipe, budget="96img")
    saved = checkpoint.load(checkpoint.existing(tmp_path / "run" / "checkpoints")[-1])
    assert saved.facts["steps"] == 4  # 96 images of 8 in turns of 3


def test_a_non_finite_loss_stops_the_run_and_names_its_term(pictures: Path, tmp_path: Path):
    recipe = replace(
        small(get("dcgan-r1")), discriminator_optimizer=replace(get("dcgan-r1").discriminator_optimizer, rate=1e30)
    )
    events = []
    with pytest.raises(UserError, match="no checkpoint"):
        organza.train(
            pictures,
            tmp_path / "run",
            on_event=events.append,
            recipe=recipe,
            budget="400img",
            size=32,
            evaluate=False,
            report=False,
        )
    assert events[-1].kind == "non-finite"
    assert "images" in events[-1].reason
    assert "is nan" in events[-1].reason or "is inf" in events[-1].reason


def test_two_processes_cannot_train_one_run(pictures: Path, tmp_path: Path):
    folder = RunFolder(tmp_path / "run")
    folder.begin()
    with folder.hold():
        child = forked("train", pictures, "--run", tmp_path / "run", "--recipe", "mlp", "--budget", "16img")
    assert child.returncode == 2
    assert f"process {os.getpid()}" in child.stderr.decode()


def test_another_recipe_size_or_data_in_the_same_folder_is_refused_by_name(pictures: Path, tmp_path: Path):
    recipe = small(get("mlp"))
    train(pictures, tmp_path / "run", recipe, budget="16img")
    with pytest.raises(UserError, match="its batch is 8, not 16"):
        train(pictures, tmp_path / "run", replace(recipe, batch=16))
    with pytest.raises(UserError, match="began with size 32x32; for size 64x64 name another folder"):
        train(pictures, tmp_path / "run", recipe, size=64)
    changed = tmp_path / "changed"
    shutil.copytree(pictures, changed)
    (changed / "000.png").unlink()
    with pytest.raises(UserError, match="had 120 images and has 119"):
        train(changed, tmp_path / "run", recipe)


@pytest.mark.parametrize("count", [1, 5])
def test_too_few_or_all_alike(count: int, pictures: Path, tmp_path: Path):
    folder = tmp_path / "few"
    folder.mkdir()
    for copy in range(count):
        shutil.copy(pictures / "000.png", folder / f"{copy}.png")
    with pytest.raises(UserError, match="one usable image" if count == 1 else "all equal"):
        train(folder, tmp_path / "run", small(get("mlp")))
    assert not (tmp_path / "run").exists()


def test_fewer_images_than_a_batch_train_with_a_word_of_warning(pictures: Path, tmp_path: Path):
    folder = tmp_path / "few"
    folder.mkdir()
    for item in range(5):
        shutil.copy(pictures / f"00{item}.png", folder)
    events = train(folder, tmp_path / "run", small(get("dcgan-r1")), budget="24img", evaluate=True)
    assert any("5 images are fewer than a batch of 8" in event.text for event in events if isinstance(event, Warned))


def test_a_full_disk_is_told_and_loses_nothing(pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    recipe = small(get("mlp"))
    train(pictures, tmp_path / "run", recipe, budget="40img")
    before = weights(tmp_path / "run", 40)

    def full(path: Path, content: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint, "write", full)
    with pytest.raises(UserError, match=r"disk is full .* MB free"):
        train(pictures, tmp_path / "run", recipe, budget="80img")
    monkeypatch.undo()
    assert weights(tmp_path / "run", 40) == before
    train(pictures, tmp_path / "run", recipe, budget="80img")


def test_sample_is_the_same_whatever_the_count_and_judge_gives_probabilities(pictures: Path, tmp_path: Path):
    train(pictures, tmp_path / "run", small(get("dcgan")), budget="80img")
    run = organza.load(tmp_path / "run")
    many = run.sample(37, seed=7)
    assert many.shape == (37, 32, 32, 3)
    assert many.dtype == np.uint8
    assert np.array_equal(run.sample(5, seed=7), many[:5])
    assert np.array_equal(run.sample(3, seed=7, first=20), many[20:23])
    assert not np.array_equal(run.sample(5, seed=8), many[:5])
    chances = run.judge(many)
    assert ((chances > 0) & (chances < 1)).all()
    assert np.array_equal(run.judge(many[:3]), chances[:3])
    with pytest.raises(UserError, match=r"\[N, 32, 32, 3\]"):
        run.judge(np.zeros((2, 16, 16, 3), np.uint8))
    only = tmp_path / "only" / "checkpoints"
    shutil.copytree(tmp_path / "run" / "checkpoints", only)
    shutil.copy(tmp_path / "run" / "recipe.json", tmp_path / "only")
    assert np.array_equal(organza.load(tmp_path / "only").sample(5, seed=7), many[:5])


def test_load_says_what_is_missing(tmp_path: Path, pictures: Path):
    with pytest.raises(UserError, match=r"is not a run\."):
        organza.load(tmp_path)
    train(pictures, tmp_path / "run", small(get("mlp")), budget="16img")
    with pytest.raises(UserError, match="no checkpoint 16; choose from best, latest, 00000008, 00000016"):
        organza.load(tmp_path / "run", "16")
