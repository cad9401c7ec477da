"""What things take on this machine, measured before a run is planned: a step, a look at the samples, compiled networks or plain ones."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from organza.data.batches import Batches
from organza.game import NonFinite
from organza.machine import CPU, Machine
from organza.penalties import FIRST_ORDER
from organza.plan import Costs, Plan
from organza.recipe import Recipe
from organza.referee import JUDGED, Referee
from organza.run import RunFolder
from organza.seeding import MICROBATCH
from organza.trainer import Trainer

WORTHWHILE = 1.05
"""Compiled networks must be faster by this factor: less is noise, and compiling takes a minute of the budget."""


def trial(recipe: Recipe, data: Batches, machine: Machine = CPU) -> Trainer:
    """A trainer for a few full steps that nobody keeps: it has no folder and measures nothing."""
    small = Plan("", 1, None, 1, 1, 1, 1)
    return Trainer(replace(recipe, warmup=0, generator_warmup=0), data, RunFolder("."), small, 0, None, machine)


def measure(trainer: Trainer, seconds: float) -> float:
    """Images a second, over a few steps of a trainer that is thrown away."""
    start, images = time.perf_counter(), 0
    try:
        # The first step also allocates, and compiles; what is lazy comes in the second.
        for _ in range(2 if trainer.machine.compiled else 1):
            trainer.step()
        start, images = time.perf_counter(), trainer.images
        while trainer.images == images or time.perf_counter() - start < seconds:
            trainer.step()
    except NonFinite:
        pass  # the run takes the same steps, meets it too, and tells; a guess at the rate is all that is wanted here
    return max(trainer.images - images, 1) / (time.perf_counter() - start)


def costs(trainer: Trainer, rate: float, referee: Referee | None) -> Costs:
    """What looking takes, told by a few pictures made twice: only the first time needs the preparation of the averaged generator."""
    first, again = (_seconds(lambda: trainer.made(range(MICROBATCH))) for _ in range(2))
    picture = again / MICROBATCH
    sheet = max(first - again, 0.0) + trainer.data.rows * trainer.data.columns * picture
    if referee is None:
        return Costs(rate, sheet, sheet)
    return Costs(rate, sheet + (referee.samples + 2 * JUDGED) * picture + referee.cost, sheet)


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def faster(recipe: Recipe, data: Batches, machine: Machine) -> Machine:
    """The machine with compiled networks, where a few steps with them are measured to be faster; else as it is.

    Only on CUDA: on a CPU no gain was measured. Only where every penalty is known to do without second derivatives, which compiled
    networks do not have.
    """
    if machine.device.type != "cuda" or not all(penalty.of in FIRST_ORDER for penalty in recipe.penalties):
        return machine
    compiled = replace(machine, compiled=True)
    try:
        gain = measure(trial(recipe, data, compiled), 1.0) / measure(trial(recipe, data, machine), 1.0)
    except Exception:  # a compiler fails in many ways, starting with its absence; the run needs none
        return machine
    return compiled if gain > WORTHWHILE else machine
