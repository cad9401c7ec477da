"""Label columns of a run: those of a table that the user chose or that are suitable, else the
classes of folders.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from organza.data.classes import classes_of, folders_of, split_words
from organza.data.columns import KINDS, NONE, Column, TooMany, column, shown_as
from organza.data.described import Described, described, tables_near, wish
from organza.data.names import spelt
from organza.data.source import Source
from organza.data.tables import TABLES
from organza.errors import UserError, nearest
from organza.shell import quoted
from organza.untrusted import printable

CLASS = "class"  # the column of folder names
FOLDERS = "folders"  # `--labels folders`: the folders, whatever tables there are


class Known(NamedTuple):
    """The label columns of all images, by name, and notes on the interpretation of folders and
    tables.
    """

    columns: list[tuple[str, Column]]
    notes: tuple[str, ...]


def known_of(source: Source, names: Sequence[str]) -> Known:
    """Return the labels of images, from a table if there is one, else from their folders.

    Args:
        source: data, with the requested labels.
        names: names of the images, relative to the source.

    Raises:
        UserError: if some images have no labels, or a table or a column cannot be used.
    """
    table, wanted = wish(source.labels)
    told = described(source.path, names, table)
    numbers, classes = classes_of(names)
    folders = None if numbers is None else [classes[number] for number in numbers]
    if wanted.strip() == FOLDERS and (told is None or FOLDERS not in _by_column(told)):
        told, wanted = None, CLASS
        if folders is None:
            raise UserError(_unknown(source, names))
    if told is None:
        if wanted and (folders is None or wanted.strip() not in (CLASS, f"{CLASS}:class")):
            raise UserError(
                f"`labels={printable(wanted)!r}`: there is no table {Path(source.path) / TABLES[0]}; give columns of it, or a table "
                "with a column `file`."
            )
        if folders is None:
            raise UserError(_unknown(source, names))
        return Known([(CLASS, column(CLASS, folders, names, "class"))], (*_merged(names), *_numbered(classes)))
    cells = _by_column(told)
    if wanted:
        if folders is not None:
            cells.setdefault(CLASS, folders)
        chosen = _chosen(wanted, list(cells), told)
        if alike := [name for name, _ in chosen if _is_alike(cells[name])]:
            raise UserError(
                f"{told.table} has the same {alike[0]} for every image; choose a column that distinguishes them."
            )
        columns = [(name, column(name, cells[name], names, kind, told.decimal_comma)) for name, kind in chosen]
        notes: list[str] = []
    else:
        columns, notes = _usable(told, cells, names, captions=folders is not None)
        if not columns and folders is not None:
            columns = [(CLASS, column(CLASS, folders, names, "class"))]
            notes.append(f"classes are taken from the folders, since {told.table} has no column for them")
    if not columns:
        reasons = "; ".join((*told.notes, *notes))
        raise UserError(
            f"{told.table} has the same values for every image{f' ({reasons})' if reasons else ''}; add a column that distinguishes them, "
            "or put each class into a subfolder."
        )
    return Known(columns, (*told.notes, *notes, *(found.note for _, found in columns if found.note)))


def _by_column(told: Described) -> dict[str, list[str]]:
    """Return the cells of each column, by its display name."""
    shown = shown_as(told.table, told.columns)
    if len(set(shown.values())) < len(shown):
        raise UserError(f"{told.table} has two columns with the same name; rename one of them.")
    return {shown[name]: cells for name, cells in told.columns.items()}


def _kinds(told: Described) -> dict[str, str]:
    return {spelt(name): kind for name, kind in told.kinds.items()}


def _chosen(wanted: str, known: Sequence[str], told: Described) -> list[tuple[str, str | None]]:
    """Return the columns that a user requests, each with its kind.

    Args:
        wanted: columns as the user wrote them, such as hair,year:class.
        known: names of all columns.
        told: contents of the table.
    """
    kinds = _kinds(told)
    chosen: dict[str, str | None] = {}
    for name in (spelt(part.strip()) for part in wanted.split(",") if part.strip()):
        head, _, kind = (part.strip() for part in name.rpartition(":"))
        if name not in known and head in known:
            if kind not in KINDS:
                raise UserError(
                    f"{name}: {head} can be read as {', '.join(f'{head}:{k}' for k in KINDS)}.{nearest(kind, KINDS)}"
                )
        elif name in known:
            head, kind = name, kinds.get(name)
        else:
            raise UserError(f"{told.table} has no column {name}; it has {', '.join(known)}.{nearest(name, known)}")
        if chosen.setdefault(head, kind) != kind:
            raise UserError(f"`labels={printable(wanted)!r}` names {head} twice; name it once.")
    return list(chosen.items())


def _usable(
    told: Described, cells: Mapping[str, Sequence[str]], names: Sequence[str], captions: bool
) -> tuple[list[tuple[str, Column]], list[str]]:
    """Return the columns of a table that distinguish images and are not captions, and notes about
    the others.

    Args:
        told: contents of the table.
        cells: cells of each column, by its display name.
        names: names of the images.
        captions: True if a table with captions only is not an error.
    """
    kinds = _kinds(told)
    columns: list[tuple[str, Column]] = []
    notes: list[str] = []
    unusable: list[TooMany] = []
    for name in cells:
        if _is_alike(cells[name]):
            notes.append(f"{name} is {spelt(cells[name][0][:40]) or NONE} for every image and is left out")
            continue
        try:
            columns.append((name, column(name, cells[name], names, kinds.get(name), told.decimal_comma)))
        except TooMany as reason:
            unusable.append(reason)
            notes.append(f"{name} is left out: it has a different value for almost every image")
    if unusable and not columns and not captions:
        raise unusable[0]
    return columns, notes


def _is_alike(cells: Sequence[str]) -> bool:
    """Return True if all images have the same value; an empty cell has the value `NONE`."""
    return len({spelt(cell or NONE) for cell in cells}) == 1


def _merged(names: Sequence[str]) -> list[str]:
    """Return a note for class folders that differ only by their Unicode form, which are one class.

    Raises:
        UserError: if two other names look the same.
    """
    shown = shown_as("the class folders", folders_of(names).tops or ())
    twice = sorted(value for value, times in Counter(shown.values()).items() if times > 1)
    return [f"two folders are called {name}, in two Unicode forms; they are one class" for name in twice]


def _numbered(classes: Sequence[str]) -> list[str]:
    """Return a note for class folders named 00000, 01000 and so on, like the parts of a large data
    set.
    """
    if not all(len(name) >= 5 and name.isdecimal() and int(name) % 1000 == 0 for name in classes) or int(classes[0]):
        return []
    return [
        f"the folders {classes[0]}, {classes[1]} ... are used as classes, although they are numbered like the parts of a large data set; "
        "if they are parts, choose a recipe without labels"
    ]


def _unknown(source: Source, names: Sequence[str]) -> str:
    """Return the error for images whose class no subfolder gives."""
    folders = folders_of(names)
    loose = [name for name, place in zip(names, folders.places, strict=True) if not folders.paths[place]]
    which = "the images"
    if loose and len(loose) < len(names):
        some = ", ".join(map(printable, loose[:3]))
        which = f"{len(loose):,} of {len(names):,} images, for example {some},"
    splits = f" ({split_words(folders.splits)})" if folders.splits else ""
    tables = tables_near(source.path)
    perhaps = f", perhaps {quoted(tables[0])}" if tables else ""
    return (
        f"There are no labels for {which} in {source.path}{splits}: put each class into a subfolder, or a table {TABLES[0]} "
        f"with a column `file` beside the images, or name a table with `labels`{perhaps}."
    )
