"""Places of exported folders: a path, a generator of this package (builtin:faces), or an address on the hub (hf://USER/NAME).

>>> folder_at("builtin:faces").path.name
'faces'
"""

from __future__ import annotations

from pathlib import Path

from organza.errors import UserError, nearest
from organza.export import hub
from organza.export.folder import ExportedFolder

BUILTIN = "builtin:"
PACKAGED = Path(__file__).with_name("builtin")
"""Folder of the generators that come with this package."""
OUTPUTS = Path("generated")
"""Folder for the outputs of a generator whose own folder is not the user's."""


def folder_at(place: str | Path) -> ExportedFolder | None:
    """Return the exported folder at a place; None if a path leads to none.

    A folder on the hub is downloaded, which is announced with its size and sha256; a path never is.

    Args:
        place: path, builtin:NAME, or hf://USER/NAME@REVISION.

    Raises:
        UserError: if there is no such generator in the package, or the folder cannot be downloaded: see `hub.fetched`.
    """
    if isinstance(place, str) and place.startswith(BUILTIN):
        if place not in (names := packaged()):
            raise UserError(f"There is no {place}; choose from {', '.join(names)}.{nearest(place, names)}")
        name = place.removeprefix(BUILTIN)
        return ExportedFolder(PACKAGED / name, outputs=OUTPUTS / name)
    if isinstance(place, str) and place.startswith(hub.PREFIX):
        folder = hub.fetched(hub.Address.of(place))
        return ExportedFolder(folder, outputs=OUTPUTS / folder.name)
    return ExportedFolder(place) if ExportedFolder.is_at(place) else None


def is_address(place: str | Path) -> bool:
    """Return True if a text is the address of an exported folder, and no path.

    >>> is_address("hf://user/faces"), is_address("user/faces")
    (True, False)
    """
    return isinstance(place, str) and place.startswith((BUILTIN, hub.PREFIX))


def packaged() -> tuple[str, ...]:
    """Return the addresses of the generators in this package.

    >>> packaged()
    ('builtin:faces',)
    """
    return tuple(f"{BUILTIN}{path.name}" for path in sorted(PACKAGED.glob("*")) if ExportedFolder.is_at(path))
