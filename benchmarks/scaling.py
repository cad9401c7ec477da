"""Several processes against one: images a second, processor time an image, bytes and time of the sums over the ranks.

    python benchmarks/scaling.py --out scaling.json
    python benchmarks/scaling.py --recipes dcgan swift --steps 40 --processes 2
    python benchmarks/scaling.py --table scaling.json

One process with as many threads is compared with that many processes of one thread, on the same batches. On a busy machine the
wall clock says more of the others than of the run, and threads that wait spin: --busy leaves those out. The processor's time of all
processes together holds there too, as a rank that waits for another sleeps.
`--table` prints the figures for GPUs of docs/scaling.md from the bytes measured and the bandwidths and rates stated there.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch
import torch.multiprocessing as mp

from organza import Recipe, Source, recipes
from organza.distributed.launched import joined, local_rank
from organza.distributed.world import World
from organza.training.accelerator import choose
from organza.training.speed import trial
from organza.training.step import train_step

SUMS = ("reduced", "average", "gathered")
"""Methods of a group in which a rank sends or waits."""


class Traffic:
    """Calls, numbers sent and seconds by kind of sum, the waiting for the other ranks included."""

    def __init__(self, world: World):
        self.told = {name: {"calls": 0, "bytes": 0, "seconds": 0.0} for name in SUMS}
        for name in SUMS if world.size > 1 else ():
            setattr(world, name, self._around(name, getattr(world, name)))

    def _around(self, name: str, genuine: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def timed(given: Any) -> Any:
            start = time.perf_counter()
            result = genuine(given)
            kept = self.told[name]
            kept["calls"] += 1
            kept["bytes"] += sum(one.nbytes for one in (given if isinstance(given, list) else [given]))
            kept["seconds"] += time.perf_counter() - start
            return result

        return timed


def measured(make: Callable[[], Recipe], data: Path, size: int, steps: int, device: str = "cpu") -> dict[str, Any]:
    """Time some steps of a recipe in this process, on its share of each batch, which they end with."""
    with joined() as world:
        recipe = make()  # here, as the functions in it do not go from process to process
        accelerator = choose(device, local_rank() if world.size > 1 else None)
        state = trial(recipe, recipe.opened(Source(data, size=size)), accelerator, world)
        for _ in range(2):  # the second has the lazy penalties
            train_step(state)
        traffic = Traffic(world)
        images, wall, processor = state.images, time.perf_counter(), time.process_time()
        for _ in range(steps):
            train_step(state)
        wall, processor = time.perf_counter() - wall, time.process_time() - processor
        return {
            "images": state.images - images, "wall": wall, "processor": processor, "steps": steps,
            "weights": [sum(w.numel() for w in player.parameters()) for player in (state.game.G, state.game.D)],
            "sums": traffic.told,
        }  # fmt: skip


def _process(rank: int, size: int, port: int, threads: int, answers: Any, arguments: tuple) -> None:
    torch.set_num_threads(threads)
    torch.set_flush_denormal(True)
    if size > 1:
        os.environ |= {
            "RANK": str(rank), "WORLD_SIZE": str(size), "LOCAL_RANK": str(rank),
            "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port),
        }  # fmt: skip
    answers.put((rank, measured(*arguments)))


def together(size: int, threads: int, *arguments: Any) -> list[dict[str, Any]]:
    """Measure in so many processes of so many threads at once."""
    context = mp.get_context("spawn")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    answers = context.Queue()
    every = [
        context.Process(target=_process, args=(rank, size, port, threads, answers, arguments)) for rank in range(size)
    ]
    for process in every:
        process.start()
    told = dict(answers.get() for _ in every)
    for process in every:
        process.join()
    return [told[rank] for rank in range(size)]


def compared(name: str, data: Path, size: int, steps: int, processes: int, busy: bool) -> dict[str, Any]:
    """Compare several processes of one thread with one process: of one thread, and unless the machine is busy of several."""
    arguments = (partial(recipes.get, name), data, size, steps)
    (single,), several = together(1, 1, *arguments), together(processes, 1, *arguments)
    first = several[0]
    sums = first["sums"]
    seconds = sum(kind["seconds"] for kind in sums.values())
    spent = sum(rank["processor"] for rank in several)
    row = {
        "recipe": name, "processes": processes, "weights": first["weights"], "steps": steps,
        "images a step": first["images"] / steps,
        "processor ms an image, one process": 1000 * single["processor"] / single["images"],
        "processor ms an image, several": 1000 * spent / first["images"],
        "images/s, one process of one thread": single["images"] / single["wall"],
        "images/s, several": first["images"] / first["wall"],
        "collectives a step": sum(kind["calls"] for kind in sums.values()) / steps,
        "bytes a step": sum(kind["bytes"] for kind in sums.values()) / steps,
        "bytes of gradients a step": sums["average"]["bytes"] / steps,
        "ms in sums a step": 1000 * seconds / steps,
        "share of the wall clock in sums": seconds / first["wall"],
    }  # fmt: skip
    if busy:
        return row
    (threads,) = together(1, processes, *arguments)
    return row | {"images/s, one process of several threads": threads["images"] / threads["wall"]}


def on_paper(
    bytes_a_step: float, batch: int, rate: float, bandwidth: float, latency: float, gpus: int
) -> dict[str, float]:
    """Return the images a second of many GPUs, if a step computes, then sums in a ring.

    Args:
        bytes_a_step: gradients of both players.
        batch: images of each GPU in a step.
        rate: images a second of one GPU.
        bandwidth: bytes a second of the slowest link of the ring.
        latency: seconds of a step of the ring.
        gpus: number of GPUs.
    """
    computing = batch / rate
    sums = 2 * (gpus - 1) / gpus * bytes_a_step / bandwidth + 2 * (gpus - 1) * latency
    return {"images/s": gpus * batch / (computing + sums), "share in sums": sums / (computing + sums)}


MACHINES = {
    8: (300e9, 5e-6, "NVLink in one machine"),
    64: (25e9, 5e-6, "200 Gb/s between machines"),
    512: (25e9, 5e-6, "the same"),
}
"""Number of GPUs with the bandwidth of the slowest link in bytes a second, and its latency."""
EXAMPLES = {"dcgan 64x64": (6_342_272, 64, 20_000.0), "latent-wide 256x256": (40_000_000, 32, 1_000.0)}
"""Weights of both players, images of each GPU in a step, and assumed images a second of one GPU."""


def table() -> None:
    """Print the figures for many GPUs."""
    for name, (weights, batch, rate) in EXAMPLES.items():
        for gpus, (bandwidth, latency, link) in MACHINES.items():
            found = on_paper(4 * weights, batch, rate, bandwidth, latency, gpus)
            print(
                f"{name:22} {gpus:4} GPUs  batch {batch * gpus:6,}  {found['images/s']:12,.0f} images/s  "
                f"{found['share in sums']:5.1%} in sums ({link})"
            )


def main() -> None:
    parser = argparse.ArgumentParser(description="Compare several processes with one.")
    parser.add_argument("--recipes", nargs="+", default=["dcgan", "swift"])
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--busy", action="store_true", help="leave out the process of several threads")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--table", action="store_true", help="print the figures for many GPUs and stop")
    asked = parser.parse_args()
    if asked.table:
        table()
        return
    data = Path("scaling-images.npy")
    np.save(data, np.random.default_rng(0).integers(0, 256, (600, asked.size, asked.size, 3), np.uint8))
    try:
        rows = [compared(name, data, asked.size, asked.steps, asked.processes, asked.busy) for name in asked.recipes]
    finally:
        data.unlink()
    for row in rows:
        print(json.dumps(row, indent=1))
    if asked.out:
        asked.out.write_text(
            json.dumps({"cores": os.cpu_count(), "load": psutil.getloadavg()[0], "rows": rows}, indent=1)
        )


if __name__ == "__main__":
    main()
