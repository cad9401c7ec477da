"""Unpaired translation here: images/s of CycleGAN and CUT on the same networks, and the checkerboards of each way to upsample.

    python benchmarks/translators.py styles --out translators.json      (styles: from `organza data styles`)

A checkerboard is power at the pixel frequency that the frequencies below it do not lead one to expect: of the spectrum of 64 images,
averaged, the strength of the highest tenth of frequencies along either axis over that of the tenth before. In white noise it is 1.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn

from organza import Source
from organza.data.batches import Batches
from organza.networks.translator import resized, transposed
from organza.recipe import Recipe
from organza.recipes import get
from organza.training.accelerator import versions
from organza.training.speed import trial
from organza.training.state import TrainState
from organza.training.step import train_step


def transposed_even(wide: int, narrow: int) -> nn.Module:
    """A transposed 4x4 convolution with stride 2, which covers every pixel alike."""
    return nn.ConvTranspose2d(wide, narrow, 4, 2, 1, bias=False)


def checkerboard(pictures: Tensor) -> float:
    """Power in the highest tenth of frequencies over that in the tenth below, [N, C, H, W] to a number."""
    height, width = pictures.shape[-2:]
    window = torch.hann_window(height)[:, None] * torch.hann_window(width)
    power = torch.fft.rfft2((pictures - pictures.mean((2, 3), keepdim=True)) * window).abs().square().mean((0, 1))
    across = torch.fft.rfftfreq(width).expand(height, -1)
    down = torch.fft.fftfreq(height).abs()[:, None].expand(-1, width // 2 + 1)
    highest = torch.maximum(across, down)
    return (power[highest > 0.45].mean() / power[(highest > 0.40) & (highest <= 0.45)].mean()).item()


@torch.no_grad()
def translated(state: TrainState) -> Tensor:
    """What the trained weights, not their average, make of 64 held-out images."""
    game = state.game.eval()
    return torch.cat([game.make(state.data.referenced(range(start, start + 16))) for start in range(0, 64, 16)])


def speeds(recipes: dict[str, Recipe], data: Batches, repeats: int, seconds: float) -> dict[str, list[float]]:
    """Images/s of each recipe, measured in turn."""
    states = {name: trial(recipe, data) for name, recipe in recipes.items()}
    found: dict[str, list[float]] = {name: [] for name in recipes}
    for state in states.values():
        train_step(state)
    for _ in range(repeats):
        for name, state in states.items():
            start, images = time.perf_counter(), state.images
            while time.perf_counter() - start < seconds:
                train_step(state)
            found[name].append((state.images - images) / (time.perf_counter() - start))
    return found


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("data", type=Path)
    arguments.add_argument("--repeats", type=int, default=3)
    arguments.add_argument("--seconds", type=float, default=3.0)
    arguments.add_argument("--images", type=int, default=160, help="trained before a checkerboard is measured")
    arguments.add_argument("--out", type=Path)
    asked = arguments.parse_args()
    torch.set_flush_denormal(True)
    data = get("cut").data(Source(asked.data, size=64))
    rates = speeds({name: get(name) for name in ("cyclegan", "cut")}, data, asked.repeats, asked.seconds)
    for name, values in rates.items():
        print(
            f"{name:18s}{statistics.median(values):7.1f} images/s ({min(values):.1f} to {max(values):.1f})", flush=True
        )
    boards = {"real images of b": [checkerboard(data.referenced(range(64))["b"])]}
    print(f"{'real pictures of b':18s}{boards['real pictures of b'][0]:7.2f}")
    light = get("cut")
    for up in (transposed, transposed_even, resized):
        state = trial(replace(light, generator=light.generator.given(up=up)), data)
        before = checkerboard(translated(state))
        while state.images < asked.images:
            train_step(state)
        boards[up.__name__] = [before, checkerboard(translated(state))]
        print(
            f"{up.__name__:18s}{before:7.2f} untrained{boards[up.__name__][1]:7.2f} after {state.images} images",
            flush=True,
        )
    if asked.out:
        asked.out.write_text(json.dumps({"versions": versions(), "rates": rates, "checkerboards": boards}, indent=1))


if __name__ == "__main__":
    main()
