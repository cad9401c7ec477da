"""Commands that use a trained run on images: judge, encode, evaluate, translate."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

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
from organza.errors import users_sentence


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
    from organza.evaluation.extractors import named_extractor
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
    """Translate, enlarge or fill images, as the run was trained to.

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
