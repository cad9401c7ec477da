"""Curves of three small runs, annotated: one that is healthy, one whose discriminator wins, one that collapses to a few images.

    python benchmarks/curves.py --out docs/pictures/curves.png

All three play examples/plain_loop.py's game of white discs, 16x16, and differ in what the titles say. A minute of one core.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import repeat
from pathlib import Path
from typing import NamedTuple

import matplotlib as mpl
import numpy as np
import torch

mpl.use("agg")
from examples.plain_loop import BATCH, LATENT, discriminator, discs, generator, latents
from matplotlib import pyplot

from organza.data.batches import to_uint8
from organza.game import TrainProgress, discriminator_loss, generator_loss, update
from organza.games.unconditional import Unconditional
from organza.losses import nonsaturating
from organza.media.images import grid
from organza.penalties import Penalty, r1_finite

SMOOTHED = 15
"""Steps in a running mean."""


class Trial(NamedTuple):
    """A run: its title, the learning rates, the penalties on D, and what to point at.

    Args:
        title: heading of its column.
        rate_G, rate_D: learning rates of Adam.
        turns: turns of G in a step.
        penalties: penalties on D.
        notes: for each plot, a text and the share of the run that it points at.
    """

    title: str
    rate_G: float
    rate_D: float
    turns: int
    penalties: tuple[Penalty, ...]
    notes: tuple[tuple[str, float], ...]


R1 = (Penalty(r1_finite, weight=1.0),)
TRIALS = (
    Trial(
        "healthy\n(rates alike, R1 on D)",
        1e-3,
        1e-3,
        1,
        R1,
        (
            ("both end near 0.5:\nD can hardly tell", 0.6),
            ("near 1.39 and 0.69, the\nvalues of a coin toss", 0.6),
            ("the samples vary as\nmuch as real discs", 0.6),
        ),
    ),
    Trial(
        "D wins\n(D's rate 50 times G's)",
        4e-5,
        2e-3,
        1,
        (),
        (
            ("D(G(z)) is near 0:\nD is sure of every fake", 0.6),
            ("D's loss is near 0, G's is large,\nand its gradient says little", 0.6),
            ("the samples become\none blot", 0.6),
        ),
    ),
    Trial(
        "mode collapse\n(ten turns of G for one of D)",
        1e-3,
        1e-3,
        10,
        (),
        (
            ("near 0.5, as in the healthy run", 0.6),
            ("as in the healthy run, too", 0.6),
            ("the samples are alike:\nonly this shows it, and the eye", 0.6),
        ),
    ),
)


def trained(trial: Trial, steps: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Train, and return what was read at each step, and 16 samples of the end: uint8 [16, 16, 16, 1]."""
    torch.manual_seed(0)
    game = Unconditional(generator(), discriminator(), nonsaturating, trial.penalties)
    adams = [
        torch.optim.Adam(player.parameters(), lr=rate, betas=(0.5, 0.999))
        for player, rate in ((game.G, trial.rate_G), (game.D, trial.rate_D))
    ]
    read: dict[str, list[float]] = {}
    for step in range(steps):
        batch = {"image": discs(BATCH, step), "z": latents(BATCH, step)}
        game.G.requires_grad_(True)
        made = game.play(batch)
        moment = TrainProgress(step, step * BATCH, steps * BATCH)
        judged = update(game.D, adams[1], partial(discriminator_loss, game, batch, made, moment))
        generated = update(game.G, adams[0], partial(generator_loss, game, batch, made, moment))
        for turn in range(1, trial.turns):
            batch["z"] = latents(BATCH, steps * turn + step)
            game.G.requires_grad_(True)
            made = game.play(batch)
            generated = update(game.G, adams[0], partial(generator_loss, game, batch, made, moment))
        numbers = judged.numbers() | {"generator": generated.numbers()["generator"]}
        numbers["variety"] = variety(made["image"].detach()) / variety(batch["image"])
        for name in ("D(x)", "D(G(z))", "discriminator", "generator", "variety"):
            read.setdefault(name, []).append(numbers[name])
    game.G.eval()
    with torch.no_grad():
        samples = to_uint8(game.G(torch.randn(16, LATENT, generator=torch.Generator().manual_seed(7)))).numpy()
    return {name: np.convolve(values, np.ones(SMOOTHED) / SMOOTHED, "valid") for name, values in read.items()}, samples


def variety(images: torch.Tensor) -> float:
    """Mean distance of two images of a batch, [N, ...]."""
    flat = images.flatten(1)
    return torch.pdist(flat).mean().item()


def drawn(results: Sequence[tuple[Trial, dict[str, np.ndarray], np.ndarray]], path: Path) -> None:
    """Draw a column for each run: probabilities, losses, variety, samples."""
    pyplot.rcParams.update({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False})
    figure, rows = pyplot.subplots(4, len(results), figsize=(10.5, 9), height_ratios=(1, 1, 1, 1.1), squeeze=False)
    plots = (("D(x)", "D(G(z))"), ("discriminator", "generator"), ("variety",))
    labels = ("probability", "loss", "variety, real = 1")
    for column, (trial, read, samples) in enumerate(results):
        for row, names in enumerate(plots):
            axes = rows[row][column]
            for name, colour in zip(names, ("#6a3fb5", "#d6336c"), strict=False):
                axes.plot(
                    np.arange(len(read[name])) * BATCH / 1000, read[name], color=colour, label=name, linewidth=1.3
                )
            top = (1.05, 11.0, 1.6)[row]  # D's win takes G's loss to 10
            axes.set_ylim(0, top)
            text, share = trial.notes[row]
            at = int(share * (len(read[names[0]]) - 1))
            axes.annotate(
                text,
                xy=(at * BATCH / 1000, min(read[names[-1]][at], top)),
                xytext=(0.5, 0.8 if read[names[-1]][at] < 0.6 * top else 0.2),
                textcoords="axes fraction",
                ha="center",
                fontsize=8,
                bbox={"boxstyle": "round", "fc": "white", "ec": "#999", "alpha": 0.85},
                arrowprops={"arrowstyle": "->", "color": "#555"},
            )
            if column == 0:
                axes.set_ylabel(labels[row])
                axes.legend(loc="center right" if row == 1 else "lower right", frameon=False, fontsize=8)
            if row == 0:
                axes.set_title(trial.title, fontsize=10)
            if row == 2:
                axes.set_xlabel("thousand images seen")
        rows[3][column].imshow(grid(samples, columns=8).squeeze(), cmap="gray", vmin=0, vmax=255)
        rows[3][column].set_axis_off()
    figure.tight_layout()
    figure.savefig(path, dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=350)
    parser.add_argument("--out", type=Path, default=Path("curves.png"))
    asked = parser.parse_args()
    with ProcessPoolExecutor(len(TRIALS)) as pool:
        results = [
            (trial, *made) for trial, made in zip(TRIALS, pool.map(trained, TRIALS, repeat(asked.steps)), strict=True)
        ]
    for trial, read, _ in results:
        ends = {name: round(float(values[-1]), 3) for name, values in read.items()}
        print(trial.title.replace("\n", " "), ends)
    drawn(results, asked.out)


if __name__ == "__main__":
    main()
