"""What a refiner is worth: realism, and whether refined images keep their classes. Prints a table, and writes JSON and an image.

organza data digits digits
organza train digits --recipe simgan --run runs/digits --size 32 --budget 6m
python benchmarks/simgan.py runs/digits --picture docs/pictures/simgan.png

Realism is the distance to held-out real images (lower is better), beside that of raw synthetic ones and of other real ones. The
annotation is kept where a classifier that learned from real images alone finds the classes of the refined ones. And what refining is
for: how well a classifier does on real images that learned from synthetic ones, raw and refined.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

import organza
from organza import Source
from organza.data.batches import split, to_float, to_uint8
from organza.data.pack import Pack
from organza.errors import UserError
from organza.inference.load import Run
from organza.media.images import grid, save_png
from organza.metrics.extractors.features import offline_extractor
from organza.metrics.suite import evaluate
from organza.seeding import MICROBATCH, permutation


def refined(run: Run, pictures: np.ndarray) -> np.ndarray:
    """R(a), uint8 [N, H, W, C]."""
    with torch.no_grad():
        parts = [run.generator(to_float(pictures[i : i + MICROBATCH])) for i in range(0, len(pictures), MICROBATCH)]
    return np.concatenate([to_uint8(part).numpy() for part in parts])


def classifier(pictures: np.ndarray, labels: np.ndarray, steps: int, seed: int = 0) -> nn.Module:
    """A small convolutional network that learned these classes, with random shifts of up to two pixels."""
    torch.manual_seed(seed)
    height, width, channels = pictures.shape[1:]
    network = nn.Sequential(
        nn.Conv2d(channels, 16, 3, 1, 1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, 1, 1), nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3, 1, 1), nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Dropout(0.3), nn.Linear(64 * (height // 8) * (width // 8), int(labels.max()) + 1),
    )  # fmt: skip
    optimizer = torch.optim.Adam(network.parameters(), 2e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    x, y, batch = to_float(pictures), torch.from_numpy(labels), 64
    for step in range(steps):
        epoch, place = divmod(step, max(len(x) // batch, 1))
        rows = permutation(len(x), seed, "classifier", epoch)[place * batch : (place + 1) * batch]
        shift = tuple(torch.randint(-2, 3, (2,)).tolist())
        optimizer.zero_grad()
        nn.functional.cross_entropy(network(torch.roll(x[rows], shift, (2, 3))), y[rows]).backward()
        optimizer.step()
        schedule.step()
    return network.eval()


@torch.no_grad()
def accuracy(network: nn.Module, pictures: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
    """The share of images whose class is found, and its standard error."""
    found = torch.cat([network(part).argmax(1) for part in to_float(pictures).split(256)]).numpy() == labels
    return float(found.mean()), float(np.sqrt(found.mean() * (1 - found.mean()) / len(found)))


def distance(real: Tensor, pictures: np.ndarray) -> tuple[float, float]:
    """The squared MMD from real features, and its standard error."""
    estimate = evaluate(real, offline_extractor()(pictures))["mmd"]
    return estimate.value, estimate.error


def measured(run: Run, a: Pack, b: Pack, steps: int) -> dict[str, tuple[float, float]]:
    """All numbers by name, each with its standard error."""
    if a.labels is None or b.labels is None:
        raise UserError("This measurement needs classes: subfolders in both a and b.")
    synthetic, real = split(len(a)), split(len(b))
    held_a, held_b = a.images[synthetic.held_out], b.images[real.held_out]
    labels_a, labels_b = a.labels[synthetic.held_out], b.labels[real.held_out]
    made = refined(run, held_a)
    changed = np.abs(made.astype(int) - held_a) / 255
    features = offline_extractor()(held_b)
    others = real.train[permutation(len(real.train), "others")[: len(held_b)].numpy()]  # files are sorted by class
    everyone, labels = np.array(b.images), b.labels
    judge = classifier(b.images[real.train], b.labels[real.train], steps)
    train_a, of_train = a.images[synthetic.train], a.labels[synthetic.train]
    from_raw = classifier(train_a, of_train, steps)
    from_refined = classifier(refined(run, train_a), of_train, steps)
    return {
        "change: mean |R(a) - a|, of 1": (changed.mean(), changed.mean((1, 2, 3)).std() / len(changed) ** 0.5),
        "distance to real: synthetic": distance(features, held_a),
        "distance to real: refined": distance(features, made),
        "distance to real: other real ones": distance(features, b.images[others]),
        "class found (learned from real): synthetic": accuracy(judge, held_a, labels_a),
        "class found (learned from real): refined": accuracy(judge, made, labels_a),
        "class found (learned from real): held-out real": accuracy(judge, held_b, labels_b),
        "class of real found, learned from synthetic": accuracy(from_raw, everyone, labels),
        "class of real found, learned from refined": accuracy(from_refined, everyone, labels),
    }


def sheet(run: Run, a: Pack, b: Pack, columns: int = 5) -> np.ndarray:
    """For each class a row: held-out synthetic and refined side by side, and real ones beside them. The first ones, not a choice."""
    left, right = [], []
    for pack, rows in ((a, left), (b, right)):
        held = split(len(pack)).held_out
        for label in range(len(pack.classes)):
            rows.append(pack.images[[i for i in held if pack.labels is None or pack.labels[i] == label][:columns]])
    pairs = [np.concatenate([row, refined(run, row)], axis=2) for row in left]
    halves = [grid(np.concatenate(rows), columns) for rows in (pairs, right)]
    gap = np.full((halves[0].shape[0], 12, halves[0].shape[2]), 255, np.uint8)
    return np.concatenate([halves[0], gap, halves[1]], axis=1).repeat(2, 0).repeat(2, 1)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("run", type=Path)
    arguments.add_argument("--checkpoint", default="best")
    arguments.add_argument("--steps", type=int, default=700, help="of each classifier")
    arguments.add_argument("--json", type=Path)
    arguments.add_argument("--picture", type=Path)
    asked = arguments.parse_args()
    run = organza.load(asked.run, asked.checkpoint)
    place, size = Path(run.content["data"]["source"]), f"{run.width}x{run.height}"
    a, b = (Source(place / side, size=size, channels=run.channels).pack() for side in "ab")
    if asked.picture:
        save_png(sheet(run, a, b), asked.picture)
    found = measured(run, a, b, asked.steps)
    print(f"{asked.run}, checkpoint {run.saved.directory.name}")
    for name, (value, error) in found.items():
        print(f"{name:48} {value:7.3f} ± {error:.3f}")
    if asked.json:
        asked.json.write_text(json.dumps({"run": str(asked.run), "images": run.images, **found}, indent=2))


if __name__ == "__main__":
    main()
