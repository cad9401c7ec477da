"""What a run spends its time on: training, and all that is not. Wall time by kind, medians of repeats, each in a process of its own.

    python benchmarks/overhead.py --budget 5m --out overhead.json
    python benchmarks/overhead.py photos --recipe dcgan-r1 --repeats 1

The data is packed before, and the features of the held-out images are kept from the first repeat on. The times are taken around the
trainer's own methods; what is left over is the loop itself, and who watches it (here nobody). On a busy machine --processor counts the
processor's time instead: take a budget in images then, as one in minutes goes by the clock.
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

KINDS = {  # what is timed, in words
    "import": "start: interpreter and imports",
    "open_data": "start: opening the data",
    "_evaluator": "start: features of held-out images",
    "_plan": "start: measuring speed",
    "build": "start: building the players",
    "step": "training steps",
    "_tick": "counting",
    "_write_stats": "statistics",
    "_sample": "sample grids",
    "_evaluate": "evaluations",
    "_save": "checkpoints",
    "load": "opening the finished run",
}


class Clock:
    """Seconds and calls by kind; of one inside another, the outer counts."""

    def __init__(self, now: Callable[[], float]) -> None:
        self.now = now
        self.seconds: dict[str, float] = defaultdict(float)
        self.calls: dict[str, int] = defaultdict(int)
        self.running = False

    def around(self, kind: str, work: Callable[..., Any]) -> Callable[..., Any]:
        """The function, timed."""

        @functools.wraps(work)
        def timed(*positional: Any, **named: Any) -> Any:
            self.calls[kind] += not self.running
            return self.measured(kind, lambda: work(*positional, **named))

        return timed

    def along(self, kind: str, work: Callable[..., Iterator[Any]]) -> Callable[..., Iterator[Any]]:
        """The generator function, timed while it works, and not while others look at what it yields."""

        @functools.wraps(work)
        def timed(*positional: Any, **named: Any) -> Iterator[Any]:
            self.calls[kind] += 1
            going, end = work(*positional, **named), object()
            while (event := self.measured(kind, lambda: next(going, end))) is not end:
                yield event

        return timed

    def measured(self, kind: str, work: Callable[[], Any]) -> Any:
        """What the work returns; its seconds are added."""
        if self.running:
            return work()
        self.running, start = True, self.now()
        try:
            return work()
        finally:
            self.running = False
            self.seconds[kind] += self.now() - start


def run(data: str, folder: str, budget: str, recipe: str | None, begun: float | None) -> dict[str, Any]:
    """Train once; seconds and calls by kind, and the images seen. By the clock since it began, or by the processor."""
    now = time.process_time if begun is None else lambda: time.time() - begun
    clock = Clock(now)
    from organza.training import launch, trainer
    from organza.training.state import TrainState
    from organza.training.trainer import Trainer

    clock.seconds["import"] = now()
    for kind in ("open_data", "_evaluator", "_plan"):
        setattr(launch, kind, clock.around(kind, getattr(launch, kind)))
    trainer.train_step = clock.around("step", trainer.train_step)
    for method in ("_tick", "_write_stats"):
        setattr(Trainer, method, clock.around(method, getattr(Trainer, method)))
    for method in ("_sample", "_evaluate", "_save"):
        setattr(Trainer, method, clock.along(method, getattr(Trainer, method)))
    TrainState.__init__ = clock.around("build", TrainState.__init__)
    launch.load = clock.around("load", launch.load)
    ends: list[int] = []
    launch.train(
        data, folder, on_event=lambda event: ends.append(getattr(event, "images", 0)), budget=budget, recipe=recipe, progress=False
    )  # fmt: skip
    whole = now()
    return {"whole": whole, "images": ends[-1], "seconds": dict(clock.seconds), "calls": dict(clock.calls)}


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("data", nargs="?", help="a folder of images; cartoon faces by default")
    arguments.add_argument("--budget", default="5m")
    arguments.add_argument("--recipe")
    arguments.add_argument("--repeats", type=int, default=3)
    arguments.add_argument("--faces", type=int, default=6000)
    arguments.add_argument("--processor", action="store_true")
    arguments.add_argument("--out", type=Path)
    arguments.add_argument("--one", help=argparse.SUPPRESS)
    arguments.add_argument("--begun", type=float, help=argparse.SUPPRESS)
    asked = arguments.parse_args()
    if asked.one:
        print(json.dumps(run(asked.data, asked.one, asked.budget, asked.recipe, asked.begun)))
        return
    with tempfile.TemporaryDirectory() as place:
        os.environ.setdefault("ORGANZA_CACHE", f"{place}/cache")
        data = asked.data or made(place, asked.faces)
        subprocess.run([sys.executable, "-c", f"import organza; organza.open_data({data!r})"], check=True)
        runs = [once(asked, data, f"{place}/run{index}") for index in range(asked.repeats)]
    for line in told(runs):
        print(line)
    if asked.out:
        asked.out.write_text(json.dumps({"budget": asked.budget, "recipe": asked.recipe, "runs": runs}, indent=1))


def made(place: str, faces: int) -> str:
    """A folder of cartoon faces."""
    from organza.data import render_faces

    return str(render_faces(Path(place) / "faces", count=faces))


def once(asked: argparse.Namespace, data: str, folder: str) -> dict[str, Any]:
    """One run in a process of its own."""
    recipe = ["--recipe", asked.recipe] if asked.recipe else []
    command = [sys.executable, __file__, data, "--one", folder, "--budget", asked.budget, *recipe]
    since = [] if asked.processor else ["--begun", str(time.time())]
    done = subprocess.run([*command, *since], stdout=subprocess.PIPE, text=True, check=True, env=os.environ)
    return json.loads(done.stdout.splitlines()[-1])


def told(runs: list[dict[str, Any]]) -> Iterator[str]:
    """The table: seconds, shares and calls of each kind, and the share of all that is not training."""
    whole = statistics.median(one["whole"] for one in runs)
    yield f"{'':40s}{'seconds':>10s}{'share':>10s}{'calls':>8s}"
    for kind, words in KINDS.items():
        seconds = statistics.median(one["seconds"].get(kind, 0.0) for one in runs)
        calls = statistics.median(one["calls"].get(kind, 1) for one in runs)
        yield f"{words:40s}{seconds:10.2f}{seconds / whole:10.2%}{calls:8.0f}"
    left = statistics.median(one["whole"] - sum(one["seconds"].values()) for one in runs)
    beside = statistics.median(1 - one["seconds"]["step"] / one["whole"] for one in runs)
    images = statistics.median(one["images"] for one in runs)
    yield f"{'the rest':40s}{left:10.2f}{left / whole:10.2%}"
    yield f"{'all of it':40s}{whole:10.2f}{1:10.2%}   {images:,.0f} images"
    yield f"{'all that is not training':40s}{beside * whole:10.2f}{beside:10.2%}"


if __name__ == "__main__":
    main()
