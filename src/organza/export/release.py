"""Export a run: write the requested forms, compare each with the run first, and report the measurements.

>>> from organza import load                                                                      # doctest: +SKIP
>>> load("runs/faces").export("faces", to=("folder",), statement=Statement("cc-by-4.0")).lines     # doctest: +SKIP
('faces/README.md', ...)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from organza.disk import cannot_write, discard, make_folder, rename, write
from organza.errors import UserError, nearest
from organza.export import folder as folders
from organza.export import onnx as onnx_files
from organza.export.card import Statement, card, listed, require_licence
from organza.export.files import KINDS, OnnxFile, made
from organza.export.graphs import Graph, Trained, graphs
from organza.export.web import drawn_pattern, page
from organza.media.images import grid, save_png, side_by_side
from organza.media.provenance import CHANGED, MADE
from organza.media.volumes import pictured
from organza.progress import Progress
from organza.run import checkpoint
from organza.untrusted import printable
from organza.version import __version__

PARTS = "generator", "encoder", "discriminator"
PRECISIONS = "fp32", "fp16", "int8"
PAGE = "index.html"
PREVIEWED = 64
SEEN = 16
"""Volumes of a preview."""


@dataclass(frozen=True)
class Exported:
    """Result of an export.

    Args:
        folder: folder written to.
        files: files written.
        lines: one line for each form, with its measurements.
        notes: notes for the user.
    """

    folder: Path
    files: tuple[Path, ...]
    lines: tuple[str, ...]
    notes: tuple[str, ...] = ()


def export(
    run: Trained,
    out: str | Path | None = None,
    *,
    to: Sequence[str] = (),
    parts: Sequence[str] = ("generator", "encoder"),
    precision: str | None = None,
    name: str | None = None,
    statement: Statement = Statement(),  # noqa: B008 (a frozen value)
    progress: Progress | None = None,
) -> Exported:
    """Write the networks of a run in forms that need neither the run nor its data.

    Args:
        run: trained run.
        out: folder to write to; RUN/export by default.
        to: "folder" (weights with a card), "onnx", "web" (a page that runs the generator); () for all that apply; a folder
            applies if a licence is named.
        parts: "generator", "encoder", "discriminator".
        precision: storage of weights, fp32, fp16 or int8; None for fp32 in ONNX files and fp16 in pages.
        name: name of the generator; the run's by default.
        statement: facts from the user: licences, content of the data.
        progress: function that takes (task, done, total).

    Raises:
        UserError: if a form, part or precision is unknown, a folder has no licence, the run lacks a part, ONNX does not support the
            network, a file differs from the run, or the folder cannot be written.
    """
    for option, values, known in (
        ("to", to, KINDS),
        ("part", parts, PARTS),
        ("precision", [precision or "fp32"], PRECISIONS),
    ):
        _require_known(option, values, known)
    notes, wanted = [], tuple(to)
    if not wanted:
        wanted = KINDS if statement.licence else ("onnx", "web")
        if not statement.licence:
            notes.append("no folder was written, as it needs a licence: add `licence`, such as cc-by-4.0")
    if "folder" in wanted:
        require_licence(statement)
    if "onnx" in wanted or "web" in wanted:
        onnx_files.require_installed()
    place = Path(out) if out is not None else run.folder.place("export")
    folders.require_place(place, run.path)
    title = printable(name or run.path.resolve().name)
    files: list[OnnxFile] = []
    written: dict[Path, bytes] = {}
    if "onnx" in wanted or "web" in wanted:
        facts = provenance(run, statement)
        files = _traced(run, tuple(parts), place, facts, progress)
    lines = []
    kept: list[OnnxFile] = []
    if "onnx" in wanted:
        kept = [file.in_precision(precision or "fp32", thorough=True, progress=progress) for file in files]
        for file in kept:
            written[file.path] = file.model.SerializeToString()
            lines.append(_line(file))
    if "web" in wanted:
        content, line = _page(run, files, title, precision or "fp16", place)
        written[place / PAGE] = content
        lines.append(line)
    if "folder" in wanted:
        judges = "discriminator" in parts
        written |= {place / key: value for key, value in _shared(run, title, statement, kept, judges).items()}
        lines.append(
            f"{place / folders.CARD}: model card, to check before sharing; load the folder with organza.load({str(place)!r})"
        )
    _write(place, written)
    if "folder" in wanted:
        save_png(
            preview(run),
            place / folders.PREVIEW,
            run.made_by(0 if hasattr(run.generator, "latent") else None, _kind(run)),
        )
    return Exported(
        place, (*written, *([place / folders.PREVIEW] if "folder" in wanted else [])), tuple(lines), tuple(notes)
    )


def _require_known(option: str, values: Sequence[str], known: Sequence[str]) -> None:
    for value in values:
        if value not in known:
            raise UserError(f"--{option} is {value}; it can be {', '.join(known)}.{nearest(str(value), known)}")


def provenance(run: Trained, statement: Statement) -> dict[str, Any]:
    """Return the provenance that every file states."""
    return {
        "format": 1,
        "library": f"organza {__version__}",
        "recipe": run.content["recipe"]["name"],
        "checkpoint": run.made_by().checkpoint,
        "images": run.saved.facts["images"],
        "sha256": run.saved.digests[folders.WEIGHTS],
        "shape": list(run.shape),
        "digital_source_type": _kind(run),
        **({"license": statement.licence} if statement.licence else {}),
    }


def _kind(run: Trained) -> str:
    return MADE if hasattr(run.generator, "latent") else CHANGED


def _traced(
    run: Trained, parts: tuple[str, ...], place: Path, facts: dict[str, Any], progress: Progress | None
) -> list[OnnxFile]:
    chosen: list[Graph] = list(graphs(run, parts))
    files = []
    for number, graph in enumerate(chosen, 1):
        if progress:
            progress(f"tracing the {graph.name}", number, len(chosen))
        files.append(made(graph, run, place, facts))
    return files


def _line(file: OnnxFile) -> str:
    agreed, batches = file.agreement, ", ".join(map(str, file.agreement.batches))
    bytes_told = f", {agreed.levels} of 255 levels" if file.graph.output in ("image", "volume") else ""
    loss = f"; {file.precision}: {file.loss_in_words()}" if file.loss else ""
    differs = f"differs from the run by {agreed.difference:.1e}{bytes_told} at most (batches {batches})"
    return f"{file.path}: {file.size / 1e6:.2f} MB, {differs}{loss}"


def _page(run: Trained, files: Sequence[OnnxFile], title: str, precision: str, place: Path) -> tuple[bytes, str]:
    small = [file.in_precision(precision) for file in files if file.graph.name.startswith("generator")]
    if not small:
        raise UserError("A page runs the generator; leave `parts` out, or add generator to it.")
    models = {file.graph.name: (file.graph, file.model.SerializeToString()) for file in small}
    content = page(run, models, title, run.made_by(kind=_kind(run)).xmp()).encode()
    loss = small[0].loss_in_words()
    return (
        content,
        f"{place / PAGE}: {len(content) / 1e6:.1f} MB, runs offline in a browser ({precision}: {loss})",
    )


def _shared(
    run: Trained, title: str, statement: Statement, files: Sequence[OnnxFile], judges: bool
) -> dict[str, bytes]:
    weights = {folders.WEIGHTS: checkpoint.content_of(run.saved.tensors["generator"])}
    if judges:
        weights["discriminator.safetensors"] = checkpoint.content_of(run.saved.tensors["discriminator"])
    prior = getattr(run.generator, "prior", None)
    facts: dict[str, Any] = {"prior": [part.facts() for part in prior]} if prior else {}
    facts |= {"license": statement.licence, "onnx": listed(files)}
    known = run.saved.facts | {"checkpoint": run.made_by().checkpoint}
    shared = folders.contents(folders.config_of(run.content, facts), weights, known, run.saved.facts["images"])
    return shared | {folders.CARD: card(run, title, statement, files, judges).encode()}


def preview(run: Trained) -> np.ndarray:
    """Return a sample grid, uint8 [H, W, C]: the first samples of seed 0, or a drawn pattern and its translation."""
    if hasattr(run.generator, "latent"):
        return grid(pictured(run.sample(SEEN if len(run.shape) == 4 else PREVIEWED, seed=0)))
    pattern = drawn_pattern(run.shape[-1], run.shape[-2], run.source_channels())[None]
    return grid(side_by_side([pattern, run.translate(pattern)]))


def _write(place: Path, written: dict[Path, bytes]) -> None:
    """Write all files aside, then rename them, so that a full disk leaves older files intact."""
    aside = {path: path.with_name(f".{path.name}.part") for path in written}
    path = place
    try:
        make_folder(place)
        for path, content in written.items():
            write(aside[path], content)
        for path in written:
            rename(aside[path], path)
    except OSError as error:
        for part in aside.values():
            discard(part)
        raise UserError(cannot_write(path, error, sum(map(len, written.values())))) from error
