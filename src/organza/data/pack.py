"""The pack: a folder's pictures, decoded once, as one memory-mapped array of bytes in the cache."""

from __future__ import annotations

import hashlib
import sys
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from organza.caching import cache_folder
from organza.data.cache import Damage, PackFiles, digest, load, recall, remember, store
from organza.data.choice import recommended_channels, recommended_size, sampled
from organza.data.classes import classes_of
from organza.data.decode import FITS, Unreadable, decode
from organza.data.folder import Entry, Listing, listing
from organza.data.parallel import CHUNK, in_order
from organza.data.size import Size
from organza.errors import UserError
from organza.progress import Progress
from organza.untrusted import printable

FORMAT = 2  # of packs: one higher whenever the same pictures would give other bytes


@dataclass(frozen=True)
class Pack:
    """Pictures ready for training.

    Args:
        directory: of the files in the cache.
        images: memory-mapped uint8 [N, H, W, C].
        names: the source of each image, relative to its folder.
        labels: class of each image, int64 [N], where folders name two or more classes; else None.
        classes: their names.
        broken: files that were left out, each with its reason.
        fingerprint: sha256 of content and settings.
    """

    directory: Path
    images: np.ndarray
    names: Sequence[str]
    labels: np.ndarray | None
    classes: tuple[str, ...]
    broken: tuple[tuple[str, str], ...]
    fingerprint: str

    def __len__(self) -> int:
        return len(self.images)

    @property
    def height(self) -> int:
        return self.images.shape[1]

    @property
    def width(self) -> int:
        return self.images.shape[2]

    @property
    def channels(self) -> int:
        return self.images.shape[3]


def open_data(
    source: str | Path,
    *,
    size: Size | None = None,
    channels: int | None = None,
    fit: str = "crop",
    cache: Path | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
) -> Pack:
    """The pictures of a folder, a zip or an array file, packed; from the cache where nothing changed.

    Args:
        source: is only read, never written to.
        size: to bring them to; None chooses 32 or 64 by their own sizes.
        channels: 1, 3 or 4; None looks at some of them.
        fit: "crop" the middle, "pad" the whole picture, or of pictures that are two take the "left" or the "right" half.
        cache: the folder for packs.
        workers: threads that decode; one for each core by default.
        progress: is told (what, done, total).

    Raises:
        UserError: no such source, no pictures in it, none of them readable, or no room for the pack.

    >>> open_data("photos", size=Size(96, 64)).images.shape    # doctest: +SKIP
    (5000, 64, 96, 3)
    """
    if channels not in (None, 1, 3, 4):
        raise UserError(f"--channels is {channels}; it can be 1 (grey), 3 (colour) or 4 (colour and opacity).")
    if fit not in FITS:
        raise UserError(f"fit is {fit}; it can be {' or '.join(FITS)}.")
    packs = (cache or cache_folder()) / "packs"
    found = listing(source)
    asked = {"format": FORMAT, "size": size, "channels": channels, "fit": fit}
    where = str(Path(source).resolve())
    seen = digest({"source": where, "entries": found.stamp, "problems": found.problems, **asked})
    if (known := recall(packs, seen)) is not None:
        return _opened(known)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's: what matters of them is an error here, with the file's name
        recipe = _recipe(found, size, channels, fit)
        directory = _packed(found, str(source), recipe, packs, workers, progress)
    remember(packs, seen, directory)
    return _opened(directory)


def distinct(pack: Pack, limit: int) -> int:
    """How many different images there are, counting no further than `limit`."""
    seen: set[bytes] = set()
    for image in pack.images:
        seen.add(hashlib.blake2b(np.ascontiguousarray(image).data, digest_size=16).digest())
        if len(seen) >= limit:
            break
    return len(seen)


class _Recipe(NamedTuple):
    """How each picture becomes an image."""

    size: Size
    channels: int
    fit: str


def _recipe(found: Listing, size: Size | None, channels: int | None, fit: str) -> _Recipe:
    facts = sampled(found) if size is None or channels is None else []
    return _Recipe(size or recommended_size(facts), channels or recommended_channels(facts), fit)


def _packed(
    found: Listing, source: str, recipe: _Recipe, packs: Path, workers: int | None, progress: Progress | None
) -> Path:
    count, size = len(found.entries), recipe.size
    chunk = max(
        1, min(CHUNK, 2**24 // (size.width * size.height * recipe.channels))
    )  # large pictures are many bytes in flight
    decoded = in_order(lambda entry: _image(found, entry, recipe), found.entries, workers, chunk)

    def fill(files: PackFiles) -> dict[str, Any]:
        """Append every picture that can be used, and say what they are."""
        folders: list[str] = []
        broken = list(found.problems)
        for done, (entry, image) in enumerate(decoded, 1):
            if isinstance(image, str):
                broken.append((printable(entry.name), image))
            else:
                files.append(entry.name, image)
                folders.append(sys.intern(entry.name[: entry.name.rfind("/") + 1]))  # once for all of its pictures
            if progress:
                progress("packing pictures", done, count)
        if not folders:
            raise UserError(f"None of the {count} pictures in {source} can be used ({_first(broken)}).")
        settings = {"format": FORMAT, **recipe._asdict()}
        fingerprint = digest({**files.content, "broken": [], **settings})
        labels, classes = classes_of(folders)
        return {
            **settings, "fingerprint": fingerprint, "pack": digest([fingerprint, broken]) if broken else fingerprint,
            "source": source, "pillow": Image.__version__,
            "labels": labels, "classes": classes, "broken": broken,
        }  # fmt: skip

    return store(packs, (count, size.height, size.width, recipe.channels), fill)


def _image(found: Listing, entry: Entry, recipe: _Recipe) -> np.ndarray | str:
    try:
        return decode(found.read(entry), *recipe)
    except Unreadable as reason:
        return str(reason)
    except OSError as error:
        return f"it cannot be read ({error.strerror or error})"
    except Exception as error:  # members of an archive fail in many ways
        return f"it cannot be read ({error})"


def _opened(directory: Path) -> Pack:
    try:
        images, manifest = load(directory)
    except Damage as error:
        raise UserError(
            f"The pack {directory} was changed or removed while it was opened; do the same again."
        ) from error
    labels = None if manifest["labels"] is None else np.array(manifest["labels"], np.int64)
    broken = tuple((name, reason) for name, reason in manifest["broken"])
    classes = tuple(manifest["classes"])
    return Pack(directory, images, manifest["names"], labels, classes, broken, manifest["fingerprint"])


def _first(broken: Sequence[tuple[str, str]]) -> str:
    told = "; ".join(f"{name}: {reason}" for name, reason in broken[:3])
    return told + (f"; and {len(broken) - 3} more" if len(broken) > 3 else "")
