"""Labels: what is known of each picture, as one row of numbers.

A class from a subfolder is one field; a table adds more: categories, several tags in one cell (glasses;hat), numbers. A categorical field
becomes one number for each of its values (1 or 0), a numeric field its distance from the mean in standard deviations.
"""

from __future__ import annotations

import csv
import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from organza.data.batches import Images
from organza.data.source import Source
from organza.errors import UserError, nearest

TABLE = "labels.csv"
SEVERAL = ";"  # between the tags of a cell
NONE = "none"  # the value of an empty cell
MOST = 100  # classes and their combinations that a picture is tried as
MANY = 24  # different numbers in a column: more are a quantity, fewer may be the names of classes


@dataclass(frozen=True)
class Field:
    """One thing that is known.

    Args:
        name: of the column; "class" where folders tell.
        values: of a categorical field; empty for a number.
        shares: how often each value occurs; for a number its mean and standard deviation.
        several: may a picture have more than one of the values, or none?
    """

    name: str
    values: tuple[str, ...]
    shares: tuple[float, ...]
    several: bool = False

    @property
    def width(self) -> int:
        """How many numbers of a row it takes."""
        return len(self.values) or 1

    @property
    def is_class(self) -> bool:
        """Has each picture exactly one of the values?"""
        return bool(self.values) and not self.several

    def encode(self, cell: str) -> np.ndarray:
        """The numbers of one cell, float32 [width].

        >>> Field("hair", ("long", "short"), (0.5, 0.5)).encode("short").tolist()
        [0.0, 1.0]

        Raises:
            UserError: for an unknown value (with the nearest), or what is not a number.
        """
        if not self.values:
            number = _number(cell)
            if number is None:
                raise UserError(f"{self.name} is a number; {cell!r} is none.")
            return np.array([(number - self.shares[0]) / self.shares[1]], np.float32)
        row = np.zeros(len(self.values), np.float32)
        if self.several and cell.strip() == NONE and NONE not in self.values:
            return row
        for value in _tags(cell) if self.several else [cell.strip() or NONE]:
            if value not in self.values:
                some = ", ".join(self.values[:12]) + (", ..." if len(self.values) > 12 else "")
                raise UserError(f"There is no {self.name} {value}; there are {some}.{nearest(value, self.values)}")
            row[self.values.index(value)] = 1
        return row

    def draw(self, source: torch.Generator) -> np.ndarray:
        """A value as often as the data has it, float32 [width]."""
        if not self.values:
            return torch.randn(1, generator=source).clamp(-2, 2).numpy()
        chance = torch.rand(len(self.values) if self.several else 1, generator=source).numpy()
        if self.several:
            return (chance < np.array(self.shares)).astype(np.float32)
        row = np.zeros(len(self.values), np.float32)
        row[min(int(np.searchsorted(np.cumsum(self.shares), chance[0])), len(row) - 1)] = 1
        return row


@dataclass(frozen=True)
class Labels:
    """The fields of a data set, side by side in a row of `width` numbers."""

    fields: tuple[Field, ...]

    @property
    def width(self) -> int:
        return sum(field.width for field in self.fields)

    @property
    def one_class(self) -> bool:
        """Is one class all that is known of each item?"""
        return len(self.fields) == 1 and self.fields[0].is_class

    def slices(self) -> dict[str, slice]:
        """Where each field stands in a row.

        >>> Labels((Field("class", ("cat", "dog"), (0.5, 0.5)), Field("age", (), (3.0, 1.0)))).slices()
        {'class': slice(0, 2, None), 'age': slice(2, 3, None)}
        """
        ends = np.cumsum([field.width for field in self.fields]).tolist()
        return {f.name: slice(end - f.width, end) for f, end in zip(self.fields, ends, strict=True)}

    def encode(self, cells: Mapping[str, str]) -> np.ndarray:
        """A row from the cells of all fields, float32 [width]."""
        return np.concatenate([field.encode(cells[field.name]) for field in self.fields])

    def draw(self, source: torch.Generator, wanted: Mapping[str, str] | None = None) -> Tensor:
        """A row drawn from a stream, [width], each field as often as the data has it, but for those that are wanted.

        Raises:
            UserError: for a field or value that does not exist, with the nearest.
        """
        wanted = self._checked(wanted)
        drawn = {field.name: field.draw(source) for field in self.fields}  # all, so that a wish changes no other field
        return torch.from_numpy(
            np.concatenate([f.encode(wanted[f.name]) if f.name in wanted else drawn[f.name] for f in self.fields])
        )

    def fitting(self, wanted: Mapping[str, str] | None = None) -> tuple[Tensor, list[str]]:
        """Every row that fits what is wanted, [K, width], and what each of them adds to it: the classes that were left open.

        >>> Labels((Field("class", ("cat", "dog"), (0.5, 0.5)),)).fitting()
        (tensor([[1., 0.],
                [0., 1.]]), ['cat', 'dog'])

        Raises:
            UserError: for a field or value that does not exist; where a number or tags are left open, or more than MOST rows fit.
        """
        wanted = self._checked(wanted)
        open_ = [field for field in self.fields if field.name not in wanted]
        count = math.prod(field.width for field in open_)
        if not all(field.is_class for field in open_) or count > MOST:
            names = ", ".join(field.name for field in open_)
            raise UserError(
                f"The discriminator needs to know what a picture should show: give {names} as --set field=value."
            )
        choices = list(product(*(field.values for field in open_)))
        rows = [
            self.encode({**wanted, **dict(zip([f.name for f in open_], choice, strict=True))}) for choice in choices
        ]
        return torch.from_numpy(np.stack(rows)), [", ".join(choice) for choice in choices]

    def _checked(self, wanted: Mapping[str, str] | None) -> Mapping[str, str]:
        names = [field.name for field in self.fields]
        for name in wanted or {}:
            if name not in names:
                some = self.fields[0]
                example = some.values[0] if some.values else f"{some.shares[0]:.3g}"
                raise UserError(
                    f"There is no label {name} in this run; it knows {', '.join(names)}, asked for as "
                    f"--set {some.name}={example}.{nearest(name, names)}"
                )
        return wanted or {}

    def facts(self) -> list[dict[str, Any]]:
        """For recipe.json."""
        return [vars(field) | {"values": list(field.values), "shares": list(field.shares)} for field in self.fields]

    @classmethod
    def of(cls, facts: Sequence[Mapping[str, Any]]) -> Labels:
        """The inverse of `facts`."""
        return cls(
            tuple(Field(f["name"], tuple(f["values"]), tuple(f["shares"]), bool(f.get("several"))) for f in facts)
        )


class Labelled(Images):
    """Images with what is known of them, {"image", "label"}: for conditional games.

    Classes come from subfolders, or from a table beside the pictures (labels.csv with a column `file`), or from `source.labels`.

    Args:
        source: where they are.
        mirror: flip each training image left to right with a chance of one half.

    Raises:
        UserError: where nothing is known of some images, or of all.
    """

    def __init__(self, source: Source, *, mirror: bool = False):
        super().__init__(source, mirror=mirror)
        self.labels, self.known = labels_of(source, self.pack.names, self.pack.labels, self.pack.classes)
        self.former_fingerprints = tuple(self._print(former) for former in self.former_fingerprints)
        self.fingerprint = self._print(self.fingerprint)
        if self.labels.one_class:
            self.rows = min(self.labels.width * max(8 // self.labels.width, 1), 16)

    def _print(self, images: str) -> str:
        told = json.dumps([images, self.labels.facts()]).encode() + self.known.tobytes()
        return hashlib.sha256(told).hexdigest()[: len(images)]

    def items(self, which: np.ndarray, flipped: Sequence[int] = ()) -> dict[str, Tensor]:
        return super().items(which, flipped) | {"label": torch.from_numpy(self.known[which])}

    def gallery(self, positions: Sequence[int]) -> dict[str, Tensor]:
        """With one field of classes: a row of the grid for each class. Else the reference items with their own labels."""
        if not self.labels.one_class:
            return self.referenced(positions)
        return self.items(np.array([self._in_row(*divmod(position, self.columns)) for position in positions]))

    def _in_row(self, row: int, column: int) -> int:
        turn, kind = divmod(row, self.labels.width)
        return int(self._by_class[kind][(turn * self.columns + column) % len(self._by_class[kind])])

    @cached_property
    def _by_class(self) -> list[np.ndarray]:
        """The items of each class, those that the players never see first: at least one, since classes are named by their items."""
        items = np.concatenate([self.parts.held_out, self.parts.train])
        kinds = self.known[items].argmax(1)
        return [items[kinds == kind][:64] for kind in range(self.labels.width)]

    def facts(self) -> dict[str, Any]:
        return super().facts() | {"labels": self.labels.facts()}


def labels_of(
    source: Source, names: Sequence[str], folders: np.ndarray | None, classes: Sequence[str]
) -> tuple[Labels, np.ndarray]:
    """The labels of pictures and their rows, float32 [N, width].

    Args:
        source: with its wish for labels.
        names: of the pictures, relative to the source.
        folders: class of each by its subfolder, if any; classes: their names.
    """
    table, columns = _table(source)
    if table is None:
        if folders is None:
            raise UserError(
                f"Nothing is known of {_unknown(names)} in {source.path}: put each class into a subfolder, or a table {TABLE} "
                "with a column `file` beside the pictures, or name a table with --labels."
            )
        cells = [{"class": str(classes[label])} for label in folders]
        columns = ["class"]
    else:
        cells = _rows(table, names)
        known = [name for name in cells[0] if name != "file"]
        columns = columns or [name for name in known if len({row[name] for row in cells}) > 1]
        for name in columns:
            if name not in known:
                raise UserError(f"{table} has no column {name}; it has {', '.join(known)}.{nearest(name, known)}")
    fields = tuple(_field(name, [row[name] for row in cells], names) for name in columns)
    if not fields:
        raise UserError(f"{table} tells the same of every picture; there is nothing to tell them apart by.")
    labels = Labels(fields)
    return labels, np.stack([labels.encode(row) for row in cells])


def _unknown(names: Sequence[str]) -> str:
    """The pictures that no subfolder tells the class of."""
    parents = [Path(name).parent for name in names]
    shallowest = min(len(parent.parts) for parent in parents)
    loose = [name for name, parent in zip(names, parents, strict=True) if len(parent.parts) == shallowest]
    if len(loose) == len(names):
        return "the pictures"
    return f"{len(loose):,} of {len(names):,} pictures, for example {', '.join(loose[:3])},"


def _table(source: Source) -> tuple[Path | None, list[str]]:
    """The table to read and the columns to take; none where folders tell."""
    beside = Path(source.path) / TABLE if Path(source.path).is_dir() else Path(source.path).with_name(TABLE)
    if source.labels is None:
        return (beside if beside.is_file() else None), []
    named, _, columns = source.labels.rpartition(":") if ".csv" in source.labels else (str(beside), "", source.labels)
    if columns.endswith(".csv"):
        named, columns = columns, ""
    if not Path(named).is_file():
        raise UserError(
            f"--labels {source.labels}: there is no table {named}; give columns of {TABLE}, or a .csv file with a column `file`."
        )
    return Path(named), [name.strip() for name in columns.split(",") if name.strip()]


def _rows(table: Path, names: Sequence[str]) -> list[dict[str, str]]:
    """The row of each picture.

    Raises:
        UserError: where the table cannot be read, names a file twice, or leaves pictures out (which).
    """
    try:
        with table.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{table} cannot be read as a table ({error}); it should be CSV in UTF-8.") from None
    if not rows or "file" not in rows[0]:
        raise UserError(f"{table} has no column `file`; its first line should name its columns, one of them file.")
    found: dict[str, dict[str, str]] = {}
    for row in rows:
        if row["file"] in found:
            raise UserError(f"{table} names {row['file']} twice; keep one of the lines.")
        found[row["file"]] = {name: (cell or "").strip() for name, cell in row.items() if name}
    missing = [name for name in names if name not in found and Path(name).name not in found]
    if missing:
        raise UserError(
            f"{table} knows nothing of {len(missing):,} of {len(names):,} pictures, for example {', '.join(missing[:3])}; "
            "add them to the table, or move them away."
        )
    return [found.get(name) or found[Path(name).name] for name in names]


def _field(name: str, cells: Sequence[str], files: Sequence[str]) -> Field:
    """What a column tells.

    Raises:
        UserError: where it has numbers for some pictures but not for others (which), or names almost every picture differently.
    """
    numbers = [_number(cell) for cell in cells]
    found = np.array([number for number in numbers if number is not None])
    if len(set(found.tolist())) > MANY and 2 * len(found) > len(cells):
        if missing := [file for file, number in zip(files, numbers, strict=True) if number is None]:
            raise UserError(
                f"{name} is a number, but {len(missing):,} of {len(files):,} pictures have none, for example {', '.join(missing[:3])}; "
                "complete the column, or name others with --labels."
            )
        return Field(name, (), (float(found.mean()), float(max(found.std(), 1e-12))))
    several = any(SEVERAL in cell for cell in cells)
    tags = [_tags(cell) if several else [cell or NONE] for cell in cells]
    values = sorted({tag for row in tags for tag in row})
    if len(values) > max(MANY, len(cells) // 2):
        raise UserError(
            f"{name} has {len(values):,} values for {len(cells):,} pictures, too many to learn; name other columns with --labels."
        )
    shares = tuple(sum(value in row for row in tags) / len(tags) for value in values)
    return Field(name, tuple(values), shares, several)


def _tags(cell: str) -> list[str]:
    return [tag.strip() for tag in cell.split(SEVERAL) if tag.strip()]


def _number(cell: str) -> float | None:
    try:
        number = float(cell)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
