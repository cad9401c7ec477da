"""What things take on this machine, measured before a run is planned: a step, a look at the samples, compiled networks or plain ones."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from statistics import median

import torch

from organza.data.batches import Batches
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

WINDOWS, LONGEST = 3, 6
WORTHWHILE = 1.05
"""Compiled networks must be faster by this factor: less is noise, and compiling takes a minute of the budget."""

AS_GOOD = 0.8
"""Of the best rate: the fewest threads that reach it are taken. Threads wait for one another by spinning, and one that has to share its
core holds up all: beside one busy process `swift` is ten times slower with two threads on two cores than with one (docs/lab-log.md, 30)."""


def trial(recipe: Recipe, data: Batches, accelerator: Accelerator = CPU) -> TrainState:
    """Return a state for a few full steps that nobody keeps."""
    small = Plan("", 1, None, 1, 1, 1, 1)
    return TrainState(replace(recipe, warmup=0, generator_warmup=0), data, small, 0, accelerator)


def measure(state: TrainState, seconds: float) -> float:
    """Return images a second of a state that is thrown away: the median of short windows.

    At least three windows of a third of the time each, and more until the middle ones agree, `LONGEST` times as long at the most: what
    a moment's noise does to one window decides nothing.

    Args:
        state: of the game that takes the steps.
        seconds: length of three windows together.
    """
    windows: list[float] = []
    first = 1.0
    try:
        # The first step also allocates, and compiles; what is lazy comes in the second.
        for _ in range(2 if state.accelerator.compiled else 1):
            first = _window(state, 0.0)
        begun = time.perf_counter()
        while not windows or (not _agree(windows) and time.perf_counter() - begun < LONGEST * seconds):
            windows.append(_window(state, seconds / WINDOWS))
    except NonFinite:
        pass  # the run takes the same steps, meets it too, and tells; a guess at the rate is all that is wanted here
    return median(windows or [first])


def _window(state: TrainState, seconds: float) -> float:
    """Return images a second of at least one step."""
    start, images = time.perf_counter(), state.images
    while state.images == images or time.perf_counter() - start < seconds:
        train_step(state)
    return (state.images - images) / (time.perf_counter() - start)


def _agree(rates: Sequence[float]) -> bool:
    """True if they are three at least, and most of them lie within a tenth of the median."""
    middle = median(rates)
    return len(rates) >= WINDOWS and 2 * sum(abs(rate - middle) <= 0.1 * middle for rate in rates) > len(rates)


def rates(recipe: Recipe, data: Batches, accelerator: Accelerator, seconds: float = 0.3) -> dict[int, float]:
    """Images a second, by threads: 1, 2, 4 ... and all. Only those that are set, where that was the user's wish or the device is no CPU."""
    most = torch.get_num_threads()
    chosen = accelerator.device.type != "cpu" or "OMP_NUM_THREADS" in os.environ
    counts = [most] if chosen else sorted({*(2**n for n in range(most.bit_length()) if 2**n < most), most})
    found = {}
    for count in counts:
        with threaded(count):
            found[count] = measure(trial(recipe, data, accelerator), seconds)
    return found


def fewest(found: dict[int, float]) -> int:
    """The least number of threads that is as good as any.

    >>> fewest({1: 97.0, 2: 133.0}), fewest({1: 115.0, 2: 14.0}), fewest({1: 50.0, 2: 95.0, 4: 100.0})
    (2, 1, 2)
    """
    return min(count for count, rate in found.items() if rate >= AS_GOOD * max(found.values()))


class Pace:
    """Measures recipes one after another: images a second, by the threads that were fastest with the first of them.

    Args:
        accelerator: that they are measured on.
    """

    def __init__(self, accelerator: Accelerator):
        self.accelerator = accelerator
        self.threads: int | None = None

    def __call__(self, recipe: Recipe, data: Batches) -> float:
        """Images a second of this recipe on these data."""
        if self.threads is None:
            found = rates(recipe, data, self.accelerator)
            self.threads = max(found, key=lambda count: found[count])
            return found[self.threads]
        with threaded(self.threads):
            return measure(trial(recipe, data, self.accelerator), 0.3)


@contextmanager
def threaded(count: int) -> Iterator[None]:
    """So many threads for each operation on the CPU; as before, afterwards."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def costs(state: TrainState, rate: float, evaluator: Evaluator | None) -> Costs:
    """What looking takes, told by a few images made twice: only the first time needs the preparation of the averaged generator."""
    first, again = (_seconds(lambda: samples(state, range(MICROBATCH))) for _ in range(2))
    picture = again / MICROBATCH
    sheet = max(first - again, 0.0) + state.data.rows * state.data.columns * picture
    if evaluator is None:
        return Costs(rate, sheet, sheet)
    return Costs(rate, sheet + (evaluator.samples + 2 * JUDGED) * picture + evaluator.cost, sheet)


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def faster(recipe: Recipe, data: Batches, accelerator: Accelerator) -> Accelerator:
    """The accelerator with compiled networks, where a few steps with them are measured to be faster; else as it is.

    Only on CUDA: on a CPU no gain was measured. Only where every penalty is known to do without second derivatives, which compiled
    networks do not have.
    """
    if accelerator.device.type != "cuda" or not all(penalty.of in FIRST_ORDER for penalty in recipe.penalties):
        return accelerator
    compiled = replace(accelerator, compiled=True)
    try:
        gain = measure(trial(recipe, data, compiled), 1.0) / measure(trial(recipe, data, accelerator), 1.0)
    except Exception:  # a compiler fails in many ways, starting with its absence; the run needs none
        return accelerator
    return compiled if gain > WORTHWHILE else accelerator
