"""Location of a run's data: found from any working directory, and again after the data or the run
was moved.

recipe.json travels with a run, so it names the data as the user did, and an absolute path by its
last part only. The note RUN/data.json holds the location where this machine last read it, as an
absolute path and relative to the run folder. Neither is trusted: the data's fingerprint is compared
when it is opened.

A run may be a stranger's, who could name any folder to be searched, or any file as its label table.
So a note carries a mark that only this user can make, with a key that stays in the cache. Without a
mark, data is searched near the run only, and read without following links that lead elsewhere.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from organza.data.described import wish
from organza.data.shards.place import is_remote
from organza.disk import cache_folder, make_folder, write_json
from organza.errors import UserError
from organza.untrusted import is_trusted, printable, read_bytes, read_json, require_inside

NOTE = "data.json"
NOTE_BYTES = 2**16
ABOVE = 3
"""Number of folders above a run's in which a relative path of recipe.json is searched."""
KEY = "marks.key"
KEY_BYTES = 32


def shared_name(data: str | Path) -> str:
    """Return the name of data for recipe.json: as the user gave it, without the folders of an
    absolute path.

    Of an address, neither user nor query are kept, which may be secret.

    >>> shared_name("sets/photos"), shared_name("/home/ada/photos"), shared_name("https://me:1@host/a.json?key=2")
    ('sets/photos', 'photos', 'https://host/a.json')
    """
    if is_remote(data):
        parts = urlsplit(str(data))
        return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
    path = Path(data)
    return path.name or str(path) if path.is_absolute() else str(data)


def places(content: Mapping[str, Any], run: str | Path) -> list[Path | str]:
    """Return the existing places where the data of a run may be, the most likely first.

    Args:
        content: contents of recipe.json.
        run: run folder.
    """
    folder, note, source = Path(run), _note(Path(run)), str(content["data"]["source"])
    own = _is_marked(note, content)
    if is_remote(note.get("path")) or is_remote(source):  # an address is asked only if this user named it
        return [note["path"]] if own and is_remote(note.get("path")) else []
    told = (
        [folder / note["beside"]] if "beside" in note and (own or not _is_absolute(note["beside"])) else []
    )  # first, so that a copied project uses its own data
    told += [Path(note["path"])] if "path" in note and own else []
    if source.strip() and (own or not _is_absolute(source)):
        told += [*([Path(source)] if own else []), *(above / source for above in _above(folder))]
    if not own:
        told = [place for place in told if _is_near(place, folder)]
    found: dict[Path, Path] = {}
    for place in told:
        try:
            real = place.resolve()
            is_run = (real / "recipe.json").is_file()
            if (
                real.exists() and not is_run and real != real.parent
            ):  # a whole disk is not data, and takes hours to search
                found.setdefault(real, real if place.is_absolute() else place)
        except (OSError, ValueError, RuntimeError):  # a name that is invalid on this system
            continue
    return list(found.values())


def locate(content: Mapping[str, Any], run: str | Path) -> Path | str:
    """Return the most likely place of a run's data.

    Args:
        content: contents of recipe.json.
        run: run folder.

    Raises:
        UserError: if the data is at none of the places that the run knows.
    """
    found = places(content, run)
    if not found:
        name = printable(str(content["data"]["source"]))
        raise UserError(
            f"The data of {run}, {name}, was not found: give its new location with `data`, "
            f"or train on it there: `organza.train(data, run={str(run)!r})`"
        )
    return found[0]


def remember(run: str | Path, data: str | Path) -> None:
    """Record where this machine reads the data of a run, unless the note already says so.

    Raises:
        UserError: if the run folder cannot be written.
    """
    folder = Path(run)
    if is_remote(data):
        note = {"path": str(data)}
    else:
        place = Path(data).resolve()
        note = {"path": str(place)}
        with suppress(ValueError):  # another drive
            note["beside"] = Path(os.path.relpath(place, folder.resolve())).as_posix()
    with suppress(OSError, ValueError, KeyError, TypeError):
        content = read_json(folder / "recipe.json", inside=folder)
        note["mark"] = _mark(_key(make=True), note, content)
    if _note(folder) != note:
        write_json(folder / NOTE, note)


def is_at(content: Mapping[str, Any] | None, run: str | Path, data: str | Path) -> bool:
    """Return True if a run was last trained on the data at this place, as far as the run shows.

    Args:
        content: contents of recipe.json; None if it cannot be read.
        run: run folder.
        data: place of the data.
    """
    note = _note(Path(run))
    if is_remote(data):
        return note.get("path") == data and (content is None or _is_marked(note, content))
    here = Path(data).resolve()
    if "path" in note and (content is None or _is_marked(note, content)):
        return here in (Path(note["path"]).resolve(), (Path(run) / note.get("beside", note["path"])).resolve())
    return content is not None and here in (Path(place).resolve() for place in places(content, run))


def is_own(content: Mapping[str, Any], run: str | Path) -> bool:
    """Return True if this user trained the run, or named its data, on this machine.

    Args:
        content: contents of recipe.json.
        run: run folder.
    """
    return _is_marked(_note(Path(run)), content)


def asked_of(content: Mapping[str, Any], run: str | Path, data: str | Path) -> dict[str, Any]:
    """Return the data settings in recipe.json, for the data at a place; unchanged for a run that
    `is_own`.

    For any other run, a label table is used only if it lies in the data or beside a file of it;
    links out of a folder are not followed.

    Args:
        content: contents of recipe.json.
        run: run folder.
        data: place of its data.

    Raises:
        UserError: if the table lies elsewhere.
    """
    asked = dict(content["asked"])
    if is_own(content, run):
        return asked
    table, columns = wish(asked["labels"])
    if table is not None:
        asked["labels"] = f"{_table_near(table, Path(data), Path(run))}{columns and ':' + columns}"
    return asked | {"follow_links": False}


def _table_near(table: str, data: Path, run: Path) -> str:
    """Return the path of a label table that a run names, in its data or beside a file of it."""
    home = data if data.is_dir() else data.parent
    relative = not _is_absolute(table) and ".." not in Path(table).parts
    names: list[str] = [table] if relative else []
    for name in [*names, table.replace("\\", "/").rpartition("/")[2]]:
        with suppress(OSError, ValueError):
            if os.path.lexists(home / name):
                require_inside(home / name, home)
                return str(home / name)
    if relative and data.is_file() and not os.path.lexists(table):  # a member of a zip
        return table
    raise UserError(
        f"The labels of {run} are in the table {printable(table[:200])}, which is not read because it does not lie in its data: "
        f"put it into {data}, or train on the data once and name the table with `labels`."
    )


def _is_absolute(path: str) -> bool:
    """Return True if a path is absolute on any system; on Windows, probing a network path contacts
    its server.
    """
    return path.startswith(("/", "\\")) or path[1:2] == ":" or Path(path).is_absolute()


def _is_near(place: Path, folder: Path) -> bool:
    """Return True if a place lies in the folder of a run or one of those above it, up to the user's
    home, which is excluded.
    """
    try:
        home: Path | None = Path.home().resolve()
    except (RuntimeError, KeyError):
        home = None
    lexical = Path(os.path.abspath(place))  # noqa: PTH100 (does not access the disk)
    roots = [root for root in _above(folder) if root != root.parent and not (home and home.is_relative_to(root))]
    if not any(_is_inside(lexical, root) for root in roots):
        return False
    try:
        real = lexical.resolve()
    except (OSError, ValueError, RuntimeError):  # a name that is invalid on this system, or a link to itself
        return False
    return any(_is_inside(real, root) for root in roots)


def _is_inside(path: Path, root: Path) -> bool:
    """Return True if a path lies below a folder, by its first parts: a stranger's path may have
    thousands, and `parents` builds a path of each.
    """
    return len(path.parts) > len(root.parts) and Path(*path.parts[: len(root.parts)]) == root


def _is_marked(note: Mapping[str, str], content: Mapping[str, Any]) -> bool:
    with suppress(OSError, ValueError, KeyError, TypeError, UserError):
        return "mark" in note and hmac.compare_digest(note["mark"], _mark(_key(), note, content))
    return False


def _mark(key: bytes, note: Mapping[str, str], content: Mapping[str, Any]) -> str:
    """Return the mark of a note, over its places and the data settings of this run."""
    told = [note.get("path"), note.get("beside"), content["data"]["fingerprint"], content["asked"]["labels"]]
    told.append(bool(content["asked"].get("follow_links")))
    return hmac.new(key, json.dumps(told).encode(), hashlib.sha256).hexdigest()


def _key(make: bool = False) -> bytes:
    """Return the key for this user's marks.

    Raises:
        OSError, UserError: if there is none, or none that only this user can have made.
    """
    path = cache_folder() / KEY
    if make and not os.path.lexists(path):
        make_folder(path.parent)
        with suppress(FileExistsError):
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
            try:
                os.write(descriptor, secrets.token_bytes(KEY_BYTES))
            finally:
                os.close(descriptor)
    if path.is_symlink() or not is_trusted(path):
        raise PermissionError(f"{path} is not this user's")
    key = read_bytes(path, KEY_BYTES)
    if len(key) < KEY_BYTES:
        raise ValueError(f"{path} is cut short")
    return key


def _above(folder: Path) -> list[Path]:
    real = folder.resolve()
    return [real, *real.parents[:ABOVE]]


def _note(folder: Path) -> dict[str, str]:
    """Return the contents of RUN/data.json; empty if it does not exist or cannot be used."""
    try:
        content = read_json(folder / NOTE, inside=folder, most=NOTE_BYTES)
    except (OSError, ValueError):
        return {}
    if not isinstance(content, dict):
        return {}
    return {key: value for key, value in content.items() if key in ("path", "beside", "mark") and _possible(value)}


def _possible(value: Any) -> bool:
    """Return True if a value is a text that can be a path on this system."""
    if not isinstance(value, str) or not value.strip() or "\0" in value:
        return False
    try:
        os.fsencode(value)
    except UnicodeEncodeError:
        return False
    return True
