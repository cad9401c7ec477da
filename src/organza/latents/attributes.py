"""Attributes of images: numbers that the columns of a table give, such as the lightness of a colour, or 1 for a class and 0 for the
others.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from organza.data.columns import number_of
from organza.data.tables import SEVERAL

COLOUR = re.compile(r"#([0-9a-fA-F]{6})")
RAREST = 0.08
"""Least share of images that have, or lack, a class."""
MOST = 24
"""Largest number of attributes."""


class Attribute(NamedTuple):
    """One number for each image.

    Args:
        name: name of the attribute.
        column: column of the table that it is from.
        values: its values, float32 [N]; NaN if unknown.
    """

    name: str
    column: str
    values: Tensor


def attributes_of(columns: Mapping[str, Sequence[str]], decimal_comma: bool = False) -> list[Attribute]:
    """Return the attributes in the columns of a table, those of the most frequent classes first.

    A column of colours, #rrggbb, gives their lightness; one of numbers, the numbers; one of classes or tags, 1 or 0 for each that is
    neither rare nor general; one with empty cells, also 1 for each that is filled.

    Args:
        columns: cells of each column.
        decimal_comma: True if 3,5 is a number.

    >>> [one.name for one in attributes_of({"hair_color": ["#000000", "#ffffff"], "hat": ["", "tall"]})]
    ['hair-lightness', 'hat']
    """
    found: list[Attribute] = []
    classes: list[tuple[int, Attribute]] = []
    for column, cells in columns.items():
        given = [cell for cell in cells if cell]
        if not given:
            continue
        if sum(bool(COLOUR.fullmatch(cell)) for cell in given) > 0.9 * len(given):
            found.append(
                Attribute(f"{_without_colour(column)}-lightness", column, torch.tensor([_lightness(c) for c in cells]))
            )
        elif (numbers := _numbers(given, cells, decimal_comma)) is not None:
            found.append(Attribute(_plain(column), column, numbers))
        else:
            classes += _classes(column, cells)
    classes.sort(key=lambda pair: -pair[0])
    return [*found, *(one for _, one in classes)][:MOST]


def _classes(column: str, cells: Sequence[str]) -> list[tuple[int, Attribute]]:
    """Return the classes of a column, each with the number of images that have it."""
    kinds = [set(filter(None, (part.strip() for part in cell.split(SEVERAL)))) for cell in cells]
    counts = Counter(kind for some in kinds for kind in some)
    few, many = RAREST * len(cells), (1 - RAREST) * len(cells)
    found = []
    if few <= sum(map(bool, kinds)) <= many:
        found.append(
            (len(cells), Attribute(_plain(column), column, torch.tensor([float(bool(some)) for some in kinds])))
        )
    lone = len(counts) <= 2 and all(len(some) == 1 for some in kinds)  # of two classes, one says all
    for kind, count in sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))[: 1 if lone else None]:
        if few <= count <= many and not (found and len(counts) == 1):
            values = torch.tensor([float(kind in some) for some in kinds])
            found.append((count, Attribute(f"{_plain(column)}-{_plain(kind)}", column, values)))
    return found


def _numbers(given: Sequence[str], cells: Sequence[str], decimal_comma: bool) -> Tensor | None:
    """Return a column as numbers, NaN for the cells without; None if it holds few different ones."""
    values = [number_of(cell, decimal_comma) for cell in cells]
    known = {value for value in values if value is not None and abs(value) < 1e9}
    if len(known) < 3 or sum(value in known for value in values) < 0.9 * len(given):
        return None
    return torch.tensor([float("nan") if value is None or value not in known else value for value in values])


def _lightness(cell: str) -> float:
    """Return the lightness of #rrggbb, 0 to 1 (ITU-R BT.601); NaN for another cell."""
    match = COLOUR.fullmatch(cell)
    if not match:
        return float("nan")
    red, green, blue = bytes.fromhex(match[1])
    return (0.299 * red + 0.587 * green + 0.114 * blue) / 255


def _plain(name: str) -> str:
    """Return a name that a command takes without quotes."""
    return re.sub(r"[^\w.#]+", "-", name.strip()).strip("-")[:40] or "attribute"


def _without_colour(column: str) -> str:
    return _plain(re.sub(r"[\s_-]*colou?r$", "", column, flags=re.IGNORECASE)) if len(column) > 6 else _plain(column)
