"""Labels: the known properties of each image, as one row of numbers.

A class from a subfolder is one field; a table adds more: categories, several tags in one cell
(glasses;hat), numbers. A categorical field has one number for each of its values (1 or 0), a
numeric field its distance from the mean in standard deviations.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Any

import numpy as np
import torch
from torch import Tensor

from organza.data.batches import Images
from organza.data.columns import LARGEST, NONE, number_of, tags_of
from organza.data.known import known_of
from organza.data.names import spelt
from organza.data.pack import Pack
from organza.data.shards.rows import Pictures
from organza.data.source import Source
from organza.errors import UserError, nearest
from organza.untrusted import printable

MOST = 100  # largest number of class combinations that an image is judged as
WIDEST = 2**16  # largest number of values in a row
FARTHEST = 1e6  # standard deviations from the mean: beyond any number of a data set


@dataclass(frozen=True)
class Field:
    """One property of the images.

    Args:
        name: name of the column; "class" for folder names.
        values: values of a categorical field; empty for a number.
        shares: frequency of each value; for a number its mean and standard deviation.
        several: True if an image may have several of the values, or none.

    Raises:
        UserError: if types are wrong, or values and shares do not match.
    """

    name: str
    values: tuple[str, ...]
    shares: tuple[float, ...]
    several: bool = False

    def __post_init__(self) -> None:
        texts = [self.name, *self.values] if isinstance(self.values, tuple) else []
        if not texts or not all(isinstance(text, str) and text for text in texts) or type(self.several) is not bool:
            raise UserError("A label needs a name, values that are a tuple of strings, and shares; restore it.")
        if not isinstance(self.shares, tuple) or not all(map(_is_finite, self.shares)):
            raise UserError(f"The shares of the label {spelt(self.name)} are not finite numbers; restore them.")
        if len(self.shares) != (len(self.values) or 2) or len(set(self.values)) < len(self.values):
            raise UserError(
                f"The label {spelt(self.name)} has {len(self.values)} values and {len(self.shares)} shares; it needs one for each, "
                "or a mean and a standard deviation."
            )
        if min(self.shares[0 if self.values else 1 :]) < 0 or (not self.values and not self.shares[1]):
            raise UserError(f"The label {spelt(self.name)} has a negative share or standard deviation; restore it.")

    @property
    def width(self) -> int:
        """Number of values of the field in a row."""
        return len(self.values) or 1

    @property
    def is_class(self) -> bool:
        """True if each image has exactly one of the values."""
        return bool(self.values) and not self.several

    @cached_property
    def _places(self) -> dict[str, int]:
        """Index of each value, both as it is and as it is `spelt`."""
        spelling = {spelt(value): place for place, value in enumerate(self.values)}
        return spelling | {value: place for place, value in enumerate(self.values)}

    def encode(self, cell: str) -> np.ndarray:
        """Return the numbers for one cell, float32 [width].

        >>> Field("hair", ("long", "short"), (0.5, 0.5)).encode("short").tolist()
        [0.0, 1.0]

        Raises:
            UserError: if a value is unknown (names the nearest), is not a number, or is far from
                all numbers in the data.
        """
        if not self.values:
            return np.array([self._standardised(cell)], np.float32)
        row = np.zeros(len(self.values), np.float32)
        if self.several and cell.strip() == NONE and NONE not in self.values:
            return row
        for value in tags_of(cell) if self.several else [cell.strip() or NONE]:
            place = self._places.get(value, self._places.get(spelt(value)))
            if place is None:
                some = ", ".join(self.values[:12]) + (", ..." if len(self.values) > 12 else "")
                raise UserError(
                    f"There is no {self.name} {spelt(value)}; choose from {some}.{nearest(value, self.values)}"
                )
            row[place] = 1
        return row

    def _standardised(self, cell: str) -> float:
        """Return a number of the user's in standard deviations from the mean of the data."""
        number = number_of(cell)
        if number is None:
            raise UserError(f"{self.name} is {cell!r}; it must be a number.")
        mean, spread = self.shares
        if not abs(far := (number - mean) / spread) <= FARTHEST:
            raise UserError(
                f"{self.name} is {cell.strip()}; in the data it is {mean:g}, with a standard deviation of {spread:g}. Give one nearer."
            )
        return far

    def draw(self, source: torch.Generator) -> np.ndarray:
        """Draw a random value with its frequency in the data, float32 [width]."""
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
    """The fields of a data set, side by side in a row of `width` numbers.

    Raises:
        UserError: if there is no field, two have the same name, or a row would be wider than
            `WIDEST`.
    """

    fields: tuple[Field, ...]

    def __post_init__(self) -> None:
        if not isinstance(self.fields, tuple) or not self.fields or not all(isinstance(f, Field) for f in self.fields):
            raise UserError("Labels need at least one field; restore them.")
        if len({field.name for field in self.fields}) < len(self.fields):
            raise UserError("Two labels have the same name; rename one of them.")
        if self.width > WIDEST:
            raise UserError(
                f"The labels have {self.width:,} values in all; the limit is {WIDEST:,}. Choose fewer columns with `labels`."
            )

    @property
    def width(self) -> int:
        return sum(field.width for field in self.fields)

    @property
    def one_class(self) -> bool:
        """True if the only label of each item is one class."""
        return len(self.fields) == 1 and self.fields[0].is_class

    def slices(self) -> dict[str, slice]:
        """Return the slice of each field in a row.

        >>> Labels((Field("class", ("cat", "dog"), (0.5, 0.5)), Field("age", (), (3.0, 1.0)))).slices()
        {'class': slice(0, 2, None), 'age': slice(2, 3, None)}
        """
        ends = np.cumsum([field.width for field in self.fields]).tolist()
        return {f.name: slice(end - f.width, end) for f, end in zip(self.fields, ends, strict=True)}

    def encode(self, cells: Mapping[str, str]) -> np.ndarray:
        """Return a row for the cells of all fields, float32 [width]."""
        return np.concatenate([field.encode(cells[field.name]) for field in self.fields])

    def draw(self, source: torch.Generator, wanted: Mapping[str, str] | None = None) -> Tensor:
        """Draw a row from a stream, [width]: each field with its frequencies in the data, except
        for the requested values.

        Raises:
            UserError: if a field or value does not exist (names the nearest).
        """
        wanted = self._checked(wanted)
        drawn = {
            field.name: field.draw(source) for field in self.fields
        }  # all, so that a request changes no other field
        return torch.from_numpy(
            np.concatenate([f.encode(wanted[f.name]) if f.name in wanted else drawn[f.name] for f in self.fields])
        )

    def fitting(self, wanted: Mapping[str, str] | None = None) -> tuple[Tensor, list[str]]:
        """Return every row that matches the requested values, [K, width], and the values of the
        other fields in each row.

        >>> Labels((Field("class", ("cat", "dog"), (0.5, 0.5)),)).fitting()
        (tensor([[1., 0.],
                [0., 1.]]), ['cat', 'dog'])

        Raises:
            UserError: if a field or value does not exist, a number or tags are not given, or more
                than MOST rows match.
        """
        wanted = self._checked(wanted)
        open_ = [field for field in self.fields if field.name not in wanted]
        count = math.prod(field.width for field in open_)
        if not all(field.is_class for field in open_) or count > MOST:
            names = ", ".join(field.name for field in open_)
            raise UserError(
                f"The discriminator needs the labels that an image should show: give {names} as `labels={{field: value}}`."
            )
        choices = list(product(*(field.values for field in open_)))
        rows = [
            self.encode({**wanted, **dict(zip([f.name for f in open_], choice, strict=True))}) for choice in choices
        ]
        return torch.from_numpy(np.stack(rows)), [", ".join(choice) for choice in choices]

    def _checked(self, wanted: Mapping[str, str] | None) -> Mapping[str, str]:
        """Return the wanted labels, after a check that each names a field."""
        names = [field.name for field in self.fields]
        for name in wanted or {}:
            if name not in names:
                some = self.fields[0]
                example = some.values[0] if some.values else f"{some.shares[0]:.3g}"
                raise UserError(
                    f"There is no label {name} in this run; choose from {', '.join(names)}, given as "
                    f"`labels={{{some.name!r}: {example!r}}}`.{nearest(name, names)}"
                )
        return wanted or {}

    def facts(self) -> list[dict[str, Any]]:
        """Return the facts for recipe.json."""
        return [
            {"name": f.name, "values": list(f.values), "shares": list(f.shares), "several": f.several}
            for f in self.fields
        ]

    @classmethod
    def of(cls, facts: Any) -> Labels:
        """Return the labels from their `facts`; names are made `printable`, as a stranger may have
        written them.

        Raises:
            UserError: if the facts are malformed.
        """
        if not isinstance(facts, list) or not all(isinstance(fact, Mapping) for fact in facts):
            raise UserError("The labels of this run are not a list of tables; restore recipe.json.")
        fields = []
        for fact in facts[: WIDEST + 1]:
            name, values, shares, several = (fact.get(key) for key in ("name", "values", "shares", "several"))
            if not isinstance(name, str) or not isinstance(values, list) or not isinstance(shares, list):
                raise UserError("A label of this run lacks its name, its values or their shares; restore recipe.json.")
            shown = tuple(printable(value) if isinstance(value, str) else value for value in values)
            fields.append(Field(printable(name), shown, tuple(shares), False if several is None else several))
        return cls(tuple(fields))


class Chosen:
    """Columns of rows that are read at each access.

    Args:
        rows: rows, [N, width].
        columns: numbers of the columns.
    """

    def __init__(self, rows: Any, columns: np.ndarray):
        self.rows, self.columns = rows, columns

    def __getitem__(self, which: Any) -> np.ndarray:
        return self.rows[which][..., self.columns]


def of_shards(pack: Pack, wanted: str | None) -> tuple[Labels, Any]:
    """Return the labels that shards tell, and their rows.

    Args:
        pack: the shards.
        wanted: names of the fields to use, separated by commas; None uses all.

    Raises:
        UserError: if there are none, or one is unknown (names the nearest).
    """
    if pack.known is None or not pack.fields:
        raise UserError(
            "These shards have no labels; pack them with `organza data pack --labels`, or choose a recipe without labels."
        )
    told = Labels.of([dict(field) for field in pack.fields])
    names = [field.name for field in told.fields]
    asked = [name.strip() for name in wanted.split(",")] if wanted else names
    for name in asked:
        if name not in names:
            raise UserError(f"The shards have no label {name}; choose from {', '.join(names)}.{nearest(name, names)}")
    starts = np.cumsum([0, *(field.width for field in told.fields)])
    places = [names.index(name) for name in asked]
    columns = np.concatenate([np.arange(starts[place], starts[place + 1]) for place in places])
    return Labels(tuple(told.fields[place] for place in places)), Chosen(pack.known, columns)


def _is_finite(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= LARGEST


class Labelled(Images):
    """Labelled images, {"image", "label"}, for conditional games.

    Classes come from subfolders, from a table beside the images (labels.csv with a column `file`,
    or one that the data set includes: metadata.csv, metadata.jsonl, dataset.json), or from
    `source.labels`.

    Args:
        source: data of the run.
        mirror: True to flip each training image left to right with probability one half.

    Raises:
        UserError: if some or all images have no labels.
    """

    def __init__(self, source: Source, *, mirror: bool = False):
        super().__init__(source, mirror=mirror)
        if isinstance(self.pack.images, Pictures):
            self.labels, self.known = of_shards(self.pack, source.labels)
        else:
            known = known_of(source, self.pack.names)
            fields = (Field(name, told.values, told.shares, told.several) for name, told in known.columns)
            self.labels, self.known = Labels(tuple(fields)), np.concatenate([told.rows for _, told in known.columns], 1)
            self.notes = (*self.notes, *known.notes)
        self.former_fingerprints = tuple(self._print(former) for former in self.former_fingerprints)
        self.fingerprint = self._print(self.fingerprint)
        if self.labels.one_class:
            self.rows = min(self.labels.width * max(8 // self.labels.width, 1), 16)

    def _print(self, images: str) -> str:
        told = json.dumps([images, self.labels.facts()]).encode()
        if isinstance(self.known, np.ndarray):  # those of shards are part of their manifest's fingerprint
            told += self.known.tobytes()
        return hashlib.sha256(told).hexdigest()[: len(images)]

    def items(self, which: np.ndarray, flipped: Sequence[int] = ()) -> dict[str, Tensor]:
        return super().items(which, flipped) | {"label": torch.from_numpy(self.known[which])}

    def gallery(self, positions: Sequence[int]) -> dict[str, Tensor]:
        """Return one row of the grid for each class if the label is one class, else the reference
        items with their own labels.
        """
        if not self.labels.one_class:
            return self.referenced(positions)
        return self.items(np.array([self._in_row(*divmod(position, self.columns)) for position in positions]))

    def _in_row(self, row: int, column: int) -> int:
        turn, kind = divmod(row, self.labels.width)
        return int(self._by_class[kind][(turn * self.columns + column) % len(self._by_class[kind])])

    @cached_property
    def _by_class(self) -> list[np.ndarray]:
        """Items of each class, held-out ones first: at least one, since classes are named by their
        items.
        """
        items = np.concatenate([self.parts.held_out, self.parts.train])
        kinds = self.known[items].argmax(1)
        return [items[kinds == kind][:64] for kind in range(self.labels.width)]

    def facts(self) -> dict[str, Any]:
        return super().facts() | {"labels": self.labels.facts()}
