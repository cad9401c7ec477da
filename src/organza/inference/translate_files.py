"""Translation of image files: every image of a file, folder or zip, written under its own name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from organza.data.decode import ENDINGS, Unreadable, decode, size_of
from organza.data.folder import Entry, listing
from organza.data.size import Size
from organza.disk import LONGEST_NAME, folds_case, safe_name, same_name
from organza.errors import UserError
from organza.inference.load import Run, load
from organza.media.images import save_png
from organza.media.provenance import CHANGED, Provenance
from organza.progress import Progress
from organza.recipe import Recipe
from organza.seeding import MICROBATCH
from organza.untrusted import printable


@dataclass(frozen=True)
class Job:
    """One image to translate.

    Args:
        name: display name of its file.
        read: function that returns its bytes. Raises any error of the system.
        result: file to write.
        original: file that must not be replaced; None in a zip.
    """

    name: str
    read: Callable[[], bytes]
    result: Path
    original: Path | None


def translate_files(
    run: str | Path,
    source: str | Path,
    out: str | Path,
    *,
    to: str = "b",
    size: Size | None = None,
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
    need too much memory are skipped.

    Args:
        run: run folder.
        source: an image, or a folder or zip of images.
        out: output folder, or a file that ends in .png for one image.
        to: "b", or "a" for the reverse direction, in runs that learned both.
        size: size to crop and scale images to first, as in training; None keeps their sizes.
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
    jobs, left_out = _jobs(Path(source), Path(out))
    _require_free(jobs, overwrite)
    notes, written, waiting = [*trained.notes, *left_out], [], []
    made_by = trained.made_by(kind=CHANGED) if metadata else None
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
    if not written:
        raise UserError(f"Nothing in {source} can be translated: {'; '.join(notes)}.")
    return written, tuple(notes)


def _picture(trained: Run, to: str, job: Job, size: Size | None) -> np.ndarray | str:
    """Return the image of a job, uint8 [H, W, channels], or the reason why it cannot be read."""
    try:
        content = job.read()
        wanted = size or size_of(content)
        trained.require_room(wanted.height, wanted.width, to)
        return decode(content, wanted, trained.source_channels(to))
    except (Unreadable, UserError) as reason:
        return str(reason).removesuffix(".")
    except Exception as error:  # damaged files and members raise many kinds of errors
        return f"it cannot be read ({getattr(error, 'strerror', None) or error})"


def _settled(
    trained: Run, to: str, waiting: list[tuple[Job, np.ndarray]], made_by: Provenance | None
) -> Iterator[Path]:
    """Translate and write images of one size."""
    if waiting:
        made = trained.translate(np.stack([picture for _, picture in waiting]), to)
        for (job, _), picture in zip(waiting, made, strict=True):
            save_png(picture, job.result, made_by)
            yield job.result


def _jobs(source: Path, out: Path) -> tuple[list[Job], list[str]]:
    """Return the images to translate, and notes on skipped files."""
    if not source.exists():
        raise UserError(f"There is no {source}; give an image, or a folder or zip of images.")
    named = out.suffix.lower() in ENDINGS and not out.is_dir()  # a file, not a folder
    if source.is_file() and source.suffix.lower() in ENDINGS:
        if named and out.suffix.lower() != ".png":
            raise UserError(
                f"Translations are written as PNG, which is lossless: name {out.with_suffix('.png')}, or a folder."
            )
        return [
            Job(str(source), source.read_bytes, out if named else out / _safe_path(f"{source.stem}.png"), source)
        ], []
    if named or out.is_file():
        raise UserError(f"{source} may hold many images and {out} is one file; name an output folder.")
    found = listing(source)
    times = Counter(same_name(_stem(entry.name)) for entry in found.entries)
    notes = [f"{printable(name)} is left out: {reason}" for name, reason in found.problems]

    def job(entry: Entry) -> Job:
        twin = times[same_name(_stem(entry.name))] > 1  # keep both x.jpg and x.png
        kept = f"{entry.name if twin else _stem(entry.name)}.png"
        name = _safe_path(kept)
        if name != kept:
            notes.append(f"{printable(entry.name)} is written as {name}, which is valid on every system")
        original = source / entry.name if source.is_dir() else None
        return Job(printable(entry.name), lambda: found.read(entry), out / name, original)

    return [job(entry) for entry in found.entries], notes


def _safe_path(name: str) -> str:
    """Return the path of a result, with every part valid on every system."""
    return "/".join(safe_name(part, LONGEST_NAME) for part in name.split("/"))


def _stem(name: str) -> str:
    return str(PurePosixPath(name).with_suffix(""))


def _require_free(jobs: list[Job], overwrite: bool) -> None:
    """Refuse to replace an original, to replace a result without permission, and to write two
    results to one file.
    """
    if jobs and folds_case(jobs[0].result.parent):
        names: dict[str, Job] = {}
        for job in jobs:
            if (twin := names.setdefault(same_name(str(job.result)), job)) is not job:
                raise UserError(
                    f"{twin.name} and {job.name} would be one file here, as this system ignores case; rename one of them first."
                )
    originals = {job.original.resolve() for job in jobs if job.original}
    for job in jobs:
        if job.result.resolve() in originals:
            raise UserError(f"{job.result} is an original; name another output for the translations.")
    there = [str(job.result) for job in jobs if job.result.exists()]
    if there and not overwrite:
        told = there[0] if len(there) == 1 else f"{len(there)} of the results, such as {there[0]},"
        raise UserError(f"{told} exist{'s' * (len(there) == 1)} already; add `overwrite`, or name another output.")
