"""The folders that the user named: runs and data are looked up in them by name, and nothing outside of
them is read or written.

A name that a page sends is compared with a listing, never joined to a path unseen; links are followed
and must stay inside.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from organza.disk import LONGEST_NAME, safe_name
from organza.errors import UserError, nearest
from organza.untrusted import Refused, printable, require_inside

MOST = 2_000
"""Largest number of names read from one folder."""
DEEPEST = 12
IMAGES = frozenset(
    [".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".heic", ".avif", ".ppm", ".pgm", ".npy"]
)
"""Endings counted as images in a listing; `data check` decides by content."""
TABLES = frozenset([".csv", ".tsv"])


@dataclass(frozen=True)
class Roots:
    """Folders of a studio.

    Args:
        runs: folder of runs.
        data: folders in which data may lie, by the names that the page shows.
    """

    runs: Path
    data: dict[str, Path] = field(default_factory=dict)

    @classmethod
    def of(cls, runs: str | Path, data: tuple[str | Path, ...]) -> Roots:
        """Return the roots, resolved once.

        Raises:
            UserError: if a data folder does not exist, or the folder of runs is a file.
        """
        home = Path(runs).resolve()
        if home.exists() and not home.is_dir():
            raise UserError(f"{runs} is a file; give the folder that holds your runs, such as runs.")
        named: dict[str, Path] = {}
        for place in data:
            real = Path(place).resolve()
            if not real.is_dir():
                raise UserError(f"{place} is no folder; --data must name a folder in which your data lie.")
            name = printable(real.name or str(real))
            while name in named:
                name += "'"
            named[name] = real
        return cls(home, named)

    def names(self) -> list[str]:
        """Return the names of the runs and exported folders, in alphabetical order."""
        try:
            with os.scandir(self.runs) as items:
                listed = [item.name for item, _ in zip(items, range(MOST), strict=False)]
        except OSError:
            return []
        return sorted(name for name in listed if name.isprintable() and self._is_run(self.runs / name))

    def run(self, name: str) -> Path:
        """Return the folder of a run.

        Raises:
            UserError: if there is no such run.
        """
        if not _is_name(name) or not self._is_run(self.runs / name):
            known = self.names()
            raise UserError(f"There is no run {printable(name[:80])} in {self.runs}.{nearest(name, known)}")
        return self.runs / name

    def new_run(self, name: str) -> Path:
        """Return the folder for a new run.

        Raises:
            UserError: if the name is not a name of a folder, or is in use.
        """
        return _new(self.runs, name, "run")

    def _is_run(self, folder: Path) -> bool:
        try:
            require_inside(folder, self.runs)
            return kind_of(folder) != ""
        except OSError:
            return False

    def folder(self, root: str, path: str) -> Path:
        """Return a folder or file of data.

        Args:
            root: name of a data folder.
            path: path in it, with slashes; "" is the folder itself.

        Raises:
            UserError: if there is none, or it leads out of the data folder.
        """
        home = self.data.get(root)
        parts = [part for part in path.split("/") if part]
        if home is None or len(parts) > DEEPEST or not all(map(_is_name, parts)):
            raise UserError(f"{printable(f'{root}/{path}'[:120])} is in none of the studio's data folders.")
        place = home.joinpath(*parts)
        try:
            require_inside(place, home)
            if not place.exists():
                raise Refused(place, "it does not exist")
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            raise UserError(f"{printable(f'{root}/{path}'[:120])} cannot be opened: {reason}.") from None
        return place

    def new_data(self, name: str) -> Path:
        """Return a folder for new data, in the first data folder.

        Raises:
            UserError: if there is no data folder, or the name is invalid or in use.
        """
        if not self.data:
            raise UserError("The studio has no data folder; start it with --data FOLDER.")
        return _new(next(iter(self.data.values())), name, "data")


def kind_of(folder: Path) -> str:
    """Return "run" for a run folder, "export" for an exported folder, "begun" for one in which a studio
    started a run that has written nothing yet, "" for others.
    """
    if os.path.lexists(folder / "recipe.json"):
        return "run"
    has = {name for name in ("config.json", "manifest.json", "generator.safetensors") if (folder / name).is_file()}
    if "config.json" in has and len(has) > 1:
        return "export"
    return "begun" if (folder / ".studio" / "command.json").is_file() else ""


def listed(folder: Path) -> tuple[list[str], int]:
    """Return the names of a folder's subfolders, archives and tables, and the number of its images.

    An array file is an image among others, and a table if it is the only one.
    """
    folders, images, arrays = [], 0, []
    with os.scandir(folder) as items:
        for item, _ in zip(items, range(100_000), strict=False):
            if item.name.startswith(".") or not item.name.isprintable():
                continue
            ending = os.path.splitext(item.name)[1].lower()  # noqa: PTH122 (a Path for each of 100,000 names is slow)
            if item.is_dir() or ending in (".zip", ".npz") or (ending in TABLES and item.name != "labels.csv"):
                folders.append(item.name)
            else:
                images += ending in IMAGES
                arrays += [item.name] if ending == ".npy" else []
    if len(arrays) == 1:
        folders, images = folders + arrays, images - 1
    return sorted(folders)[:MOST], images


def first_images(folder: Path, most: int) -> Iterator[str]:
    """Yield names of images in a folder, or in its first subfolders with images, relative to it."""
    names = sorted(entry.name for entry in folder.iterdir() if not entry.name.startswith("."))[:MOST]
    files = [name for name in names if Path(name).suffix.lower() in IMAGES]
    if files:
        yield from files[:: max(1, len(files) // most)][:most]
        return
    for name in names[:8]:
        if (folder / name).is_dir() and not (folder / name).is_symlink():
            inner = sorted(e.name for e in (folder / name).iterdir() if Path(e.name).suffix.lower() in IMAGES)
            yield from (f"{name}/{one}" for one in inner[: max(1, most // 4)])


def _is_name(name: str) -> bool:
    """Return True if a text is the name of one file or folder, not hidden and without separators."""
    return (
        name.isprintable()  # first: half of a surrogate pair cannot be encoded
        and 0 < len(os.fsencode(name)) <= LONGEST_NAME
        and not name.startswith(".")
        and not set(name) & set("/\\:")
    )


def _new(home: Path, name: str, what: str) -> Path:
    """Return the path of a new folder. Raises UserError if the name is invalid or taken."""
    name = name.strip()
    if not _is_name(name) or safe_name(name) != name or name.startswith("-"):
        raise UserError(
            f"{printable(name[:80]) or 'An empty text'} is not a name for a {what} folder; use letters, digits and -."
        )
    place = home / name
    try:
        require_inside(place, home)
    except OSError as error:
        raise UserError(f"{name} cannot be used: {error.strerror}; choose another name.") from None
    if os.path.lexists(place) and not (what == "run" and place.is_dir() and not any(place.iterdir())):
        raise UserError(f"{name} exists already in {home}; choose another name.")
    return place
