"""Images and figures of a run on volumes: python benchmarks/voxels.py RUN [--out FOLDER]; prints JSON and writes it beside them.

gan3d-real.png, gan3d-made.png   32 held-out or training volumes, and 32 samples
gan3d-nearest.png                samples, each beside the training volume that it overlaps most
gan3d-turntable.gif              four samples, turning
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

import organza
from organza.data.source import Source
from organza.data.volumes import Volumes
from organza.media.images import grid, save_png
from organza.media.volume_files import gif
from organza.media.volumes import render, turntable
from organza.metrics.shapes import ShapeStatistics, blocks, variety
from organza.metrics.suite import evaluate


def overlaps(made: np.ndarray, real: np.ndarray) -> np.ndarray:
    """Intersection over union of each made volume with each real one, float [n, m]."""
    a, b = (x.reshape(len(x), -1).astype(np.float32) for x in (made, real))
    both = a @ b.T
    return both / np.maximum(a.sum(1)[:, None] + b.sum(1) - both, 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("--out", type=Path, default=Path("docs/pictures"))
    parser.add_argument("--checkpoint", default="best")
    parser.add_argument("--seed", type=int, default=7)
    asked = parser.parse_args()
    run = organza.load(asked.run, asked.checkpoint)
    data = Volumes(Source(run.content["data"]["source"], size=run.width))
    real, made = data.volumes[data.parts.train], run.sample(200, asked.seed)
    held = data.real()
    measure = ShapeStatistics()
    features = {"held out": measure(held), "training": measure(real), "made": measure(made)}
    figures = {"checkpoint": run.saved.directory.name, "volumes seen": run.images}
    for name in ("training", "made"):
        found = evaluate(features["held out"], features[name]) | {
            "variety": variety(features["training"], features[name])
        }
        figures[name] = {key: [round(value.value, 3), round(value.error, 3)] for key, value in found.items()}
    solid = made[..., 0] >= 128
    twins = overlaps(solid, np.concatenate([real, real[:, :, :, ::-1]])[..., 0] >= 128)
    among = overlaps(held[..., 0] >= 128, real[..., 0] >= 128)
    figures["overlap with the nearest training volume, median"] = {
        "made": round(float(np.median(twins.max(1))), 3),
        "held out": round(float(np.median(among.max(1))), 3),
    }
    for name, volumes in (("held out", held), ("made", made)):
        parts = blocks(volumes)["parts"]
        figures[f"in one piece, {name}"] = round(float((parts[:, 0].expm1().round() == 1).float().mean()), 3)
    print(json.dumps(figures, indent=1))
    asked.out.mkdir(parents=True, exist_ok=True)
    (asked.out / "gan3d.json").write_text(json.dumps(figures, indent=1) + "\n")
    shown = np.random.default_rng(0).permutation(len(real))[:32]
    save_png(grid(render(real[np.sort(shown)]), 8), asked.out / "gan3d-real.png")
    save_png(grid(render(made[:32]), 8), asked.out / "gan3d-made.png")
    nearest = np.concatenate([real, real[:, :, :, ::-1]])[twins[:8].argmax(1)]
    save_png(grid(np.concatenate([render(made[:8]), render(nearest)]), 8), asked.out / "gan3d-nearest.png")
    (asked.out / "gan3d-turntable.gif").write_bytes(gif(turntable(made[:4], 24)))


if __name__ == "__main__":
    main()
