"""The columns that a run learns: those of a table that the user chose or that can be learned, else the classes of folders."""

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

CLASS = "class"  # the column that folders tell


class Known(NamedTuple):
    """The columns that are known of all images, by name, and sentences about how folders and tables were understood."""

    columns: list[tuple[str, Column]]
    notes: tuple[str, ...]


def known_of(source: Source, names: Sequence[str]) -> Known:
    """Return what is known of images, from a table where there is one, else from the folders that they lie in.

    Args:
        source: with its wish for labels.
        names: of the images, relative to the source.

    Raises:
        UserError: nothing is known of some images, or a table or a column cannot be used (why).
    """
    table, wanted = wish(source.labels)
    told = described(source.path, names, table)
    numbers, classes = classes_of(names)
    folders = None if numbers is None else [classes[number] for number in numbers]
    if told is None:
        if wanted and (folders is None or wanted.strip() not in (CLASS, f"{CLASS}:class")):
            raise UserError(
                f"--labels {printable(wanted)}: there is no table {Path(source.path) / TABLES[0]}; give columns of it, or a table "
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
                f"{told.table} tells the same {alike[0]} of every image; there is nothing to tell them apart by."
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
            f"{told.table} tells the same of every image{f' ({reasons})' if reasons else ''}; add a column that tells them apart, "
            "or put each class into a subfolder."
        )
    return Known(columns, (*told.notes, *notes, *(found.note for _, found in columns if found.note)))


def _by_column(told: Described) -> dict[str, list[str]]:
    """Return the cells of each column by its name as it is shown."""
    shown = shown_as(told.table, told.columns)
    if len(set(shown.values())) < len(shown):
        raise UserError(f"{told.table} has two columns of one name; give each a name of its own.")
    return {shown[name]: cells for name, cells in told.columns.items()}


def _kinds(told: Described) -> dict[str, str]:
    return {spelt(name): kind for name, kind in told.kinds.items()}


def _chosen(wanted: str, known: Sequence[str], told: Described) -> list[tuple[str, str | None]]:
    """Return the columns that a user asks for, each with its kind.

    Args:
        wanted: as the user wrote it, hair,year:class.
        known: names of all columns.
        told: what the table tells.
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
            raise UserError(f"--labels {printable(wanted)} names {head} twice; it can be read in one way.")
    return list(chosen.items())


def _usable(
    told: Described, cells: Mapping[str, Sequence[str]], names: Sequence[str], captions: bool
) -> tuple[list[tuple[str, Column]], list[str]]:
    """Return the columns of a table that tell images apart and are no captions, and notes about the others.

    Args:
        told: what the table tells.
        cells: of each column, by its name as it is shown.
        names: of the images.
        captions: True if a table of captions alone is no mistake.
    """
    kinds = _kinds(told)
    columns: list[tuple[str, Column]] = []
    notes: list[str] = []
    unusable: list[TooMany] = []
    for name in cells:
        if _is_alike(cells[name]):
            notes.append(f"{name} is {spelt(cells[name][0][:40]) or NONE} for every image and left out")
            continue
        try:
            columns.append((name, column(name, cells[name], names, kinds.get(name), told.decimal_comma)))
        except TooMany as reason:
            unusable.append(reason)
            notes.append(f"{name} is left out: it has another value for almost every image")
    if unusable and not columns and not captions:
        raise unusable[0]
    return columns, notes


def _is_alike(cells: Sequence[str]) -> bool:
    """True if all images have the same value; an empty cell is the value `NONE`."""
    return len({spelt(cell or NONE) for cell in cells}) == 1


def _merged(names: Sequence[str]) -> list[str]:
    """Return a note for class folders that differ by their Unicode form alone, which are one class.

    Raises:
        UserError: two others look the same.
    """
    shown = shown_as("the class folders", folders_of(names).tops or ())
    twice = sorted(value for value, times in Counter(shown.values()).items() if times > 1)
    return [f"two folders are called {name}, in two Unicode forms; they are one class" for name in twice]


def _numbered(classes: Sequence[str]) -> list[str]:
    """Return a note for class folders that are called 00000, 01000 and so on, as the parts of a large data set are."""
    if not all(len(name) >= 5 and name.isdecimal() and int(name) % 1000 == 0 for name in classes) or int(classes[0]):
        return []
    return [
        f"the folders {classes[0]}, {classes[1]} ... are taken for classes, though they are numbered as the parts of a large data set "
        "are; if they are that, choose a recipe without labels"
    ]


def _unknown(source: Source, names: Sequence[str]) -> str:
    """Return the sentence for images that no subfolder tells the class of."""
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
        f"Nothing is known of {which} in {source.path}{splits}: put each class into a subfolder, or a table {TABLES[0]} "
        f"with a column `file` beside the images, or name a table with --labels{perhaps}."
    )
