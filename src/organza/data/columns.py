"""Table columns as numbers for networks: classes, tags or quantities."""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from organza.data.names import spelt
from organza.data.tables import SEVERAL
from organza.errors import UserError
from organza.untrusted import printable

NONE = "none"  # the value of an empty cell
MANY = 24  # distinct numbers in a column: more may be a quantity, fewer are class names
LARGEST = 1e100  # its square is still finite
KINDS = ("class", "number", "tags")
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)
DECIMAL_COMMA = re.compile(r"[+-]?\d*,\d+(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)
CLASS_WORDS = {"class", "classes", "category", "group", "kind", "label", "labels", "target", "type"}
IDENTIFIERS = {"id", "idx", "index", "key", "number", "no", "nr", "row", "unnamed", "uuid"}


class TooMany(UserError):
    """A column with a distinct value for almost every image, such as a caption or an id."""


class Column(NamedTuple):
    """A column as a field of labels.

    Args:
        values, shares, several: see `organza.data.labels.Field`.
        rows: float32 [N, width], a row for each image.
        note: note on its interpretation, if it is ambiguous.
    """

    values: tuple[str, ...]
    shares: tuple[float, ...]
    several: bool
    rows: np.ndarray
    note: str


def column(
    name: str, cells: Sequence[str], files: Sequence[str], kind: str | None = None, decimal_comma: bool = False
) -> Column:
    """Return a column as a field.

    Args:
        name: name of the column.
        cells: cell of each image.
        files: names of the images, for messages.
        kind: class, number or tags, if known; None decides by the cells: see `is_quantity`.
        decimal_comma: True if 3,5 is a number.

    >>> column("kind", ["a", "b", "a", ""], "1234").rows.tolist()
    [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]

    Raises:
        TooMany: if almost every image has a distinct value.
        UserError: if some numbers are missing (names them) or out of range, or two values look the
            same.
    """
    numbers = [number_of(cell, decimal_comma) for cell in cells]
    given = [number for number in numbers if number is not None]
    different = len(set(given))
    if kind is None and different > MANY and 2 * len(given) > len(cells):
        kind = "number" if is_quantity(name, cells, given) else "class"
        if kind == "number":
            low, high = min(given), max(given)
            note = f"{name} is read as a number ({low:g} to {high:g}); `labels='{name}:class'` reads it as classes"
            return _quantity(name, cells, numbers, files)._replace(note=note)
        note = f"{name} is read as classes, though it has numbers; `labels='{name}:number'` reads it as a number"
        return _classes(name, cells)._replace(note=note)
    if kind == "number":
        return _quantity(name, cells, numbers, files)
    if kind == "tags" or (kind is None and any(SEVERAL in cell for cell in cells)):
        return _several(name, cells)
    found = _classes(name, cells)
    if kind is None and different > 2 and len(given) == len(cells) and any(not number.is_integer() for number in given):
        return found._replace(
            note=f"{name} is read as {different} classes, though it has numbers; `labels='{name}:number'` reads it as a number"
        )
    return found


def number_of(cell: str, decimal_comma: bool = False) -> float | None:
    """Return the number in a cell, infinite if it is out of range, None if there is none.

    >>> number_of("3.5"), number_of("3,5", decimal_comma=True), number_of("1_000"), number_of("nan")
    (3.5, 3.5, None, None)
    """
    cell = cell.strip()
    if decimal_comma and DECIMAL_COMMA.fullmatch(cell):
        cell = cell.replace(",", ".")
    return float(cell) if NUMBER.fullmatch(cell) else None


def is_quantity(name: str, cells: Sequence[str], numbers: Sequence[float]) -> bool:
    """Return True if a column of many numbers is a quantity; False if they are names of classes or
    of the images themselves.

    Whole numbers are class names if most occur several times and they have leading zeros, or are
    consecutive from 0 or 1, or the column's name says so. (Ages do not begin at 0 in most sets; if
    they do, use labels="age:number".)

    Args:
        name: name of the column.
        cells: cell of each image.
        numbers: numbers in the cells.

    >>> is_quantity("angle", [], [k / 10 for k in range(100)]), is_quantity("label", [], list(range(30)) * 5)
    (True, False)
    """
    words = set(re.findall(r"[^\W\d_]+", name.casefold()))
    different = set(numbers)
    if not all(math.isfinite(number) and float(number).is_integer() for number in different):
        return True
    if words & IDENTIFIERS:
        return False
    if len(numbers) < 2 * len(different):
        return True
    if words & CLASS_WORDS or any(re.fullmatch(r"0\d+", cell) for cell in cells):
        return False
    low, high = min(different), max(different)
    return low not in (0, 1) or high - low + 1 > len(different)


def _quantity(name: str, cells: Sequence[str], numbers: Sequence[float | None], files: Sequence[str]) -> Column:
    """Return a column of numbers, standardised, with its mean and deviation."""
    if missing := [(file, cell) for file, cell, number in zip(files, cells, numbers, strict=True) if number is None]:
        some = ", ".join(
            f"{printable(file)} ({cell[:40]!r})" if cell else printable(file) for file, cell in missing[:3]
        )
        comma = any(DECIMAL_COMMA.fullmatch(cell) for _, cell in missing)
        point = ": write decimals with a point, or separate the columns by semicolons" if comma else ""
        raise UserError(
            f"{name} is a number, but {len(missing):,} of {len(files):,} images have none, for example {some}; "
            f"complete the column{point}, read it as classes (`labels='{name}:class'`), or name other columns with `labels`."
        )
    values = np.array(numbers, np.float64)
    if (worst := int(np.abs(values).argmax())) >= 0 and not abs(values[worst]) <= LARGEST:
        raise UserError(
            f"{name} of {printable(files[worst])} is {cells[worst][:40]}; its absolute value must be at most {LARGEST:g}: "
            "write the column in another unit."
        )
    mean, spread = float(values.mean()), float(values.std())
    if spread < 1 / LARGEST:
        raise UserError(
            f"{name} is {cells[0][:40]} for every image, or varies by less than {1 / LARGEST:g}; name another column with `labels`."
        )
    rows = ((values - mean) / spread).astype(np.float32)[:, None]
    return Column((), (mean, spread), False, rows, "")


def _classes(name: str, cells: Sequence[str]) -> Column:
    """Return a column of classes, one of them for each image, with their frequencies."""
    shown = shown_as(name, (cell or NONE for cell in cells))
    values = _values(name, shown, len(cells))
    rank = {value: place for place, value in enumerate(values)}
    places = np.array([rank[shown[cell or NONE]] for cell in cells])
    counts = np.bincount(places, minlength=len(values))
    rows = _blank(name, len(cells), len(values))
    rows[np.arange(len(cells)), places] = 1
    return Column(values, tuple(count / len(cells) for count in counts.tolist()), False, rows, "")


def _several(name: str, cells: Sequence[str]) -> Column:
    """Return a column of tags, any number of them for each image, with their frequencies."""
    tags = [tags_of(cell) for cell in cells]
    shown = shown_as(name, (tag for row in tags for tag in row))
    values = _values(name, shown, len(cells))
    rank = {value: place for place, value in enumerate(values)}
    rows = _blank(name, len(cells), len(values))
    for row, names in zip(rows, tags, strict=True):
        row[[rank[shown[tag]] for tag in names]] = 1
    return Column(values, tuple(rows.mean(0, dtype=np.float64).tolist()), True, rows, "")


def tags_of(cell: str) -> list[str]:
    """Return the tags of a cell.

    >>> tags_of("glasses; hat")
    ['glasses', 'hat']
    """
    return [tag.strip() for tag in cell.split(SEVERAL) if tag.strip()]


def shown_as(name: str, values: Iterable[str]) -> dict[str, str]:
    """Return each value as it is `spelt` from now on; values that differ only by their Unicode form
    become one.

    Args:
        name: name of the column or of the classes, for the message.
        values: values as found in the data; each counts once.

    Raises:
        UserError: if two values look the same once control characters are spelt out.
    """
    shown = {value: spelt(value) for value in dict.fromkeys(values)}
    composed = {unicodedata.normalize("NFC", value) for value in shown}
    if len(composed) > len(set(shown.values())):
        twice = Counter(map(spelt, composed)).most_common(1)[0][0]
        raise UserError(f"{printable(name)} has two values that are both shown as {twice}; rename one of them.")
    return shown


def _values(name: str, shown: dict[str, str], count: int) -> tuple[str, ...]:
    """Return the sorted values of a column, if they are few enough to learn."""
    values = sorted(set(shown.values()))
    if len(values) > max(MANY, count // 2):
        raise TooMany(
            f"{name} has {len(values):,} values for {count:,} images, too many to learn; name other columns with `labels`."
        )
    return tuple(values)


def _blank(name: str, count: int, width: int) -> np.ndarray:
    """Return zeros [count, width], if they fit into memory."""
    if count * width > 2**31:
        raise UserError(
            f"{name} has {width:,} values for {count:,} images, which need {count * width * 4 / 2**30:,.0f} GB of memory; "
            "name other columns with `labels`."
        )
    return np.zeros((count, width), np.float32)
