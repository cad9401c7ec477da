"""Command that finds directions in the latents of a trained generator, and names them: directions."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from organza.cli.images import read_images
from organza.cli.options import DataPlace, RunPath, Trusted, Which, answer, arg, require_seed, tell
from organza.errors import UserError

if TYPE_CHECKING:
    from organza.inference.load import Run
    from organza.latents.directions import Direction
    from organza.latents.search import Labelled, Search
    from organza.progress import Progress


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
        has: images and folders that show an attribute, at least 8, better 20.
        has_not: images and folders that lack it.
        name: name of the attribute of --has and --has-not.
        rename: new names of kept directions; nothing is searched.
        axes: largest number of directions without labels.
        samples: number of generated images to learn from.
        seed: random seed of the latents.
        json: print JSON instead of a table.
        checkpoint: best, latest, or a checkpoint's name such as 00012000.
        recipe: your own modules that hold its networks, if you trust them.
    """
    from organza.display.console import Console
    from organza.inference.load import load
    from organza.latents import saved
    from organza.latents.grids import save_grids
    from organza.latents.search import Search
    from organza.latents.tables import as_json, as_table

    require_seed(seed)
    if bool(has) != bool(has_not):
        raise UserError("Give --has and --has-not together: images that show an attribute, and images that lack it.")
    trained = load(run, checkpoint, recipe)
    tell(trained.notes)
    kept = saved.load(trained)
    if rename:
        found = Search(_renamed(kept, rename))
    else:
        found = _searched(trained, (name, has, has_not), data, labels, axes, samples, seed)
        found = _joined(found, kept) if has else found
    path = trained.keep_directions(found.directions)
    written = save_grids(trained, found.directions, trained.folder.place("directions"))
    if json:
        answer(*as_json(found).split("\n"))
        return 0
    Console().print(as_table(found))
    shown = f", a grid of each in {written[0].parent}" if written else ""
    answer(f"{len(found.directions)} directions in {path}{shown}")
    return 0


def _searched(
    trained: Run,
    marks: tuple[str, Sequence[Path], Sequence[Path]],
    data: str | None,
    labels: str | None,
    axes: int,
    samples: int,
    seed: int,
) -> Search:
    """Search for directions: by the marks (name, images with it, images without it), by labels, and in the network."""
    from organza.display.console import preparing

    name, has, has_not = marks
    with preparing() as progress:
        marked = {name: (read_images(trained, has)[1], read_images(trained, has_not)[1])} if has else None
        labelled = None if has and data is None else _labelled(trained, data, labels, progress)
        return trained.find_directions(labelled, marked, most=axes, samples=samples, seed=seed, progress=progress)


def _joined(found: Search, kept: Sequence[Direction]) -> Search:
    """Return a search by marks with the directions kept so far, which a marked one joins."""
    from organza.latents.search import Search

    others = [one for one in kept if one.name not in {own.name for own in found.directions}]
    marked = [one for one in found.directions if one.source == "marks"]
    return Search((*marked, *others) if others else found.directions, found.refused)


def _renamed(kept: Sequence[Direction], rename: Sequence[str]) -> tuple[Direction, ...]:
    """Return directions with the new names of OLD=NEW pairs."""
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
