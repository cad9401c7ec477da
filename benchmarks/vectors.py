"""Runs on vectors and their picture: python benchmarks/vectors.py [--out FOLDER] [--runs FOLDER]; prints a line for each run.

Trains, with the default recipe and budget, a ring of eight Gaussians with three seeds, a grid of 25, a mixture of five Gaussians in ten
columns of very different units, and a table of people whose columns depend on each other; runs that are there are read again.
vectors.png   their last sample plots: generated points over real ones in grey
"""

from __future__ import annotations

import argparse
import csv
import io
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from PIL import Image

import organza
from organza.data.points import NARROW, PLACES, covered, drawn
from organza.data.vector_files import save
from organza.media.images import save_png
from organza.metrics.manifold import precision_recall_density_coverage
from organza.metrics.vectors import alike


def mixture(count: int = 5000, seed: int = 0) -> np.ndarray:
    """Vectors of ten columns of five Gaussians with shares from 0.4 to 0.05, in units from 1e-3 to 1e4."""
    rng = np.random.default_rng(seed)
    means, shapes = rng.normal(size=(5, 10)) * 2.5, rng.normal(size=(5, 10, 10)) * 0.35
    which = rng.choice(5, p=[0.4, 0.25, 0.2, 0.1, 0.05], size=count)
    x = means[which] + np.einsum("nij,nj->ni", shapes[which], rng.normal(size=(count, 10)))
    return x * 10.0 ** rng.integers(-3, 5, size=10) + rng.normal(size=10) * 100


def people(count: int = 4000, seed: int = 0) -> bytes:
    """A CSV of people: weight depends on height, income on age, and nobody has worked since before they were 18."""
    rng = np.random.default_rng(seed)
    age = rng.gamma(6, 7, count).clip(18, 95)
    height = rng.normal(165, 6.5, count) + 13 * (rng.random(count) < 0.5)
    weight = 22 * (height / 100) ** 2 + rng.gamma(2, 5, count) - 6
    income = np.exp(rng.normal(10, 0.5, count) + 0.01 * (age - 40))
    years = np.minimum(age - 18, rng.gamma(3, 5, count))
    text = io.StringIO(newline="")
    lines = csv.writer(text)
    lines.writerow(["age", "height", "weight", "income", "years"])
    lines.writerows(np.stack([age, height, weight, income, years], 1).round(2).tolist())
    return text.getvalue().encode()


def trained(data: np.ndarray | Path, place: Path, seed: int = 0) -> organza.Run:
    """Return a run with the default recipe and budget, from its folder if it is there."""
    if (place / "best.json").exists():
        return organza.load(place)
    return organza.train(data, place, seed=seed, progress=False)


def told(run: organza.Run, shape: str = "") -> str:
    """Numbers of a run: modes and the share of points within four deviations of one, or the distances of an evaluation."""
    if shape:
        made, places = run.sample(2000), np.array(PLACES[shape])
        near = np.linalg.norm(made[:, None] - places[None], axis=2).min(1) < 4 * NARROW
        found = covered(made.astype(np.float32), PLACES[shape], 0.16 / len(places))
        return f"{found} of {len(places)} modes, {near.mean():.2f} of the points at one"
    (found,) = organza.evaluate(run.path)
    names = ("coverage", "density", "energy", "energy_floor", "columns", "correlations", "nearness", "copies")
    return ", ".join(f"{name} {found.metrics[name].value:.3f} ± {found.metrics[name].error:.3f}" for name in names)


def floors(times: int = 20) -> None:
    """Print the share of neighbourhoods between two sets of real rows of one law: least, mean and greatest of some draws."""
    laws: dict[str, Callable[[int, int], np.ndarray]] = {
        name: partial(drawn, name) for name in ("ring", "moons", "spiral")
    }
    laws["ten columns"] = lambda count, seed: np.random.default_rng(seed).normal(size=(count, 10))
    for count in (100, 400):
        for name, law in laws.items():
            shares = []
            for seed in range(times):
                one, other = (torch.from_numpy(law(count, 100 + 2 * seed + side)) for side in (0, 1))
                scores = precision_recall_density_coverage(one, other)
                shares.append(alike(scores.coverage.value, scores.density.value))
            print(
                f"{count} rows, {name}: {min(shares):.2f} to {max(shares):.2f}, mean {np.mean(shares):.2f}", flush=True
            )


def picture(runs: list[Path]) -> np.ndarray:
    """The last sample plots of runs, three from each at most, in rows of four."""
    sheets = [Image.open(sorted((run / "samples").glob("0*.png"))[-1]) for run in runs]
    plots = [
        sheet.crop((322 * k, 0, 322 * k + 320, 320))
        for sheet in sheets
        for k in range(min(3, (sheet.width + 2) // 322))
    ]
    rows = -(-len(plots) // 4)
    page = Image.new("RGB", (4 * 330 - 10, rows * 330 - 10), "white")
    for k, plot in enumerate(plots):
        page.paste(plot, (k % 4 * 330, k // 4 * 330))
    return np.asarray(page)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("docs/pictures"))
    parser.add_argument("--runs", type=Path, default=Path("runs/vectors"))
    parser.add_argument("--floors", action="store_true", help="print the shares of neighbourhoods of real rows alone")
    asked = parser.parse_args()
    if asked.floors:
        floors()
        return
    for seed in range(3):
        run = trained(drawn("ring", 4000, seed), asked.runs / f"ring-{seed}", seed)
        print(f"ring, seed {seed}: {told(run, 'ring')}", flush=True)
    print(f"grid: {told(trained(drawn('grid', 4000), asked.runs / 'grid-0'), 'grid')}", flush=True)
    print(f"mixture: {told(trained(mixture(), asked.runs / 'mixture'))}", flush=True)
    if not (table := asked.runs / "people.csv").exists():
        save(table, people())
    print(f"people: {told(trained(table, asked.runs / 'people'))}", flush=True)
    save_png(
        picture([asked.runs / name for name in ("ring-0", "grid-0", "mixture", "people")]), asked.out / "vectors.png"
    )


if __name__ == "__main__":
    main()
