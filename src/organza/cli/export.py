"""The commands that take a generator out of its run and its house: export, push."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

import tyro

from organza.cli.options import DataPlace, RunPath, Trusted, Which, answer, arg, say, tell
from organza.errors import UserError
from organza.shell import quoted


def export(
    run: RunPath,
    /,
    to: Annotated[tuple[Literal["folder", "onnx", "web"], ...], arg("FORM ...", "all that apply")] = (),
    out: Annotated[Path | None, arg("FOLDER", "RUN/export")] = None,
    part: Annotated[
        tuple[Literal["generator", "encoder", "discriminator"], ...], arg("NAME ...", "generator encoder")
    ] = ("generator", "encoder"),
    precision: Annotated[Literal["fp32", "fp16", "int8"] | None, arg("KIND", "fp32; fp16 for web")] = None,
    size: Annotated[str | None, arg("SIZE", "the training size")] = None,
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
        size: size for translators with noise in use, such as pix2pix: 256 or 96x64; others take any.
        license: licence of the weights, such as cc-by-4.0; required for a folder.
        about_data: content and origin of the data, for the card.
        data_license: licence of the data, for the card.
        attribution: names to credit, for the card.
        name: name of the generator.
        data: new location of the run's data, if it was moved; searched for copies, for the card.
        checkpoint: best, latest, or a checkpoint's name such as 00012000.
        recipe: your own modules that hold its networks, if you trust them.
    """
    from organza.data import parse_size
    from organza.display.console import preparing
    from organza.export.card import Statement
    from organza.inference.load import load

    trained = load(run, checkpoint, recipe)
    tell(trained.notes)
    wanted = parse_size(size) if size else None
    sides = (wanted.height, wanted.width) if wanted else None
    with preparing() as progress:
        if license and (not to or "folder" in to) and not trained.folder.audit(trained.images):
            _search(run, data, recipe)
        statement = Statement(license, about_data, data_license, attribution)
        written = trained.export(
            out, to=to, parts=part, precision=precision, name=name, statement=statement, size=sides, progress=progress
        )
    tell(written.notes)
    answer(*written.lines)
    return 0


def push(
    folder: Annotated[str, tyro.conf.Positional, arg("FOLDER")],
    repository: Annotated[str, tyro.conf.Positional, arg("USER/NAME")],
    /,
    public: bool = False,
    yes: bool = False,
) -> int:
    """Push an exported folder to the hub.

    Others load it with organza.load("hf://USER/NAME"). Needs a login: hf auth login. The files are
    listed with their sizes first.

    Args:
        folder: folder that organza export wrote.
        repository: repository on the hub; created if it does not exist, as a private one.
        public: visibility for everybody.
        yes: upload without a question.
    """
    from organza.export import hub

    files, left_out = hub.contents(folder)
    for name, content in files.items():
        say(f"{len(content):>12,} bytes  {name}")
    tell(tuple(f"{name} is left out, as organza export does not write it" for name in left_out))
    total = sum(map(len, files.values())) / 1e6
    seen_by = "everybody may see it" if public else "private, if it is new"
    if not yes and not agreed(f"Push {total:,.2f} MB to {repository} ({seen_by})?"):
        raise UserError("Nothing was pushed; answer y, or add --yes.")
    pushed = hub.push(folder, repository, public=public, files=files)
    answer(
        f"{pushed.url}", f"load it with organza.load({pushed.address!r}), or: organza sample {quoted(pushed.address)}"
    )
    return 0


def agreed(question: str) -> bool:
    """Ask a question on standard error; return True if the answer is yes, False without a terminal."""
    say(f"{question} [y/N]")
    return sys.stdin is not None and sys.stdin.isatty() and sys.stdin.readline().strip().lower() in ("y", "yes")


def _search(run: str, data: str | None, recipe: str | None) -> None:
    """Search the samples for copies of training images, for the card, unless the data is gone."""
    from organza.report.build import copies_found

    try:
        copies_found(run, data, recipe)
    except UserError:
        if data is not None:
            raise
