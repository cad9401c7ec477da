"""Every network as ONNX, each exported once for all tests and for both workers: training and tracing take seconds."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from filelock import FileLock

import organza
from organza.config import encode
from organza.networks import filler, surface, waves
from tests.contracts.discovery import RECIPES, covering, small
from tests.contracts.material import Material, size_of
from tests.helpers import WHOLE, train

PAGES = {"latent-wide", "cgan-swift", "infogan-paper", "cyclegan", "gan3d", "fill-light", "enlarge-light"}
"""Recipes whose generators become pages as well: an unconditional one, labels, codes, a translator, volumes, holes, enlarging."""


def networks_of(value: object) -> frozenset[str]:
    """The names of the networks and layers in a part of a recipe."""
    return frozenset(re.findall(r'"(organza\.networks\.[\w.]*:\w+)"', json.dumps(encode(value))))


FILES = {
    (name, part): networks_of(getattr(make(), part))
    for name, make in RECIPES.items()
    for part in ("generator", "discriminator")
}
CHOSEN = list(FILES) if WHOLE else covering(FILES)
"""Players of recipes whose files together hold every network."""
EXPORTED = {name: [part for of, part in CHOSEN if of == name] for name, _ in CHOSEN}


def filled_quickly(patch: pytest.MonkeyPatch) -> None:
    """Two levels of the smooth filling: each is unrolled, and exporting five takes long."""
    patch.setattr(filler, "LEVELS", 2)
    patch.setattr(surface, "STEPS", (1, 1))
    patch.setattr(waves, "HALF", 1)
    patch.setattr(waves, "WHOLE", 1)


class Exports:
    """Runs of recipes and the files that they are exported to.

    Args:
        root: folder that the workers share.
        material: what the recipes are trained on.
    """

    def __init__(self, root: Path, material: Material):
        self.root, self.material = root, material
        root.mkdir(exist_ok=True)

    def __call__(self, name: str) -> tuple[organza.Run, Path]:
        """The run of a recipe, and the folder with its ONNX files, and its page if it is one of `PAGES`."""
        run, out = self.trained(name), self.root / f"{name}.out"
        with FileLock(self.root / f"{name}.lock"):
            if not out.exists():
                self._make(name, run, out)
        return organza.load(run), out

    def trained(self, name: str) -> Path:
        """The run of any recipe, trained for two steps: only to be read."""
        recipe, run, done = small(RECIPES[name](), blocks=1), self.root / name, self.root / f"{name}.trained"
        with FileLock(self.root / f"{name}.training"), pytest.MonkeyPatch.context() as patch:
            if not done.exists():
                filled_quickly(patch)
                train(self.material(recipe), run, recipe, size=size_of(recipe), budget="16img")
                done.touch()
        return run

    def _make(self, name: str, run: Path, out: Path) -> None:
        parts = EXPORTED[name]
        with pytest.MonkeyPatch.context() as patch:
            filled_quickly(patch)
            organza.load(run).export(
                out,
                to=("onnx", "web") if name in PAGES else ("onnx",),
                parts=(*parts, "encoder") if "generator" in parts else parts,
            )
