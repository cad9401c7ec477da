"""Sampling to files: CPU seconds and bytes for each form, peak memory at two counts, and onnxruntime beside torch.

    OMP_NUM_THREADS=1 python benchmarks/sampling.py [--run builtin:faces] [--count 2000]

Each row is a process of its own, and so is each figure of memory; CPU seconds, since other programs may share the cores.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

FORMS = {"PNG files": ("out", "png"), "WebP files": ("out", "webp"), "tar of PNG": ("a.tar", "png"), "zip of WebP": ("a.zip", "webp"),
         "npy": ("a.npy", "png")}  # fmt: skip
MORE = 8
"""Factor of the larger count."""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--run", default="builtin:faces")
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--form", nargs=3, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.form:
        print(json.dumps(measured(asked.run, asked.count, *asked.form)))
        return
    print(f"| form | ms an image | bytes an image | peak MB at {asked.count:,} | at {MORE * asked.count:,} |")
    print("| --- | --- | --- | --- | --- |", flush=True)
    for title, (name, kind) in FORMS.items():
        small = apart(asked.run, asked.count, name, kind, "torch")
        large = (
            apart(asked.run, MORE * asked.count, name, kind, "torch")
            if name in ("out", "a.npy") and kind == "png"
            else None
        )
        more = f"{large['memory']:.0f}" if large else ""
        print(f"| {title} | {small['ms']:.2f} | {small['bytes']:,.0f} | {small['memory']:.0f} | {more} |", flush=True)
    print("\n| engine | ms an image, 16 at once | ms an image, one at a time |\n| --- | --- | --- |", flush=True)
    for engine in ("torch", "onnx"):
        found = apart(asked.run, asked.count, "engine", "png", engine)
        print(f"| {engine} | {found['ms']:.2f} | {found['single']:.2f} |", flush=True)


def apart(run: str, count: int, name: str, kind: str, engine: str) -> dict[str, float]:
    """The measurements of one form, from a process of its own."""
    command = [sys.executable, __file__, "--run", run, "--count", str(count), "--form", name, kind, engine]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def measured(run: str, count: int, name: str, kind: str, engine: str) -> dict[str, float]:
    """CPU milliseconds and bytes of an image, and the peak memory of this process in MB."""
    import torch

    import organza
    from organza.inference.sample_files import sample_files
    from organza.memory import peak_memory

    trained = organza.load(run, device="cpu", engine=engine)  # type: ignore[arg-type]
    trained.sample(16)
    if name == "engine":
        begun = time.process_time()
        for _ in trained.sampled(count):
            pass
        spent = time.process_time() - begun
        return {
            "ms": 1000 * spent / count,
            "single": single(trained, torch.stack([trained.latent(0, k) for k in range(200)])),
        }
    with tempfile.TemporaryDirectory() as folder:
        begun = time.process_time()
        sample_files(trained, Path(folder) / name, count, kind=kind)  # type: ignore[arg-type]
        spent = time.process_time() - begun
        size = sum(
            path.stat().st_size for path in Path(folder).rglob("*") if path.is_file() and path.name != "grid.png"
        )
    return {"ms": 1000 * spent / count, "bytes": size / count, "memory": peak_memory() / 1e6}


def single(run, latents) -> float:
    """CPU milliseconds of one image alone."""
    draw = run.session or run.generate
    begun = time.process_time()
    for z in latents.split(1):
        draw(z)
    return 1000 * (time.process_time() - begun) / len(latents)


if __name__ == "__main__":
    main()
