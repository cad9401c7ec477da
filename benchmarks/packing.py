"""How fast images are packed, against plain Pillow on the same files: open, convert, resize, asarray. Medians of alternating repeats.

    python benchmarks/packing.py --out packing.json

Made photographs (gradients, shapes and grain) as JPEG and PNG of 512x512 and as PNG of 64x64, brought to 64x64; and the latter as one
array file. A packed set is also checked, hashed and written; plain Pillow does none of it. Images a second of the clock, and of the
processor's time, which a busy machine does not distort.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

from organza.data import Size, open_data

SIZE = Size(64, 64)


def photograph(seed: int, side: int) -> Image.Image:
    """An image with the statistics of a photograph: large forms, edges, fine grain."""
    draw = np.random.default_rng(seed)
    forms = Image.fromarray(draw.integers(0, 256, (6, 6, 3), np.uint8)).resize((side, side), Image.Resampling.BICUBIC)
    edges = Image.fromarray(draw.integers(0, 256, (9, 9, 3), np.uint8)).resize((side, side), Image.Resampling.NEAREST)
    mixed = np.asarray(Image.blend(forms, edges.filter(ImageFilter.GaussianBlur(1)), 0.3)).astype(np.int16)
    return Image.fromarray((mixed + draw.normal(0, 4, mixed.shape)).clip(0, 255).astype(np.uint8))


def write(folder: Path, count: int, side: int, ending: str) -> Path:
    """A folder of photographs; a tenth of them are different, since making them takes longer than packing."""
    folder.mkdir()
    for index in range(count):
        place = folder / f"{index:05d}.{ending}"
        if index < max(1, count // 10):
            photograph(index, side).save(place, quality=90)
        else:
            shutil.copyfile(folder / f"{index % max(1, count // 10):05d}.{ending}", place)
    return folder


def plain(path: Path) -> np.ndarray:
    """What anyone would write."""
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB").resize(SIZE, Image.Resampling.LANCZOS))


def pooled(paths: list[Path], threads: int) -> None:
    with ThreadPoolExecutor(threads) as pool:
        for _ in pool.map(plain, paths):
            pass


def speed(work: Callable[[], object], count: int) -> tuple[float, float]:
    """Images a second, of the clock and of the processor."""
    clock, processor = time.perf_counter(), time.process_time()
    work()
    return count / (time.perf_counter() - clock), count / (time.process_time() - processor)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--count", type=int, default=2000)
    arguments.add_argument("--repeats", type=int, default=3)
    arguments.add_argument("--out", type=Path)
    asked = arguments.parse_args()
    count, cores = (
        asked.count,
        len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1,
    )
    with tempfile.TemporaryDirectory() as folder:
        place, tries = Path(folder), iter(range(10_000))
        sets = {
            "JPEG 512": write(place / "jpeg", count, 512, "jpg"),
            "PNG 512": write(place / "png", count, 512, "png"),
            "PNG 64": write(place / "small", count, 64, "png"),
        }
        np.save(place / "array.npy", np.stack([plain(path) for path in sorted(sets["PNG 64"].iterdir())]))

        def packed(data: Path, workers: int) -> None:
            open_data(data, size=SIZE, channels=3, cache=place / f"c{next(tries)}", workers=workers)

        jobs: dict[str, Callable[[], None]] = {}
        for name, data in sets.items():
            paths = sorted(data.iterdir())
            for threads in sorted({1, cores}):
                jobs[f"{name}, plain Pillow, {threads} threads"] = lambda paths=paths, n=threads: pooled(paths, n)
                jobs[f"{name}, packed, {threads} threads"] = lambda data=data, n=threads: packed(data, n)
        jobs[f"array 64, packed, {cores} threads"] = lambda: packed(place / "array.npy", cores)
        found: dict[str, list[tuple[float, float]]] = {name: [] for name in jobs}
        for _ in range(asked.repeats):
            for name, job in jobs.items():
                found[name].append(speed(job, count))
    print(f"{'images a second':40s}{'clock':>10s}{'processor':>12s}")
    for name, values in found.items():
        clock, processor = (statistics.median(v) for v in zip(*values, strict=True))
        print(f"{name:40s}{clock:10.0f}{processor:12.0f}")
    if asked.out:
        asked.out.write_text(json.dumps({"count": count, "cores": cores, "images a second": found}, indent=1))


if __name__ == "__main__":
    main()
