"""Several recipes on the same data for the same number of images, by turns, so that a busy machine slows them all alike.

    python benchmarks/losses.py fashion --images 20000 --size 32 --width 32 --out losses.json

What it prints is how far each came from held-out images and how fast it went, for these few images and one seed unless told: a hint at
what to expect here, not a ranking. A recipe with five turns of D gives its generator a fifth of the turns for the same images.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import torch

from organza import Images, Source
from organza.data.batches import Batches
from organza.game import NonFinite
from organza.media.images import grid, save_png
from organza.metrics.extractors.features import offline_extractor
from organza.overrides import apply
from organza.recipes import get
from organza.training.accelerator import versions
from organza.training.evaluator import Evaluator
from organza.training.plan import Plan
from organza.training.sampling import gallery, samples
from organza.training.state import TrainState
from organza.training.step import train_step

RECIPES = "dcgan lsgan wgan wgan-gp dragan sngan-hinge ragan rpgan-r1-r2 dcgan-r1"


def begun(name: str, settings: list[str], data: Batches, images: int, seed: int) -> TrainState:
    """A recipe at the beginning, planned for so many images, with no folder."""
    plan = Plan(f"{images}img", images, None, images, images, images, images)
    return TrainState(apply(get(name), settings), data, plan, seed)


def advance(run: TrainState, images: int) -> tuple[float, str]:
    """Train to so many images: the seconds it took, and what went wrong, if anything."""
    start = time.perf_counter()
    try:
        while run.images < images:
            train_step(run)
    except NonFinite as trouble:
        return time.perf_counter() - start, str(trouble)
    return time.perf_counter() - start, ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("--recipes", nargs="+", default=RECIPES.split())
    parser.add_argument("--images", type=int, default=20_000)
    parser.add_argument("--looks", type=int, default=5, help="how often the recipes take turns, and are measured")
    parser.add_argument("--size", default="32")
    parser.add_argument("--channels", type=int)
    parser.add_argument("--width", type=int, default=32, help="of both players; 64 is the papers'")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--pictures", type=Path, help="a folder for a grid of samples of each")
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    torch.set_flush_denormal(True)
    data = Images(Source(asked.data, asked.size, asked.channels, seed=asked.seed))
    evaluator = Evaluator(offline_extractor(), data)
    widths = [f"generator.width={asked.width}", f"discriminator.width={asked.width}"]
    runs = {name: begun(name, widths, data, asked.images, asked.seed) for name in asked.recipes}
    seconds, troubles = dict.fromkeys(runs, 0.0), dict.fromkeys(runs, "")
    distances: dict[str, list[tuple[int, float, float]]] = {name: [] for name in runs}
    for look in range(1, asked.looks + 1):
        for name, run in runs.items():
            if troubles[name]:
                continue
            spent, troubles[name] = advance(run, asked.images * look // asked.looks)
            seconds[name] += spent
            distance = evaluator.scores(samples(run, range(1_000_000, 1_000_000 + evaluator.samples)))["mmd"]
            distances[name].append((run.images, distance.value, distance.error))
    print(f"{asked.data} at {asked.size}, {asked.images:,} images each, width {asked.width}, seed {asked.seed}")
    print(f"{'recipe':14s}{'distance':>10s}{'error':>8s}{'images/s':>10s}{'turns of G':>12s}  on the way")
    for name, run in runs.items():
        way = " ".join(f"{value:.2f}" for _, value, _ in distances[name]) + (
            f"  {troubles[name]}" if troubles[name] else ""
        )
        last = distances[name][-1]
        turns = run.steps * run.recipe.generator_turns
        print(f"{name:14s}{last[1]:10.3f}{last[2]:8.3f}{run.images / seconds[name]:10.0f}{turns:12,d}  {way}")
        if asked.pictures:
            save_png(grid(gallery(run), columns=8), asked.pictures / f"{name}.png")
    if asked.out:
        found = {n: {"distances": distances[n], "seconds": seconds[n], "trouble": troubles[n]} for n in runs}
        what = vars(asked) | {"out": None, "pictures": None}
        asked.out.write_text(json.dumps({"asked": what, "versions": versions(), "found": found}, indent=1))


if __name__ == "__main__":
    main()
