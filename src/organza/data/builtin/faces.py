"""Cartoon faces: example data rendered from vector artwork, without a download."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from importlib import resources
from importlib.util import find_spec
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import Any

from organza.data.builtin.face_drawing import ASIDE, KINDS, Attributes, artist_for, draw_faces, file_of
from organza.disk import discard, rename
from organza.errors import UserError, nearest
from organza.progress import Progress

FEW = 200  # faces that are drawn faster than a worker process starts
NOTE = ".faces.json"  # settings of a folder of faces
APART: dict[str, Any] = (
    {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP} if sys.platform == "win32" else {"process_group": 0}
)


def render_faces(
    out: str | Path,
    count: int = 20_000,
    size: int = 64,
    style: str = "adventurer",
    seed: int = 0,
    workers: int | None = None,
    progress: Progress | None = None,
) -> Path:
    """Render faces as 00000.png ..., with labels.csv (the parts of each) and ATTRIBUTION.txt (the
    artists of the artwork).

    Face k depends on (style, size, seed, k) only, not on the count or the number of workers.

    Args:
        out: new or empty folder, or one of an interrupted rendering, which is completed or
            extended.
        count: number of faces.
        size: pixels on each side, 8 to 4096.
        style: DiceBear style.
        seed: random seed of the series.
        workers: number of processes; one for each core by default.
        progress: callback (task, done, total).

    Raises:
        UserError: if the style is unknown, packages are missing, the folder holds other files, or
            the count or size is out of range.

    >>> render_faces("faces", count=500, size=64)    # doctest: +SKIP
    PosixPath('faces')
    """
    return _rendered(Path(out), {"style": style, "seed": seed, "size": size}, count, workers, progress)


def render_pairs(
    out: str | Path,
    count: int = 5_000,
    size: int = 64,
    kind: str = "drawing",
    style: str = "adventurer",
    seed: int = 0,
    workers: int | None = None,
    progress: Progress | None = None,
) -> Path:
    """Render faces twice: a/00000.png ... as line drawings without colours, b/00000.png ... in
    colour, as `render_faces` does.

    Args:
        out: output folder: see `render_faces`.
        count: number of pairs.
        size: pixels on each side: see `render_faces`.
        kind: "drawing", the artwork's own lines, for styles drawn with dark lines; "hints", with a
            few dabs of each large colour; "edges", computed from the colours, for all styles.
        style: DiceBear style.
        seed: random seed; b/ holds the faces of `render_faces` with this seed.
        workers: number of processes; one for each core by default.
        progress: callback (task, done, total).

    Raises:
        UserError: if the kind is unknown; also as in `render_faces`.

    >>> render_pairs("pairs", count=500)    # doctest: +SKIP
    PosixPath('pairs')
    """
    if kind not in KINDS:
        raise UserError(
            f"There is no kind {kind} of line drawings; choose from {', '.join(KINDS)}.{nearest(kind, KINDS)}"
        )
    return _rendered(Path(out), {"style": style, "seed": seed, "size": size, "kind": kind}, count, workers, progress)


def _rendered(folder: Path, order: dict[str, Any], count: int, workers: int | None, progress: Progress | None) -> Path:
    """Render the faces of an order (style, seed, size, and for pairs their kind) and return the
    folder.
    """
    size, what = order["size"], "pairs" if "kind" in order else "faces"
    if count < 1 or not 8 <= size <= 4096:
        raise UserError(f"count is {count} and size {size}; count must be at least 1, and size from 8 to 4096.")
    definition = style_definition(order["style"])
    if _claim(folder, order, count):
        return folder
    rows: dict[int, Attributes] = {}
    try:
        for k, parts in _drawn(folder, {**order, "definition": definition}, count, workers or os.cpu_count() or 1):
            rows[k] = parts
            if progress:
                progress(f"rendering {what}", len(rows), count)
        _write_labels(folder, columns(definition), [{"file": file_of(k), **rows[k]} for k in range(count)])
        told = attribution(order["style"], definition, order.get("kind"))
        (folder / "ATTRIBUTION.txt").write_text(told, encoding="utf-8", newline="\n")
        _note(folder, order, count)
    except OSError as error:
        raise UserError(
            f"{folder} cannot be written: {error.strerror or error}. Free disk space or name another folder; finished {what} are kept."
        ) from error
    return folder


def style_definition(style: str) -> dict[str, Any]:
    """Return the vector artwork of a DiceBear style, from its package.

    Raises:
        UserError: if the style is unknown, or the packages are not installed.
    """
    if not all(find_spec(package) for package in ("dicebear", "dicebear_styles", "resvg_py")):
        raise UserError(
            "Faces are rendered by three small packages that are not installed: pip install 'organza[faces]'."
        )
    folder = resources.files("dicebear_styles")
    known = sorted(item.name.removesuffix(".json") for item in folder.iterdir() if item.name.endswith(".json"))
    if style not in known:
        raise UserError(f"There is no style {style}.{nearest(style, known)} Choose from {', '.join(known)}.")
    return json.loads((folder / f"{style}.json").read_text("utf-8"))


def attribution(style: str, definition: dict[str, Any], kind: str | None = None) -> str:
    """Return the attribution: artist, changes, and licence of the images."""
    in_a = {
        "drawing": "lines alone, without colours",
        "hints": "lines, with a few dabs of each large colour",
        "edges": "edges, computed from b/",
    }
    lines_too = f" those in a/ show its {in_a[kind]};" if kind else ""
    meta = definition.get("meta", {})
    source, creator, licence = (meta.get(key) or {} for key in ("source", "creator", "license"))
    lines = [
        f"These pictures were rendered by Organza from the DiceBear style {style};{lines_too} "
        "cut and scaled, otherwise unchanged.",
        f"Artwork: {source.get('name', style)} {source.get('url', '')}",
        f"Creator: {creator.get('name', 'unknown')} {creator.get('url', '')}",
        f"Licence: {licence.get('name', 'not stated by the style')} {licence.get('url', '')}",
        str(licence.get("text", "")),
    ]
    return "\n".join(line.rstrip() for line in lines if line.strip()) + "\n"


def columns(definition: dict[str, Any]) -> list[str]:
    """Return the names of the parts and colours of a style that differ between faces."""
    parts = [
        name
        for name, part in definition.get("components", {}).items()
        if len(part.get("variants", ())) > 1 or part.get("probability", 100) < 100 or "extends" in part
    ]
    colours = [name for name, colour in definition.get("colors", {}).items() if len(colour.get("values", ())) > 1]
    return sorted(parts + [f"{name}_color" for name in colours])


def _drawn(folder: Path, order: dict[str, Any], count: int, workers: int) -> Iterator[tuple[int, Attributes]]:
    """Yield the parts of each face as it is drawn, in no particular order."""
    if count <= FEW or workers == 1:
        yield from draw_faces(artist_for(order), folder, range(count))
        return
    lines: SimpleQueue[str | None] = SimpleQueue()
    crew: list[subprocess.Popen[str]] = []
    try:
        for w in range(workers):
            crew.append(_worker(order | {"folder": str(folder), "first": w, "count": count, "step": workers}, lines))
        waiting = len(crew)
        while waiting:
            line = lines.get()
            if line is None:
                waiting -= 1
                continue
            k, parts = json.loads(line)
            if k == "error":
                raise OSError(0, parts)
            yield k, parts
    finally:
        for process in crew:
            process.kill()  # no effect on processes that have ended
            process.wait()
        for half in folder.rglob(f"{ASIDE}*.png"):
            discard(half)
    if any(process.returncode for process in crew):
        raise UserError(
            f"A process that was drawing faces for {folder} was killed, perhaps for lack of memory; run the same command again to resume."
        )


def _worker(order: dict[str, Any], lines: SimpleQueue[str | None]) -> subprocess.Popen[str]:
    """Start a process that draws every step-th face.

    Uses a plain command instead of multiprocessing, which would run a calling script without an
    `if __name__` guard again, and instead of a thread, since the renderer holds the interpreter
    lock. Ctrl-C reaches only the parent, which ends its workers.
    """
    home = str(Path(__file__).parents[3])  # the folder that organza is imported from
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, (home, os.environ.get("PYTHONPATH"))))}
    process = subprocess.Popen(
        [sys.executable, "-P", "-c", "from organza.data.builtin.face_drawing import work; work()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment,
        text=True,
        encoding="utf-8",
        **APART,
    )
    assert process.stdin is not None
    with suppress(BrokenPipeError), process.stdin:  # if a worker ends at once, its exit code reports it
        json.dump(order, process.stdin)

    def listen() -> None:
        assert process.stdout is not None
        for line in process.stdout:
            lines.put(line)
        process.wait()
        lines.put(None)

    Thread(target=listen, daemon=True).start()
    return process


def _write_labels(folder: Path, parts: list[str], rows: list[dict[str, str]]) -> None:
    """Write labels.csv complete or not at all: a row for each image, a column for each part."""
    aside = folder / ".labels.csv"
    with aside.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, ["file", *parts], restval="", extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
    rename(aside, folder / "labels.csv")


def _claim(folder: Path, order: dict[str, Any], count: int) -> bool:
    """Claim a folder that is new, empty, or begun with the same settings. Return True if nothing is
    left to do.
    """
    what, places = ("pairs", ("a", "b")) if "kind" in order else ("faces", (".",))
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder} is a file; name a folder for the {what}.")
    if not folder.is_dir() or not any(folder.iterdir()):
        try:
            for place in places:
                (folder / place).mkdir(parents=True, exist_ok=True)
            _note(folder, order, 0)
        except OSError as error:
            raise UserError(f"{folder} cannot be written: {error.strerror}. Name another folder.") from error
        return False
    try:
        before = json.loads((folder / NOTE).read_text(encoding="utf-8"))
        done = before.pop("done")
    except (OSError, ValueError, KeyError, AttributeError):
        raise UserError(f"{folder} holds other files; name a new folder for the {what}.") from None
    if before != order:
        told = ", ".join(f"{key} {value}" for key, value in before.items())
        raise UserError(
            f"{folder} holds {'pairs' if 'kind' in before else 'faces'} of {told}; name another folder, or use the same settings."
        )
    there = min(sum(not png.name.startswith(".") for png in (folder / place).glob("*.png")) for place in places)
    if there > count:
        raise UserError(f"{folder} holds {there} {what} already; choose that count or more, or name another folder.")
    return done == there == count


def _note(folder: Path, order: dict[str, Any], done: int) -> None:
    aside = folder / f"{NOTE}.aside"
    aside.write_text(json.dumps({**order, "done": done}), encoding="utf-8", newline="\n")
    rename(aside, folder / NOTE)
