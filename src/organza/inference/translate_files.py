"""Translation of image files: every image of a file, folder or zip, written under its own name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from organza.data.decode import Unreadable, decode, size_of
from organza.data.size import Size
from organza.errors import UserError
from organza.inference.jobs import Job, jobs_of, masks_of, require_free
from organza.inference.load import Run, load
from organza.inference.whole_files import WholeFiles
from organza.media.images import save_png
from organza.media.provenance import CHANGED, Provenance
from organza.networks.layers import Translator
from organza.progress import Progress
from organza.recipe import Recipe
from organza.seeding import MICROBATCH


def translate_files(
    run: str | Path,
    source: str | Path,
    out: str | Path,
    *,
    to: str = "b",
    size: Size | None = None,
    mask: str | Path | None = None,
    overwrite: bool = False,
    checkpoint: str = "best",
    progress: Progress | None = None,
    metadata: bool = True,
    recipe: Recipe | str | None = None,
) -> tuple[list[Path], tuple[str, ...]]:
    """Translate an image, or all in a folder or zip, to PNG files of the same names; return the
    files and notes for the user.

    Images are converted to the channels of the training images: transparency is composited on
    white, and colours become grey if the run was trained on grey. Each keeps its size; images that
    need too much memory are skipped. A run that enlarges or fills takes images as they are, keeps
    grey, opacity and colour profile, and works in tiles: see `whole_images`.

    Args:
        run: run folder.
        source: an image, or a folder or zip of images.
        out: output folder, or a file that ends in .png for one image.
        to: "b", or "a" for the reverse direction, in runs that learned both.
        size: size to crop and scale images to first, as in training; None keeps their sizes.
        mask: pixels to fill, for a run that fills: an image, white or opaque there, or a folder of
            masks with the names of the images; by default the transparent pixels.
        overwrite: True to replace existing files.
        checkpoint: best, latest, or a checkpoint's name.
        progress: callback (task, done, total).
        metadata: True to mark the files as synthetic, with the weights.
        recipe: recipe of your own that the run was trained with: see `load`.

    Returns:
        Paths of the files written, and notes on skipped images.

    Raises:
        UserError: if there is no run, no readable image, or results exist already or would replace
            originals.
    """
    trained = load(run, checkpoint, recipe)
    channels = trained.source_channels(to)
    trained.translate(
        np.zeros((1, 1, 1, channels), np.uint8), to
    )  # reports what the run cannot do before anything is read
    network = trained.translator(to)
    _require_use(trained, network, size, mask)
    jobs, left_out = jobs_of(Path(source), Path(out))
    masks = masks_of(mask, [job.result.stem for job in jobs]) if network.masked else {}
    require_free(jobs, overwrite)
    made_by = trained.made_by(kind=CHANGED) if metadata else None
    if network.reach:
        work = WholeFiles(network, trained.channels, made_by, progress)
        written, skipped = _in_tiles(work, jobs, masks, size)
    else:
        written, skipped = _in_batches(trained, to, jobs, size, made_by, progress)
    notes = (*trained.notes, *left_out, *skipped)
    if not written:
        raise UserError(f"Nothing in {source} can be translated: {'; '.join(notes)}.")
    return written, notes


def _require_use(trained: Run, network: Translator, size: Size | None, mask: str | Path | None) -> None:
    """Check that the run has a use for a size and a mask.

    Raises:
        UserError: if it has none.
    """
    if network.masked and size:
        raise UserError("`size` cannot be given to a run that fills: an image keeps its size, as its mask has it too.")
    if mask is not None and not network.masked:
        raise UserError(
            f"{trained.path} does not fill holes, so it has no use for `mask`; train a run with `recipe='fill-light'`."
        )


def _in_tiles(
    work: WholeFiles, jobs: Sequence[Job], masks: Mapping[str, Path], size: Size | None
) -> tuple[list[Path], list[str]]:
    """Enlarge or fill each image as it is, in tiles; return the files, and notes on skipped images."""
    written, notes = [], []
    for job in jobs:
        reason = work.fill(job, masks.get(job.result.stem)) if work.network.masked else work.enlarge(job, size)
        if reason:
            notes.append(f"{job.name} is left out: {reason}")
        else:
            written.append(job.result)
    return written, notes


def _in_batches(
    trained: Run,
    to: str,
    jobs: Sequence[Job],
    size: Size | None,
    made_by: Provenance | None,
    progress: Progress | None,
) -> tuple[list[Path], list[str]]:
    """Translate each image as a whole, those of the training size in batches; return the files, and notes on skipped images."""
    written, notes, waiting = [], [], []
    trained_size = Size(trained.width, trained.height)
    for done, job in enumerate(jobs, 1):
        picture = _picture(trained, to, job, size)
        if isinstance(picture, str):
            notes.append(f"{job.name} is left out: {picture}")
        elif picture.shape[1::-1] == trained_size:
            waiting.append((job, picture))  # a batch costs no more than a single image
        else:
            written += _settled(trained, to, [(job, picture)], made_by)
        if len(waiting) == MICROBATCH or done == len(jobs):
            written += _settled(trained, to, waiting, made_by)
            waiting = []
        if progress:
            progress("translating images", done, len(jobs))
    return written, notes


def _picture(trained: Run, to: str, job: Job, size: Size | None) -> np.ndarray | str:
    """Return the image of a job, uint8 [H, W, channels], or the reason why it cannot be read."""
    try:
        content = job.read()
    except Unreadable as reason:
        return str(reason).removesuffix(".")
    except Exception as error:  # damaged files and members raise many kinds of errors
        return f"it cannot be read ({getattr(error, 'strerror', None) or error})"
    try:
        wanted = size or size_of(content)
        trained.require_room(wanted.height, wanted.width, to)
        return decode(content, wanted, trained.source_channels(to))
    except (Unreadable, UserError) as reason:
        return str(reason).removesuffix(".")


def _settled(
    trained: Run, to: str, waiting: list[tuple[Job, np.ndarray]], made_by: Provenance | None
) -> Iterator[Path]:
    """Translate and write images of one size."""
    if waiting:
        made = trained.translate(np.stack([picture for _, picture in waiting]), to)
        for (job, _), picture in zip(waiting, made, strict=True):
            save_png(picture, job.result, made_by)
            yield job.result
