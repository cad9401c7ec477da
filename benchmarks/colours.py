"""What makes plain places plain: contestants for race.py, and how restless the images are that they drew.

    python benchmarks/race.py run faces --out race --contestant colours:plain@3m --contestant colours:opponent@3m \
        --contestant colours:moved@3m --seeds 2
    python benchmarks/race.py show race --reference plain
    python benchmarks/colours.py race

For each contestant, seed and age it prints the mean difference of neighbouring pixels in the two chromas, and in lightness, over that of
the real images: 1 is as restless as they are.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from organza.networks.colours import AXES
from organza.recipe import Recipe
from organza.recipes.swift import JITTER, swift
from organza.training.auto import changed


def moved() -> Recipe:
    """`swift` with the augmentation of `auto`."""
    return replace(changed(swift()), name="moved")


def opponent() -> Recipe:
    """The same, where what D sees stays in its place: in opponent colours alone."""
    now = moved()
    return replace(now, name="opponent", augment=replace(now.augment or JITTER, always=()))


def plain() -> Recipe:
    """The same in red, green and blue."""
    now = opponent()
    return replace(
        now,
        name="plain",
        generator=now.generator.given(chroma=1.0),
        discriminator=now.discriminator.given(chroma=1.0),
    )


def restlessness(pictures: np.ndarray) -> tuple[float, float]:
    """The mean absolute difference of neighbours, in both chromas and in lightness: uint8 [N, H, W, 3] to two numbers."""
    axes = torch.tensor(AXES)
    x = torch.from_numpy(pictures).float() @ (axes / axes.norm(dim=1, keepdim=True)).t()

    def steps(some: Tensor) -> float:
        return float((some.diff(dim=1).abs().mean() + some.diff(dim=2).abs().mean()) / 2)

    return steps(x[..., 1:]), steps(x[..., :1])


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("race", type=Path)
    folder = arguments.parse_args().race
    real = restlessness(np.load(folder / "real.npy"))
    print(f"{'contestant':24s}{'seconds':>9s}{'images':>9s}{'chroma':>9s}{'lightness':>11s}   over the real images'")
    for path in sorted(folder.glob("*#*.json")):
        lane = json.loads(path.read_text())
        for stop in lane["stops"]:
            chroma, lightness = restlessness(np.load(folder / stop["pictures"]))
            print(
                f"{lane['name']:24s}{stop['seconds']:9.0f}{stop['images']:9,}{chroma / real[0]:9.2f}{lightness / real[1]:11.2f}"
            )


if __name__ == "__main__":
    main()
