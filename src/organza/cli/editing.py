"""Commands that find the latents of images and move them: invert, edit."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from organza.cli.images import read_images
from organza.cli.options import Images, Label, RunPath, Trusted, Which, answer, arg, labels_asked, require_seed, tell
from organza.disk import safe_name
from organza.errors import UserError

if TYPE_CHECKING:
    import numpy as np

    from organza.inference.load import Run
    from organza.latents.inverting import Inversion
    from organza.latents.latent_files import Latents
    from organza.media.provenance import Provenance


def invert(
    run: RunPath,
    images: Images,
    /,
    space: Annotated[Literal["inner", "z"], arg("inner|z", "inner")] = "inner",
    starts: Annotated[int, arg("N", "4")] = 4,
    steps: Annotated[int, arg("N", "200")] = 200,
    of_class: Annotated[str | None, arg("NAME", "the nearest", name="class")] = None,
    settings: Label = (),
    seed: Annotated[int, arg("N", "0")] = 0,
    out: Annotated[Path | None, arg("FOLDER", "RUN/inverted")] = None,
    json: bool = False,
    no_metadata: bool = False,
    checkpoint: Which = "best",
    recipe: Trusted = None,
) -> int:
    """Find the latents whose images are nearest to images, and say how near they are.

    Writes latents.safetensors, for edit --latents, and inverted.png (original beside the result).

    Args:
        run: run or exported folder.
        images: image files and folders of images.
        space: z alone, which stays among the generator's own images, or inner, which adapts its
            layers too and is nearer.
        starts: number of starts for each image.
        steps: steps from each start.
        of_class: class of the images, for a conditional run.
        settings: labels of the images by field, for a conditional run.
        seed: random seed of the starts.
        out: output folder.
        json: print JSON instead of a table.
        no_metadata: leave out the metadata that mark the image as made with a generator.
        checkpoint: best, latest, or a checkpoint's name such as 00012000.
        recipe: your own modules that hold its networks, if you trust them.
    """
    from organza.display.console import Console, preparing
    from organza.inference.load import load
    from organza.latents.latent_files import FILE
    from organza.latents.tables import inversion_as_json, inversion_as_table

    require_seed(seed)
    trained = load(run, checkpoint, recipe)
    tell(trained.notes)
    names, pictures = read_images(trained, images)
    with preparing() as progress:
        found = trained.invert(
            pictures, starts=starts, steps=steps, inner=space == "inner", labels=labels_asked(settings, of_class),
            seed=seed, progress=progress,
        )  # fmt: skip
    folder = out or trained.folder.place("inverted")
    _write_inversion(trained, folder, names, pictures, found, not no_metadata)
    if json:
        answer(*inversion_as_json(names, found).split("\n"))
        return 0
    Console().print(inversion_as_table(names, found))
    answer(f"{folder / FILE}, and inverted.png: originals beside their inversions ({found.seconds:.1f} s)")
    return 0


def _write_inversion(
    trained: Run, folder: Path, names: Sequence[str], originals: np.ndarray, found: Inversion, metadata: bool
) -> None:
    """Write the latents of images, and a grid of originals beside their inversions."""
    from organza.latents.latent_files import FILE, Latents, save_latents
    from organza.media.images import grid, save_png, side_by_side
    from organza.media.provenance import CHANGED

    save_latents(trained, Latents(found.latents, found.rows, found.offsets, tuple(names)), folder / FILE)
    pairs = side_by_side([originals[:256], found.images[:256]])
    save_png(grid(pairs), folder / "inverted.png", trained.made_by(kind=CHANGED) if metadata else None)


def edit(
    run: RunPath,
    images: Annotated[tuple[Path, ...], tyro.conf.Positional, arg("IMAGE ...")] = (),
    /,
    moves: Annotated[tuple[str, ...], arg("NAME=N ...", name="set")] = (),
    seed: Annotated[int | None, arg("N", "none")] = None,
    latents: Annotated[Path | None, arg("FILE", "none")] = None,
    starts: Annotated[int, arg("N", "4")] = 4,
    steps: Annotated[int, arg("N", "200")] = 200,
    of_class: Annotated[str | None, arg("NAME", "the nearest", name="class")] = None,
    settings: Label = (),
    out: Annotated[Path | None, arg("FOLDER", "RUN/edited")] = None,
    no_metadata: bool = False,
    checkpoint: Which = "best",
    recipe: Trusted = None,
) -> int:
    """Move images along directions: organza edit RUN photo.png --set hair=+2.

    An image file is inverted first; --seed edits a generated image, --latents a file of invert.
    Writes each result, and edited.png (before beside after).

    Args:
        run: run or exported folder.
        images: image files and folders of images.
        moves: deviations along directions, by name or its beginning: hair=+2 skin=-1.5.
        seed: seed of a generated image.
        latents: latents.safetensors of invert.
        starts: number of starts of the inversion.
        steps: steps of the inversion.
        of_class: class of the images, for a conditional run.
        settings: labels of the images by field, for a conditional run.
        out: output folder.
        no_metadata: leave out the metadata that mark each file as made with a generator.
        checkpoint: best, latest, or a checkpoint's name such as 00012000.
        recipe: your own modules that hold its networks, if you trust them.
    """
    from organza.inference.load import load
    from organza.latents.inverting import drawn, edited
    from organza.media.provenance import CHANGED, MADE

    wanted = _moves(moves)
    if (bool(images) + (seed is not None) + (latents is not None)) != 1:
        raise UserError("edit needs one of: image files, --seed N, or --latents FILE.")
    require_seed(seed)
    trained = load(run, checkpoint, recipe)
    tell(trained.notes)
    labels = labels_asked(settings, of_class)
    found, originals = _to_edit(trained, images, seed, latents, labels, starts, steps)
    after = edited(trained, found, wanted, trained.directions())
    before = drawn(trained, found.z, found.rows, found.offsets)
    folder = out or trained.folder.place("edited")
    made_by = None if no_metadata else trained.made_by(seed, MADE if seed is not None else CHANGED)
    _write(folder, found.names, [before, after] if originals is None else [originals, before, after], made_by)
    answer(f"{len(after)} image{'s' * (len(after) != 1)} in {folder}, and edited.png: before beside after")
    return 0


def _write(folder: Path, names: Sequence[str], versions: list[np.ndarray], made_by: Provenance | None) -> None:
    """Write each edited image under its name, and a grid of the versions of each, the edited one last."""
    from organza.media.images import grid, save_png, side_by_side
    from organza.media.volumes import pictured

    for name, image in zip(names, pictured(versions[-1]), strict=True):
        save_png(image, folder / f"{safe_name(Path(name).stem)}.png", made_by)
    save_png(grid(side_by_side([pictured(part) for part in versions]), columns=1), folder / "edited.png", made_by)


def _moves(moves: Sequence[str]) -> dict[str, float]:
    """Return moves by name. Raises UserError if one is not of the form name=number."""
    found = {}
    for move in moves:
        name, _, amount = move.partition("=")
        try:
            found[name.strip()] = float(amount)
        except ValueError:
            raise UserError(f"--set {move[:60]} is not of the form NAME=NUMBER, such as hair=+2.") from None
    if not found:
        raise UserError(
            "edit needs a direction and a number, such as --set hair=+2; organza directions RUN lists the directions."
        )
    return found


def _to_edit(
    trained: Run,
    images: Sequence[Path],
    seed: int | None,
    file: Path | None,
    labels: dict[str, str],
    starts: int,
    steps: int,
) -> tuple[Latents, np.ndarray | None]:
    """Return the latents to edit, and the original images if there are any."""
    from organza.display.console import Console, preparing
    from organza.latents.latent_files import Latents, load_latents
    from organza.latents.source import rows
    from organza.latents.tables import inversion_as_table

    if file is not None:
        return load_latents(trained, file), None
    if seed is not None:
        return Latents(
            trained.latent(seed, 0)[None], rows(trained, range(1), seed, labels), (), (f"seed-{seed}",)
        ), None
    names, pictures = read_images(trained, images)
    with preparing() as progress:
        found = trained.invert(pictures, starts=starts, steps=steps, labels=labels, progress=progress)
    Console().print(inversion_as_table(names, found))
    return Latents(found.latents, found.rows, found.offsets, tuple(names)), pictures
