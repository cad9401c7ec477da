"""Where the data of a run is: found from any working directory, and again after the data or the run was moved.

recipe.json goes from hand to hand with a run, so it names the data as the user did, and an absolute path by its last part alone. The note
RUN/data.json says where this machine last read it, as an absolute path and as one from the run's folder. Neither is believed: whoever
opens the data compares its fingerprint.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from organza.disk import write_json
from organza.errors import UserError
from organza.shell import quoted
from organza.untrusted import printable, read_json

NOTE = "data.json"
NOTE_BYTES = 2**16
ABOVE = 3
"""Folders above a run's in which a relative path of recipe.json is looked for."""


def shared_name(data: str | Path) -> str:
    """Return the name of data for recipe.json: as it was typed, without the folders of an absolute path.

    >>> shared_name("sets/photos"), shared_name("/home/ada/photos")
    ('sets/photos', 'photos')
    """
    path = Path(data)
    return path.name or str(path) if path.is_absolute() else str(data)


def places(content: Mapping[str, Any], run: str | Path) -> list[Path]:
    """Return the places where the data of a run may be, of those that exist, the likeliest first.

    Args:
        content: what recipe.json says.
        run: folder of the run.
    """
    folder, note, source = Path(run), _note(Path(run)), str(content["data"]["source"])
    told = (
        [folder / note["beside"]] if "beside" in note else []
    )  # first: a project that is copied as a whole has data of its own
    told += [Path(note["path"])] if "path" in note else []
    if source.strip():
        told += [Path(source), *(above / source for above in _above(folder))]
    found: dict[Path, Path] = {}
    for place in told:
        try:
            real = place.resolve()
            is_run = (real / "recipe.json").is_file()
            if (
                real.exists() and not is_run and real != real.parent
            ):  # a disk is nobody's data, and takes hours to look through
                found.setdefault(real, real if place.is_absolute() else place)
        except (OSError, ValueError, RuntimeError):  # a name that this system cannot have
            continue
    return list(found.values())


def locate(content: Mapping[str, Any], run: str | Path) -> Path:
    """Return the likeliest place of a run's data.

    Args:
        content, run: see `places`.

    Raises:
        UserError: the data is at none of the places that the run knows of.
    """
    found = places(content, run)
    if not found:
        name = printable(str(content["data"]["source"]))
        raise UserError(
            f"The data of {run}, {name}, is not where it was: name its folder with --data, "
            f"or train on it where it is now: organza train DATA --run {quoted(run)}"
        )
    return found[0]


def remember(run: str | Path, data: str | Path) -> None:
    """Write down where this machine reads the data of a run; nothing is written where the note says so already.

    Raises:
        UserError: the run's folder cannot be written.
    """
    folder, place = Path(run), Path(data).resolve()
    note = {"path": str(place)}
    with suppress(ValueError):  # another drive
        note["beside"] = Path(os.path.relpath(place, folder.resolve())).as_posix()
    if _note(folder) != note:
        write_json(folder / NOTE, note)


def is_at(content: Mapping[str, Any] | None, run: str | Path, data: str | Path) -> bool:
    """Return True if a run was last trained on the data at this place, as far as it tells.

    Args:
        content: what recipe.json says; None where it cannot be read.
        run: folder of the run.
        data: place of the data.
    """
    here, note = Path(data).resolve(), _note(Path(run))
    if "path" in note:
        return here in (Path(note["path"]).resolve(), (Path(run) / note.get("beside", note["path"])).resolve())
    return content is not None and here in (place.resolve() for place in places(content, run))


def _above(folder: Path) -> list[Path]:
    real = folder.resolve()
    return [real, *real.parents[:ABOVE]]


def _note(folder: Path) -> dict[str, str]:
    """Return what RUN/data.json says; nothing where there is none, or none that can be used."""
    try:
        content = read_json(folder / NOTE, inside=folder, most=NOTE_BYTES)
    except (OSError, ValueError):
        return {}
    if not isinstance(content, dict):
        return {}
    return {key: value for key, value in content.items() if key in ("path", "beside") and _possible(value)}


def _possible(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip()) and "\0" not in value
