"""The detective at work on files: every image of the given files and folders before the discriminator, the least authentic first."""

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
from organza.data.volumes import volumes_in
from organza.errors import UserError
from organza.inference.load import Run, load
from organza.recipe import Recipe
from organza.untrusted import printable, read_bytes

AT_ONCE = 256  # images in memory at a time


@dataclass(frozen=True)
class Verdict:
    """What the discriminator says of one image.

    Args:
        file: which.
        probability: that it is authentic, 1 = real, 0 = fake.
        note: what was done to it first, if anything.
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
    """Verdicts on every image of files and folders, the least authentic first, and what the user should know.

    Pictures of another size are cropped and scaled as the training images were, and their verdict says so: what D never saw at another
    scale it cannot know.

    Args:
        run: the run's folder.
        paths: image files, and folders or zips of them.
        checkpoint: best, latest, or a checkpoint's name.
        labels: what the images should show, for a conditional run: see `Run.judge`.
        recipe: recipe of your own that the run was trained with: see `infer.load`.

    Raises:
        UserError: where there is no run, no such path, or nothing among them that can be read.
    """
    trained = load(run, checkpoint, recipe)
    verdicts, notes, waiting = [], list(trained.notes), []

    def settle() -> None:
        chances, shown = trained.verdicts(np.stack([picture for _, picture, _ in waiting]), labels)
        for (name, _, note), chance, kind in zip(waiting, chances, shown, strict=True):
            told = [f"as {kind}" if kind else "", note]
            verdicts.append(Verdict(name, float(chance), "; ".join(filter(None, told))))
        waiting.clear()

    if not trained.content["players"]["discriminator"].get("condition"):  # what judges pairs says so itself
        trained.require_judging(labels)
    found = (
        _volumes(trained, paths, notes)
        if len(trained.shape) == 4
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
            f"None of {', '.join(map(str, paths))} can be judged: {'; '.join(notes) or 'nothing is there'}."
        )
    return sorted(verdicts, key=lambda verdict: verdict.probability), tuple(notes)


def pictures_at(
    paths: Sequence[Path], size: Size, channels: int, notes: list[str], data: Mapping[str, Any] | None = None
) -> Iterator[tuple[str, np.ndarray, str]]:
    """Every image of files and folders, cropped and scaled as training images are: its name, uint8 [H, W, C], what was done to it.

    Args:
        paths: image files, and folders or zips of them.
        size, channels: what each is brought to.
        notes: is given a line for each that is left out.
        data: facts of the data that a run was trained on; deep images are scaled as its images were.

    Raises:
        UserError: where there is no such path.
    """
    scaling = fixed(read_scales((data or {}).get("scale")))
    for name, content in _contents(paths, notes):
        try:
            yield name, decode(content, size, channels, scaling=scaling), _note(content, size)
        except Unreadable as reason:
            notes.append(f"{name} is left out: {reason}")


def as_json(verdicts: Sequence[Verdict]) -> str:
    """Verdicts for programs."""
    return json.dumps([asdict(verdict) for verdict in verdicts], indent=1)


def as_table(verdicts: Sequence[Verdict]) -> RenderableType:
    """Verdicts for people."""
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("authentic", justify="right")
    table.add_column("picture", overflow="fold")
    if any(verdict.note for verdict in verdicts):
        table.add_column("note")
    for verdict in verdicts:
        row = [Text(f"{verdict.probability:.3f}"), Text(verdict.file), Text(verdict.note)]
        table.add_row(*row[: len(table.columns)])
    return table


def _volumes(trained: Run, paths: Sequence[Path], notes: list[str]) -> Iterator[tuple[str, np.ndarray, str]]:
    """Every volume of array files, meshes, and folders of them."""
    for path in paths:
        for name, one in volumes_in(path, trained.width):
            place = str(path / name) if path.is_dir() or path.suffix in (".zip", *ARRAYS) else str(path)
            if isinstance(one, str):
                notes.append(f"{place} is left out: {one}")
            else:
                yield place, one[..., None] * np.uint8(255), ""


def _contents(paths: Sequence[Path], notes: list[str]) -> Iterator[tuple[str, bytes]]:
    """The name and bytes of each image; what cannot be read becomes a note."""
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
        elif not os.path.exists(path):  # noqa: PTH110 (false for a name that is too long)
            raise UserError(f"There is no {path}; give image files, or folders of them.")
        else:
            try:
                yield printable(str(path)), read_bytes(path, LARGEST)
            except OSError as error:
                notes.append(f"{printable(str(path))} is left out: it cannot be read ({error.strerror or error})")


def _note(content: bytes, size: Size) -> str:
    own = size_of(content)
    return "" if own == size else f"it is {own}, brought to {size}"
