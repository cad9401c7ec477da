"""Default run folder of data: one that belongs to this data, or else the first free one.

runs/NAME, then runs/NAME-2 and so on: faces.v1 and faces.v2, data and data.zip, x/pics and y/pics
never share one by accident.
"""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath
from typing import NamedTuple
from urllib.parse import urlsplit

from organza.data.location import asked_of, is_at
from organza.data.shards.place import is_remote
from organza.data.source import Source
from organza.data.vector_files import ENDINGS
from organza.errors import UserError, told
from organza.recipe import recorded
from organza.run.folder import RunFolder

RUNS = Path("runs")
LONGEST = 100  # largest number of characters of a run's name
MOST = 1000  # largest number of runs of one name


class DefaultRun(NamedTuple):
    """A run folder, and a note if its name differs from the data's; "" if it does not, or the run
    has begun.
    """

    folder: RunFolder
    note: str = ""


def default_run(data: str | Path) -> DefaultRun:
    """Return the run folder of data.

    Args:
        data: folder, zip or array file, which may not exist.

    Raises:
        UserError: if a thousand runs have this name already.
    """
    name = name_of(data)
    known = [(folder, _content(folder)) for folder in map(RunFolder, _existing(name, data)) if folder.exists]
    for folder, content in known:
        if is_at(content, folder.path, data):
            return DefaultRun(folder)
    for folder, content in known:
        if content is not None and _is_of(folder.path, content, data):
            return DefaultRun(folder)
    for number in range(1, MOST):
        folder = RunFolder(RUNS / (name if number == 1 else f"{name}-{number}"))
        if folder.is_free:
            taken = RUNS / name
            why = "belongs to other data" if (taken / "recipe.json").exists() else "holds something else"
            return DefaultRun(folder, "" if number == 1 else f"{taken} {why}, so this run is {folder.path}")
    raise UserError(f"There are {MOST - 1} runs named {RUNS / name} already; name another folder with `run`.")


def name_of(data: str | Path) -> str:
    """Return the name of a run on data: that of its folder, or of its file without the extension,
    valid on every system.

    >>> [name_of(name) for name in ("sets/faces.v1", "photos.zip", "a: b?", "con")]
    ['faces.v1', 'photos', 'a_ b_', 'con_']
    """
    path = _as_path(data)
    name = path.stem if path.suffix.lower() in (".zip", *ENDINGS) else path.name
    kept = re.sub(r'[<>:"/\\|?*]', "_", "".join(c if c.isprintable() else "_" for c in name))[:LONGEST].rstrip(". ")
    reserved = re.fullmatch(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", kept, re.IGNORECASE)  # devices on Windows
    return f"{kept}_" if reserved else kept or "data"


def _as_path(data: str | Path) -> Path:
    """Return the path of data; of an address, its path without the manifest."""
    if not is_remote(data):
        return Path(data).resolve()
    path = PurePosixPath(urlsplit(str(data)).path)
    return Path((path.parent if path.suffix == ".json" else path).name or "data")


def _existing(name: str, data: str | Path) -> list[Path]:
    """Return the folders in which a run on this data may have begun, those with names by earlier
    versions last.
    """
    path = _as_path(data)
    numbered = []
    for place in (
        RUNS.iterdir() if RUNS.is_dir() else ()
    ):  # a removed run leaves a gap, so later numbers are searched too
        if found := re.fullmatch(rf"{re.escape(name)}-([0-9]{{1,4}})", place.name):
            numbered.append((int(found[1]), place))
    earlier = [RUNS / other for other in (path.name, path.stem) if other and other != name]
    return [RUNS / name, *(place for _, place in sorted(numbered)), *dict.fromkeys(earlier)]


def _content(folder: RunFolder) -> dict | None:
    try:
        return folder.read()
    except UserError:  # reported when this run is opened
        return None


def _is_of(run: Path, content: dict, data: str | Path) -> bool:
    """Return True if a run was trained on the content of this data, at any location: it is opened
    as the run opened its own.
    """
    try:
        with told("another recipe"):
            source = Source.remembered(data, asked_of(content, run, data))
            return recorded(content["recipe"]).data(source).is_same(content["data"]["fingerprint"])
    except UserError:
        return False
