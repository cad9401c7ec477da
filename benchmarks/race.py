"""Side by side: recipes of organza and the tutorial's own loop, on the same images, threads and minutes.

    python benchmarks/race.py run faces --out race/faces --contestant tutorial@60m --contestant auto@6m --seeds 3
    python benchmarks/race.py show race/faces

The contestants train in turns of a few seconds in one process, so that a noisy machine is unfair to none of them, until each has had
its minutes. The clock stands still while images for the judges are drawn; with one thread (OMP_NUM_THREADS=1) it is processor time,
which other work on the machine does not shorten. A contestant is the name of a recipe (auto, or my_module:my_recipe) and the budget that
its schedules are planned for, and a seed where it is not to run with all of them: auto@6m#2; `tutorial` is benchmarks/tutorial.py.
`show` judges what was drawn: the distance that steers a run (organza.metrics), against held-out images that no contestant was
trained on, by two networks that share no weights, by three looks each. It prints the table and writes race.json and race.png.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from organza import Images, Source
from organza.data.batches import to_uint8
from organza.metrics.extractors.features import offline_extractor, second_opinion
from organza.metrics.extractors.multiscale import Pyramid
from organza.metrics.suite import distance
from organza.overrides import apply
from organza.recipe import Recipe
from organza.recipes import get
from organza.training.accelerator import choose, versions
from organza.training.auto import AUTO, recipe_for
from organza.training.plan import Budget, Plan
from organza.training.sampling import samples
from organza.training.speed import measure, trial
from organza.training.state import TrainState
from organza.training.step import train_step
from tutorial import SIZE, Tutorial

AGES = (
    15,
    30,
    45,
    60,
    90,
    120,
    180,
    240,
    300,
    360,
    480,
    600,
    750,
    900,
    1200,
    1500,
    1800,
    2100,
    2400,
    2700,
    3000,
    3300,
    3600,
)
"""Seconds of training after which images are drawn for the judges."""
SLICE = 10.0  # seconds of training at a time
DRAWN, JUDGED = 1000, 500
"""Images that are drawn at each age, and how many of them are judged: two networks look three times each."""


class Contestant(Protocol):
    """Something that trains step by step and can be asked for images at any time."""

    @property
    def images(self) -> int: ...

    def step(self) -> None: ...

    def sample(self, count: int) -> np.ndarray:
        """uint8 [count, H, W, C], of the data's size."""
        ...


class Reference:
    """The tutorial's loop on the data, enlarged or reduced to its 64x64."""

    def __init__(self, data: Images, seed: int):
        self.data, self.seed, self.seen = data, seed, 0
        self.tutorial = Tutorial(data.shape[0], seed)

    @property
    def images(self) -> int:
        return self.seen

    def step(self) -> None:
        batch = self.data.at(range(self.seen, self.seen + Tutorial.batch))["image"]
        if batch.shape[-2:] != (SIZE, SIZE):
            batch = interpolate(batch, (SIZE, SIZE), mode="bilinear", antialias=True)
        self.tutorial.step(batch.contiguous())
        self.seen += Tutorial.batch

    def sample(self, count: int) -> np.ndarray:
        made = self.tutorial.sample(count)
        if made.shape[-2:] != tuple(self.data.shape[-2:]):
            made = interpolate(made, tuple(self.data.shape[-2:]), mode="bilinear", antialias=True)
        return to_uint8(made).numpy()


class Ours:
    """A recipe in organza's training step, without its looks at itself, on the machine that `organza train` would choose."""

    def __init__(self, recipe: Recipe, data: Images, seed: int, budget: Budget):
        machine = choose()
        rate = measure(trial(recipe, data, machine), 5.0)
        planned = max(budget.planned(len(data.parts.train), rate), recipe.batch)
        plan = Plan(budget.text, planned, budget.seconds, planned, planned, planned, planned)
        self.state = TrainState(recipe, data, plan, seed, machine)

    @property
    def images(self) -> int:
        return self.state.images

    def step(self) -> None:
        train_step(self.state)

    def sample(self, count: int) -> np.ndarray:
        return samples(self.state, range(1_000_000, 1_000_000 + count)).numpy()


@dataclass
class Lane:
    """One contestant's way through the race."""

    name: str
    contestant: Contestant
    ends: float  # seconds
    clock: Callable[[], float]
    seconds: float = 0.0
    cpu: float = 0.0
    stops: list[dict[str, Any]] = field(default_factory=list)

    def advance(self, folder: Path) -> bool:
        """Train for a slice; draw images where an age is reached. False at the end."""
        due = next((age for age in AGES if age > self.seconds), self.ends)
        until = min(self.seconds + SLICE, due, self.ends)
        start, cpu, before = self.clock(), time.process_time(), self.seconds
        while self.seconds < until:
            self.contestant.step()
            self.seconds = before + self.clock() - start
        self.cpu += time.process_time() - cpu
        if self.seconds >= min(due, self.ends):
            self._draw(folder)
        return self.seconds < self.ends

    def _draw(self, folder: Path) -> None:
        where = folder / f"{self.name}-{len(self.stops):02d}.npy"
        np.save(where, self.contestant.sample(DRAWN))
        stop = {"seconds": self.seconds, "cpu": self.cpu, "images": self.contestant.images, "pictures": where.name}
        self.stops.append(stop)
        (folder / f"{self.name}.json").write_text(json.dumps({"name": self.name, "stops": self.stops}, indent=1))
        print(f"{self.name}: {self.seconds:.0f} s, {self.contestant.images:,} images", flush=True)


def entered(text: str, source: Source, data: Images, seed: int, settings: list[str]) -> Lane:
    """The contestant that `name@budget` stands for."""
    name, _, budget = text.partition("@")
    allowed = Budget.parse(budget)
    seconds = allowed.seconds or float("inf")
    label = f"{name.rpartition(':')[2]}@{budget}#{seed}"
    clock = time.process_time if torch.get_num_threads() == 1 else time.perf_counter
    if name == "tutorial":
        return Lane(label, Reference(data, seed), seconds, clock)
    if name == AUTO:
        choice = recipe_for(source, allowed, lambda recipe, data: measure(trial(recipe, data, choose()), 3.0))
        print(label, *choice.reasons, sep="\n  ", flush=True)
        recipe = choice.recipe
    else:
        recipe = get(name)
    return Lane(label, Ours(apply(recipe, settings), data, seed, allowed), seconds, clock)


def run(asked: argparse.Namespace) -> None:
    """Race all contestants."""
    torch.set_flush_denormal(True)
    asked.out.mkdir(parents=True, exist_ok=True)
    source = Source(asked.data, asked.size)
    data = Images(source)
    np.save(asked.out / "real.npy", data.real())
    (asked.out / "conditions.json").write_text(
        json.dumps(
            {"data": data.facts(), "threads": torch.get_num_threads(), "cores": os.cpu_count()} | versions(choose()),
            indent=1,
        )
    )
    lanes = [
        entered(text.partition("#")[0], source, data, seed, asked.set)
        for seed in range(asked.first, asked.first + asked.seeds)
        for text in asked.contestant
        if text.partition("#")[2] in ("", str(seed))
    ]
    while lanes:
        lanes = [lane for lane in lanes if lane.advance(asked.out)]


def judged(folder: Path) -> dict[str, dict[str, Any]]:
    """Every image set of a race held against the real images: {contestant: {..., stops with a score for each judge}}.

    Scores are kept in scores.json, so that what was judged once is not judged again.
    """
    kept_at = folder / "scores.json"
    kept: dict[str, dict[str, float]] = json.loads(kept_at.read_text()) if kept_at.exists() else {}
    real = np.load(folder / "real.npy")
    found = {}
    for path in sorted(folder.glob("*#*.json")):
        lane = json.loads(path.read_text())
        for stop in lane["stops"]:
            if stop["pictures"] not in kept:
                kept[stop["pictures"]] = _scores(real, np.load(folder / stop["pictures"])[:JUDGED])
                kept_at.write_text(json.dumps(kept, indent=1))
            stop["scores"] = kept[stop["pictures"]]
            stop["score"] = statistics.mean(stop["scores"].values())
        found[lane["name"]] = lane
    return found


@cache
def _judges() -> list[Pyramid]:
    return [Pyramid(offline_extractor), Pyramid(second_opinion)]


_real: dict[str, Tensor] = {}


def _scores(real: np.ndarray, made: np.ndarray) -> dict[str, float]:
    for judge in _judges():
        if judge.name not in _real:
            _real[judge.name] = judge(real)
    return {judge.name: distance(_real[judge.name], judge(made)).value for judge in _judges()}


def reached(lane: dict[str, Any], score: float, by: str = "score") -> float | None:
    """The seconds of training after which a contestant stood at this score or better; between two looks, by a straight line."""
    before = None
    for stop in lane["stops"]:
        now = stop["score"] if by == "score" else stop["scores"][by]
        if now <= score:
            if before is None:
                return stop["seconds"]
            share = (before[1] - score) / max(before[1] - now, 1e-12)
            return before[0] + share * (stop["seconds"] - before[0])
        before = (stop["seconds"], now)
    return None


def show(asked: argparse.Namespace) -> None:
    """The table, race.json and race.png of a race."""
    lanes = judged(asked.folder)
    references = [lane for name, lane in lanes.items() if name.startswith(asked.reference)]
    target = min(stop["score"] for lane in references for stop in lane["stops"])
    when = statistics.median(
        next(stop["seconds"] for stop in lane["stops"] if stop["score"] == min(s["score"] for s in lane["stops"]))
        for lane in references
    )
    print(f"the best score of {asked.reference}: {target:.4f}, after {when / 60:.1f} minutes")
    ages = (1, 2, 5, 10, 20, 40, 60)
    print(
        f"{'contestant':28s}{'images/s':>9s}"
        + "".join(f"{f'{age} min':>9s}" for age in ages)
        + f"{'best':>9s}{'reached after':>16s}{'sooner':>9s}"
    )
    for name, lane in lanes.items():
        last = lane["stops"][-1]
        cells = []
        for age in ages:
            near = [stop for stop in lane["stops"] if 0.9 * age * 60 <= stop["seconds"] <= 1.15 * age * 60]
            cells.append(f"{near[0]['score']:9.4f}" if near else f"{'':9s}")
        at = reached(lane, target)
        sooner = ">" if at == lane["stops"][0]["seconds"] else ""  # it was there at the first look already
        told = f"{at / 60:12.1f} min{sooner + f'{when / at:.1f}':>8s}x" if at else f"{'never':>16s}{'':9s}"
        best = min(stop["score"] for stop in lane["stops"])
        print(f"{name:28s}{last['images'] / last['seconds']:9.1f}{''.join(cells)}{best:9.4f}{told}")
        lane |= {"reached": at, "sooner": when / at if at else None}
    (asked.folder / "race.json").write_text(json.dumps({"target": target, "after": when, "lanes": lanes}, indent=1))
    _plot(lanes, target, asked.folder / "race.png")


def _plot(lanes: dict[str, dict[str, Any]], target: float, path: Path) -> None:
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(8, 5), layout="constrained")
    names = list(dict.fromkeys(name.partition("#")[0] for name in lanes))
    for name, lane in lanes.items():
        kind = name.partition("#")[0]
        label = kind if name == next(n for n in lanes if n.startswith(kind + "#")) else None
        minutes, scores = [s["seconds"] / 60 for s in lane["stops"]], [s["score"] for s in lane["stops"]]
        axes.plot(minutes, scores, color=f"C{names.index(kind)}", label=label, marker=".")
    axes.axhline(target, color="grey", linewidth=0.8, linestyle="--")
    axes.set(xscale="log", yscale="log", xlabel="minutes of training", ylabel="distance from held-out images")
    axes.legend()
    figure.savefig(path, dpi=120)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = arguments.add_subparsers(required=True)
    verb = verbs.add_parser("run")
    verb.add_argument("data")
    verb.add_argument("--out", type=Path, required=True)
    verb.add_argument("--contestant", action="append", required=True)
    verb.add_argument("--seeds", type=int, default=1)
    verb.add_argument("--first", type=int, default=0)
    verb.add_argument("--size")
    verb.add_argument("--set", action="append", default=[])
    verb.set_defaults(do=run)
    verb = verbs.add_parser("show")
    verb.add_argument("folder", type=Path)
    verb.add_argument("--reference", default="tutorial", help="the contestant whose best score is the target")
    verb.set_defaults(do=show)
    asked = arguments.parse_args()
    asked.do(asked)


if __name__ == "__main__":
    main()
