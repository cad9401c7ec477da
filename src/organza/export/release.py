"""Export a run: write the requested forms, compare each with the run first, and report the measurements.

>>> from organza import load                                                                      # doctest: +SKIP
>>> load("runs/faces").export("faces", to=("folder",), statement=Statement("cc-by-4.0")).lines     # doctest: +SKIP
('faces/README.md', ...)
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from organza.data.patches import with_hole
from organza.disk import cannot_write, discard, make_folder, rename, write
from organza.errors import UserError, nearest
from organza.export import folder as folders
from organza.export import onnx as onnx_files
from organza.export.card import Statement, card, require_licence
from organza.export.files import KINDS, OnnxFile, halving_loss, listed, made
from organza.export.graphs import Trained, graphs
from organza.export.web import drawn_pattern, middle_hole, page
from organza.latents import saved
from organza.media.images import encoded, grid, side_by_side
from organza.media.provenance import CHANGED, MADE
from organza.media.scatter import panels
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
POINTS = 500
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


@dataclass(frozen=True)
class Order:
    """A request for an export, checked before any work.

    Args:
        forms: "folder", "onnx", "web".
        parts: "generator", "encoder", "discriminator".
        precision: fp32, fp16 or int8; "" for fp32, and fp16 in pages.
        title: name of the generator.
        statement: facts from the user.
        size: (height, width) of a translator with noise in use; None for the training size.
    """

    forms: tuple[str, ...]
    parts: tuple[str, ...]
    precision: str
    title: str
    statement: Statement
    size: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        _require_known("to", self.forms, KINDS)
        _require_known("part", self.parts, PARTS)
        _require_known("precision", [self.precision or "fp32"], PRECISIONS)
        if "folder" in self.forms:
            require_licence(self.statement)
        if self.traced:
            onnx_files.require_installed()

    @property
    def traced(self) -> bool:
        """True if a form needs the networks as ONNX."""
        return "onnx" in self.forms or "web" in self.forms


@dataclass(frozen=True)
class Form:
    """Files of one form of export, before they are written.

    Args:
        files: contents by name.
        lines: lines for the user.
    """

    files: dict[str, bytes]
    lines: tuple[str, ...]


def export(
    run: Trained,
    out: str | Path | None = None,
    *,
    to: Sequence[str] = (),
    parts: Sequence[str] = ("generator", "encoder"),
    precision: str | None = None,
    name: str | None = None,
    statement: Statement = Statement(),  # noqa: B008 (a frozen value)
    size: tuple[int, int] | None = None,
    progress: Progress | None = None,
) -> Exported:
    """Write the networks of a run in forms that need neither the run nor its data.

    Args:
        run: trained run.
        out: folder to write to; RUN/export by default.
        to: "folder" (weights with a card), "onnx", "web" (a page that runs the generator); () for all that apply; a folder
            applies if a licence is named.
        parts: "generator", "encoder", "discriminator".
        precision: storage of weights: fp32, fp16 or int8; None for fp32 in folders and ONNX files and fp16 in pages. A folder
            has no int8 and stays in fp32 then.
        name: name of the generator; the run's by default.
        statement: facts from the user: licences, content of the data.
        size: (height, width) of a translator with noise in use, such as pix2pix, whose mask is of one size; the training size by default.
        progress: function that takes (task, done, total).

    Raises:
        UserError: if a form, part or precision is unknown, a folder has no licence, the run lacks a part, ONNX does not support the
            network, a file differs from the run, or the folder cannot be written.
    """
    fitting = tuple(
        kind for kind in (KINDS if statement.licence else ("onnx", "web")) if kind != "web" or run.table is None
    )
    if "web" in to and run.table is not None:
        raise UserError(f"{run.path} makes vectors, which a page does not draw; use `to='onnx'` or folder.")
    title = printable(name or run.path.resolve().name)
    order = Order(tuple(to) or fitting, tuple(parts), precision or "", title, statement, size)
    place = Path(out) if out is not None else run.folder.place("export")
    folders.require_place(place, run.path)
    traced = _traced(run, order, place, progress) if order.traced else []
    stored = [file.in_precision(precision or "fp32", True, progress) for file in traced if "onnx" in order.forms]
    forms = [Form({file.path.name: file.model.SerializeToString() for file in stored}, tuple(map(_line, stored)))]
    forms += [_page(run, order, traced, place)] if "web" in order.forms else []
    forms += [_shared(run, order, stored, place)] if "folder" in order.forms else []
    written = {place / key: content for form in forms for key, content in form.files.items()}
    _write(place, written)
    notes = ("no folder was written, as it needs a licence: add `licence`, such as cc-by-4.0",)
    lines = tuple(line for form in forms for line in form.lines)
    return Exported(place, tuple(written), lines, notes if not to and not statement.licence else ())


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
        "images": run.images,
        "sha256": run.saved.digests[folders.WEIGHTS],
        "shape": list(run.shape),
        "digital_source_type": _kind(run),
        **({"license": statement.licence} if statement.licence else {}),
    }


def _kind(run: Trained) -> str:
    return MADE if hasattr(run.generator, "latent") else CHANGED


def _traced(run: Trained, order: Order, place: Path, progress: Progress | None) -> list[OnnxFile]:
    """Trace the parts of a run to ONNX files, each compared with the original."""
    facts, chosen, files = provenance(run, order.statement), list(graphs(run, order.parts, order.size)), []
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


def _page(run: Trained, order: Order, files: Sequence[OnnxFile], place: Path) -> Form:
    """Return the web page that runs the generator, with its size and loss in words."""
    precision = order.precision or "fp16"
    small = [file.in_precision(precision) for file in files if file.graph.name.startswith("generator")]
    if not small:
        raise UserError("A page runs the generator; leave `parts` out, or add generator to it.")
    models = {file.graph.name: (file.graph, file.model.SerializeToString()) for file in small}
    content = page(run, models, order.title, run.made_by(kind=_kind(run)).xmp()).encode()
    size, loss = len(content) / 1e6, small[0].loss_in_words()
    return Form({PAGE: content}, (f"{place / PAGE}: {size:.1f} MB, runs offline in a browser ({precision}: {loss})",))


def _shared(run: Trained, order: Order, files: Sequence[OnnxFile], place: Path) -> Form:
    """Return the folder: weights, config, manifest, card, preview."""
    half, judges = order.precision == "fp16", "discriminator" in order.parts
    weights = {
        f"{part}.safetensors": checkpoint.content_of(folders.halved(tensors) if half else tensors)
        for part, tensors in run.saved.tensors.items()
        if part == "generator" or (part == "discriminator" and judges)
    }
    prior, audit = getattr(run.generator, "prior", None), order.statement.audit or run.folder.audit(run.images)
    statement = replace(order.statement, audit=audit)
    facts: dict[str, Any] = {"prior": [part.facts() for part in prior]} if prior else {}
    facts |= {"license": statement.licence, "onnx": listed(files)}
    facts |= {"audit": audit} if audit else {}
    known = run.saved.facts | {"checkpoint": run.made_by().checkpoint}
    shared = folders.contents(folders.config_of(run.content, facts), weights, known, run.images)
    loss = halving_loss(next(graphs(run))) if half else None
    shared |= {folders.CARD: card(run, order.title, statement, files, judges, loss).encode()}
    if kept := saved.load(run) if prior else ():
        shared[saved.FILE] = saved.contents(kept, hashlib.sha256(weights[folders.WEIGHTS]).hexdigest()).encode()
    origin = run.made_by(0 if hasattr(run.generator, "latent") else None, _kind(run))
    shared |= {folders.PREVIEW: encoded(preview(run), "png", origin)}
    line = f"{place / folders.CARD}: model card, to check before sharing; load the folder with organza.load({str(place)!r})"
    return Form(shared, (line,))


def preview(run: Trained) -> np.ndarray:
    """Return a sample grid, uint8 [H, W, C]: the first samples of seed 0, or a drawn pattern and its translation."""
    if hasattr(run.generator, "latent"):
        if run.table is not None:
            points = run.sample(POINTS, seed=0)
            return grid(panels(points, points, run.table.printable))
        return grid(pictured(run.sample(SEEN if len(run.shape) == 4 else PREVIEWED, seed=0)))
    pattern = drawn_pattern(
        run.shape[-1], run.shape[-2], run.shape[0] if run.generator.masked else run.source_channels()
    )
    if run.generator.masked:
        given = with_hole(pattern, middle_hole(*pattern.shape[:2]))[None]
        return grid(side_by_side([given[..., :-1], run.translate(given)]))
    return grid(side_by_side([pattern[None], run.translate(pattern[None])]))


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
