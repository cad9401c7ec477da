"""The command that takes a generator out of its run: export."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from organza.cli.options import DataPlace, RunPath, Trusted, Which, answer, arg, tell


def export(
    run: RunPath,
    /,
    to: Annotated[tuple[Literal["folder", "onnx", "web"], ...], arg("FORM ...", "all that apply")] = (),
    out: Annotated[Path | None, arg("FOLDER", "RUN/export")] = None,
    part: Annotated[
        tuple[Literal["generator", "encoder", "discriminator"], ...], arg("NAME ...", "generator encoder")
    ] = ("generator", "encoder"),
    precision: Annotated[Literal["fp32", "fp16", "int8"] | None, arg("KIND", "fp32; fp16 for web")] = None,
    license: Annotated[str, arg("NAME", "none, and no folder")] = "",
    about_data: Annotated[str, arg("TEXT", "nothing")] = "",
    data_license: Annotated[str, arg("NAME", "unknown")] = "",
    attribution: Annotated[str, arg("TEXT", "nobody")] = "",
    name: Annotated[str | None, arg("NAME", "the run's")] = None,
    data: DataPlace = None,
    checkpoint: Which = "best",
    recipe: Trusted = None,
) -> int:
    """Write a generator in forms that need neither the run nor its data.

    folder: safetensors with a model card, for sharing; organza.load(FOLDER) opens it. onnx: files
    for any program, verified against the run. web: one HTML page that runs the generator offline.

    Args:
        run: run folder.
        to: forms to write: folder, onnx, web.
        out: output folder.
        part: network to export: generator, encoder, or discriminator (which can reveal its training
            set).
        precision: stored precision of the weights in ONNX files and pages.
        license: licence of the weights, such as cc-by-4.0; required for a folder.
        about_data: content and origin of the data, for the card.
        data_license: licence of the data, for the card.
        attribution: names to credit, for the card.
        name: name of the generator.
        data: new location of the run's data, if it was moved; searched for copies, for the card.
        checkpoint: best, latest, or a checkpoint's name such as 00012000.
        recipe: your own modules that hold its networks, if you trust them.
    """
    from organza.display.console import preparing
    from organza.export.card import Statement
    from organza.inference.load import load

    trained = load(run, checkpoint, recipe)
    tell(trained.notes)
    with preparing() as progress:
        audit = _audit(run, data, recipe) if license and (not to or "folder" in to) else ""
        statement = Statement(license, about_data, data_license, attribution, audit)
        written = trained.export(
            out, to=to, parts=part, precision=precision, name=name, statement=statement, progress=progress
        )
    tell(written.notes)
    answer(*written.lines)
    return 0


def _audit(run: str, data: str | None, recipe: str | None) -> str:
    """Return the outcome of a search for copies of training images, in words; "" if the data is gone."""
    from organza.errors import UserError
    from organza.report.build import copies_found

    try:
        return copies_found(run, data, recipe)
    except UserError:
        if data is not None:
            raise
        return ""
