"""Commands that use a trained run: sample, judge, encode, evaluate, translate."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from organza.cli.options import (
    MOST,
    DataPlace,
    Images,
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
from organza.cli.wording import in_options
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
        out: output folder, or one file for all images: .npy, .zip or .tar.
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
    from organza.inference.sample_files import is_shard

    require_within("count", count, 1, MOST)
    require_seed(seed)
    labels = labels_asked(label, of_class)
    trained = load(run, checkpoint, recipe, engine=engine)
    tell(trained.notes)
    if at is not None:
        answer(_at_address(trained, at, out, show, not no_metadata))
        return 0
    shrunk = [] if truncate == 1 else [f"truncated-{truncate:g}"]
    name = safe_name("-".join(["seed", str(seed), *labels.values(), *shrunk]))
    folder = out or trained.folder.place(f"generated/{name}")
    made_by = None if no_metadata else trained.made_by(seed)
    singly = traverse is None and not grid and (len(trained.shape) == 3 or is_shard(folder))
    if not singly and not speaks():  # there is nothing to share
        return 0
    if traverse is not None:
        answer(_traversal(trained, traverse, seed, folder, show, made_by))
        return 0
    volumes = len(trained.shape) == 4
    if volumes and not is_shard(folder):
        told = _volumes(trained, count, seed, truncate, folder, not grid, show, stl, made_by)
    elif stl:
        raise UserError(f"--stl: {run} generates images, which have no surface; leave out --stl.")
    elif grid:
        told = _grid(trained, count, seed, truncate, labels, folder, show, made_by)
    else:
        told = _files(trained, count, seed, truncate, labels, folder, format, show, not no_metadata)
    seen = f"{trained.images:,} {'volumes' if volumes else 'images'} seen"
    answer(f"{told} in {folder} (seed {seed}, checkpoint {trained.saved.directory.name}, {seen})")
    return 0


def _at_address(trained: Run, address: str, out: Path | None, show: bool, metadata: bool) -> str:
    """Write the image that the studio shows at an address; return its path."""
    from organza.display.console import draw
    from organza.media.images import save_png
    from organza.studio.player import Player
    from organza.studio.points import Point

    picture = Player(trained).pictures([Point.parse(address)])[0]
    path = (out or trained.folder.place("generated/studio")) / f"{safe_name(address.rpartition('?')[2])}.png"
    save_png(picture, path, trained.made_by() if metadata else None)
    if show:
        draw(picture)
    return str(path)


def _files(
    trained: Run,
    count: int,
    seed: int,
    truncate: float,
    labels: dict[str, str],
    out: Path,
    format: Literal["png", "webp"],
    show: bool,
    metadata: bool,
) -> str:
    """Write images as single files or as one shard; return a summary."""
    from organza.display.console import draw, preparing
    from organza.distributed.launched import joined
    from organza.inference.sample_files import Journal, is_shard, sample_files
    from organza.media.images import grid

    try:
        with preparing() as progress, joined(users_sentence) as world:
            done = sample_files(
                trained, out, count, seed, labels, truncate=truncate,
                kind=format, metadata=metadata, progress=progress, world=world,
            )  # fmt: skip
    except KeyboardInterrupt:
        if (journal := Journal.at(out)) is not None:
            say(f"{journal.done:,} of {count:,} are complete; run the same command again to resume.")
        raise
    if show and done.first is not None:
        draw(grid(done.first))
    unit = "volumes" if len(trained.shape) == 4 else "images"
    before = f" ({done.resumed:,} of them were there)" if done.resumed else ""
    return f"{count} {unit}{before}{'' if is_shard(out) or out.is_file() else ' and grid.png'}"


def _grid(
    trained: Run,
    count: int,
    seed: int,
    truncate: float,
    labels: dict[str, str],
    folder: Path,
    show: bool,
    made_by: Provenance | None,
) -> str:
    """Write one grid; return a summary."""
    from organza.display.console import draw
    from organza.media.images import grid, save_png
    from organza.memory import require_memory

    # the images, the grid, and the encoded grid
    require_memory(3 * count * math.prod(trained.shape), f"A grid of {count:,} images")
    sheet = grid(trained.sample(count, seed, labels=labels, truncate=truncate))
    save_png(sheet, folder / "grid.png", made_by)
    if show:
        draw(sheet)
    return f"a grid of {count} images"


def _traversal(trained: Run, code: int, seed: int, folder: Path, show: bool, made_by: Provenance | None) -> str:
    """Write an InfoGAN's latent traversal as a grid; return a summary."""
    from organza.display.console import draw
    from organza.media.images import grid, save_png

    table = grid(trained.traversal(code, steps=10, seed=seed), columns=10)
    path = folder / f"traversal-{code}.png"
    save_png(table, path, made_by)
    if show:
        draw(table)
    return f"{path}: a row for each category, code {code} from left to right"


def _volumes(
    trained: Run,
    count: int,
    seed: int,
    truncate: float,
    folder: Path,
    singly: bool,
    show: bool,
    stl: bool,
    made_by: Provenance | None,
) -> str:
    """Write volumes, rendered images and surfaces; return a summary."""
    from organza.display.console import draw
    from organza.media.images import grid
    from organza.media.volume_files import write_volumes
    from organza.media.volumes import render
    from organza.memory import require_memory

    require_memory(3 * count * math.prod(trained.shape), f"{count:,} volumes")
    volumes = trained.sample(count, seed, truncate=truncate)
    if show:
        draw(grid(render(volumes[:64])))
    return ", ".join(write_volumes(folder, volumes, singly, stl, made_by))


def judge(
    run: RunPath,
    images: Images,
    /,
    of_class: Annotated[str | None, arg("NAME", "the most favourable", name="class")] = None,
    label: Annotated[tuple[str, ...], arg("FIELD=VALUE ...")] = (),
    json: bool = False,
    checkpoint: Which = "best",
    recipe: Trusted = None,
) -> int:
    """Score images with the discriminator: the probability that each is authentic, least authentic
    first.

    Args:
        run: run folder.
        images: image files and folders of images.
        of_class: class that the images should show, for a conditional run.
        label: labels that the images should show, by field, for a conditional run.
        json: print JSON instead of a table.
        checkpoint: best, latest, or a checkpoint's name such as 00012000.
        recipe: your own modules that hold its networks, if you trust them.
    """
    from organza.display.console import Console
    from organza.evaluation.reference_scores import reference_scores
    from organza.inference.judge_files import as_json, as_table, judge_files

    labels = labels_asked(label, of_class)
    verdicts, notes = judge_files(run, images, checkpoint, labels, recipe)
    tell(notes)
    if json:
        answer(*as_json(verdicts).split("\n"))
    else:
        Console().print(as_table(verdicts))
        for line in reference_scores(run, checkpoint, labels, recipe):
            answer(in_options(line))
    return 0


def encode(
    run: RunPath,
    images: Images,
    /,
    out: Annotated[Path | None, arg("FOLDER", "RUN/encoded")] = None,
    between: Annotated[int, arg("N", "no interpolation")] = 0,
    checkpoint: Which = "best",
    recipe: Trusted = None,
) -> int:
    """Encode images as latents and reconstruct them. For runs with an encoder, such as aae's.

    Writes latents.npz (names and latents) and reconstructions.png (original beside reconstruction).

    Args:
        run: run folder.
        images: image files and folders of images.
        out: output folder.
        between: interpolate between two images in N steps, written to between.png.
        checkpoint: best, latest, or a checkpoint's name such as 00012000.
        recipe: your own modules that hold its networks, if you trust them.
    """
    from organza.inference.encode_files import encode_files, write, write_way
    from organza.inference.load import load

    require_within("between", between, 0, 1000)
    trained = load(run, checkpoint, recipe)
    encoded = encode_files(trained, images)
    tell(encoded.notes)
    folder = out or trained.folder.place("encoded")
    if between:
        write_way(trained, encoded, folder, between)
    write(trained, encoded, folder)
    count, z_dim = encoded.latents.shape
    answer(
        f"{count} image{'s' * (count != 1)} as {z_dim} numbers each in {folder / 'latents.npz'}, reconstructions in reconstructions.png"
        f"{' and between.png' if between else ''} (checkpoint {trained.saved.directory.name}, {trained.images:,} images seen)"
    )
    return 0


def evaluate(
    targets: Annotated[tuple[str, ...], tyro.conf.Positional, arg("RUN|FOLDER ...")],
    /,
    against: Annotated[str | None, arg("DATA", "a run's own held-out images")] = None,
    count: Annotated[int | None, arg("N", "1000 of a run, all of a folder")] = None,
    extractor: Annotated[tuple[str, ...], arg("NAME ...", "all that are installed")] = (),
    weights: Annotated[tuple[Path, ...], arg("FILE ...", "none")] = (),
    download: bool = False,
    seed: Annotated[int, arg("N", "0")] = 0,
    data: DataPlace = None,
    labels: Annotated[str | None, arg("COLUMNS", "as recorded in the run")] = None,
    json: bool = False,
    processes: Processes = None,
    checkpoint: Which = "best",
    recipe: Trusted = None,
) -> int:
    """Measure the quality of generated images: those of a run, or any folder against another.

    Args:
        targets: run folder, or folder or zip of images; several are compared side by side.
        against: real images to compare with: a folder, a zip or an array file.
        count: number of images to generate, or to take from a folder.
        extractor: feature networks: lite0, mobilenet, inception, clip, dinov2, or
            my_module:my_extractor.
        weights: published weight files for inception, clip, dinov2; if one is missing, the command
            names it.
        download: permit the download of these weights.
        seed: random seed of the latents.
        data: new location of the run's data, if it was moved; remembered for next time.
        labels: columns or table of the labels, such as my.csv:hair, for an exported folder whose
            table lay outside its data.
        json: print JSON instead of a table.
        processes: processes that share the work; auto: by GPUs.
        checkpoint: best, latest, or a checkpoint's name such as 00012000.
        recipe: your own modules that hold its networks, if you trust them.
    """
    from organza.display.console import Console, preparing
    from organza.distributed.launched import joined, speaks
    from organza.evaluation.evaluate import evaluate as measure
    from organza.evaluation.evaluate import named_extractor
    from organza.evaluation.tables import as_json, as_table
    from organza.metrics.extractors.reference import KINDS

    require_within("count", count, 1, MOST)
    require_seed(seed)
    if download and speaks():
        for name in extractor:
            if name in KINDS and not KINDS[name].weights.kept_at().exists():
                say(f"fetching {KINDS[name].weights}")
    with preparing() as progress, joined(users_sentence) as world:
        extractors = [named_extractor(name, weights, download, progress) for name in extractor]
        found = [
            evaluation
            for target in targets
            for evaluation in measure(
                target, against, count, extractors, seed, checkpoint, progress, data, recipe, labels, world
            )
        ]
    if not speaks():
        return 0
    if json:
        answer(*as_json(found).split("\n"))
    else:
        Console().print(as_table(found))
    return 0


def translate(
    run: RunPath,
    source: Annotated[Path, tyro.conf.Positional, arg("INPUT")],
    out: Annotated[Path, tyro.conf.Positional, arg("OUTPUT")],
    /,
    direction: Annotated[Literal["b", "a"], arg("b|a", "b")] = "b",
    size: Annotated[str | None, arg("SIZE", "the size of each image")] = None,
    mask: Annotated[Path | None, arg("MASK", "transparent pixels")] = None,
    overwrite: bool = False,
    no_metadata: bool = False,
    checkpoint: Which = "best",
    recipe: Trusted = None,
) -> int:
    """Translate, enlarge or fill images, as the run was taught.

    Args:
        run: run folder.
        source: an image, or a folder or zip of images.
        out: output folder, or a file.png for one image. Names are kept; the results are PNG.
        direction: b translates from a to b, as trained; a translates back, for runs that learned
            both.
        size: crop and scale images first, 64 or 96x64; networks work best at their training size.
        mask: pixels to fill, for a run that fills: an image, white there, or a folder of such
            images with the same names.
        overwrite: replace existing results.
        no_metadata: leave out the metadata that mark each file as synthetic, with its weights.
        checkpoint: best, latest, or a checkpoint's name such as 00012000.
        recipe: your own modules that hold its networks, if you trust them.
    """
    from organza.data import parse_size
    from organza.display.console import preparing
    from organza.inference.translate_files import translate_files

    wanted = parse_size(size) if size else None
    with preparing() as progress:
        written, notes = translate_files(
            run,
            source,
            out,
            to=direction,
            size=wanted,
            mask=mask,
            overwrite=overwrite,
            checkpoint=checkpoint,
            progress=progress,
            metadata=not no_metadata,
            recipe=recipe,
        )
    tell(notes)
    answer(str(written[0]) if len(written) == 1 else f"{len(written):,} translations in {out}")
    return 0
