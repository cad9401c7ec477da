"""What an image of each size costs in training, as a multiple of one of 64x64 pixels.

    OMP_NUM_THREADS=1 python benchmarks/sizes.py

The recipe `latent` at its smallest width on noise, batches of 16, in turns: a few steps at each size, again and again, in processor time.
Prints the median over the turns of the time of a step divided by that at 64x64 in the same turn, and the smallest and the largest.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from organza import Images, Source
from organza.data.size import Size
from organza.recipes.swift import latent
from organza.training.accelerator import choose
from organza.training.plan import Plan
from organza.training.state import TrainState
from organza.training.step import train_step

SIDES = (64, 96, 128, 192, 256)
PLANNED = 100_000  # images; no schedule moves during the few that are used
FILES = 32


def state_at(folder: Path, side: int) -> TrainState:
    """Return a run of `latent` past its warm-up, on squares of this many pixels."""
    recipe = replace(latent(), generator_warmup=0)
    plan = Plan("none", PLANNED, None, PLANNED, PLANNED, PLANNED, PLANNED)
    return TrainState(recipe, Images(Source(folder, Size(side, side))), plan, 0, choose())


def seconds(state: TrainState, steps: int) -> float:
    """Return the processor time of a step."""
    start = time.process_time()
    for _ in range(steps):
        train_step(state)
    return (time.process_time() - start) / steps


def main() -> None:
    """Print the table."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--turns", type=int, default=5)
    arguments.add_argument("--steps", type=int, default=3)
    asked = arguments.parse_args()
    torch.set_flush_denormal(True)
    with tempfile.TemporaryDirectory() as place:
        draw = np.random.default_rng(0)
        for index in range(FILES):
            pixels = draw.integers(0, 256, (max(SIDES), max(SIDES), 3), np.uint8)
            Image.fromarray(pixels).save(Path(place) / f"{index:02d}.png")
        states = {side: state_at(Path(place), side) for side in SIDES}
        for state in states.values():
            seconds(state, 2)  # the first steps prepare the convolutions
        turns = [{side: seconds(state, asked.steps) for side, state in states.items()} for _ in range(asked.turns)]
    print("side    ms/image   times 64x64 (least to most)")
    for side in SIDES:
        ratios = [turn[side] / turn[SIDES[0]] for turn in turns]
        middle = statistics.median(turn[side] for turn in turns) / latent().batch * 1000
        print(
            f"{side:4d}{middle:12.2f}{statistics.median(ratios):11.2f} ({min(ratios):.2f} to {max(ratios):.2f})",
            flush=True,
        )


if __name__ == "__main__":
    main()
