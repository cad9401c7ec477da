"""How long an evaluation takes, part by part, and whether it sees less at a lower resolution.

    python benchmarks/evaluation.py --out evaluation.json
    python benchmarks/evaluation.py --whole              # only what `organza evaluate` takes from its start to its end

10,000 images of 64x64 (rendered faces with faint noise, so that no two are alike) against 1,000, whose features are kept on disk, by
three looks of each network. Beside the clock stands processor time, which other work on the machine does not lengthen.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageFilter

from organza.data import open_data, parse_size, render_faces
from organza.evaluation.evaluate import evaluate
from organza.metrics.extractors import features
from organza.metrics.extractors.features import Extractor, offline_extractor, second_opinion
from organza.metrics.extractors.multiscale import Pyramid
from organza.metrics.suite import evaluate as distances
from organza.metrics.suite import thorough
from organza.training.accelerator import versions


def seconds(work: Callable[[], object]) -> float:
    """The time of one run."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def blurred(images: np.ndarray, radius: float) -> np.ndarray:
    return np.stack([np.asarray(Image.fromarray(image).filter(ImageFilter.GaussianBlur(radius))) for image in images])


def rates(images: np.ndarray) -> dict[str, float]:
    """Images a second, by network, resolution and micro-batch."""
    found = {}
    for make in (offline_extractor, second_opinion):
        for resolution in (64, 96):
            extractor = make(resolution)
            for features.MICROBATCH in (8, 16, 32, 64):
                extractor(images[:64])
                name = f"{extractor.name} at {resolution}, batches of {features.at_once(resolution)}"
                found[name] = len(images) / min(seconds(lambda: extractor(images)) for _ in range(2))  # noqa: B023
            features.MICROBATCH = 16
    return found


def sensitivity(real: np.ndarray, fake: np.ndarray, extractor: Extractor) -> dict[str, float]:
    """MMD of known damage, in standard errors of the undamaged: what a resolution sees."""
    of_real, same = extractor(real), distances(extractor(real), extractor(fake))["mmd"]
    noise = np.random.default_rng(0).normal(0, 8, fake.shape)
    damaged = {"blur of 0.7": blurred(fake, 0.7), "noise of 8": (fake + noise).clip(0, 255).round().astype(np.uint8)}
    return {name: distances(of_real, extractor(x))["mmd"].value / same.error for name, x in damaged.items()}


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Seconds of the clock and of the processors, of one run."""
    start, used = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - start, time.process_time() - used


class Told(dict[str, float]):
    """Values that are printed as they come."""

    def __setitem__(self, name: str, value: float) -> None:
        super().__setitem__(name, value)
        print(f"{name:70s}{value:10.1f}", flush=True)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--count", type=int, default=10_000)
    arguments.add_argument("--whole", action="store_true")
    arguments.add_argument("--out", type=Path)
    asked = arguments.parse_args()
    torch.set_flush_denormal(True)
    found = Told()
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        os.environ["ORGANZA_CACHE"] = str(place / "cache")
        faces = np.array(open_data(render_faces(place / "faces", count=2000), size=parse_size("64")).images)
        noise = np.random.default_rng(0).integers(-2, 3, (asked.count, *faces.shape[1:]))
        many = np.resize(faces[1000:], noise.shape) + noise
        np.save(place / "fake.npy", many.clip(0, 255).astype(np.uint8))
        np.save(place / "real.npy", faces[:1000])
        np.save(place / "few.npy", faces[:20])
        evaluate(place / "few.npy", place / "real.npy")  # keeps the features of the real ones
        took, used = timed(lambda: evaluate(place / "fake.npy", place / "real.npy"))
        found[f"seconds, {asked.count:,} images against 1,000, all networks, {torch.get_num_threads()} threads"] = took
        found["processor time of it"] = used
        for make in () if asked.whole else (offline_extractor, second_opinion):
            looks, extractor = Pyramid(make), make()
            took, used = timed(lambda: evaluate(place / "fake.npy", place / "real.npy", extractors=[looks]))  # noqa: B023
            found[f"seconds, the same, {extractor.name} alone"] = took
            found[f"processor time, {extractor.name} alone"] = used
            real, fake = extractor(faces[:1000]), extractor(faces[1000:])
            more = fake.repeat(-(-asked.count // len(fake)), 1)[: asked.count]
            more = more + 0.01 * torch.rand(more.shape, generator=torch.Generator().manual_seed(0))
            found[f"seconds, the metrics alone, {extractor.name}"] = seconds(lambda: thorough(real, more))  # noqa: B023
            for resolution in (64, 96):
                seen = sensitivity(faces[:500], faces[1000:1500], make(resolution))
                for name, value in seen.items():
                    found[f"errors, {name}, {extractor.name} at {resolution}"] = value
        for name, rate in ({} if asked.whole else rates(faces[:128])).items():
            found[f"pictures/s, {name}"] = rate
    if asked.out:
        asked.out.write_text(json.dumps({"versions": versions(), "values": found}, indent=1))


if __name__ == "__main__":
    main()
