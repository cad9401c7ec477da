"""Location of a run's data and the settings to read it with; the data is not opened yet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from organza.data.pack import Pack, distinct, open_data
from organza.data.shards.opening import are_at, open_shards
from organza.data.size import Size, parse_size
from organza.errors import UserError
from organza.progress import Progress

WISHES = ("size", "channels", "labels", "seed", "pages", "follow_links")
"""Settings for reading data that a run remembers."""


@dataclass(frozen=True)
class Source:
    """A location of data, and the user's settings for it.

    Args:
        path: folder, zip or array file, folder of shards, or the address of their manifest.
        size: pixels, width x height; None decides by the data.
        channels: 1, 3 or 4; None decides by the data.
        labels: columns of labels.csv (hair,year:class), or another table (my.csv, my.csv:hair);
            :class, :number or :tags after a column gives its kind. None uses all columns of a table
            if there is one, else the folders as classes.
        seed: random seed of the order of items.
        progress: callback (task, done, total).
        pages: "first" or "all" pages and frames of a file: see `open_data`.
        follow_links: True to follow links that lead out of a folder.
    """

    path: str | Path
    size: Size | str | int | None = None
    channels: int | None = None
    labels: str | None = None
    seed: int = 0
    progress: Progress | None = None
    pages: str = "first"
    follow_links: bool = False

    @classmethod
    def remembered(cls, path: str | Path, asked: Mapping[str, Any], progress: Progress | None = None) -> Source:
        """Return the source of a run's data, with the settings that the run began with.

        Args:
            path: location of the data.
            asked: settings in recipe.json; earlier versions had fewer.
            progress: callback (task, done, total).
        """
        return cls(path, progress=progress, **{name: asked[name] for name in WISHES if asked.get(name) is not None})

    @property
    def wanted(self) -> Size | None:
        """Requested size.

        Raises:
            UserError: if it is not a size.
        """
        if self.size is None or isinstance(self.size, Size):
            return self.size
        return parse_size(str(self.size))

    def within(self, *folders: str) -> Source | None:
        """Return the first of these subfolders that exists as a source, or None."""
        for name in folders:
            if (place := Path(self.path) / name).is_dir():
                return replace(self, path=place)
        return None

    def pack(self, size: Size | None = None, channels: int | None = None, fit: str = "crop") -> Pack:
        """Return the packed images, at least two different ones.

        Args:
            size: size, instead of the source's.
            channels: channels, instead of the source's.
            fit: method of fitting images to the size: see `decode`.

        Raises:
            UserError: as in `open_data`; also if there is only one image, or all are equal.
        """
        size, channels = size or self.wanted, channels or self.channels
        if are_at(self.path):
            pack = open_shards(self.path, size, channels, fit, self.progress)
        else:
            more = {"pages": self.pages, "follow_links": self.follow_links, "progress": self.progress}
            pack = open_data(self.path, size=size, channels=channels, fit=fit, **more)
        if len(pack) < 2:
            raise UserError(f"{self.path} has one usable image; a GAN needs at least 2, better 500 or more.")
        if distinct(pack, 2) < 2:
            raise UserError(
                f"The {len(pack)} images in {self.path} are all equal, so there is nothing to learn; check the folder."
            )
        return pack
