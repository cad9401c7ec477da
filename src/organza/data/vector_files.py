"""Files of vectors: tables of numbers, CSV with a name for each column, or an array [N, D] in a .npy or .npz file.

A file may come from a stranger: it is read within limits, nothing in it is executed, and what is wrong with it is told by line and column.
"""

from __future__ import annotations

import csv
import io
import math
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from organza.data.arrays import Failures, open_array
from organza.data.columns import number_of
from organza.data.tables import BYTES, SEPARATORS, parsed, text_of
from organza.disk import cannot_write, discard, make_folder, rename, write
from organza.errors import UserError
from organza.untrusted import Refused, printable, read_bytes

CSV = (".csv", ".tsv")
ARRAYS = (".npy", ".npz")
ENDINGS = (*CSV, *ARRAYS)
MOST_COLUMNS = 4096
MOST_BYTES = 2**32
"""Most bytes of values of an array file, as float64: all of them are kept in memory."""
MISSING = ("", "na", "n/a", "nan", "null", "none", "-", "?")
"""Cells that stand for a missing value, in lower case."""
NOT_LABELS = "labels.csv"
SHOWN = 3


@dataclass(frozen=True)
class Problem:
    """A reason why a file cannot be trained on as it is.

    Args:
        text: problem, as the beginning of a sentence: "the column kind holds text ('ash' in line 3)".
        remedy: advice, as its end: "leave it out".
    """

    text: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.text}; {self.remedy}"


@dataclass(frozen=True)
class VectorFile:
    """Vectors of a file, with what is wrong with them.

    Args:
        values: float64 [N, D]; NaN where a value is missing.
        names: names of the columns.
        problems: reasons why it cannot be trained on.
        notes: notes on ambiguous interpretations.
    """

    values: np.ndarray
    names: tuple[str, ...]
    problems: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()


def is_vectors(path: str | Path) -> bool:
    """Return True if a path leads to vectors: a CSV file, an array file of two axes, or a folder whose only file is one of these.

    Args:
        path: file or folder, which may not exist.
    """
    place = Path(path)
    if os.path.isdir(place):  # noqa: PTH112  # False for a name that is too long, for which a path object would raise
        return file_in(place) is not None
    if place.suffix.lower() in CSV:
        return place.is_file()
    if place.suffix.lower() not in ARRAYS or not place.is_file():
        return False
    try:
        return open_array(place).ndim == 2
    except Failures:
        return False


def file_in(folder: Path) -> Path | None:
    """Return the only file of a folder if it holds vectors; None if there are other files or folders beside it."""
    only: Path | None = None
    try:
        with os.scandir(folder) as items:
            for item in items:
                if item.name.startswith("."):
                    continue
                if only is not None or not item.is_file() or Path(item.name).suffix.lower() not in ENDINGS:
                    return None
                only = folder / item.name
    except OSError:
        return None
    return only if only is not None and only.name != NOT_LABELS and is_vectors(only) else None


def read_vectors(path: str | Path) -> VectorFile:
    """Return the vectors of a file, all of whose values are finite numbers.

    Args:
        path: CSV file, .npy or .npz file, or a folder that holds one of them alone.

    Raises:
        UserError: if the file has text, ragged lines, missing values, a constant column, or too few rows or columns; names the first.
    """
    found = scanned(path)
    if found.problems:
        more = f" (and {len(found.problems) - 1} more: organza data check tells all)" if found.problems[1:] else ""
        raise UserError(f"{path} cannot be trained on: {found.problems[0]}{more}.")
    return found


def scanned(path: str | Path) -> VectorFile:
    """Return the vectors of a file with all that is wrong with them.

    Args:
        path: file or folder, as in `read_vectors`.

    Raises:
        UserError: if the file cannot be read as vectors at all.
    """
    place = Path(path)
    if place.is_dir():
        if (only := file_in(place)) is None:
            raise UserError(f"{place} does not hold one CSV or array file alone; give the file.")
        place = only
    if not place.is_file():
        raise UserError(
            f"There is no file {place}; give a CSV file with a column of numbers for each axis, or .npy [N, D]."
        )
    found = _csv(place) if place.suffix.lower() in CSV else _array(place)
    return VectorFile(found.values, found.names, (*found.problems, *_shortcomings(found)), found.notes)


def _array(path: Path) -> VectorFile:
    """Return the vectors of an array file."""
    try:
        rows = open_array(path)
    except Failures as error:
        raise UserError(f"{path} is not a readable array file ({error}).") from None
    if rows.ndim != 2 or rows.dtype.kind not in "biuf":
        raise UserError(f"{path} holds {rows.dtype} {list(rows.shape)}; vectors are numbers [N, D].")
    if rows.size * 8 > MOST_BYTES:
        raise UserError(f"{path} has {rows.size * 8 / 1e9:,.1f} GB of values; {MOST_BYTES / 1e9:.1f} GB are the most.")
    values = np.asarray(rows[:], np.float64)
    return VectorFile(values, numbered(values.shape[1]), _unfinished(values, numbered(values.shape[1]), "row", 1))


def numbered(count: int) -> tuple[str, ...]:
    """Return names for columns that have none.

    >>> numbered(3)
    ('x1', 'x2', 'x3')
    """
    return tuple(f"x{number}" for number in range(1, count + 1))


def _csv(path: Path) -> VectorFile:
    """Return the vectors of a CSV file of any usual separator, with or without a line of names."""
    try:
        text = text_of(read_bytes(path, BYTES), path.name)
    except Refused as error:
        raise UserError(f"{path} cannot be read: {error.strerror}; save large tables as .npy.") from None
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}.") from None
    text = io.StringIO(text, newline=None).read()  # converts all line ends to \n, also those of old Macs
    first = next((line for line in text.split("\n") if line.strip()), "")
    if not first:
        raise UserError(f"{path} is empty; it needs a line for each vector.")
    separator = max(SEPARATORS, key=first.count)
    comma = separator != "," and "," in text
    lines = parsed(text, separator, path.name)
    has_names = any(number_of(cell, comma) is None and cell.lower() not in MISSING for cell in lines[0][1])
    names = lines[0][1] if has_names else list(numbered(len(lines[0][1])))
    body = lines[1:] if has_names else lines
    problems = _ragged(body, len(names), has_names)
    names = [name or f"x{number}" for number, name in enumerate(names, 1)]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        problems.append(
            Problem(f"{names.count(twice[0])} columns are named {shown(twice[0])}", "rename all but one of them")
        )
    if len(names) > MOST_COLUMNS:
        raise UserError(f"{path} has {len(names):,} columns; {MOST_COLUMNS:,} are the most.")
    whole = [(number, cells) for number, cells in body if len(cells) == len(names)]
    values = np.full((len(whole), len(names)), math.nan)
    for column, name in enumerate(names):
        problems += _filled(values[:, column], [(number, cells[column]) for number, cells in whole], name, comma)
    found = VectorFile(
        values,
        tuple(names),
        tuple(problems),
        () if has_names else ("the first line holds numbers, so the columns are x1, x2, ...",),
    )
    return _without_index(found, has_names and not lines[0][1][0])


def _ragged(lines: Sequence[tuple[int, list[str]]], width: int, has_names: bool) -> list[Problem]:
    """Return the problem of lines with more or fewer cells than the first, if there are any."""
    wrong = [(number, len(cells)) for number, cells in lines if len(cells) != width]
    if not wrong:
        return []
    number, count = wrong[0]
    others = f", and {len(wrong) - 1:,} more lines differ" if wrong[1:] else ""
    like = f"the first line names {width:,} columns" if has_names else f"the first line has {width:,}"
    return [Problem(f"line {number:,} has {count:,} cells, and {like}{others}", "give every line as many cells")]


def _filled(into: np.ndarray, cells: Sequence[tuple[int, str]], name: str, comma: bool) -> list[Problem]:
    """Fill a column with the numbers of its cells, and return what is wrong with them."""
    missing, texts = [], []
    for row, (number, cell) in enumerate(cells):
        value = number_of(cell, comma)
        if value is not None and math.isfinite(value):
            into[row] = value
        else:
            (missing if value is not None or cell.strip().lower() in MISSING else texts).append((number, cell))
    problems = []
    if texts:
        number, cell = texts[0]
        problems.append(
            Problem(
                f"the column {shown(name)} holds text ({printable(cell[:30])!r} in line {number:,})",
                "leave it out, or replace each text by a number",
            )
        )
    if missing and not (texts and len(texts) + len(missing) == len(cells)):
        problems.append(_missing(name, len(missing), f"line {missing[0][0]:,}"))
    return problems


def _missing(name: str, count: int, first: str) -> Problem:
    have = "value is missing or not" if count == 1 else "values are missing or not"
    return Problem(
        f"{count:,} {have} finite in the column {shown(name)} (first in {first})",
        "fill them in, or leave out these rows",
    )


def _unfinished(values: np.ndarray, names: Sequence[str], unit: str, begin: int) -> tuple[Problem, ...]:
    """Return the columns with values that are not finite."""
    wrong = ~np.isfinite(values)
    return tuple(
        _missing(names[int(column)], int(wrong[:, column].sum()), f"{unit} {int(wrong[:, column].argmax()) + begin:,}")
        for column in np.flatnonzero(wrong.any(0))
    )


def _without_index(found: VectorFile, nameless: bool) -> VectorFile:
    """Leave out the index that pandas writes: a first column without a name that counts the rows."""
    if not nameless or not np.array_equal(found.values[:, 0], np.arange(len(found.values))):
        return found
    note = "the first column has no name and counts the rows, so it is left out"
    return VectorFile(found.values[:, 1:], found.names[1:], found.problems, (*found.notes, note))


def _shortcomings(found: VectorFile) -> list[Problem]:
    """Return what is too little in vectors that can be read."""
    rows, columns = found.values.shape
    problems = []
    if rows < 2:
        told = "one row" if rows == 1 else "no rows"
        problems.append(Problem(f"it has {told}", "a GAN needs at least 2, better 500 or more"))
    if columns < 2:
        problems.append(
            Problem(
                f"it has one column ({shown(found.names[0])})" if columns else "it has no columns",
                "vectors have two or more",
            )
        )
    for column in constants(found.values) if rows >= 2 else ():
        text = f"the column {shown(found.names[column])} is {found.values[0, column]:g} in every row"
        problems.append(Problem(text, "there is nothing to learn in it, so leave it out"))
    return problems


def constants(values: np.ndarray) -> list[int]:
    """Return the columns that hold one value, up to rounding.

    >>> constants(np.array([[1.0, 2.0], [1.0, 3.0]]))
    [0]
    """
    spread, size = np.ptp(values, axis=0), np.abs(values).max(0)
    return [int(column) for column in np.flatnonzero(spread <= 1e-14 * size)]


def shown(name: str) -> str:
    """Return the name of a column for a message."""
    return printable(name[:40])


def written(values: np.ndarray, names: Sequence[str]) -> str:
    """Return vectors as CSV: a line of names, then a line for each vector, to a millionth of each column's range.

    >>> print(written(np.array([[1.0, 0.5], [3.0, 0.25]]), ("age", "share")), end="")
    age,share
    1,0.5
    3,0.25
    """
    ranges = np.maximum(np.ptp(values, axis=0), 1e-300)
    decimals = [min(max(6 - math.floor(math.log10(one)), 0), 300) for one in ranges.tolist()]
    text = io.StringIO(newline="")
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow([re.sub(r"[\r\n]+", " ", name) for name in names])
    lines.writerows(
        [_short(value, places) for value, places in zip(row, decimals, strict=True)] for row in values.tolist()
    )
    return text.getvalue()


def _short(value: float, decimals: int) -> str:
    text = f"{value:.{decimals}f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text in ("-0", "") else text


def save(path: Path, content: bytes) -> None:
    """Write a file through a temporary name, so that it is complete or absent; create its folder.

    Raises:
        UserError: if it cannot be written.
    """
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        make_folder(path.parent)
        write(aside, content)
        rename(aside, path)
    except OSError as error:
        discard(aside)
        raise UserError(cannot_write(path, error, len(content))) from error
