"""Does memory stay flat? A run on a packed million of images against one on 20,000: the most memory, and what it takes while training.

    python benchmarks/memory.py --out memory.json

The images are a thousand different ones, repeated. Packing, and training from what is packed, each have a process of their own. For
each, the most memory that was resident, and while training the mean over the last steps: all of it, and what is the process's own
(anonymous) rather than pages of files, which the system takes back when it needs room. Linux only; 7 GB of disk for the million.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

DIFFERENT = 1000
LAST = 50  # steps whose memory is averaged
COLUMNS = ("packing, most", "training, most", "training, all", "training, own")


def status() -> dict[str, float]:
    """The lines of /proc/self/status that tell of memory, in MB.

    Not `getrusage`, whose maximum a process inherits from the one that started it.
    """
    lines = (line.split() for line in Path("/proc/self/status").read_text().splitlines())
    return {words[0].rstrip(":"): int(words[1]) / 1024 for words in lines if words[-1] == "kB"}


def write_array(path: Path, count: int, side: int) -> None:
    """uint8 [count, side, side, 3], written in pieces, so that it takes no memory."""
    piece = np.random.default_rng(0).integers(0, 256, (DIFFERENT, side, side, 3), np.uint8)
    with path.open("wb") as file:
        head = {"descr": "|u1", "fortran_order": False, "shape": (count, side, side, 3)}
        np.lib.format.write_array_header_1_0(file, head)
        for start in range(0, count, DIFFERENT):
            file.write(piece[: count - start].data)


def write_folder(path: Path, count: int, side: int) -> None:
    """PNG files in folders of a thousand, links to the same few: a folder's names and dates are as many as if each were its own."""
    from PIL import Image

    path.mkdir()
    draw = np.random.default_rng(0)
    for index in range(count):
        place = path / f"{index // DIFFERENT:04d}-{index % DIFFERENT:04d}.png"
        if index < DIFFERENT:
            Image.fromarray(draw.integers(0, 256, (side, side, 3), np.uint8)).save(place)
        else:
            os.link(path / f"{0:04d}-{index % DIFFERENT:04d}.png", place)


def pack(data: str, side: int) -> dict[str, float]:
    """What packing takes."""
    from organza.data import Size, open_data

    start = time.perf_counter()
    open_data(data, size=Size(side, side), channels=3)
    return {"packing, most": status()["VmHWM"], "packing, seconds": time.perf_counter() - start}


def train(data: str, run: str, images: int, recipe: str) -> dict[str, float]:
    """What training from the pack takes, from the opening of the data to the end."""
    from organza import TrainArgs
    from organza.run.events import Tick
    from organza.training.launch import train_events

    start, opened, seen = time.perf_counter(), 0.0, []
    for event in train_events(TrainArgs(data, run, recipe, f"{images}img", size="32")):
        opened = opened or time.perf_counter() - start
        if isinstance(event, Tick):
            seen.append(status())
    last = seen[-LAST:]
    return {
        "training, most": status()["VmHWM"],
        "training, all": statistics.mean(s["VmRSS"] for s in last),
        "training, own": statistics.mean(s["RssAnon"] for s in last),
        "opening, seconds": opened,
    }


def apart(environment: dict[str, str], *arguments: str) -> dict[str, Any]:
    """One of the above in a process of its own."""
    done = subprocess.run(
        [sys.executable, __file__, *arguments], env=environment, stdout=subprocess.PIPE, text=True, check=True
    )
    return json.loads(done.stdout.splitlines()[-1])


def measured(count: int, form: str, images: int, recipe: str, repeats: int) -> dict[str, Any]:
    """All figures of one count, medians and each training's own; everything that was written is removed."""
    place = Path(tempfile.mkdtemp(prefix="organza-memory-"))
    environment = {**os.environ, "ORGANZA_CACHE": str(place / "cache")}
    data = place / ("images.npy" if form == "array" else "images")
    try:
        (write_array if form == "array" else write_folder)(data, count, 32)
        packing = apart(environment, "--pack", str(data))
        runs = []
        for index in range(repeats):
            fed = ("--run", str(place / f"run{index}"), "--images", str(images), "--recipe", recipe)
            runs.append(apart(environment, "--train", str(data), *fed))
        return packing | {name: statistics.median(run[name] for run in runs) for name in runs[0]} | {"runs": runs}
    finally:
        shutil.rmtree(place)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--counts", type=int, nargs="+", default=[20_000, 1_000_000])
    arguments.add_argument("--form", choices=("array", "folder"), default="array")
    arguments.add_argument("--images", type=int, default=10_000, help="to train for")
    arguments.add_argument("--recipe", default="mlp")
    arguments.add_argument(
        "--repeats", type=int, default=5, help="trainings of each count: one and the same differs by tens of MB"
    )
    arguments.add_argument("--out", type=Path)
    arguments.add_argument("--pack", help=argparse.SUPPRESS)
    arguments.add_argument("--train", help=argparse.SUPPRESS)
    arguments.add_argument("--run", help=argparse.SUPPRESS)
    asked = arguments.parse_args()
    if asked.pack or asked.train:
        found = pack(asked.pack, 32) if asked.pack else train(asked.train, asked.run, asked.images, asked.recipe)
        print(json.dumps(found))
        return
    rows = {count: measured(count, asked.form, asked.images, asked.recipe, asked.repeats) for count in asked.counts}
    print(f"{'MB':>16s}" + "".join(f"{name:>18s}" for name in COLUMNS))
    for count, row in rows.items():
        print(f"{count:>16,}" + "".join(f"{row[name]:18.1f}" for name in COLUMNS))
    spread = (max(v) - min(v) for v in ([run["training, all"] for run in row["runs"]] for row in rows.values()))
    print(f"between trainings of one count, all: {', '.join(f'{value:.1f}' for value in spread)}")
    first, last = rows[asked.counts[0]], rows[asked.counts[-1]]
    print(f"{'difference':>16s}" + "".join(f"{last[name] - first[name]:18.1f}" for name in COLUMNS))
    if asked.out:
        asked.out.write_text(json.dumps({"form": asked.form, "recipe": asked.recipe, "MB": rows}, indent=1))


if __name__ == "__main__":
    main()
