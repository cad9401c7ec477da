"""Commands that use the latents of a trained generator: walk, mix, directions, invert, edit."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from organza.cli.options import (
    DataPlace,
    Images,
    RunPath,
    Trusted,
    Which,
    answer,
    arg,
    labels_asked,
    require_seed,
    tell,
)
from organza.disk import safe_name
from organza.errors import UserError

if TYPE_CHECKING:
    import numpy as np

    from organza.inference.load import Run
    from organza.latents.directions import Direction
    from organza.latents.latent_files import Latents
    from organza.latents.search import Labelled
    from organza.progress import Progress

SEEDS = re.compile(r"\d{1,20}(,\d{1,20})*")
Seeds = Annotated[str, arg("N,N ...")]
Setting = Annotated[tuple[str, ...], arg("FIELD=VALUE ...", name="label")]


def seeds_of(option: str, text: str) -> list[int]:
    """Return seeds of a list such as 1,5,9.

    Raises:
        UserError: if it is none.
    """
    if not SEEDS.fullmatch(text):
        raise UserError(f"--{option} is {text[:40]}; it must be seeds separated by commas, such as 1,5,9.")
    found = [int(part) for part in text.split(",")]
    for seed in found:
        require_seed(seed)
    return found


def walk(
    run: RunPath,
    /,
    seeds: Annotated[str, arg("N,N ...", "0")] = "0",
    seconds: Annotated[float, arg("S", "8")] = 8.0,
    fps: Annotated[int, arg("N", "30")] = 30,
    grid: Annotated[str, arg("CxR", "1x1")] = "1x1",
    open: bool = False,
    truncate: Annotated[float, arg("PSI", "1")] = 1.0,
    of_class: Annotated[str | None, arg("NAME", "drawn once", name="class")] = None,
    settings: Setting = (),
    enlarge: Annotated[int | None, arg("N", "to 256 pixels")] = None,
    out: Annotated[Path | None, arg("FILE", "RUN/walks/SEEDS.webp")] = None,
    no_metadata: bool = False,
    checkpoint: Which = "best",
    recipe: Trusted = None,
) -> int:
    """Write a walk through latents as a clip: a closed loop through the images of seeds.

    Args:
        run: run or exported folder.
        seeds: seeds of the images to pass through; one gives a circle through its image.
        seconds: length of the clip.
        fps: frames a second.
        grid: walks side by side, columns x rows.
        open: end at the last image instead of returning to the first.
        truncate: share of each latent's distance from the centre to keep.
        of_class: class of all images, for a conditional run.
        settings: labels of all images by field, for a conditional run.
        enlarge: factor by which each pixel is enlarged.
        out: output file: .webp, .mp4 (needs PyAV) or .avif.
        no_metadata: leave out the metadata that mark the file as synthetic.
        checkpoint: best, latest, or a checkpoint's name such as 00012000.
        recipe: your own modules that hold its networks, if you trust them.
    """
    from organza.display.console import preparing
    from organza.inference.load import load
    from organza.latents.walks import frames_of
    from organza.media.clips import enlarged, require_writable, save_clip, times_for
    from organza.media.images import grid as arranged
    from organza.media.volumes import pictured
    from organza.memory import require_memory

    columns, rows = _grid(grid)
    chosen = seeds_of("seeds", seeds)
    if enlarge is not None and not 1 <= enlarge <= 64:
        raise UserError(f"--enlarge is {enlarge}; it must be 1 to 64.")
    if out is not None:
        require_writable(out)
    trained = load(run, checkpoint, recipe)
    tell(trained.notes)
    path = out or trained.folder.place(f"walks/{safe_name('-'.join(map(str, chosen)))}.webp")
    labels = labels_asked(settings, of_class)
    frames = frames_of(seconds, fps)
    parts = trained.walk(
        chosen, seconds=seconds, fps=fps, cells=columns * rows, closed=not open, truncate=truncate, labels=labels
    )
    kept = []
    with preparing() as progress:
        for number, cells in enumerate(parts, 1):
            frame = arranged(pictured(cells), columns=columns)
            frame = enlarged(frame, enlarge or times_for(cells[0]) if len(trained.shape) == 3 else 1)
            if number == 1:
                require_memory(
                    2 * frames * frame.nbytes, f"A clip of {frames:,} frames of {frame.shape[1]}x{frame.shape[0]}"
                )
            kept.append(frame)
            progress("drawing frames", number, frames)
    made_by = None if no_metadata else trained.made_by(chosen[0])
    save_clip(kept, path, fps, made_by, loop=not open)
    size = f"{kept[0].shape[1]}x{kept[0].shape[0]}"
    answer(
        f"{path}: {frames:,} frames of {size}, {path.stat().st_size / 1e3:,.0f} kB (checkpoint {trained.saved.directory.name})"
    )
    return 0


def _grid(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d{1,3})x(\d{1,3})", text)
    if not match or not 1 <= int(match[1]) * int(match[2]) <= 256:
        raise UserError(f"--grid is {text[:20]}; it must be columns x rows, such as 4x2, of at most 256 images.")
    return int(match[1]), int(match[2])


def mix(
    run: RunPath,
    /,
    coarse: Annotated[str, arg("N,N ...", "1,2,3,4")] = "1,2,3,4",
    fine: Annotated[str, arg("N,N ...", "5,6,7,8")] = "5,6,7,8",
    level: Annotated[int | None, arg("N", "1")] = None,
    of_class: Annotated[str | None, arg("NAME", "drawn once", name="class")] = None,
    settings: Setting = (),
    out: Annotated[Path | None, arg("FILE", "RUN/mixed.png")] = None,
    no_metadata: bool = False,
    checkpoint: Which = "best",
    recipe: Trusted = None,
) -> int:
    """Mix the levels of latents: shapes of one image, colours of another. Writes a grid.

    Left: the images of the coarse seeds. Above: those of the fine ones.

    Args:
        run: run or exported folder.
        coarse: seeds of the rows, which give the levels below --level.
        fine: seeds of the columns, which give the others.
        level: first level of the fine seeds.
        of_class: class of all images, for a conditional run.
        settings: labels of all images by field, for a conditional run.
        out: output file.
        no_metadata: leave out the metadata that mark the file as synthetic.
        checkpoint: best, latest, or a checkpoint's name such as 00012000.
        recipe: your own modules that hold its networks, if you trust them.
    """
    import numpy as np

    from organza.inference.load import load
    from organza.media.images import grid, save_png

    rows, columns = seeds_of("coarse", coarse), seeds_of("fine", fine)
    trained = load(run, checkpoint, recipe)
    tell(trained.notes)
    labels = labels_asked(settings, of_class)
    table = trained.mix(rows, columns, level, labels)
    if table.ndim != 5:
        raise UserError(f"{run} generates volumes; mix them from Python: organza.load(RUN).mix.")
    left, above = (
        np.concatenate([trained.mix([seed], [seed], level, labels)[0] for seed in some]) for some in (rows, columns)
    )
    cells = [np.full_like(above[0], 255), *above]
    for one, row in zip(left, table, strict=True):
        cells += [one, *row]
    path = out or trained.folder.place("mixed.png")
    save_png(grid(np.stack(cells), columns=len(columns) + 1), path, None if no_metadata else trained.made_by(rows[0]))
    generator: Any = trained.generator
    answer(f"{path}: rows are seeds {coarse}, columns {fine}, of {len(generator.levels)} levels")
    return 0


def directions(
    run: RunPath,
    /,
    data: DataPlace = None,
    labels: Annotated[str | None, arg("TABLE", "one in the data or beside it")] = None,
    has: Annotated[tuple[Path, ...], arg("IMAGE ...", "none")] = (),
    has_not: Annotated[tuple[Path, ...], arg("IMAGE ...", "none")] = (),
    name: Annotated[str, arg("NAME", "marked")] = "marked",
    rename: Annotated[tuple[str, ...], arg("OLD=NEW ...", "none")] = (),
    axes: Annotated[int, arg("N", "6")] = 6,
    samples: Annotated[int, arg("N", "4000")] = 4000,
    seed: Annotated[int, arg("N", "0")] = 0,
    json: bool = False,
    checkpoint: Which = "best",
    recipe: Trusted = None,
) -> int:
    """Find directions in which images change, try each, and keep those that hold.

    They come from the labels of the data, from images that you mark, and from the network itself.
    Kept in RUN/directions.json, for edit, exports and the page; a grid of each in RUN/directions.

    Args:
        run: run or exported folder.
        data: images with labels: a table, or a folder for each class.
        labels: table of labels.
        has: images and folders that have something, 8 at least, better 20.
        has_not: images and folders that lack it.
        name: name of what --has and --has-not mark.
        rename: new names of kept directions; without a search.
        axes: largest number of directions without labels.
        samples: number of generated images to learn from.
        seed: random seed of the latents.
        json: print JSON instead of a table.
        checkpoint: best, latest, or a checkpoint's name such as 00012000.
        recipe: your own modules that hold its networks, if you trust them.
    """
    from organza.display.console import Console, preparing
    from organza.inference.load import load
    from organza.latents import saved
    from organza.latents.grids import save_grids
    from organza.latents.search import Search
    from organza.latents.tables import as_json, as_table

    require_seed(seed)
    if bool(has) != bool(has_not):
        raise UserError("Give --has and --has-not together: images that have something, and images that lack it.")
    trained = load(run, checkpoint, recipe)
    tell(trained.notes)
    kept = saved.load(trained)
    if rename:
        found = Search(_renamed(kept, rename))
    else:
        with preparing() as progress:
            marked = {name: (_pictures(trained, has), _pictures(trained, has_not))} if has else None
            labelled = None if has and data is None else _labelled(trained, data, labels, progress)
            found = trained.find_directions(labelled, marked, most=axes, samples=samples, seed=seed, progress=progress)
        if has:  # a marked direction joins those that are kept
            others = [one for one in kept if one.name not in {own.name for own in found.directions}]
            own = [one for one in found.directions if one.source == "marks"]
            found = Search((*own, *others) if others else found.directions, found.refused)
    path = trained.keep_directions(found.directions)
    written = save_grids(trained, found.directions, trained.folder.place("directions"))
    if json:
        answer(*as_json(found).split("\n"))
        return 0
    Console().print(as_table(found))
    shown = f", a grid of each in {written[0].parent}" if written else ""
    answer(f"{len(found.directions)} directions in {path}{shown}")
    return 0


def _renamed(kept: Sequence[Direction], rename: Sequence[str]) -> tuple[Direction, ...]:
    from organza.latents.inverting import chosen

    found = list(kept)
    for pair in rename:
        old, equals, new = pair.partition("=")
        if not equals or not re.fullmatch(r"[\w.#-]{1,40}", new):
            raise UserError(
                f"--rename {pair[:60]} is not of the form OLD=NEW, with a name of letters, digits and hyphens."
            )
        one = chosen(found, old)
        if any(other.name == new for other in found):
            raise UserError(f"There is a direction {new} already; choose another name.")
        found = [other.named(new) if other is one else other for other in found]
    return tuple(found)


def _pictures(trained: Run, paths: Sequence[Path]) -> np.ndarray:
    return _named_pictures(trained, paths)[1]


def _named_pictures(trained: Run, paths: Sequence[Path]) -> tuple[list[str], np.ndarray]:
    """Return names and uint8 [N, H, W, C] of image files and folders, cropped and scaled as training images are."""
    import numpy as np

    from organza.data.size import Size
    from organza.inference.judge_files import pictures_at

    if len(trained.shape) != 3:
        raise UserError(f"{trained.path} generates volumes; this command takes images.")
    notes: list[str] = []
    size = Size(trained.width, trained.height)
    read = list(pictures_at(paths, size, trained.channels, notes, trained.content["data"]))
    tell(tuple(notes) + tuple(f"{name}: {note}" for name, _, note in read[:5] if note))
    if not read:
        raise UserError(f"{', '.join(map(str, paths))} hold no images that can be read.")
    return [name for name, _, _ in read], np.stack([picture for _, picture, _ in read])


def _labelled(trained: Run, data: str | None, labels: str | None, progress: Progress) -> Labelled | None:
    """Return labelled images; None, with a note, if the run's own data is gone or has no labels."""
    from organza.data.location import locate
    from organza.latents.labelled import labelled

    if data is not None:
        return labelled(trained, data, labels, progress=progress)
    if len(trained.shape) != 3:
        return None
    try:
        if not trained.content["data"]["source"]:
            raise UserError("an exported folder has no data; name some with --data to find directions from labels")
        return labelled(trained, locate(trained.content, trained.path), labels, progress=progress)
    except UserError as error:
        if labels is not None:
            raise
        tell((f"no directions from labels: {error}",))
        return None


def invert(
    run: RunPath,
    images: Images,
    /,
    space: Annotated[Literal["inner", "z"], arg("inner|z", "inner")] = "inner",
    starts: Annotated[int, arg("N", "4")] = 4,
    steps: Annotated[int, arg("N", "200")] = 200,
    of_class: Annotated[str | None, arg("NAME", "the nearest", name="class")] = None,
    settings: Setting = (),
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
    from organza.latents.latent_files import FILE, Latents, save_latents
    from organza.latents.tables import inversion_as_json, inversion_as_table
    from organza.media.images import grid, save_png, side_by_side
    from organza.media.provenance import CHANGED

    require_seed(seed)
    trained = load(run, checkpoint, recipe)
    tell(trained.notes)
    names, pictures = _named_pictures(trained, images)
    with preparing() as progress:
        found = trained.invert(
            pictures, starts=starts, steps=steps, inner=space == "inner", labels=labels_asked(settings, of_class), seed=seed,
            progress=progress,
        )  # fmt: skip
    folder = out or trained.folder.place("inverted")
    save_latents(trained, Latents(found.latents, found.rows, found.offsets, tuple(names)), folder / FILE)
    made_by = None if no_metadata else trained.made_by(kind=CHANGED)
    save_png(grid(side_by_side([pictures[:256], found.images[:256]])), folder / "inverted.png", made_by)
    if json:
        answer(*inversion_as_json(names, found).split("\n"))
        return 0
    Console().print(inversion_as_table(names, found))
    answer(f"{folder / FILE}, and inverted.png: originals beside their inversions ({found.seconds:.1f} s)")
    return 0


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
    settings: Setting = (),
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
    import numpy as np

    from organza.inference.load import load
    from organza.latents.inverting import drawn, edited
    from organza.media.images import grid, save_png, side_by_side
    from organza.media.provenance import CHANGED, MADE
    from organza.media.volumes import pictured

    wanted = _moves(moves)
    if (bool(images) + (seed is not None) + (latents is not None)) != 1:
        raise UserError("edit needs one of: image files, --seed N, or --latents FILE.")
    require_seed(seed)
    trained = load(run, checkpoint, recipe)
    tell(trained.notes)
    labels = labels_asked(settings, of_class)
    found, before = _to_edit(trained, images, seed, latents, labels, starts, steps)
    known = trained.directions()
    after = edited(trained, found, wanted, known)
    plain = drawn(trained, found.z, found.rows, found.offsets)
    shown = [plain, after] if before is None else [before, plain, after]
    folder = out or trained.folder.place("edited")
    made_by = None if no_metadata else trained.made_by(seed, MADE if seed is not None else CHANGED)
    for name, picture in zip(found.names, pictured(after), strict=True):
        save_png(picture, folder / f"{safe_name(Path(name).stem)}.png", made_by)
    save_png(
        grid(side_by_side([pictured(np.asarray(part)) for part in shown]), columns=1), folder / "edited.png", made_by
    )
    answer(f"{len(after)} image{'s' * (len(after) != 1)} in {folder}, and edited.png: before beside after")
    return 0


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
    names, pictures = _named_pictures(trained, images)
    with preparing() as progress:
        found = trained.invert(pictures, starts=starts, steps=steps, labels=labels, progress=progress)
    Console().print(inversion_as_table(names, found))
    return Latents(found.latents, found.rows, found.offsets, tuple(names)), pictures
