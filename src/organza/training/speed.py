"""Speed of this machine, measured before a run is planned: of a step, of sampling, and of compiled
against plain networks.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from statistics import median

import torch

from organza.data.batches import Batches
from organza.distributed.world import ALONE, World
from organza.errors import reason_of
from organza.game import NonFinite
from organza.penalties import FIRST_ORDER
from organza.recipe import Recipe
from organza.seeding import MICROBATCH
from organza.training.accelerator import CPU, Accelerator
from organza.training.evaluator import JUDGED, Evaluator
from organza.training.plan import Costs, Plan
from organza.training.sampling import samples
from organza.training.state import TrainState
from organza.training.step import train_step

log = logging.getLogger("organza")
WINDOWS, LONGEST = 3, 6
WORTHWHILE = 1.05
"""Least speed-up of compiled networks: less is noise, and compiling takes a minute of the budget."""

AS_GOOD = 0.8
"""Share of the best rate that the chosen number of threads must reach. Threads wait for one another
by spinning, and one that shares its core delays all: beside one busy process `swift` is ten times
slower with two threads on two cores than with one (docs/lab-log.md, 30)."""


def trial(
    recipe: Recipe, data: Batches, accelerator: Accelerator = CPU, world: World = ALONE, alone: int = 0
) -> TrainState:
    """Return a throwaway state for timing a few steps: no run folder, no evaluation.

    Args:
        recipe: recipe to time.
        data: data in its layout.
        accelerator: accelerator to time it on.
        world: ranks that share the batches.
        alone: images of the generator's warm-up; 0 times the game.
    """
    small = Plan("", 1, None, 1, 1, 1, 1)
    return TrainState(replace(recipe, warmup=0, generator_warmup=alone), data, small, 0, accelerator, world)


def pace(recipe: Recipe, data: Batches, accelerator: Accelerator, world: World, rate: float, seconds: float) -> float:
    """Measure the images of the generator's warm-up in the time of one of the game's; 1 if there is no warm-up.

    Args:
        recipe: recipe to time.
        data: data in its layout.
        accelerator: accelerator to time it on.
        world: ranks that share the batches.
        rate: images a second of its game.
        seconds: time to measure for.
    """
    if not recipe.generator_warmup:
        return 1.0
    return measure(trial(recipe, data, accelerator, world, alone=10**9), seconds) / rate


def measure(state: TrainState, seconds: float) -> float:
    """Measure the images a second of a throwaway state, as the median of short windows.

    Uses at least three windows of a third of the time each, and more until the middle ones agree,
    at most `LONGEST` times as long, so that a moment's noise in one window does not matter.

    Args:
        state: state of the game that takes the steps.
        seconds: length of three windows together.
    """
    windows: list[float] = []
    first = 1.0
    try:
        # The first step also allocates and compiles; lazy penalties come in the second.
        for _ in range(2 if state.accelerator.compiled else 1):
            first = _window(state, 0.0)
        begun, clock = time.perf_counter(), state.world.clock
        while not windows or (not _agree(windows) and clock(time.perf_counter() - begun) < LONGEST * seconds):
            windows.append(_window(state, seconds / WINDOWS))
    except NonFinite:
        pass  # the run itself meets and reports the same error; here an estimate of the rate is enough
    return median(windows or [first])


def _window(state: TrainState, seconds: float) -> float:
    """Return the images a second of at least one step."""
    start, images, clock = time.perf_counter(), state.images, state.world.clock
    while state.images == images or clock(time.perf_counter() - start) < seconds:
        train_step(state)
    return (state.images - images) / clock(time.perf_counter() - start)


def _agree(rates: Sequence[float]) -> bool:
    """Return True if there are at least three rates, and most of them lie within a tenth of the
    median.
    """
    middle = median(rates)
    return len(rates) >= WINDOWS and 2 * sum(abs(rate - middle) <= 0.1 * middle for rate in rates) > len(rates)


def rates(recipe: Recipe, data: Batches, accelerator: Accelerator, seconds: float = 0.3) -> dict[int, float]:
    """Measure the images a second by threads: 1, 2, 4 ... and all; only the current number if the
    user set it or the device is no CPU.
    """
    most = torch.get_num_threads()
    chosen = accelerator.device.type != "cpu" or "OMP_NUM_THREADS" in os.environ
    counts = [most] if chosen else sorted({*(2**n for n in range(most.bit_length()) if 2**n < most), most})
    found = {}
    for count in counts:
        with threaded(count):
            found[count] = measure(trial(recipe, data, accelerator), seconds)
    return found


def fewest(found: dict[int, float]) -> int:
    """Return the fewest threads within `AS_GOOD` of the best rate.

    >>> fewest({1: 97.0, 2: 133.0}), fewest({1: 115.0, 2: 14.0}), fewest({1: 50.0, 2: 95.0, 4: 100.0})
    (2, 1, 2)
    """
    return min(count for count, rate in found.items() if rate >= AS_GOOD * max(found.values()))


class Pace:
    """Measurement of recipes one after another: images a second, with the threads that were fastest
    for the first of them.

    Args:
        accelerator: accelerator to measure on.
        world: ranks that share the batches.
    """

    def __init__(self, accelerator: Accelerator, world: World = ALONE):
        self.accelerator, self.world = accelerator, world
        self.threads: int | None = torch.get_num_threads() if world.size > 1 else None

    def __call__(self, recipe: Recipe, data: Batches) -> float:
        """Return the images a second of this recipe on this data."""
        if self.threads is None:
            found = rates(recipe, data, self.accelerator)
            self.threads = max(found, key=lambda count: found[count])
            return found[self.threads]
        with threaded(self.threads):
            return measure(trial(recipe, data, self.accelerator, self.world), 0.3)


@contextmanager
def threaded(count: int) -> Iterator[None]:
    """Use a number of threads for operations on the CPU inside the block; restore it afterwards."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def costs(state: TrainState, rate: float, evaluator: Evaluator | None) -> Costs:
    """Estimate the costs of samples and evaluations from a few images generated twice, as only the
    first time prepares the average.
    """
    clock = state.world.clock
    first, again = (clock(_seconds(lambda: samples(state, range(MICROBATCH)))) for _ in range(2))
    picture = again / MICROBATCH
    sheet = max(first - again, 0.0) + state.data.rows * state.data.columns * picture
    if evaluator is None:
        return Costs(rate, sheet, sheet)
    return Costs(rate, sheet + (evaluator.samples + 2 * JUDGED) * picture + clock(evaluator.cost), sheet)


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def faster(recipe: Recipe, data: Batches, accelerator: Accelerator) -> Accelerator:
    """Return the accelerator with compiled networks if a few steps with them are faster, else
    unchanged.

    Only on CUDA: on a CPU no gain was measured. Only if no penalty needs second derivatives, which
    compiled networks do not support.
    """
    if accelerator.device.type != "cuda" or not all(penalty.of in FIRST_ORDER for penalty in recipe.penalties):
        return accelerator
    compiled, plain = replace(accelerator, compiled=True), measure(trial(recipe, data, accelerator), 1.0)
    try:
        gain = measure(trial(recipe, data, compiled), 1.0) / plain
    except Exception as error:  # a compiler can be missing or fail in many ways; the run does not need it
        log.info("networks are not compiled: %s", reason_of(error))
        return accelerator
    return compiled if gain > WORTHWHILE else accelerator
