"""Furniture: 920 meshes of chairs, tables, beds, lamps, cups, cars ... from Debian's packages
sweethome3d and sweethome3d-furniture.

The catalogues are zips with a table of properties and OBJ files. Licences: CC BY 3.0 (Scopia, Kator
Legaz, Reallusion, BlendSwap-CC-BY), public domain (BlendSwap-CC-0), GPL 2 or later (the program's
own hundred, Copyright (c) Emmanuel Puybaret / eTeks). Each is written beside the meshes.
http://www.sweethome3d.com.
"""

from __future__ import annotations

import csv
import re
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from organza.data.builtin.atomic_folder import whole
from organza.disk import safe_name
from organza.errors import UserError
from organza.progress import Progress

DEBIAN = Path("/usr/share/sweethome3d")  # location of the packages' catalogues
TABLES = ("PluginFurnitureCatalog.properties", "com/eteks/sweethome3d/io/DefaultFurnitureCatalog.properties")
PACKAGES = "apt-get install sweethome3d sweethome3d-furniture"


class Piece(NamedTuple):
    """One object of a catalogue."""

    catalogue: str
    name: str
    category: str
    creator: str
    model: str  # name of its OBJ file in the catalogue
    turned: np.ndarray  # rotation that turns it upright and towards the viewer, [3, 3]
    size: np.ndarray  # width, height and depth in centimetres


def furniture(
    out: str | Path, source: str | Path | None = None, only: Sequence[str] = (), progress: Progress | None = None
) -> int:
    """Write the meshes as OBJ files in folders by category, upright and in centimetres, with a
    table and licences; return their number.

    Args:
        out: new or empty folder; it appears complete or not at all.
        source: folder with the catalogues (.sh3f, sweethome3d.jar), at any depth; None uses the
            location of Debian's packages.
        only: words that select objects by name: chair, table ...; empty selects all.
        progress: callback (task, done, total).

    Raises:
        UserError: if there are no catalogues, no object matches, or the folder holds other files.

    >>> furniture("furniture", only=["chair", "sofa"])    # doctest: +SKIP
    89
    """
    folder = Path(out)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f"{folder} is not an empty folder; name a new one.")
    place = DEBIAN if source is None else Path(source)
    catalogues = sorted([*place.rglob("*.sh3f"), *place.rglob("sweethome3d*.jar")])
    if not catalogues:
        raise UserError(
            f"There are no furniture catalogues in {place}: install Debian's packages ({PACKAGES}), or name the folder that holds "
            "their .sh3f files with `source`."
        )
    pieces = {path: [p for p in pieces_of(path) if _asked(p.name, only)] for path in catalogues}
    total = sum(map(len, pieces.values()))
    if not total:
        raise UserError(
            f"No object in {place} has any of the words {', '.join(only)} in its name; try chair, table, sofa."
        )
    with whole(folder) as aside:
        _write(aside, pieces, total, progress)
    return total


def pieces_of(catalogue: Path) -> list[Piece]:
    """Return the objects of a catalogue, in the order of their numbers.

    Raises:
        UserError: if it is not a catalogue.
    """
    try:
        with zipfile.ZipFile(catalogue) as archive:
            table = next(name for name in TABLES if name in archive.namelist())
            facts = properties(archive.read(table).decode("latin-1"))
    except (zipfile.BadZipFile, OSError, StopIteration):
        raise UserError(
            f"{catalogue} is not a furniture catalogue: it is damaged or has no table; install it again."
        ) from None
    numbers = sorted(int(key.split("#")[1]) for key in facts if key.startswith("model#"))
    found = []
    for n in numbers:
        turned = np.array(facts.get(f"modelRotation#{n}", "1 0 0 0 1 0 0 0 1").split(), float).reshape(3, 3)
        size = np.array([float(facts.get(f"{side}#{n}", 100)) for side in ("width", "height", "depth")])
        name, category, creator = (facts.get(f"{key}#{n}", "") for key in ("name", "category", "creator"))
        found.append(Piece(catalogue.stem, name, category, creator, facts[f"model#{n}"].lstrip("/"), turned, size))
    return found


def properties(text: str) -> dict[str, str]:
    r"""Return a Java properties file as a dict.

    >>> properties("# note\nname#1=Two\\\n  words\nsize#1 = 3")
    {'name#1': 'Twowords', 'size#1': '3'}
    """
    lines = re.sub(r"\\\r?\n\s*", "", text).splitlines()
    pairs = (line.partition("=") for line in lines if line.strip() and line.lstrip()[0] not in "#!")
    return {
        key.strip(): re.sub(r"\\u([0-9a-fA-F]{4})", lambda m: chr(int(m[1], 16)), value.strip())
        for key, _, value in pairs
    }


def upright(obj: str, turned: np.ndarray, size: np.ndarray) -> str:
    """Reduce an OBJ file to its surface: rotated, resting on y = 0, centred, stretched to a width,
    height and depth.

    >>> upright("v 0 0 0\\nv 2 0 0\\nv 0 4 0\\nvn 0 0 1\\nf 1//1 2//1 3//1", np.eye(3), np.array([1, 1, 1])).splitlines()
    ['v -0.50 0.00 0.00', 'v 0.50 0.00 0.00', 'v -0.50 1.00 0.00', 'f 1 2 3']
    """
    lines = obj.replace("\\\n", " ").splitlines()
    words = " ".join(line.lstrip("v ") for line in lines if line.startswith("v ")).split()
    each = len(words) // max(
        1, sum(line.startswith("v ") for line in lines)
    )  # some files have a fourth coordinate, or a colour
    vertices = np.array(words, float).reshape(-1, max(each, 3))[:, :3] @ turned.T
    low, extent = (vertices.min(0), np.ptp(vertices, axis=0)) if len(vertices) else (0, np.ones(3))
    vertices = (vertices - low) * np.divide(size, extent, out=np.zeros(3), where=extent > 0)
    vertices -= (np.ptp(vertices, axis=0) if len(vertices) else 0) / 2 * np.array([1, 0, 1])
    points = ("v %.2f %.2f %.2f\n" * len(vertices)) % tuple((vertices + 0.0).reshape(-1))
    faces = "\n".join(line for line in lines if line.startswith("f "))
    return points + re.sub(r"/[^\s]*", "", faces) + "\n"


def _asked(name: str, only: Sequence[str]) -> bool:
    words = re.findall(r"[a-z]+", name.lower())
    return not only or any(word.lower() in words for word in only)


def _write(folder: Path, pieces: dict[Path, list[Piece]], total: int, progress: Progress | None) -> None:
    """Write the meshes, their labels, the licences and the attribution to a folder."""
    rows, done = [], 0
    for catalogue, some in pieces.items():
        with zipfile.ZipFile(catalogue) as archive:
            (folder / f"LICENSE-{catalogue.stem}.txt").write_bytes(archive.read("LICENSE.TXT"))
            for piece in some:
                name = _file_name(piece, rows)
                (folder / name).parent.mkdir(exist_ok=True)
                obj = upright(archive.read(piece.model).decode("latin-1"), piece.turned, piece.size)
                (folder / name).write_text(
                    f"# {piece.name}, by {piece.creator}, from {piece.catalogue}\n{obj}", encoding="utf-8", newline="\n"
                )
                rows.append((name, piece.name, piece.category, piece.creator, piece.catalogue))
                done += 1
                if progress:
                    progress("writing meshes", done, total)
    with (folder / "labels.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("file", "name", "category", "creator", "catalogue"), *rows])
    (folder / "ATTRIBUTION.txt").write_text("\n".join(_attribution(pieces)) + "\n", encoding="utf-8", newline="\n")


def _file_name(piece: Piece, rows: Sequence[tuple[str, ...]]) -> str:
    """Return category/name.obj, with a number if the name is taken."""
    plain = (re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") for text in (piece.category, piece.name))
    stem = "/".join(safe_name(text) for text in plain)
    taken = {row[0] for row in rows}
    names = (f"{stem}.obj" if n == 1 else f"{stem}-{n}.obj" for n in range(1, len(rows) + 2))
    return next(name for name in names if name not in taken)


def _attribution(pieces: dict[Path, list[Piece]]) -> Iterator[str]:
    """Yield the lines of ATTRIBUTION.txt, with the authors of each catalogue."""
    yield "Meshes from the catalogues of Sweet Home 3D (http://www.sweethome3d.com), as Debian packages them."
    yield "Each catalogue's licence stands beside this file. The meshes were changed: reduced to their surface,"
    yield "turned upright and stretched to the size that the catalogue names."
    for catalogue, some in pieces.items():
        makers = sorted({piece.creator for piece in some if piece.creator})
        yield f"\n{catalogue.stem} (LICENSE-{catalogue.stem}.txt): {len(some)} objects, by {', '.join(makers) or 'unnamed authors'}."
