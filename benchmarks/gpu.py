"""What a GPU makes of the recipes, within nine minutes: is it right, how fast, how much memory, what is the best, what does it learn.

    python benchmarks/gpu.py faces --out gpu.json
    python benchmarks/gpu.py faces --device cpu --width 4 --batch 8 --sizes 64 --seconds 0.2 --budget 256img --processes 2 # itself, tried

1. Right: loss terms and gradients of `latent-wide` in float32 on the device beside those on the CPU, from the same weights and batch.
2. Speed and memory of training steps at 64, 128 and 256 pixels: float32, TF32, bfloat16; eager, compiled, compiled with CUDA graphs.
3. The best matrix product and convolution in each precision: what share of it a step reaches.
4. Training for three minutes by `organza train` with what it chooses itself, and the distance that it reaches.
5. Where there are several GPUs: images a second of one and of all, each with a batch as large, and the bytes that a step sums.
Whatever would begin after `--minutes` is left out, and said. The result is a table, and JSON.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

import organza
import scaling
from organza import Images, Recipe, Source
from organza.game import discriminator_loss, generator_loss
from organza.networks.layers import channels_last, networks_of
from organza.recipes import get
from organza.training.accelerator import CPU, Accelerator, choose, versions
from organza.training.auto import sized
from organza.training.dry_run import cost
from organza.training.speed import measure, trial
from organza.training.step import played

PRECISIONS = ("float32", "TF32", "bfloat16")
MODES = {"eager": None, "compiled": "default", "graphs": "reduce-overhead"}
"""Ways to run the networks, with torch.compile's name of each."""
CLOSE = 1e-3
"""Largest relative difference of a term or a gradient between two devices in float32."""


@dataclass(frozen=True)
class Way:
    """One way to take training steps."""

    size: int
    precision: str
    mode: str


def recipe_of(asked: argparse.Namespace, size: int) -> Recipe:
    """Return `latent-wide` at the asked width and batch, with codes of 16x16 from 128 pixels on."""
    plain = replace(sized(get("latent-wide"), asked.width), batch=asked.batch)
    return replace(plain, generator=plain.generator.given(reduction=8)) if size >= 128 else plain


def noise(size: int, folder: Path) -> Images:
    """Return images to time steps on: speed does not depend on what they show."""
    path = folder / f"{size}.npy"
    if not path.exists():
        np.save(path, np.random.default_rng(0).integers(0, 256, (512, size, size, 3), np.uint8))
    return Images(Source(path))


@contextlib.contextmanager
def multiplying(precision: str) -> Iterator[torch.dtype]:
    """Set how float32 is multiplied inside the block; yield the type of forward passes."""
    before = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    exact = precision == "float32"
    torch.set_float32_matmul_precision("highest" if exact else "high")
    torch.backends.cudnn.allow_tf32 = not exact
    try:
        yield torch.bfloat16 if precision == "bfloat16" else torch.float32
    finally:
        torch.set_float32_matmul_precision(before[0])
        torch.backends.cudnn.allow_tf32 = before[1]


def differences(asked: argparse.Namespace, device: torch.device, data: Images) -> dict[str, float]:
    """Return relative differences of loss terms and of gradients, device against CPU, in float32.

    Without penalties and noise on codes, which draw on the device.
    """
    recipe = replace(recipe_of(asked, 64), penalties=(), batch=min(asked.batch, 16))
    found = []
    for accelerator in (CPU, Accelerator(device)):
        state = trial(recipe, data, accelerator)
        setattr(state.game, "noise", 0.0)  # noqa: B010  (a field of LatentGAN)
        with multiplying("float32"):
            batch, made = played(state, 0, graph=True)
            values = {}
            for name, player, loss in (("D", state.game.D, discriminator_loss), ("G", state.game.G, generator_loss)):
                player.requires_grad_(True)
                turn = loss(state.game, batch, made)
                torch.stack(list(turn.terms.values())).sum().backward(retain_graph=True)
                values |= {term: value.detach().cpu() for term, value in turn.terms.items()}
                gradients = [weight.grad.flatten().cpu() for weight in player.parameters() if weight.grad is not None]
                values[f"gradient of {name}"] = torch.cat(gradients)
                player.requires_grad_(False)
        found.append(values)
    here, there = found
    return {name: float((there[name] - here[name]).norm() / here[name].norm().clamp_min(1e-12)) for name in here}


def rate(asked: argparse.Namespace, way: Way, device: torch.device, data: Images) -> dict[str, Any]:
    """Return images a second, the memory at its highest in GiB, and TFLOP/s of a way."""
    recipe = recipe_of(asked, way.size)
    with multiplying(way.precision) as dtype:
        state = trial(recipe, data, Accelerator(device, dtype))
        torch.set_float32_matmul_precision("highest" if way.precision == "float32" else "high")
        torch.backends.cudnn.allow_tf32 = way.precision != "float32"
        if MODES[way.mode]:
            torch._dynamo.reset()
            for player in (state.game.G, state.game.D):
                for network in networks_of(player):
                    network.compile(mode=MODES[way.mode])
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
        images = measure(state, asked.seconds)
    memory = torch.cuda.max_memory_allocated(device) / 2**30 if device.type == "cuda" else None
    return {"images/s": images, "GiB": memory, "TFLOP/s": images * cost(recipe, data) / 1e12}


def best(precision: str, device: torch.device, side: int, seconds: float) -> float:
    """Return TFLOP/s of a matrix product of side x side."""
    with multiplying(precision) as dtype:
        a, b = (torch.randn(side, side, device=device, dtype=dtype) for _ in range(2))
        return _tflops(lambda: a @ b, 2 * side**3, device, seconds)


def best_convolution(precision: str, device: torch.device, maps: int, seconds: float) -> float:
    """Return TFLOP/s of a 3x3 convolution of as many maps on [64, maps, 16, 16]."""
    with multiplying(precision) as dtype:
        layer = torch.nn.Conv2d(maps, maps, 3, padding=1, bias=False, device=device, dtype=dtype).requires_grad_(False)
        layer = channels_last(layer)
        x = torch.randn(64, maps, 16, 16, device=device, dtype=dtype).to(memory_format=torch.channels_last)
        return _tflops(lambda: layer(x), 2 * 64 * maps**2 * 9 * 256, device, seconds)


def _tflops(call: Any, flops: float, device: torch.device, seconds: float) -> float:
    wait = partial(torch.cuda.synchronize, device) if device.type == "cuda" else lambda: None
    call()
    wait()
    start, times = time.perf_counter(), 0
    while time.perf_counter() - start < seconds:
        for _ in range(10):
            call()
        wait()
        times += 10
    return times * flops / (time.perf_counter() - start) / 1e12


def learned(asked: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Train as a user does, and return what came of it."""
    run = folder / "run"
    organza.train(str(asked.data), run=run, budget=asked.budget, size=64, device=asked.device, report=False)
    content = json.loads((run / "recipe.json").read_text(encoding="utf-8"))
    kept = run / "best.json"
    return {
        "recipe": content["recipe"]["name"],
        "chosen": content.get("chosen", []),
        "best": json.loads(kept.read_text(encoding="utf-8")) if kept.exists() else None,
    }


def together(asked: argparse.Namespace, device: torch.device, folder: Path) -> list[dict[str, Any]]:
    """Return what one process and all make of the smallest size, a GPU for each; nothing where there is one."""
    count = asked.processes or (torch.cuda.device_count() if device.type == "cuda" else 1)
    size, steps = min(asked.sizes), 5 if device.type == "cpu" else 50
    noise(size, folder)
    rows: list[dict[str, Any]] = []
    for processes in (1, count) if count > 1 else ():
        larger = argparse.Namespace(width=asked.width, batch=processes * asked.batch)
        told = scaling.together(
            processes, 1, partial(recipe_of, larger, size), folder / f"{size}.npy", size, steps, device.type
        )[0]
        rate = told["images"] / told["wall"]
        summed = sum(kind["bytes"] for kind in told["sums"].values()) / steps
        share = rate / (processes * rows[0]["images/s"]) if rows else 1.0
        rows.append(
            {"processes": processes, "size": size, "images/s": rate, "bytes a step": summed, "of as many alone": share}
        )
    return rows


def ways(asked: argparse.Namespace, device: torch.device) -> list[Way]:
    """Return what is timed, the most telling first."""
    compiling = ("compiled", "graphs") if device.type == "cuda" else ()
    plain = [Way(size, precision, "eager") for size in asked.sizes for precision in PRECISIONS]
    return [*plain, *(Way(size, "bfloat16", mode) for size in asked.sizes for mode in compiling)]


def run(asked: argparse.Namespace) -> dict[str, Any]:
    """Measure everything that fits into the time."""
    begun = time.perf_counter()
    device = choose(asked.device).device
    late = lambda: time.perf_counter() - begun > 60 * asked.minutes  # noqa: E731
    found: dict[str, Any] = {"versions": versions(Accelerator(device)), "left out": []}
    if device.type == "cuda":
        found["device"] = torch.cuda.get_device_name(device)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        found["differences"] = differences(asked, device, noise(64, folder))
        found["right"] = max(found["differences"].values()) <= CLOSE
        side, maps = (8192, 768) if device.type == "cuda" else (512, 64)
        found["best"] = {
            precision: {
                "matrix product": best(precision, device, side, asked.seconds / 4),
                "convolution": best_convolution(precision, device, maps, asked.seconds / 4),
            }
            for precision in PRECISIONS
        }
        found["training"] = learned(asked, folder)
        found["together"] = together(asked, device, folder)
        found["rates"] = []
        for way in ways(asked, device):
            if late():
                found["left out"].append(f"{way.size} {way.precision} {way.mode}")
                continue
            try:
                told = rate(asked, way, device, noise(way.size, folder))
            except (RuntimeError, torch.OutOfMemoryError) as trouble:  # of memory, or of a compiler that is missing
                told = {"trouble": str(trouble).splitlines()[0][:200]}
            found["rates"].append({**vars(way), **told})
            print(row(found["rates"][-1], found["best"]), flush=True)
    return found


def row(told: dict[str, Any], peak: dict[str, dict[str, float]]) -> str:
    """Return a row of the table."""
    head = f"| {told['size']} | {told['precision']} | {told['mode']} |"
    if "trouble" in told:
        return f"{head} {told['trouble']} |"
    share = told["TFLOP/s"] / max(peak[told["precision"]].values())
    memory = "" if told["GiB"] is None else f"{told['GiB']:.1f}"
    return f"{head} {told['images/s']:,.0f} | {memory} | {told['TFLOP/s']:.2f} | {share:.0%} |"


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder of images to train on")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--width", type=int, default=192, help="width of latent-wide, over its reduction")
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--sizes", type=int, nargs="+", default=[64, 128, 256])
    parser.add_argument("--seconds", type=float, default=3.0, help="seconds of one measurement")
    parser.add_argument("--budget", default="3m", help="of the training")
    parser.add_argument("--minutes", type=float, default=7.0, help="after which nothing new begins")
    parser.add_argument(
        "--processes", type=int, default=0, help="as many as there are GPUs, unless another number is given"
    )
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args(arguments)
    print(
        "| size | precision | networks | images/s | GiB | TFLOP/s | of the best |\n| --- | --- | --- | --- | --- | --- | --- |"
    )
    found = run(asked)
    print(f"right: {found['right']}, largest difference {max(found['differences'].values()):.1e}")
    for several in found["together"]:
        told = f"{several['images/s']:,.0f} images/s, {several['of as many alone']:.0%} of as many alone"
        print(f"{several['processes']} at {several['size']}: {told}, {several['bytes a step']:,.0f} bytes a step")
    print(f"trained: {json.dumps(found['training'])}")
    if found["left out"]:
        print(f"left out for want of time: {', '.join(found['left out'])}")
    if asked.out:
        asked.out.write_text(json.dumps(found, indent=1), encoding="utf-8")
        print(f"wrote {asked.out}", file=sys.stderr)


if __name__ == "__main__":
    main()
