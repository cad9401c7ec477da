"""Discriminator scores of image files: every image of the given files and folders, least authentic
first.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from organza.data.decode import Unreadable, decode, size_of
from organza.data.deep import fixed, read_scales
from organza.data.folder import ARRAYS, LARGEST, listing
from organza.data.size import Size
from organza.data.vector_files import read_vectors
from organza.data.volumes import volumes_in
from organza.errors import UserError
from organza.inference.load import Run, load
from organza.recipe import Recipe
from organza.untrusted import printable, read_bytes

AT_ONCE = 256  # images in memory at a time


@dataclass(frozen=True)
class Verdict:
    """Discriminator score of one image.

    Args:
        file: name of the file.
        probability: probability that it is authentic, 1 = real, 0 = fake.
        note: changes made to the image first, if any.
    """

    file: str
    probability: float
    note: str = ""


def judge_files(
    run: str | Path,
    paths: Sequence[Path],
    checkpoint: str = "best",
    labels: Mapping[str, str] | None = None,
    recipe: Recipe | str | None = None,
) -> tuple[list[Verdict], tuple[str, ...]]:
    """Return scores of every image of files and folders, least authentic first, and notes for the
    user.

    Images of another size are cropped and scaled as the training images were, with a note: D has
    never seen another scale.

    Args:
        run: run folder.
        paths: image files, and folders or zips of images.
        checkpoint: best, latest, or a checkpoint's name.
        labels: labels that the images should show, for a conditional run: see `Run.judge`.
        recipe: recipe of your own that the run was trained with: see `load`.

    Raises:
        UserError: if there is no run, a path does not exist, or no image can be read.
    """
    trained = load(run, checkpoint, recipe)
    verdicts, notes, waiting = [], list(trained.notes), []

    def settle() -> None:
        chances, shown = trained.verdicts(np.stack([picture for _, picture, _ in waiting]), labels)
        for (name, _, note), chance, kind in zip(waiting, chances, shown, strict=True):
            told = [f"as {kind}" if kind else "", note]
            verdicts.append(Verdict(name, float(chance), "; ".join(filter(None, told))))
        waiting.clear()

    if not trained.content["players"]["discriminator"].get("condition"):  # a discriminator of pairs has its own error
        trained.require_judging(labels)
    found = (
        _volumes(trained, paths, notes)
        if len(trained.shape) == 4
        else _vectors(paths)
        if trained.table is not None
        else pictures_at(paths, Size(trained.width, trained.height), trained.channels, notes, trained.content["data"])
    )
    for item in found:
        waiting.append(item)
        if len(waiting) == AT_ONCE:
            settle()
    if waiting:
        settle()
    if not verdicts:
        raise UserError(
            f"None of {', '.join(map(str, paths))} can be judged: {'; '.join(notes) or 'they hold no images'}."
        )
    return sorted(verdicts, key=lambda verdict: verdict.probability), tuple(notes)


def pictures_at(
    paths: Sequence[Path], size: Size, channels: int, notes: list[str], data: Mapping[str, Any] | None = None
) -> Iterator[tuple[str, np.ndarray, str]]:
    """Yield every image of files and folders, cropped and scaled as training images are: name,
    uint8 [H, W, C], changes.

    Args:
        paths: image files, and folders or zips of images.
        size: size of the results.
        channels: channels of the results.
        notes: list that receives a line for each skipped image.
        data: facts of the data that a run was trained on; deep images are scaled as its images
            were.

    Raises:
        UserError: if a path does not exist.
    """
    scaling = fixed(read_scales((data or {}).get("scale")))
    for name, content in _contents(paths, notes):
        try:
            yield name, decode(content, size, channels, scaling=scaling), _note(content, size)
        except Unreadable as reason:
            notes.append(f"{name} is left out: {reason}")


def as_json(verdicts: Sequence[Verdict]) -> str:
    """Return scores as JSON."""
    return json.dumps([asdict(verdict) for verdict in verdicts], indent=1)


def as_table(verdicts: Sequence[Verdict]) -> RenderableType:
    """Return scores as a table for the terminal."""
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("authentic", justify="right")
    table.add_column("image", overflow="fold")
    if any(verdict.note for verdict in verdicts):
        table.add_column("note")
    for verdict in verdicts:
        row = [Text(f"{verdict.probability:.3f}"), Text(verdict.file), Text(verdict.note)]
        table.add_row(*row[: len(table.columns)])
    return table


def _volumes(trained: Run, paths: Sequence[Path], notes: list[str]) -> Iterator[tuple[str, np.ndarray, str]]:
    """Yield every volume of array files, meshes, and folders of them."""
    for path in paths:
        for name, one in volumes_in(path, trained.width):
            place = str(path / name) if path.is_dir() or path.suffix in (".zip", *ARRAYS) else str(path)
            if isinstance(one, str):
                notes.append(f"{place} is left out: {one}")
            else:
                yield place, one[..., None] * np.uint8(255), ""


def _vectors(paths: Sequence[Path]) -> Iterator[tuple[str, np.ndarray, str]]:
    """Yield every vector of CSV and array files, named by its number from 1."""
    for path in paths:
        for number, row in enumerate(read_vectors(path).values, 1):
            yield f"{printable(str(path))}, vector {number:,}", row, ""


def _contents(paths: Sequence[Path], notes: list[str]) -> Iterator[tuple[str, bytes]]:
    """Yield the name and bytes of each image; unreadable ones become notes."""
    for path in paths:
        if path.is_dir() or path.suffix.lower() == ".zip":
            found = listing(path)
            notes += [f"{printable(str(path))}/{name} is left out: {reason}" for name, reason in found.problems]
            notes += found.said
            for entry in found.entries:
                try:
                    yield printable(str(path / entry.name)), found.read(entry)
                except Unreadable as reason:
                    notes.append(f"{printable(str(path / entry.name))} is left out: {reason}")
        elif not os.path.exists(path):  # noqa: PTH110 (False for a name that is too long)
            raise UserError(f"There is no {path}; give image files, or folders of them.")
        else:
            try:
                yield printable(str(path)), read_bytes(path, LARGEST)
            except OSError as error:
                notes.append(f"{printable(str(path))} is left out: it cannot be read ({error.strerror or error})")


def _note(content: bytes, size: Size) -> str:
    own = size_of(content)
    return "" if own == size else f"it is {own}, resized to {size}"
