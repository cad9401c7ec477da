"""Packs: the images of a source, decoded once into one array of bytes in the cache, whose rows are
read at each access.
"""

from __future__ import annotations

import hashlib
import os
import sys
import warnings
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from organza.data import deep
from organza.data.cache import Damage, PackFiles, digest, in_use, load, recall, remember, store
from organza.data.classes import classes_of
from organza.data.decode import FITS, PAGES, Pages, Unreadable, decode_pages, extents
from organza.data.deep import Extent, Scale, Scaling, Unscaled
from organza.data.defaults import recommended_channels, recommended_size, sampled
from organza.data.folder import Entry, Listing, listing
from organza.data.former import former_fingerprints
from organza.data.parallel import CHUNK, in_order
from organza.data.size import Size
from organza.disk import cache_folder
from organza.errors import UserError
from organza.progress import Progress
from organza.untrusted import printable

FORMAT = 3  # version of packs: increased if the same images give other bytes


@dataclass(frozen=True)
class Pack:
    """Images ready for training.

    Args:
        directory: folder of the files in the cache.
        images: uint8 [N, H, W, C]; rows are read from the file at each access.
        names: name of each image, relative to the source.
        labels: class of each image, int64 [N], if folders name two or more classes; else None.
        classes: names of the classes.
        broken: skipped files, each with the reason.
        fingerprint: sha256 of the images in use and of the settings.
        former_fingerprints: fingerprints by earlier versions of the same images.
        notes: notes for the user on how the images are read.
        scale: values that become black and white in deep images, by kind; see `deep`.
        fields: facts of labels that the data tells itself, as `Labels.facts`; () for none.
        known: their rows, float32 [N, width], read at each access; None for none.
    """

    directory: Path
    images: Any  # `Rows`, or `Pictures` of shards
    names: Sequence[str]
    labels: np.ndarray | None
    classes: tuple[str, ...]
    broken: tuple[tuple[str, str], ...]
    fingerprint: str
    former_fingerprints: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    scale: Mapping[str, Scale] = field(default_factory=dict)
    fields: tuple[Mapping[str, Any], ...] = ()
    known: Any = None

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
    pages: str = "first",
    follow_links: bool = False,
    cache: Path | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
) -> Pack:
    """Pack the images of a folder, a zip or an array file, or return the pack in the cache if
    nothing changed.

    Args:
        source: folder, zip or array file; it is only read.
        size: size of the packed images; None chooses 32 or 64 by their own sizes.
        channels: 1, 3 or 4; None decides by a sample of the images.
        fit: "crop" the middle, "pad" the whole image, or take the "left" or the "right" half of
            images that are two.
        pages: "first" uses the first page or frame of a file that has several, "all" uses each as
            an image: scan.tif#3.
        follow_links: True to follow links that lead out of a folder.
        cache: folder for packs.
        workers: number of decoding threads; one for each core by default.
        progress: callback (task, done, total).

    Raises:
        UserError: if the source does not exist, holds no readable images, or there is no room for
            the pack.

    >>> open_data("photos", size=Size(96, 64)).images.shape    # doctest: +SKIP
    (5000, 64, 96, 3)
    """
    if channels not in (None, 1, 3, 4):
        raise UserError(f"`channels` is {channels}; it must be 1 (grey), 3 (colour) or 4 (colour and opacity).")
    if fit not in FITS:
        raise UserError(f"fit is {fit}; it must be {' or '.join(FITS)}.")
    if pages not in PAGES:
        raise UserError(f"`pages` is {pages}; it must be {' or '.join(PAGES)}.")
    packs = (cache or cache_folder()) / "packs"
    found = listing(source, follow_links=follow_links)
    asked = {"format": FORMAT, "size": size, "channels": channels, "fit": fit, "pages": pages}
    seen = digest({"source": os.fsdecode(os.path.realpath(source)), "entries": found.stamp, **asked})
    if (known := recall(packs, seen)) is not None:
        return _opened(*known)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's: relevant ones are errors here, with the file's name
        work = _Work(found, str(source), _recipe(found, size, channels, fit), pages, workers, progress)
        directory, told = work.packed(packs)
    remember(packs, seen, directory, told)
    return _opened(directory, told)


def distinct(pack: Pack, limit: int) -> int:
    """Count the different images, up to `limit`."""
    seen: set[bytes] = set()
    for image in pack.images:
        seen.add(hashlib.blake2b(np.ascontiguousarray(image).data, digest_size=16).digest())
        if len(seen) >= limit:
            break
    return len(seen)


class _Recipe(NamedTuple):
    """Settings for packing each image."""

    size: Size
    channels: int
    fit: str


def _recipe(found: Listing, size: Size | None, channels: int | None, fit: str) -> _Recipe:
    facts = sampled(found) if size is None or channels is None else []
    return _Recipe(size or recommended_size(facts), channels or recommended_channels(facts), fit)


@dataclass(frozen=True)
class _Work:
    """Packing of one listing."""

    found: Listing
    source: str
    recipe: _Recipe
    pages: str
    workers: int | None
    progress: Progress | None

    def packed(self, packs: Path) -> tuple[Path, dict[str, Any]]:
        """Return the folder of the pack, and the notes on the listing.

        Most data sets have no deep images, so the first pass that these need is made only when one
        is met.
        """
        try:
            return self._stored(packs, deep.unknown, {}, {})
        except Unscaled:
            extents = self._look()
            scales = deep.of_data_set(extents)
            return self._stored(packs, deep.fixed(scales), scales, extents)

    def _look(self) -> dict[str, list[Extent]]:
        """Return the ranges of the values of all deep files, by kind."""
        found: dict[str, list[Extent]] = defaultdict(list)
        looked = in_order(lambda entry: _extents(self.found, entry, self.pages), self.found.entries, self.workers)
        for done, (_, seen) in enumerate(looked, 1):
            if seen is not None:
                found[seen[0]].append(seen[1])
            if self.progress:
                self.progress("looking at deep images", done, len(self.found.entries))
        return found

    def _stored(
        self, packs: Path, scaling: Scaling, scales: Mapping[str, Scale], extents: Mapping[str, Sequence[Extent]]
    ) -> tuple[Path, dict[str, Any]]:
        """Write the images to a new pack; return its folder, and the broken files and notes."""
        found, recipe, size = self.found, self.recipe, self.recipe.size
        count, told = len(found.entries), dict[str, Any]()
        # Large images need much memory in flight, and so do all pages of a file.
        chunk = (
            max(1, min(CHUNK, 2**24 // (size.width * size.height * recipe.channels))) if self.pages == "first" else 1
        )
        decoded = in_order(
            lambda entry: _images(found, entry, recipe, scaling, self.pages), found.entries, self.workers, chunk
        )

        def fill(files: PackFiles) -> dict[str, Any]:
            """Write every usable image, and return the facts about them."""
            folders: list[str] = []
            broken, several = list(found.problems), 0
            for done, (entry, images) in enumerate(decoded, 1):
                if isinstance(images, str):
                    broken.append((printable(entry.name), images))
                else:
                    several += images.several
                    for name, image in _named(entry.name, images):
                        if isinstance(image, str):
                            broken.append((printable(name), image))
                            continue
                        files.append(name, image)
                        folders.append(sys.intern(name[: name.rfind("/") + 1]))  # one string for all of its images
                if self.progress:
                    self.progress("packing images", done, count)
            if not folders:
                raise UserError(f"None of the {count} images in {self.source} can be used ({_first(broken)}).")
            settings = recipe._asdict()
            labels, classes = classes_of(folders)
            told["broken"] = broken
            told["notes"] = [*deep.in_words(scales, extents), *pages_in_words(several, self.pages), *found.said]
            told["former"] = former_fingerprints(files.content, broken, settings)
            return {
                "format": FORMAT, **settings, "fingerprint": digest({**files.content, "format": FORMAT, **settings}),
                "source": self.source, "pillow": Image.__version__, "labels": labels, "classes": classes, "scale": scales,
            }  # fmt: skip

        return store(packs, (count, size.height, size.width, recipe.channels), fill), told


def pages_in_words(several: int, pages: str) -> list[str]:
    """Return a note on files with several pages or frames.

    >>> pages_in_words(12, "first")
    ["12 files have several pages or frames; the first is used; `pages='all'` uses each"]
    """
    if not several:
        return []
    files = "1 file has" if several == 1 else f"{several:,} files have"
    rest = "the first is used; `pages='all'` uses each" if pages == "first" else "each is an image"
    return [f"{files} several pages or frames; {rest}"]


def _named(name: str, pages: Pages) -> list[tuple[str, np.ndarray | str]]:
    """Return the images of a file, each with its name."""
    if len(pages.images) == 1:
        return [(name, pages.images[0])]
    return [(f"{name}#{number}", image) for number, image in enumerate(pages.images, 1)]


def _images(found: Listing, entry: Entry, recipe: _Recipe, scaling: Scaling, pages: str) -> Pages | str:
    try:
        return decode_pages(found.read(entry), *recipe, scaling, pages)
    except Unreadable as reason:
        return str(reason)


def _extents(found: Listing, entry: Entry, pages: str) -> tuple[str, Extent] | None:
    try:
        return extents(found.read(entry), pages)
    except Unreadable:  # reported when it is packed
        return None


def _opened(directory: Path, told: Mapping[str, Any]) -> Pack:
    """Return a pack of images from its folder."""
    try:
        images, manifest = load(directory)
        labels = None if manifest["labels"] is None else np.array(manifest["labels"], np.int64)
        broken = tuple((str(name), str(reason)) for name, reason in told["broken"])
        classes, names = tuple(map(str, manifest["classes"])), manifest["names"]
        rest = tuple(map(str, told["former"])), tuple(map(str, told["notes"])), deep.read_scales(manifest["scale"])
    except Damage as error:
        raise UserError(
            f"The pack {directory} was changed or removed while it was opened; run the same command again."
        ) from error
    return Pack(directory, in_use(images, directory), names, labels, classes, broken, manifest["fingerprint"], *rest)


def _first(broken: Sequence[tuple[str, str]]) -> str:
    told = "; ".join(f"{name}: {reason}" for name, reason in broken[:3])
    return told + (f"; and {len(broken) - 3} more" if len(broken) > 3 else "")
