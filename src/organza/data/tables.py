"""Label tables: labels.csv, and those that data sets include (metadata.csv, metadata.jsonl,
dataset.json).

A table may come from a stranger: it is read within limits, through `organza.untrusted`, and refused
if it is ambiguous.
"""

from __future__ import annotations

import codecs
import csv
import io
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from organza.data.names import folded
from organza.data.signatures import HEAD, content_of
from organza.errors import UserError
from organza.untrusted import parse_json, printable

TABLES = ("labels.csv", "metadata.csv", "metadata.jsonl", "dataset.json")
"""Names of tables that are found automatically; the first one that exists is used."""
SEVERAL = ";"  # separator of the tags in a cell
BYTES = 256 * 2**20
COLUMNS = 10_000
LONGEST = 100_000  # largest number of characters in a cell
SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
FILE_COLUMNS = (
    ("file",),
    ("filename",),
    ("path", "filepath", "image", "imagefile", "imagefilename", "imagename", "imagepath", "img", "imgname", "imgpath"),
    ("imageid", "imgid", "id"),
)
"""Names of the column with the images' names, in lower case without punctuation; the first that a
table has is used."""
MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark is a prefix of it
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


class Foreign(UserError):
    """A file with a table's name that holds no labels of images."""


@dataclass(frozen=True)
class Line:
    """A line of a table.

    Args:
        number: number of the line in the file.
        file: name of the image, as written.
        cells: text of each column.
    """

    number: int
    file: str
    cells: tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """A table in memory.

    Args:
        name: display name of its file.
        columns: names of the columns, without the one of file names.
        lines: lines that name an image.
        kinds: columns whose kind the format declares, class or number.
        decimal_comma: True if 3,5 is a number in it.
        notes: notes on ignored parts.
    """

    name: str
    columns: tuple[str, ...]
    lines: list[Line]
    kinds: dict[str, str] = field(default_factory=dict)
    decimal_comma: bool = False
    notes: tuple[str, ...] = ()


def read_table(content: bytes, name: str) -> Table:
    """Parse a table: CSV with any separator, JSON lines for a .jsonl file, StyleGAN's labels for a
    .json file.

    Args:
        content: bytes of the file.
        name: name of the file, for messages; its extension gives the format.

    Raises:
        Foreign: if nothing in it names files.
        UserError: if it cannot be read, or is ambiguous.

    >>> read_table(b"file;age\\n1.png;3,5\\n", "labels.csv").lines
    [Line(number=2, file='1.png', cells=('3,5',))]
    """
    text = text_of(content, name)
    ending = name.lower().rpartition(".")[2]
    if ending == "json":
        return _labels_json(text, name)
    if ending in ("jsonl", "ndjson"):
        return _from_objects(_json_lines(text, name), name)
    return _csv(text, name)


def text_of(content: bytes, name: str) -> str:
    """Return the text of a table's bytes, by its byte order mark, else as UTF-8.

    Raises:
        UserError: if it is no text in this encoding; names what it is.
    """
    mark, encoding = next((pair for pair in MARKS if content.startswith(pair[0])), (b"", "utf-8"))
    try:
        text = content[len(mark) :].decode(encoding)
    except UnicodeDecodeError as error:
        if what := _foreign(content):
            raise UserError(
                f"{name} is not a table but {what}; open it in the program that wrote it and export it as CSV in UTF-8."
            ) from None
        raise UserError(
            f"{name} cannot be read as a table: byte {error.start + len(mark):,} is not {encoding.upper()}; save it as UTF-8."
        ) from None
    if text.startswith("PK\3\4") or ("\0" in text and _foreign(content)):
        raise UserError(f"{name} is not a table but {_foreign(content)}; export it as CSV in UTF-8.")
    if "\0" in text:
        raise UserError(
            f"{name} cannot be read as a table: it has zero bytes, as no text in UTF-8 has; save it as UTF-8."
        )
    return text


def _foreign(content: bytes) -> str:
    """Describe a file that is not text, by its first bytes; a spreadsheet's own format is a zip."""
    if content.startswith(b"PK\3\4"):
        return "a spreadsheet or a zip"
    if content.startswith(b"\xd0\xcf\x11\xe0"):
        return "a spreadsheet of an older Excel"
    known = content_of(content[:HEAD])
    return known.name if known else ""


def _csv(text: str, name: str) -> Table:
    """Parse a table of comma-, semicolon- or tab-separated values."""
    text = io.StringIO(text, newline=None).read()  # converts all line ends to \n, also those of old Macs
    skipped = 0
    if told := re.match(r'"?sep=([,;|\t])"?\n', text, re.IGNORECASE):  # Excel's declaration of the separator
        text, skipped = text[told.end() :], 1
    if aligned := _aligned(text):
        text, skipped = aligned, 1
    header, separator = _header(text, name)
    place = _file_column(header, name)
    columns = [column for k, column in enumerate(header) if k != place]
    _require_columns(columns, name)
    kept = [k for k, column in enumerate(header) if column and k != place]  # a column without a name is pandas' index
    rows = parsed(text, separator, name)
    lines, unnamed = _lines(rows, header, place, kept, name, skipped)
    notes = [f"{unnamed:,} lines of {name} name no file"] if unnamed else []
    nameless = [k for k, column in enumerate(header) if k and not column]
    if any(len(cells) > k and cells[k] for _, cells in rows[1:] for k in nameless):
        notes.append(f"columns of {name} without a name are left out")
    return Table(name, tuple(header[k] for k in kept), lines, {}, separator != ",", tuple(notes))


def _aligned(text: str) -> str:
    """Convert CelebA's format to tabs: a line with the number of images, one with the columns, then
    names and cells.

    Returns "" for other formats. Neither names nor cells contain spaces.
    """
    first, _, rest = text.partition("\n")
    if not (count := first.strip()).isdecimal() or len(count) > 20:  # Python limits the digits of a number
        return ""
    rows = [line.split() for line in rest.split("\n") if line.strip()]
    if len(rows) != int(count) + 1 or len({len(row) for row in rows[1:]}) != 1:
        return ""
    if len(rows[1]) == len(rows[0]) + 1:  # the column of names has no header
        rows[0].insert(0, "file")
    return "\n".join("\t".join(row) for row in rows) + "\n"


def parsed(text: str, separator: str, name: str) -> list[tuple[int, list[str]]]:
    """Return all lines that are not empty, each with its number.

    Raises:
        UserError: if a quote is never closed, so that the rest would be one cell.
    """
    try:
        return list(_rows(text, separator, strict=True))
    except csv.Error as error:
        if "unexpected end" in str(error):
            raise UserError(f"{name} cannot be read as a table: a quote is opened and never closed.") from None
    try:
        return list(_rows(text, separator, strict=False))  # text after a closing quote does no harm
    except csv.Error as error:
        raise UserError(f"{name} cannot be read as a table ({error}); is a quote not closed?") from None


def _rows(text: str, separator: str, strict: bool) -> Iterator[tuple[int, list[str]]]:
    """Yield the lines that are not empty, each with its number."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True, strict=strict)
    for row in reader:
        cells = [cell.strip() for cell in row]
        if any(cells):
            yield reader.line_num, cells


def _header(text: str, name: str) -> tuple[list[str], str]:
    """Return the names of the columns and the separator: the first one that gives a column of
    files.
    """
    for separator in SEPARATORS:
        try:
            _, header = next(_rows(text, separator, strict=False), (0, []))
        except csv.Error:
            continue
        if any(_plain(column) in group for column in header for group in FILE_COLUMNS):
            return header, separator
    first = printable(text.lstrip().partition("\n")[0][:60])
    raise Foreign(
        f"{name} has no column `file`: its first line must name its columns, separated by {', '.join(SEPARATORS.values())}, "
        f"one of them file (or file_name, image, path); it begins with {first!r}."
    )


def _plain(column: str) -> str:
    return re.sub(r"[\W_]+", "", folded(column))


def _file_column(header: Sequence[str], name: str) -> int:
    """Return the number of the column of file names."""
    for group in FILE_COLUMNS:
        places = [k for k, column in enumerate(header) if _plain(column) in group]
        exact = [k for k in places if header[k] in ("file", "file_name")]
        if len(exact) == 1 or len(places) == 1:
            return (exact if len(exact) == 1 else places)[0]
        if places:
            several = " and ".join(printable(header[k]) for k in places[:3])
            raise UserError(
                f"{name} has the columns {several}; name the one with the images `file`, and rename the other."
            )
    raise Foreign(f"{name} has no column `file`; give that name to the column of file names.")


def _require_columns(columns: Sequence[str], name: str) -> None:
    """Check that the columns are few, and that no two have one name."""
    if len(columns) > COLUMNS:
        raise UserError(
            f"{name} has {len(columns):,} columns; the limit is {COLUMNS:,}. Keep only those that you need."
        )
    column, times = Counter(filter(None, columns)).most_common(1)[0] if any(columns) else ("", 0)
    if times > 1:
        raise UserError(f"{name} has {times} columns {printable(column[:60])}; rename all but one of them.")


def _lines(
    rows: Sequence[tuple[int, list[str]]],
    header: Sequence[str],
    place: int,
    kept: Sequence[int],
    name: str,
    skipped: int,
) -> tuple[list[Line], int]:
    """Return the lines below the header, and the number of lines without a file name."""
    lines, unnamed = [], 0
    for number, cells in rows[1:]:
        number += skipped
        if len(cells) > len(header) and any(cells[len(header) :]):
            raise UserError(
                f"Line {number:,} of {name} has {len(cells):,} cells, but the first line names {len(header):,} columns; "
                "put cells that hold the separator between double quotes."
            )
        cells += [""] * (len(header) - len(cells))
        file = cells[place]
        if "\n" in file or max(map(len, cells)) > LONGEST:
            raise UserError(f"{name} cannot be read as a table: a quote before line {number:,} is not closed.")
        if file:
            lines.append(Line(number, file, tuple(cells[k] for k in kept)))
        else:
            unnamed += 1
    return lines, unnamed


def _json_lines(text: str, name: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield number and values of each line of a JSON Lines file."""
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            value = parse_json(line)
        except ValueError as error:
            raise UserError(
                f"Line {number:,} of {name} is not JSON ({_reason(error)}); correct or remove it."
            ) from None
        if not isinstance(value, dict):
            raise UserError(
                f'Line {number:,} of {name} is no table; each line should be like {{"file_name": "1.png", "kind": "a"}}.'
            )
        yield number, value


def _reason(error: ValueError) -> str:
    return error.msg if isinstance(error, json.JSONDecodeError) else printable(str(error))


def _from_objects(objects: Iterable[tuple[int, dict[str, Any]]], name: str) -> Table:
    """Return the table of JSON objects, one for each image; a list of strings is a cell of tags,
    other structures are ignored.
    """
    objects = [(number, {column.strip(): cell for column, cell in row.items()}) for number, row in objects]
    header = list(dict.fromkeys(column for _, row in objects for column in row))
    if not any(_plain(column) in group for column in header for group in FILE_COLUMNS):
        raise Foreign(f"{name} has no entry `file_name`; each line must name its image with it.")
    files = header[_file_column(header, name)]
    _require_columns(header, name)
    columns = [column for column in header if column != files]
    structures = {
        c for c in columns for _, row in objects if isinstance(row.get(c), dict | list) and _cell(row[c]) is None
    }
    columns = [column for column in columns if column and column not in structures]
    lines, unnamed = [], 0
    for number, row in objects:
        file = row.get(files)
        if isinstance(file, str) and file.strip():
            lines.append(Line(number, file.strip(), tuple(_cell(row.get(column)) or "" for column in columns)))
        else:
            unnamed += 1
    notes = [f"{unnamed:,} lines of {name} name no file"] if unnamed else []
    if structures:
        shown = ", ".join(printable(column[:60]) for column in sorted(structures)[:3])
        notes.append(
            f"{shown} of {name} {'are structures' if len(structures) > 1 else 'is a structure'}, which no label can hold"
        )
    return Table(name, tuple(columns), lines, {}, False, tuple(notes))


def _cell(value: Any) -> str | None:
    """Return a JSON value as the text of a cell; None for a structure."""
    if value is None or value != value:  # NaN, which some programs write for an empty cell
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return SEVERAL.join(value) if all(isinstance(item, str) for item in value) else None
    return None if isinstance(value, dict) else str(value).strip()


def _labels_json(text: str, name: str) -> Table:
    """Return the table of a StyleGAN data set, {"labels": [["00000/1.png", 3], ...]}: a class, or a
    vector of numbers, for each file.
    """
    try:
        content = parse_json(text)
    except ValueError as error:
        raise UserError(f"{name} is not JSON ({_reason(error)}); write it again.") from None
    if isinstance(content, list) and content and all(isinstance(row, dict) for row in content):
        return _from_objects(enumerate(content, 1), name)
    labels = content.get("labels") if isinstance(content, dict) else None
    if isinstance(labels, dict):
        labels = list(labels.items())
    if not labels:
        raise Foreign(f'{name} has no labels; it should be like {{"labels": [["00000/1.png", 3]]}}.')
    if not isinstance(labels, list) or not all(_is_label(row) for row in labels):
        raise UserError(
            f'{name} has labels of a form that is not known; it should be like {{"labels": [["00000/1.png", 3]]}}.'
        )
    lengths = {len(label) if isinstance(label, list) else -1 for _, label in labels if label is not None}
    if len(lengths) > 1:
        raise UserError(f"{name} has labels of different lengths; all should be numbers, or vectors of one length.")
    length = lengths.pop() if lengths else -1
    if length < 0:
        columns, kinds = ["class"], {"class": "class"}
        lines = [Line(k, file, (_cell(label) or "",)) for k, (file, label) in enumerate(labels, 1)]
    else:
        columns = [f"label{k}" for k in range(length)]
        kinds = dict.fromkeys(columns, "number")
        lines = [Line(k, file, tuple(map(str, label or [""] * length))) for k, (file, label) in enumerate(labels, 1)]
    _require_columns(columns, name)
    return Table(name, tuple(columns), lines, kinds)


def _is_label(row: Any) -> bool:
    """Return True for a pair of a name and a class, a vector of numbers, or None."""
    if not isinstance(row, list | tuple) or len(row) != 2 or not isinstance(row[0], str) or not row[0].strip():
        return False
    if isinstance(row[1], list):
        return all(_is_number(item) for item in row[1])
    return row[1] is None or isinstance(row[1], str) or _is_number(row[1])


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
