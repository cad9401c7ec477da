"""How fast things are here: training steps of each recipe, rendering, packing, measuring, sampling. Medians of alternating repeats.

    python benchmarks/speed.py --out speed.json

The machine's own best convolution is measured between the repeats, since machines are noisy: compare ratios, not runs.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from organza import Images, Source
from organza.data import open_data, parse_size, render_faces
from organza.metrics.extractors.features import offline_extractor
from organza.metrics.kernels import gaussian_mmd
from organza.networks.layers import channels_last
from organza.recipes import get
from organza.training.accelerator import versions
from organza.training.speed import trial
from organza.training.step import train_step


def convolution() -> float:
    """GFLOP/s of a 3x3 convolution, 128 to 128 channels, on [16, 128, 32, 32]."""
    layer = channels_last(torch.nn.Conv2d(128, 128, 3, padding=1, bias=False))
    x = torch.randn(16, 128, 32, 32).to(memory_format=torch.channels_last)
    with torch.no_grad():
        layer(x)
        start = time.perf_counter()
        for _ in range(10):
            layer(x)
    return 10 * 2 * 16 * 128 * 128 * 9 * 32 * 32 / (time.perf_counter() - start) / 1e9


def training(name: str, data: Images, steps: int) -> Callable[[], float]:
    """A function that does some steps of a recipe and returns images a second."""
    state = trial(get(name), data)
    train_step(state)

    def run() -> float:
        start, images = time.perf_counter(), state.images
        for _ in range(steps):
            train_step(state)
        return (state.images - images) / (time.perf_counter() - start)

    return run


def each(work: Callable[[], object], items: int) -> Callable[[], float]:
    """A function that does the work once and returns items a second."""

    def run() -> float:
        start = time.perf_counter()
        work()
        return items / (time.perf_counter() - start)

    return run


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--repeats", type=int, default=5)
    arguments.add_argument("--faces", type=int, default=1000)
    arguments.add_argument("--out", type=Path)
    asked = arguments.parse_args()
    torch.set_flush_denormal(True)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        tries = iter(range(10_000))
        faces = render_faces(place / "faces", count=asked.faces)
        data = Images(Source(faces, size=64))
        pack = data.pack
        extractor = offline_extractor()
        features = extractor(np.array(pack.images[:500]))
        generator = trial(get("dcgan"), data).game.G.eval()
        z = torch.randn(64, 100)
        jobs = {
            "convolution, GFLOP/s": convolution,
            "dcgan, images/s": training("dcgan", data, 2),
            "dcgan-r1, images/s": training("dcgan-r1", data, 6),
            "mlp, images/s": training("mlp", data, 3),
            "rendering, faces/s": each(
                lambda: render_faces(place / f"f{next(tries)}", count=asked.faces, seed=1), asked.faces
            ),
            "packing, images/s": each(
                lambda: open_data(faces, size=parse_size("64"), cache=place / f"c{next(tries)}"), asked.faces
            ),
            "features at 96 px, images/s": each(lambda: extractor(np.array(pack.images[:200])), 200),
            "MMD of 500 and 500, a second": each(lambda: gaussian_mmd(features, features), 1),
            "sampling DCGAN-64, images/s": each(lambda: generator(z), 64),
        }
        found: dict[str, list[float]] = {name: [] for name in jobs}
        for _ in range(asked.repeats):
            for name, job in jobs.items():
                found[name].append(job())
    print(f"{'':32s}{'median':>10s}{'least':>10s}{'most':>10s}")
    for name, values in found.items():
        print(f"{name:32s}{statistics.median(values):10.1f}{min(values):10.1f}{max(values):10.1f}")
    if asked.out:
        asked.out.write_text(json.dumps({"versions": versions(), "values": found}, indent=1))


if __name__ == "__main__":
    main()
