"""Where a training step's time goes, beside the best that this machine can do: rates of the whole step and of each operation.

    python benchmarks/roofline.py faces --out roofline.json

The best convolution and the best matrix product are measured on the spot, between the repeats, with the threads that training has.
Contestants alternate: the tutorial's own loop (benchmarks/tutorial.py), `dcgan`, which has the same networks and numbers in organza's
loop, in float32 and in the precision that `organza train` would choose here, and the recipe that `auto` would choose for ten minutes.
Then each operation of a step is timed where it is called: on a CPU it is done when the call returns.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from organza import Images, Source
from organza.networks.layers import channels_last
from organza.recipe import Recipe
from organza.recipes import get
from organza.training.accelerator import CPU, Accelerator, choose, versions
from organza.training.auto import recipe_for
from organza.training.dry_run import cost
from organza.training.plan import Budget
from organza.training.speed import measure, trial
from organza.training.step import train_step
from race import Reference
from tutorial import Tutorial

SHAPES = [(128, 128, 32), (256, 256, 16), (64, 128, 32), (512, 512, 8), (32, 32, 64)]
"""Of 3x3 convolutions: channels in and out, side. Large enough to keep every thread busy, small enough for the caches."""


def best_convolution(accelerator: Accelerator = CPU, batch: int = 32) -> float:
    """GFLOP/s of the fastest of some convolutions, in channels-last memory."""
    return max(accelerator.forward(lambda shape=shape: _rate(_convolution(batch, *shape))) for shape in SHAPES)


def best_product(side: int = 1024) -> float:
    """GFLOP/s of a matrix product."""
    a, b = torch.randn(side, side), torch.randn(side, side)
    return _rate((lambda: a @ b, 2 * side**3))


def _convolution(batch: int, wide: int, narrow: int, side: int) -> tuple[Callable[[], object], float]:
    precision = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else torch.float32
    layer = channels_last(torch.nn.Conv2d(wide, narrow, 3, padding=1, bias=False)).requires_grad_(False).to(precision)
    x = torch.randn(batch, wide, side, side, dtype=precision).to(memory_format=torch.channels_last)
    return lambda: layer(x), 2.0 * batch * wide * narrow * 9 * side * side


def _rate(work: tuple[Callable[[], object], float], seconds: float = 0.3) -> float:
    call, flops = work
    call()
    start, times = time.perf_counter(), 0
    while time.perf_counter() - start < seconds:
        call()
        times += 1
    return times * flops / (time.perf_counter() - start) / 1e9


class Clock(TorchDispatchMode):
    """Times every operation under it, with its arithmetic where that is known: {(name, shapes): [seconds, flops, calls]}."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: dict[tuple[str, str], list[float]] = defaultdict(lambda: [0.0, 0.0, 0])

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        start = time.perf_counter()
        result = func(*args, **(kwargs or {}))
        seconds = time.perf_counter() - start
        packet = func.overloadpacket
        flops = flop_registry[packet](*args, **(kwargs or {}), out_val=result) if packet in flop_registry else 0
        shapes = " ".join("x".join(map(str, a.shape)) for a in args[:3] if isinstance(a, torch.Tensor)) if flops else ""
        row = self.rows[(packet.__name__, shapes)]
        row[0], row[1], row[2] = row[0] + seconds, row[1] + flops, row[2] + 1
        return result


def operations(step: Callable[[], object], times: int = 3) -> list[dict[str, Any]]:
    """Each operation of a step, the most expensive first: name, shapes, milliseconds a step, share of the time, GFLOP/s."""
    step()
    with Clock() as clock:
        for _ in range(times):
            step()
    whole = sum(row[0] for row in clock.rows.values())
    rows = [
        {
            "operation": name,
            "shapes": shapes,
            "ms": 1000 * seconds / times,
            "share": seconds / whole,
            "gflops": flops / seconds / 1e9,
        }
        for (name, shapes), (seconds, flops, _) in clock.rows.items()
    ]
    return sorted(rows, key=lambda row: -row["ms"])


def stepping(step: Callable[[], object], images: int, steps: int) -> Callable[[], float]:
    """A function that does some steps and returns images a second."""
    step()

    def run() -> float:
        start = time.perf_counter()
        for _ in range(steps):
            step()
        return images * steps / (time.perf_counter() - start)

    return run


class Contestant(NamedTuple):
    """A recipe on a machine."""

    recipe: Recipe
    accelerator: Accelerator

    def __str__(self) -> str:
        return f"{self.recipe.name} in {self.accelerator.facts()['precision']}"


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("data")
    arguments.add_argument("--repeats", type=int, default=5)
    arguments.add_argument("--rows", type=int, default=14)
    arguments.add_argument("--out", type=Path)
    asked = arguments.parse_args()
    torch.set_flush_denormal(True)
    source, here = Source(asked.data, 64), choose("cpu")
    data, reference = Images(source), Reference(Images(source), 0)
    auto = recipe_for(source, Budget.parse("10m"), lambda recipe, some: measure(trial(recipe, some, here), 1.0)).recipe
    contestants = list(dict.fromkeys(Contestant(recipe, on) for recipe in (get("dcgan"), auto) for on in (CPU, here)))
    steps = {one: partial(train_step, trial(one.recipe, data, one.accelerator)) for one in contestants}
    best = {
        one.accelerator: f"best convolution in {one.accelerator.facts()['precision']}, GFLOP/s" for one in contestants
    }
    jobs: dict[str, Callable[[], float]] = {
        name: partial(best_convolution, accelerator) for accelerator, name in best.items()
    }
    jobs["best matrix product, GFLOP/s"] = best_product
    jobs["the tutorial's loop, images/s"] = stepping(reference.step, Tutorial.batch, 2)
    for one in contestants:
        batch = one.recipe.batch
        jobs[f"{one}, images/s"] = stepping(steps[one], batch, max(2, 256 // batch))
    found: dict[str, list[float]] = {name: [] for name in jobs}
    for _ in range(asked.repeats):
        for name, job in jobs.items():
            found[name].append(job())
    middle = {name: statistics.median(values) for name, values in found.items()}
    for name, values in found.items():
        print(f"{name:44s}{middle[name]:10.1f}   ({min(values):.1f} to {max(values):.1f})")
    facts: dict[str, dict[str, Any]] = {}
    for one in contestants:
        pairs = zip(found[f"{one}, images/s"], found["the tutorial's loop, images/s"], strict=True)
        ratio = statistics.median(a / b for a, b in pairs)
        rate = middle[f"{one}, images/s"] * cost(one.recipe, data) / 1e9
        share = rate / middle[best[one.accelerator]]
        rows = operations(steps[one])
        facts[str(one)] = {"ratio": ratio, "gflops": rate, "achieved": share, "operations": rows}
        print(f"\n{one}: {ratio:.2f} times the images of the tutorial's loop (median of {asked.repeats} ratios)")
        print(f"{rate:.1f} GFLOP/s, {100 * share:.0f}% of the best convolution. A step, by operation:")
        for row in rows[: asked.rows]:
            part = 100 * row["gflops"] / middle[best[one.accelerator]]
            told = f"{row['gflops']:8.1f} GFLOP/s ({part:3.0f}%)" if row["gflops"] else ""
            print(f"{row['ms']:8.1f} ms {100 * row['share']:5.1f}% {row['operation']:32s}{told:26s} {row['shapes']}")
    if asked.out:
        asked.out.write_text(json.dumps({"versions": versions(here), "values": found, "contestants": facts}, indent=1))


if __name__ == "__main__":
    main()
