"""Digests of fixed-seed runs: the proof that a refactoring changed no weight.

    python -m tests.digests > before.txt
    python -m tests.digests --compare before.txt

Each recipe's smallest variant is trained for some steps on small real data, with a fixed seed on the CPU and one thread. A digest covers
every tensor of the last checkpoint: players, average, optimizers and what the game remembers. Digests hold on one machine, with one version
of torch; elsewhere sums round differently.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch: other numbers of threads round differently

import torch

import organza
from organza.recipe import Recipe
from tests.contracts.discovery import RECIPES, small
from tests.contracts.material import Material

STEPS = 6
"""Of D's turns: past the warm-ups of the smallest variants, which take four steps together, and into the game."""


def digest(run: Path) -> str:
    """Return the sha256 of all tensor files of a run's newest checkpoint, by name."""
    newest = max(path for path in (run / "checkpoints").iterdir() if path.is_dir())
    total = hashlib.sha256()
    for file in sorted(newest.glob("*.safetensors")):
        total.update(file.name.encode() + file.read_bytes())
    return total.hexdigest()


def trained(recipe: Recipe, data: Path, run: Path, evaluate: bool = False) -> Path:
    """Train a recipe for some steps and return the run's folder."""
    images = STEPS * recipe.discriminator_turns * recipe.batch
    organza.train(
        data, run, recipe=recipe, size=32, budget=f"{images}img", seed=7, device="cpu", evaluate=evaluate, report=False
    )
    return run


def digests(folder: Path, names: list[str]) -> dict[str, str]:
    """Return the digest of every recipe's run by its name; those of `mlp` and `swift` with evaluations, too."""
    material = Material(folder / "material")
    made = {}
    for name in names or sorted(RECIPES):
        recipe = replace(small(RECIPES[name](), 4), stop=())
        made[name] = digest(trained(recipe, material(recipe), folder / "runs" / name))
        if name in ("mlp", "swift"):
            run = trained(recipe, material(recipe), folder / "runs" / f"{name}-evaluated", evaluate=True)
            made[f"{name}, evaluated"] = digest(run)
    return made


def main() -> int:
    """Print the table, and return 1 if it differs from an earlier one."""
    parser = argparse.ArgumentParser(description="Print the digest of a fixed-seed run of each recipe.")
    parser.add_argument("names", nargs="*", help="names of recipes; all by default")
    parser.add_argument("--compare", type=Path, metavar="FILE", help="an earlier table; exit 1 if a digest differs")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["ORGANZA_CACHE"] = str(Path(folder) / "cache")
        now = digests(Path(folder), asked.names)
    for name, value in now.items():
        print(f"{name:32} {value}")
    if asked.compare is None:
        return 0
    before = dict(line.rsplit(maxsplit=1) for line in asked.compare.read_text().splitlines())
    before = {name.strip(): value for name, value in before.items()}
    unlike = [name for name, value in now.items() if before.get(name, value) != value]
    missing = [] if asked.names else sorted(set(before) - set(now))
    for name in unlike:
        print(f"{name} differs", file=sys.stderr)
    for name in missing:
        print(f"{name} is gone", file=sys.stderr)
    print(f"{len(now) - len(unlike)} of {len(now)} digests are the same", file=sys.stderr)
    return 1 if unlike or missing else 0


if __name__ == "__main__":
    sys.exit(main())
