"""Which number orders images as the eye does? Known damage on real images, and samples of real runs of growing age.

    python benchmarks/yardstick.py faces --run runs/faces --out yardstick.json --pictures rungs.png

Each ladder is a list of sets of images that a person has put in order, best first. A yardstick is right about two rungs where it
gives the better one the smaller number, by more than the two errors together; within them it is undecided. The table holds the share of
pairs that each yardstick gets right on each ladder. Images of a run are cut out of its sample sheets, 64 of each age, in the order
of their age: look at them (--pictures) before you believe it. A pair of sheets that a person put in order is given by
--pair better.png worse.png.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Callable
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate

from organza import Images, Source
from organza.media.images import save_png
from organza.metrics.extractors.features import offline_extractor, second_opinion
from organza.metrics.extractors.multiscale import reduced
from organza.metrics.frechet import frechet
from organza.metrics.kernels import Estimate, gaussian_mmd, kid, median_distance
from organza.metrics.manifold import precision_recall_density_coverage

Ladder = list[tuple[str, np.ndarray]]  # rungs, best first: name and images, uint8 [N, H, W, C]
GAP = 2  # pixels between the images of a sample sheet

# What the eye says across ladders, better first. Sd and radius in pixel values and pixels, at 64x64.
ACROSS = [
    ("noise 8", "blur 1"),
    ("noise 16", "faded 0.5"),
    ("blur 1", "swapped 0.1"),
    ("blur 1", "faded 0.75"),
    ("blotches 8", "blur 2"),
    ("swapped 0.1", "faded 1"),
    ("noise 32", "faded 1"),
    ("copies 10", "faded 1"),
]
COLOURFUL = [("blur 1", "drained 1"), ("noise 16", "drained 1"), ("drained 0.5", "blotches 32")]
"""The same, where images have colours."""


def noisy(x: np.ndarray, sd: float) -> np.ndarray:
    """Independent noise on each pixel."""
    return _bytes(x + np.random.default_rng(0).normal(0, sd, x.shape))


def blotched(x: np.ndarray, sd: float) -> np.ndarray:
    """Noise of large soft spots, a colour each, as young generators paint."""
    n, h, w, c = x.shape
    coarse = torch.from_numpy(np.random.default_rng(0).normal(0, sd, (n, c, h // 8, w // 8)))
    spots = interpolate(coarse, size=(h, w), mode="bicubic").permute(0, 2, 3, 1).numpy()
    return _bytes(x + 2 * spots)


def blurred(x: np.ndarray, radius: float) -> np.ndarray:
    """A Gaussian blur."""
    reach = math.ceil(3 * radius)
    kernel = torch.exp(-torch.arange(-reach, reach + 1.0).square() / (2 * radius**2))
    kernel = (kernel / kernel.sum()).view(1, 1, 1, -1)
    planes = torch.from_numpy(x).permute(0, 3, 1, 2).flatten(0, 1)[:, None].float()
    for turned in (kernel, kernel.transpose(2, 3)):
        pad = (turned.shape[3] // 2,) * 2 + (turned.shape[2] // 2,) * 2
        planes = torch.nn.functional.conv2d(torch.nn.functional.pad(planes, pad, mode="replicate"), turned)
    return _bytes(planes[:, 0].unflatten(0, (len(x), x.shape[3])).permute(0, 2, 3, 1).numpy())


def faded(x: np.ndarray, share: float) -> np.ndarray:
    """Part of the way to flat grey."""
    return _bytes((1 - share) * x + share * 128.0)


def drained(x: np.ndarray, share: float) -> np.ndarray:
    """Part of the way to grey of the same lightness: what is left of a set whose colours were lost."""
    return _bytes((1 - share) * x + share * x.mean(3, keepdims=True))


def swapped(x: np.ndarray, share: float) -> np.ndarray:
    """Blocks of 8x8 taken from other images at the same place: right in every detail, wrong as a whole."""
    draw, found = np.random.default_rng(0), x.copy()
    for top in range(0, x.shape[1], 8):
        for left in range(0, x.shape[2], 8):
            chosen = np.flatnonzero(draw.random(len(x)) < share)
            block = np.s_[top : top + 8, left : left + 8]
            found[(chosen, *block)] = x[(draw.permutation(len(x))[: len(chosen)], *block)]
    return found


def few_modes(x: np.ndarray, kept: float) -> np.ndarray:
    """Only the images that are nearest to the first one, a share of all, repeated to the same number."""
    small = torch.from_numpy(x).permute(0, 3, 1, 2).float()
    small = avg_pool2d(small, 8).flatten(1)
    nearest = (small - small[0]).square().sum(1).argsort()[: max(round(kept * len(x)), 1)]
    return x[np.resize(nearest.numpy(), len(x))]


def copies(x: np.ndarray, distinct: int) -> np.ndarray:
    """So many of the images, again and again."""
    return x[np.arange(len(x)) % distinct]


def rungs(x: np.ndarray, name: str, damage: Callable[[np.ndarray, Any], np.ndarray], amounts: list[Any]) -> Ladder:
    """The untouched images, and the same with growing damage."""
    return [("untouched", x), *((f"{name} {amount}", damage(x, amount)) for amount in amounts)]


def ages(run: Path, size: int, count: int) -> Ladder:
    """Samples of a run at ages that grow by a factor, the oldest first."""
    sheets = sorted(path for path in (run / "samples").glob("*.png") if path.stem.isdigit() and int(path.stem))
    newest = int(sheets[-1].stem)
    wanted = [newest / 2.2**step for step in range(count)]
    chosen = [min(sheets, key=lambda path: abs(int(path.stem) - age)) for age in wanted]
    return [(f"{run.name} {int(path.stem):,}", _cut(path, size)) for path in dict.fromkeys(chosen)]


def _cut(sheet: Path, size: int) -> np.ndarray:
    pixels = np.asarray(Image.open(sheet).convert("RGB"))
    step = size + GAP
    places = [(y, x) for y in range(0, pixels.shape[0], step) for x in range(0, pixels.shape[1], step)]
    return np.stack([pixels[y : y + size, x : x + size] for y, x in places])


def _bytes(x: np.ndarray) -> np.ndarray:
    return np.rint(np.clip(x, 0, 255)).astype(np.uint8)


SIZES = {"": (1, 96), " at half": (2, 48), " at a quarter": (4, 48), " at an eighth": (8, 32)}
"""By how much images are reduced, and the pixels a side that the network then sees."""
NETWORKS = {"lite0": offline_extractor, "mobilenet": second_opinion}
BOTH = tuple(NETWORKS)
GROUPS = [
    ("both networks", BOTH, ("",)),
    ("lite0, 1 and 1/2", BOTH[:1], ("", " at half")),
    ("both networks, 1 and 1/2", BOTH, ("", " at half")),
    ("lite0, 1 and 1/4", BOTH[:1], ("", " at a quarter")),
    ("lite0, 1, 1/2 and 1/8", BOTH[:1], ("", " at half", " at an eighth")),
    ("lite0, four sizes", BOTH[:1], tuple(SIZES)),
    ("both networks, 1, 1/2 and 1/8", BOTH, ("", " at half", " at an eighth")),
    ("both networks, four sizes", BOTH, tuple(SIZES)),
]
"""Means over several looks: a title, the networks, the sizes."""

Score = Callable[[Tensor, Tensor], Estimate]


def scores() -> dict[str, Score]:
    """The distances that are compared, each on one network's features."""

    def gaussian(factor: float) -> Score:
        return lambda real, fake: gaussian_mmd(real, fake, factor * median_distance(real))

    def lacking(name: str) -> Score:
        def score(real: Tensor, fake: Tensor) -> Estimate:
            even = min(len(real), len(fake))
            found = getattr(precision_recall_density_coverage(real[:even], fake[:even]), name)
            return Estimate(1 - found.value, found.error)

        return score

    return {
        "KID": kid,
        "Frechet": lambda real, fake: frechet(real, fake).distance,
        "MMD": gaussian(1.0),
        "MMD, half the bandwidth": gaussian(0.5),
        "MMD, twice the bandwidth": gaussian(2.0),
        "1 - precision": lacking("precision"),
        "1 - recall": lacking("recall"),
        "1 - coverage": lacking("coverage"),
    }


def together(parts: list[Estimate]) -> Estimate:
    """The mean of several numbers, and of their errors: all look at the same images."""
    return Estimate(sum(part.value for part in parts) / len(parts), sum(part.error for part in parts) / len(parts))


def verdict(better: Estimate, worse: Estimate) -> float:
    """1 for right, 0 for wrong, 1/2 where the errors leave it open."""
    gap = worse.value - better.value
    return 0.5 if abs(gap) <= math.hypot(better.error, worse.error) else float(gap > 0)


def measured(real: np.ndarray, pictures: dict[str, np.ndarray], networks: list[str]) -> dict[str, dict[str, Estimate]]:
    """Every yardstick on every rung: {yardstick: {rung: number}}."""
    found: dict[str, dict[str, Estimate]] = {}
    for network in networks:
        make = NETWORKS[network]
        for title, (by, resolution) in SIZES.items():
            extractor = make(resolution)
            of_real = extractor(reduced(real, by))
            features = {rung: extractor(reduced(x, by)) for rung, x in pictures.items()}
            for name, score in scores().items():
                found[f"{name}: {network}{title}"] = {
                    rung: score(of_real, of_fake) for rung, of_fake in features.items()
                }
            print(f"looked with {network}{title}", flush=True)
    for name in scores():
        for title, group, sizes in GROUPS:
            if not set(group) <= set(networks):
                continue
            parts = [found[f"{name}: {network}{size}"] for network in group for size in sizes]
            found[f"{name}: {title}"] = {rung: together([part[rung] for part in parts]) for rung in pictures}
    return found


def damage(x: np.ndarray) -> dict[str, Ladder]:
    """Ladders of known damage to images; grey ones have no colours to lose."""
    coloured = not (x == x.mean(3, keepdims=True)).all()
    return {
        "noise": rungs(x, "noise", noisy, [4, 8, 16, 32, 64]),
        "blur": rungs(x, "blur", blurred, [0.5, 1, 2, 4]),
        "blotches": rungs(x, "blotches", blotched, [8, 16, 32, 64]),
        "faded": rungs(x, "faded", faded, [0.25, 0.5, 0.75, 1]),
        **({"drained": rungs(x, "drained", drained, [0.25, 0.5, 0.75, 1])} if coloured else {}),
        "swapped": rungs(x, "swapped", swapped, [0.1, 0.3, 1.0]),
        "modes": rungs(x, "modes", few_modes, [0.5, 0.2, 0.05]),
        "copies": rungs(x, "copies", copies, [100, 30, 10, 1]),
    }


def beyond(old: str, older: str) -> list[tuple[str, str]]:
    """Pairs across a run's ladder and those of damage, the better one first.

    The best samples of a young run are far from a slight damage, and the oldest two are better than nothing.
    """
    return [("blur 1", old), ("noise 16", old), (old, "faded 1"), (older, "faded 1"), (old, "noise 64")]


def shares(
    found: dict[str, dict[str, Estimate]], pairs: dict[str, list[tuple[str, str]]]
) -> dict[str, dict[str, float]]:
    """For each yardstick and each kind of pairs, the share that it puts in order; printed, the best yardstick first."""
    table = {
        stick: {kind: float(np.mean([verdict(n[a], n[b]) for a, b in some])) for kind, some in pairs.items()}
        for stick, n in found.items()
    }
    print(f"{'':46s}" + "".join(f"{kind[:9]:>10s}" for kind in pairs) + "      mean")
    for stick, row in sorted(table.items(), key=lambda item: -np.mean(list(item[1].values()))):
        cells = "".join(f"{share:10.2f}" for share in row.values())
        print(f"{stick:46s}{cells}{np.mean(list(row.values())):10.3f}")
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("--run", type=Path, action="append", default=[], help="may be given several times")
    parser.add_argument("--pair", type=Path, nargs=2, action="append", default=[], metavar=("BETTER", "WORSE"))
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--network", choices=BOTH, action="append", help="both, by default")
    parser.add_argument(
        "--count", type=int, default=500, help="images of a rung; twice as many stand for the real ones"
    )
    parser.add_argument("--ages", type=int, default=6)
    parser.add_argument("--pictures", type=Path, help="a sheet with a row of each rung")
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    images = Images(Source(asked.data, asked.size, 3)).images
    if len(images) < 3 * asked.count:
        raise SystemExit(f"{asked.data} has {len(images):,} images; --count {asked.count} needs {3 * asked.count:,}.")
    real, x = np.array(images[: 2 * asked.count]), np.array(images[2 * asked.count : 3 * asked.count])
    ladders = damage(x) | {run.name: ages(run, asked.size, asked.ages) for run in asked.run}
    across = ACROSS + COLOURFUL if "drained" in ladders else list(ACROSS)
    pictures = {name: rung for ladder in ladders.values() for name, rung in ladder}
    for pair in asked.pair:
        pictures |= {path.stem: _cut(path, asked.size) for path in pair}
        across.append((pair[0].stem, pair[1].stem))
    for run in asked.run:
        across += beyond(*(name for name, _ in ladders[run.name][:2]))
    if asked.pictures:
        rows = [np.concatenate(list(rung[:12]), 1) for rung in pictures.values()]
        save_png(np.concatenate(rows, 0), asked.pictures)
        print("\n".join(f"row {number}: {name}" for number, name in enumerate(pictures, 1)))
    found = measured(real, pictures, asked.network or list(BOTH))
    pairs = {name: [(a, b) for (a, _), (b, _) in combinations(ladder, 2)] for name, ladder in ladders.items()}
    table = shares(found, pairs | {"across": across})
    if asked.out:
        numbers = {
            stick: {rung: estimate._asdict() for rung, estimate in rungs_.items()} for stick, rungs_ in found.items()
        }
        asked.out.write_text(json.dumps({"table": table, "numbers": numbers, "across": across}, indent=1))


if __name__ == "__main__":
    main()
