"""The images of a translation: each with its input, its output, and the masks that belong to them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from organza.data.decode import ENDINGS
from organza.data.folder import Entry, listing
from organza.disk import LONGEST_NAME, folds_case, safe_name, same_name
from organza.errors import UserError, nearest
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


def jobs_of(source: Path, out: Path) -> tuple[list[Job], list[str]]:
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
        """Return the job of one entry, with a result name that no other has."""
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


def require_free(jobs: list[Job], overwrite: bool) -> None:
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


def masks_of(mask: str | Path | None, stems: Sequence[str]) -> dict[str, Path]:
    """Return the mask of each image by the stem of its name; {} if none was named.

    Args:
        mask: an image, for all; or a folder of images with the same names.
        stems: names of the images without their endings.

    Raises:
        UserError: if it does not exist, or an image has no mask in the folder.
    """
    if mask is None:
        return {}
    place = Path(mask)
    if not place.exists():
        raise UserError(f"There is no {mask}; give an image, white where to fill, or a folder of such images.")
    if place.is_file():
        return dict.fromkeys(stems, place)
    found = {file.stem: file for file in sorted(place.iterdir()) if file.suffix.lower() in ENDINGS}
    for stem in stems:
        if stem not in found:
            raise UserError(f"There is no mask for {stem} in {mask}.{nearest(stem, found)}")
    return found
