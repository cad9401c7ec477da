"""Label tables: search for the tables of a source, and the table line of each image."""

from __future__ import annotations

import os
import posixpath
import re
import zipfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote

from organza.data.archive import member_name
from organza.data.folder import ARRAYS
from organza.data.names import Ambiguous, ancestors, home_of, matched
from organza.data.tables import BYTES, TABLES, Foreign, Line, Table, read_table
from organza.errors import UserError
from organza.untrusted import Refused, printable, read_bytes

ENDINGS = "csv|tsv|txt|jsonl|ndjson|json"
NAMED = re.compile(rf"(.*?\.(?:{ENDINGS}))(?::(.*))?", re.IGNORECASE | re.DOTALL)
ADDRESS = re.compile(r"\w+://[^/]*/([^?#]+)(?:[?#].*)?")
MOST_FOLDERS = 10_000  # folders to search for tables


class Place(NamedTuple):
    """A table that exists and is not read yet.

    Args:
        shown: name for messages.
        home: folder that names in it are relative to, as an absolute path with /.
        read: function that returns its content; raises OSError.
    """

    shown: str
    home: str
    read: Callable[[], bytes]


@dataclass(frozen=True)
class Described:
    """The cells of all images.

    Args:
        table: name of the table or tables.
        columns: cells of each column, in the order of the images.
        kinds, decimal_comma: see `Table`.
        notes: notes for the user.
    """

    table: str
    columns: dict[str, list[str]]
    kinds: dict[str, str]
    decimal_comma: bool
    notes: tuple[str, ...]


def wish(labels: str | None) -> tuple[str | None, str]:
    """Split a user's `labels` into the table and the columns: hair, my.csv, my.csv:hair,
    C:/my.csv:year:class,hair.

    >>> wish("C:/my.csv:year:class,hair"), wish("year:class"), wish(None)
    (('C:/my.csv', 'year:class,hair'), (None, 'year:class'), (None, ''))
    """
    if labels is None:
        return None, ""
    named = NAMED.fullmatch(labels)
    return (named[1], named[2] or "") if named else (None, labels)


def from_anywhere(labels: str) -> str:
    """Return the labels with the path of the table made absolute if it is relative to the working
    directory, for later use elsewhere.

    >>> from_anywhere("hair,year:class")
    'hair,year:class'
    """
    table, columns = wish(labels)
    if table is None or not Path(table).is_file():
        return labels
    return f"{Path(table).absolute()}{columns and ':' + columns}"


def described(source: str | Path, names: Sequence[str], table: str | None) -> Described | None:
    """Return the cells that tables hold for images; None if there is no table.

    Args:
        source: data of the run, a folder, a zip or an array file.
        names: names of its images, relative to it.
        table: path of the table, relative to the working directory or else to the source; None
            searches for one of `TABLES`.

    Raises:
        UserError: if the table cannot be read, lacks images (names them), or has contradictory
            lines for one.
    """
    if table is not None:
        return _joined(source, names, _read(_named(source, names, table)))
    notes: list[str] = []
    taken: Described | None = None
    for name in TABLES:
        for places in (_inside(source, names, name), _beside(source, name)):
            if not places:
                continue
            if taken is not None:
                notes.append(
                    f"{places[0].shown} is ignored, since there is {taken.table}; name it with `labels` to use it"
                )
                continue
            try:
                tables = _read(places)
            except Foreign as reason:
                if name == TABLES[0]:  # it has no other purpose
                    raise
                notes.append(f"{places[0].shown} is not used for labels: {str(reason).rstrip('.')}")
                continue
            taken = _joined(source, names, tables)
            if name != TABLES[0]:
                notes.append(f"labels are read from {taken.table}")
    if taken is None:
        return None
    return Described(taken.table, taken.columns, taken.kinds, taken.decimal_comma, (*notes, *taken.notes))


def tables_near(source: str | Path) -> list[Path]:
    """Return the tables in a folder, or else those beside it or beside a file, judged by their
    names alone.
    """
    for folder in (Path(source), Path(source).absolute().parent):
        try:
            found = sorted(place for place in folder.iterdir() if place.suffix.lower() in (".csv", ".tsv", ".jsonl"))
        except OSError:
            continue
        if found:
            return found
    return []


def _named(source: str | Path, names: Sequence[str], table: str) -> list[Place]:
    """Return the label table of this name: as a path, in the data, or as a member of a zip."""
    for path in (Path(table), Path(source) / table):
        if os.path.lexists(path):
            return [Place(printable(str(path)), _slashed(path.parent), lambda path=path: read_bytes(path, BYTES))]
    if places := _inside(source, names, table):
        return places
    raise UserError(
        f"`labels`: there is no table {printable(table[:200])}; give columns of {TABLES[0]}, or a file ({ENDINGS.replace('|', ', ')}) "
        "with a column `file`."
    )


def _inside(source: str | Path, names: Sequence[str], table: str) -> list[Place]:
    """Return the topmost tables of this name in a folder or a zip; none if some images lie neither
    beside nor below one.
    """
    folders = ancestors(names)[:MOST_FOLDERS]
    root = Path(source)
    if root.is_dir():
        here = [folder for folder in folders if os.path.lexists(path := root / folder / table) and not path.is_dir()]
        reads = {folder: _from_folder(root / folder / table, root) for folder in here}
    elif root.suffix.lower() in ARRAYS:
        return []
    else:
        members = _members(root, [posixpath.join(folder, table) for folder in folders])
        here = [folder for folder in folders if posixpath.join(folder, table) in members]
        reads = {folder: _from_zip(root, members[posixpath.join(folder, table)]) for folder in here}
    top: list[str] = []
    for folder in here:  # the topmost come first
        if not any(_below(folder, above) for above in top):
            top.append(folder)
    if not all(any(_below(folder, above) for above in top) for folder in {name.rpartition("/")[0] for name in names}):
        return []
    home = _slashed(root)
    return [Place(printable(str(root / folder / table)), posixpath.join(home, folder), reads[folder]) for folder in top]


def _below(folder: str, above: str) -> bool:
    return not above or folder == above or folder.startswith(f"{above}/")


def _beside(source: str | Path, table: str) -> list[Place]:
    """Return the table beside a zip or an array file."""
    if Path(source).is_dir() or not os.path.lexists(path := Path(source).with_name(table)):
        return []
    return [Place(printable(str(path)), _slashed(path.parent), _from_folder(path, path.parent))]


def _from_folder(path: Path, inside: Path) -> Callable[[], bytes]:
    return lambda: read_bytes(path, BYTES, inside)


def _members(archive: Path, wanted: Iterable[str]) -> dict[str, zipfile.ZipInfo]:
    """Return those of the wanted names that an archive holds, with their entries."""
    try:
        with zipfile.ZipFile(archive) as opened:
            members = {member_name(info)[0].replace("\\", "/"): info for info in opened.infolist()}
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):  # reported when the images are read
        return {}
    return {name: members[name] for name in wanted if name in members}


def _from_zip(archive: Path, info: zipfile.ZipInfo) -> Callable[[], bytes]:
    """Return a function that reads one member of a zip."""

    def read() -> bytes:
        """Return the bytes of the member. Raises Refused if it is damaged or too large."""
        try:
            with zipfile.ZipFile(archive) as opened, opened.open(info) as member:
                content = member.read(BYTES + 1)  # the size in the header is not trusted
        except Exception as error:  # damaged members raise many kinds of errors
            raise Refused(info.filename, f"it cannot be unpacked: {printable(str(error)[:200])}") from error
        if len(content) > BYTES:
            raise Refused(info.filename, f"it unpacks to more than {BYTES:,} bytes")
        return content

    return read


def _read(places: Sequence[Place]) -> list[tuple[Place, Table]]:
    """Read the tables at these places."""
    tables = []
    for place in places:
        try:
            content = place.read()
        except OSError as error:
            reason = printable(error.strerror or str(error))
            raise UserError(
                f"{place.shown} cannot be read as a table ({reason}); replace it, or name another with `labels`."
            ) from None
        tables.append((place, read_table(content, place.shown)))
    return tables


def _joined(source: str | Path, names: Sequence[str], tables: Sequence[tuple[Place, Table]]) -> Described:
    """Return the cells of each image from tables that together cover all of them."""
    roots = list(dict.fromkeys((_slashed(Path(source)), _slashed(Path(os.path.realpath(source))))))
    lines = [(table, line) for _, table in tables for line in table.lines]
    keys = [_keys(line.file, place.home, roots) for place, table in tables for line in table.lines]
    shown = tables[0][1].name if len(tables) == 1 else f"{tables[0][1].name} and {len(tables) - 1:,} more"
    try:
        found = matched(names, keys, home_of(source))
    except Ambiguous as error:
        raise UserError(f"{shown} names {error}; write its folder before it.") from None
    notes = [*_repetitions(shown, names, found, lines), *(note for _, table in tables for note in table.notes)]
    if missing := [name for name, which in zip(names, found, strict=True) if not which]:
        example = next((f", and names others, for example {printable(line.file[:80])}" for _, line in lines[:1]), "")
        raise UserError(
            f"{shown} has no line for {len(missing):,} of {len(names):,} images, for example {_some(missing)}"
            f"{example if len(missing) == len(names) else ''}; add them to the table, or move them away."
        )
    used = {line for which in found for line in which}
    if spare := [line.file for number, (_, line) in enumerate(lines) if number not in used]:
        notes.append(
            f"{shown} has {len(spare):,} {'lines' if len(spare) > 1 else 'line'} for files that are not among the usable images, "
            f"for example {_some(spare)}"
        )
    columns: dict[str, list[str]] = {column: [""] * len(names) for _, table in tables for column in table.columns}
    for image, which in enumerate(found):
        table, line = lines[which[0]]
        for column, cell in zip(table.columns, line.cells, strict=True):
            columns[column][image] = cell
    kinds = {column: kind for _, table in tables for column, kind in table.kinds.items()}
    return Described(shown, columns, kinds, any(table.decimal_comma for _, table in tables), tuple(notes))


def _repetitions(
    shown: str, names: Sequence[str], found: Sequence[Sequence[int]], lines: Sequence[tuple[Table, Line]]
) -> list[str]:
    """Return a note if images occur more than once with the same cells.

    Raises:
        UserError: if the cells differ.
    """
    again = [(name, which) for name, which in zip(names, found, strict=True) if len(which) > 1]
    for name, which in again:
        told = {(lines[k][0].columns, lines[k][1].cells) for k in which}
        if len(told) > 1:
            numbers = " and ".join(f"{lines[k][1].number:,}" for k in which[:3])
            raise UserError(
                f"{shown} names {printable(name)} twice, in lines {numbers}, with different labels; keep one of the lines."
            )
    return (
        [
            f"{shown} names {len(again):,} images more than once, with the same labels, for example {_some([again[0][0]])}"
        ]
        if again
        else []
    )


def _keys(file: str, home: str, roots: Sequence[str]) -> list[str]:
    """Return the names relative to the source that a cell may mean: from the table's folder, from
    the source, and as written.

    >>> _keys("data\\\\cat.png", "/home/me", ["/home/me/data"])
    ['data\\\\cat.png', 'cat.png', 'data/cat.png']
    """
    if address := ADDRESS.fullmatch(file):
        file = unquote(address[1])
    path = file.replace("\\", "/")
    full = posixpath.normpath(posixpath.join(home, path))
    written = posixpath.normpath(path)
    while written.startswith("../"):
        written = written[3:]
    keys = [full[len(root.rstrip("/")) + 1 :] for root in roots if full.startswith(root.rstrip("/") + "/")]
    raw = [file] if "\\" in file else []  # on some systems a backslash is an ordinary character
    return list(dict.fromkeys([*raw, *keys, written]))


def _slashed(path: Path) -> str:
    return os.path.abspath(path).replace("\\", "/")  # noqa: PTH100  # resolve() would follow links, which names do not


def _some(names: Sequence[str]) -> str:
    return ", ".join(printable(name[:200]) for name in names[:3])
