"""The image in the README: real images beside generated ones, from a run and the data it was trained on.

make demo
python benchmarks/picture.py demo/run docs/pictures/faces.png
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

import organza
from organza import Images, Source
from organza.media.images import grid, save_png


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("run", type=Path)
    arguments.add_argument("out", type=Path)
    arguments.add_argument("--rows", type=int, default=4)
    arguments.add_argument("--columns", type=int, default=6)
    arguments.add_argument("--seed", type=int, default=7)
    asked = arguments.parse_args()
    run = organza.load(asked.run)
    count = asked.rows * asked.columns
    data = Images(Source(run.content["data"]["source"], size=f"{run.width}x{run.height}", channels=run.channels))
    real = data.real()[:count]
    made = run.sample(count, seed=asked.seed)  # the first of the series, not a choice
    halves = [grid(pictures, asked.columns) for pictures in (np.array(real), made)]
    gap = np.full((halves[0].shape[0], 16, run.channels), 255, np.uint8)
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    save_png(np.concatenate([halves[0], gap, halves[1]], axis=1), asked.out)
    print(
        f"{asked.out}: {count} held-out images beside the first {count} of seed {asked.seed}, {run.images:,} images seen"
    )


if __name__ == "__main__":
    main()
