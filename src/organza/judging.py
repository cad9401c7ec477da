"""The detective at work on files: every picture of the given files and folders before the discriminator, the least authentic first."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from organza.data.decode import Unreadable, decode, size_of
from organza.data.folder import listing, printable
from organza.data.size import Size
from organza.errors import UserError
from organza.infer import load

AT_ONCE = 256  # pictures in memory at a time


@dataclass(frozen=True)
class Verdict:
    """What the discriminator says of one picture.

    Args:
        file: which.
        probability: that it is authentic, 1 = real, 0 = fake.
        note: what was done to it first, if anything.
    """

    file: str
    probability: float
    note: str = ""


def judge_files(
    run: str | Path, paths: Sequence[Path], checkpoint: str = "best"
) -> tuple[list[Verdict], tuple[str, ...]]:
    """Verdicts on every picture of files and folders, the least authentic first, and what the user should know.

    Pictures of another size are cropped and scaled as the training images were, and their verdict says so: what D never saw at another
    scale it cannot know.

    Args:
        run: the run's folder.
        paths: picture files, and folders or zips of them.
        checkpoint: best, latest, or a checkpoint's name.

    Raises:
        UserError: where there is no run, no such path, or nothing among them that can be read.
    """
    trained = load(run, checkpoint)
    size = Size(trained.width, trained.height)
    verdicts, notes, waiting = [], list(trained.notes), []

    def settle() -> None:
        chances = trained.judge(np.stack([picture for _, picture, _ in waiting]))
        verdicts.extend(
            Verdict(name, float(chance), note) for (name, _, note), chance in zip(waiting, chances, strict=True)
        )
        waiting.clear()

    for name, content in _contents(paths, notes):
        try:
            waiting.append((name, decode(content, size, trained.channels), _note(content, size)))
        except Unreadable as reason:
            notes.append(f"{name} is left out: {reason}")
        if len(waiting) == AT_ONCE:
            settle()
    if waiting:
        settle()
    if not verdicts:
        raise UserError(
            f"None of {', '.join(map(str, paths))} can be judged: {'; '.join(notes) or 'nothing is there'}."
        )
    return sorted(verdicts, key=lambda verdict: verdict.probability), tuple(notes)


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


def _contents(paths: Sequence[Path], notes: list[str]) -> Iterator[tuple[str, bytes]]:
    """The name and bytes of each picture; what cannot be read becomes a note."""
    for path in paths:
        if path.is_dir() or path.suffix.lower() == ".zip":
            found = listing(path)
            notes += [f"{path / name} is left out: {reason}" for name, reason in found.problems]
            for entry in found.entries:
                try:
                    yield printable(str(path / entry.name)), found.read(entry)
                except Exception as error:  # members of an archive fail in many ways
                    notes.append(f"{path / printable(entry.name)} is left out: {error}")
        elif not path.exists():
            raise UserError(f"There is no {path}; give picture files, or folders of them.")
        else:
            try:
                yield printable(str(path)), path.read_bytes()
            except OSError as error:
                notes.append(f"{path} is left out: it cannot be read ({error.strerror})")


def _note(content: bytes, size: Size) -> str:
    own = size_of(content)
    return "" if own == size else f"it is {own}, brought to {size}"
