"""Command that generates images with a trained run: sample."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from organza.cli.options import (
    MOST,
    Processes,
    RunPath,
    Trusted,
    Which,
    answer,
    arg,
    labels_asked,
    require_seed,
    require_within,
    say,
    tell,
)
from organza.disk import safe_name
from organza.errors import UserError, users_sentence

if TYPE_CHECKING:
    from organza.inference.load import Run
    from organza.media.provenance import Provenance


def sample(
    run: RunPath,
    /,
    count: Annotated[int, arg("N", "64")] = 64,
    seed: Annotated[int, arg("N", "0")] = 0,
    truncate: Annotated[float, arg("PSI", "1")] = 1.0,
    out: Annotated[Path | None, arg("FOLDER|FILE", "RUN/generated/seed-SEED-LABELS")] = None,
    format: Annotated[Literal["png", "webp"], arg("png|webp", "png")] = "png",
    of_class: Annotated[str | None, arg("NAME", "as often as in the data", name="class")] = None,
    label: Annotated[tuple[str, ...], arg("FIELD=VALUE ...")] = (),
    traverse: Annotated[int | None, arg("CODE", "no table")] = None,
    at: Annotated[str | None, arg("ADDRESS", "a series of a seed")] = None,
    grid: bool = False,
    show: bool = False,
    stl: bool = False,
    no_metadata: bool = False,
    processes: Processes = None,
    engine: Annotated[Literal["torch", "onnx"], arg("torch|onnx", "torch")] = "torch",
    checkpoint: Which = "best",
    recipe: Trusted = None,
) -> int:
    """Generate images with a trained generator. The same seed gives the same images. An interrupted
    command resumes.

    Args:
        run: run folder, exported folder, builtin:faces or hf://USER/NAME@REVISION.
        count: number of images.
        of_class: class to generate, for a conditional run.
        label: labels by field, such as hair=long01, for a conditional run.
        seed: random seed.
        truncate: share of each latent's distance from the centre to keep; less is less varied.
        out: output folder, or one file for all images: .npy, .zip or .tar; for vectors .csv or .npy.
        format: format of the images in folders, zip and tar files; webp is lossless.
        traverse: InfoGAN only: write a grid, a row for each category, columns along this code.
        at: write one image, that of this address in the studio: at=7.3&moves=1.5.
        grid: write one grid instead of single files.
        show: draw the images in the terminal as well.
        stl: also write each volume as a surface for 3-D printers.
        no_metadata: leave out the metadata that mark each file as synthetic.
        processes: processes that share the work; auto: by GPUs.
        engine: onnx generates by onnxruntime on the CPU, within one level of 255.
        checkpoint: best, latest, or a checkpoint's name such as 00012000.
        recipe: your own modules that hold its networks, if you trust them.
    """
    from organza.distributed.launched import speaks
    from organza.inference.load import load

    require_within("count", count, 1, MOST)
    require_seed(seed)
    labels = labels_asked(label, of_class)
    trained = load(run, checkpoint, recipe, engine=engine)
    tell(trained.notes)
    series = _Series(trained, count, seed, truncate, labels, out, show, not no_metadata)
    if trained.table is not None:
        if grid or stl or traverse is not None or at is not None or labels:
            raise UserError(f"{run} generates vectors; leave out --grid, --stl, --traverse, --at and labels.")
        answer(_vectors(series))
    elif at is not None:
        answer(_at_address(series, at))
    elif speaks() or (traverse is None and series.is_shared(grid)):
        answer(_written(series, format, traverse, grid, stl))
    return 0


def _vectors(series: _Series) -> str:
    """Write vectors to a file; return a summary."""
    from organza.display.console import draw
    from organza.inference.sample_vectors import sample_vectors
    from organza.media.images import grid
    from organza.media.scatter import panels

    trained = series.run
    shrunk = "" if series.truncate == 1 else f"-truncated-{series.truncate:g}"
    file = series.place or trained.folder.place("generated") / f"{series.count}-of-seed-{series.seed}{shrunk}.csv"
    made = sample_vectors(
        trained, file, series.count, series.seed, truncate=series.truncate, metadata=series.metadata
    )  # fmt: skip
    if series.show and trained.table is not None:
        draw(grid(panels(made, made, trained.table.printable)))
    which = f"seed {series.seed}, checkpoint {trained.saved.directory.name}, {trained.images:,} vectors seen"
    return f"{series.count:,} vectors of {trained.channels} columns in {file} ({which})"


@dataclass(frozen=True)
class _Series:
    """Images of one seed, as the options ask for them.

    Args:
        run: trained run.
        count: number of images.
        seed: random seed.
        truncate: share of each latent's distance from the centre to keep.
        labels: labels by field, for a conditional run.
        place: output folder or file; None for one in the run folder that is named for the series.
        show: True to draw the images in the terminal as well.
        metadata: True to mark each file as synthetic.
    """

    run: Run
    count: int
    seed: int
    truncate: float
    labels: dict[str, str]
    place: Path | None
    show: bool
    metadata: bool

    @property
    def out(self) -> Path:
        """Output folder or file."""
        shrunk = [] if self.truncate == 1 else [f"truncated-{self.truncate:g}"]
        name = safe_name("-".join(["seed", str(self.seed), *self.labels.values(), *shrunk]))
        return self.place or self.run.folder.place(f"generated/{name}")

    @property
    def made_by(self) -> Provenance | None:
        """Metadata of its files; None for none."""
        return self.run.made_by(self.seed) if self.metadata else None

    @property
    def holds_volumes(self) -> bool:
        """True if the run generates volumes."""
        return len(self.run.shape) == 4

    @property
    def origin(self) -> str:
        """Place, seed and checkpoint, in words."""
        seen = f"{self.run.images:,} {'volumes' if self.holds_volumes else 'images'} seen"
        return f"in {self.out} (seed {self.seed}, checkpoint {self.run.saved.directory.name}, {seen})"

    def is_shared(self, grid: bool) -> bool:
        """Return True if several processes can share the work: that of single files and of shards."""
        from organza.inference.sample_files import is_shard

        return not grid and (not self.holds_volumes or is_shard(self.out))

    def require_memory(self, things: str) -> None:
        """Check that all images fit into memory with two copies, as floats and as files."""
        from organza.memory import require_memory

        require_memory(3 * self.count * math.prod(self.run.shape), things)


def _written(series: _Series, format: Literal["png", "webp"], traverse: int | None, grid: bool, stl: bool) -> str:
    """Write a series in the form that was asked for; return the answer."""
    from organza.inference.sample_files import is_shard

    if traverse is not None:
        return _traversal(series, traverse)
    if series.holds_volumes and not is_shard(series.out):
        written = _volumes(series, not grid, stl)
    elif stl:
        raise UserError(f"--stl: {series.run.path} generates images, which have no surface; leave out --stl.")
    else:
        written = _grid(series) if grid else _files(series, format)
    return f"{written} {series.origin}"


def _at_address(series: _Series, address: str) -> str:
    """Write the image that the studio shows at an address; return its path."""
    from organza.display.console import draw
    from organza.media.images import save_png
    from organza.studio.player import Player
    from organza.studio.points import Point

    trained = series.run
    picture = Player(trained).pictures([Point.parse(address)])[0]
    path = (series.place or trained.folder.place("generated/studio")) / f"{safe_name(address.rpartition('?')[2])}.png"
    save_png(picture, path, trained.made_by() if series.metadata else None)
    if series.show:
        draw(picture)
    return str(path)


def _files(series: _Series, format: Literal["png", "webp"]) -> str:
    """Write images as single files or as one shard; return a summary."""
    from organza.display.console import draw, preparing
    from organza.distributed.launched import joined
    from organza.inference.sample_files import Journal, is_shard, sample_files
    from organza.media.images import grid

    count, out = series.count, series.out
    try:
        with preparing() as progress, joined(users_sentence) as world:
            done = sample_files(
                series.run, out, count, series.seed, series.labels, truncate=series.truncate,
                kind=format, metadata=series.metadata, progress=progress, world=world,
            )  # fmt: skip
    except KeyboardInterrupt:
        if (journal := Journal.at(out)) is not None:
            say(f"{journal.done:,} of {count:,} are complete; run the same command again to resume.")
        raise
    if series.show and done.first is not None:
        draw(grid(done.first))
    unit = "volumes" if series.holds_volumes else "images"
    before = f" ({done.resumed:,} of them were there)" if done.resumed else ""
    return f"{count} {unit}{before}{'' if is_shard(out) or out.is_file() else ' and grid.png'}"


def _grid(series: _Series) -> str:
    """Write one grid; return a summary."""
    from organza.display.console import draw
    from organza.media.images import grid, save_png

    series.require_memory(f"A grid of {series.count:,} images")
    images = grid(series.run.sample(series.count, series.seed, labels=series.labels, truncate=series.truncate))
    save_png(images, series.out / "grid.png", series.made_by)
    if series.show:
        draw(images)
    return f"a grid of {series.count} images"


def _traversal(series: _Series, code: int) -> str:
    """Write an InfoGAN's latent traversal as a grid; return the answer."""
    from organza.display.console import draw
    from organza.media.images import grid, save_png

    table = grid(series.run.traversal(code, steps=10, seed=series.seed), columns=10)
    path = series.out / f"traversal-{code}.png"
    save_png(table, path, series.made_by)
    if series.show:
        draw(table)
    return f"{path}: a row for each category, code {code} from left to right"


def _volumes(series: _Series, singly: bool, stl: bool) -> str:
    """Write volumes, rendered images and surfaces; return a summary."""
    from organza.display.console import draw
    from organza.media.images import grid
    from organza.media.volume_files import write_volumes
    from organza.media.volumes import render

    series.require_memory(f"{series.count:,} volumes")
    volumes = series.run.sample(series.count, series.seed, truncate=series.truncate)
    if series.show:
        draw(grid(render(volumes[:64])))
    return ", ".join(write_volumes(series.out, volumes, singly, stl, series.made_by))
