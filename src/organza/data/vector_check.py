"""Check of vectors before training: rows, columns and their ranges, missing values, duplicates, and what to do."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from organza.data.vector_files import VectorFile, scanned, shown
from organza.shell import quoted

FEW = 500  # vectors; a generator trained on fewer mostly repeats them
SHOWN = 40
HEAVY = 12.0
"""Deviations from the mean of the farthest value, beyond which a column has outliers that squeeze all else together."""


@dataclass(frozen=True)
class VectorCheck:
    """Contents of a file of vectors.

    Args:
        source: path of the file.
        found: its vectors, with what is wrong with them.
        duplicates: rows that repeat an earlier one.
    """

    source: str
    found: VectorFile
    duplicates: int

    @property
    def usable(self) -> bool:
        """True if it can be trained on as it is."""
        return not self.found.problems


def check_vectors(path: str | Path) -> VectorCheck:
    """Check a file of vectors. Nothing is written.

    Args:
        path: CSV file, .npy or .npz file, or a folder that holds one of them alone.

    Raises:
        UserError: if it cannot be read as vectors at all.

    >>> check_vectors("ages.csv").duplicates    # doctest: +SKIP
    0
    """
    found = scanned(path)
    different = len(np.unique(found.values, axis=0)) if len(found.values) else 0
    return VectorCheck(str(path), found, len(found.values) - different)


def render_vectors(checked: VectorCheck) -> RenderableType:
    """Return a check for the terminal: facts, a table of the columns, problems, notes, and the next command."""
    values = checked.found.values
    facts = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    facts.add_row("rows", f"{len(values):,}")
    facts.add_row("columns", f"{values.shape[1]:,}")
    facts.add_row("missing values", f"{int(np.isnan(values).sum()):,}" if np.isnan(values).any() else "none")
    facts.add_row("duplicates", f"{checked.duplicates:,} rows repeat an earlier one" if checked.duplicates else "none")
    parts: list[RenderableType] = [facts, "", _columns(checked.found)]
    if values.shape[1] > SHOWN:
        parts.append(Text(f"  and {values.shape[1] - SHOWN:,} more columns", style="dim"))
    parts += [Text(f"  {problem}", style="red") for problem in checked.found.problems[:SHOWN]]
    parts += [Text(f"note: {note}", style="yellow") for note in notes(checked)]
    if checked.usable:
        parts.append(Text(f"\nnext: organza train {quoted(checked.source)}", no_wrap=True, overflow="ignore"))
    return Group(*parts)


def _columns(found: VectorFile) -> Table:
    """Return a table of the range, mean and deviation of each column."""
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("column")
    for heading in ("least", "mean", "greatest", "deviation"):
        table.add_column(heading, justify="right")
    for column, name in enumerate(found.names[:SHOWN]):
        values = found.values[:, column]
        values = values[np.isfinite(values)]
        told = (values.min(), values.mean(), values.max(), values.std()) if len(values) else ()
        table.add_row(shown(name), *(f"{value:.4g}" for value in told))
    return table


def notes(checked: VectorCheck) -> list[str]:
    """Return notes for the user to read before training."""
    found, told = checked.found, list(checked.found.notes)
    values = found.values
    if not checked.usable:
        return [*told, "it cannot be trained on until this is mended"]
    if len(values) < FEW:
        told.append(f"{len(values)} rows are few: the generator will tend to repeat them; {FEW} or more are better")
    if checked.duplicates:
        told.append("repeated rows may lie on both sides of the held-out split, which hides copies")
    whole = [
        shown(name) for name, column in zip(found.names, values.T, strict=True) if (column == column.round()).all()
    ]
    if whole:
        told.append(
            f"whole numbers only in {_listed(whole)}: samples are numbers between them as well, to round if need be"
        )
    far = np.abs(values - values.mean(0)).max(0) / np.maximum(values.std(0), 1e-300)
    if heavy := [shown(found.names[column]) for column in np.flatnonzero(far > HEAVY)]:
        told.append(
            f"outliers in {_listed(heavy)}, more than {HEAVY:.0f} deviations from the mean; a logarithm may help"
        )
    return told


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - 5:,} more" if len(names) > 5 else ""
    return ", ".join(names[:5]) + more
