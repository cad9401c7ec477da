"""Small real data for every layout that a recipe may ask for: a new layout adds one function here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import ImageOps

from organza import Batches, Images, Labelled, Pairs, Source, Unpaired, Volumes
from organza.data.patches import Masked, Reduced
from organza.data.vectors import Vectors
from organza.recipe import Recipe
from tests.drawings import drawing, table

SIZE = 32


def size_of(recipe: Recipe) -> int:
    """The side at which a recipe is tried: 16 for volumes, whose voxels are eight times fewer then, and 32 for images."""
    return 16 if recipe.data.make is Volumes else SIZE


def single(folder: Path, count: int = 120) -> None:
    """Drawings in one folder."""
    for item in range(count):
        drawing(item).save(folder / f"{item:03d}.png")


def classes(folder: Path) -> None:
    """Drawings in three folders: as they are, grey, and upside down."""
    for name, change in (("plain", lambda x: x), ("grey", ImageOps.grayscale), ("flipped", ImageOps.flip)):
        (folder / name).mkdir()
        for item in range(40):
            change(drawing(item)).save(folder / name / f"{item:03d}.png")


def pairs(folder: Path) -> None:
    """Grey drawings in a, the same in colour in b."""
    for name in "ab":
        (folder / name).mkdir()
    for item in range(60):
        drawing(item).convert("L").save(folder / "a" / f"{item:03d}.png")
        drawing(item).save(folder / "b" / f"{item:03d}.png")


def domains(folder: Path) -> None:
    """Drawings in a, other drawings with inverted colours in b."""
    for name in "ab":
        (folder / name).mkdir()
    for item in range(60):
        drawing(item).save(folder / "a" / f"{item:03d}.png")
        ImageOps.invert(drawing(1000 + item)).save(folder / "b" / f"{item:03d}.png")


def volumes(folder: Path) -> None:
    """Tables of all sizes, one in a file."""
    for item in range(60):
        np.savez_compressed(folder / f"{item:03d}.npz", table(item, 32))


def large(folder: Path) -> None:
    """Drawings that are larger than a patch, of two sizes, one with opacity."""
    for item in range(12):
        image = drawing(item).resize((72, 60) if item % 2 else (64, 96))
        (image.convert("RGBA") if item == 3 else image).save(folder / f"{item:03d}.png")


def vectors(folder: Path) -> None:
    """A table of three columns, of two clusters, of very different units."""
    rng = np.random.default_rng(0)
    side = rng.integers(2, size=120)[:, None]
    values = side * [2.0, -1.0, 3.0] + rng.normal(size=(120, 3)) * [0.3, 0.5, 0.2]
    lines = [f"{x},{1000 * y + 5000},{z / 100}" for x, y, z in values]
    (folder / "table.csv").write_text("\n".join(["age,income,share", *lines]) + "\n", encoding="utf-8")


MATERIAL: dict[type[Batches], Callable[[Path], None]] = {
    Images: single,
    Labelled: classes,
    Pairs: pairs,
    Unpaired: domains,
    Volumes: volumes,
    Reduced: large,
    Masked: large,
    Vectors: vectors,
}


class Material:
    """Folders of data by layout, each made once.

    Args:
        root: where they are made.
    """

    def __init__(self, root: Path):
        self.root = root

    def __call__(self, recipe: Recipe) -> Path:
        """The folder with what this recipe is trained on."""
        layout = recipe.data.make
        folder = self.root / layout.__name__
        if not folder.exists():
            folder.mkdir(parents=True)
            MATERIAL[layout](folder)
        return folder

    def opened(self, recipe: Recipe) -> Batches:
        """The data as the recipe lays it out."""
        return recipe.opened(Source(self(recipe), size=size_of(recipe)))
