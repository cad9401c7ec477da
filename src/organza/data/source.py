"""Where a run's data comes from, and how it is to be read; not opened yet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from organza.data.pack import Pack, distinct, open_data
from organza.data.size import Size, parse_size
from organza.errors import UserError
from organza.progress import Progress

WISHES = ("size", "channels", "labels", "seed", "pages", "follow_links")
"""What a run remembers of how its data is read."""


@dataclass(frozen=True)
class Source:
    """A place with data, and the user's wishes for it.

    Args:
        path: a folder, a zip or an array file.
        size: pixels, width x height; None lets the data decide.
        channels: 1, 3 or 4; None lets the data decide.
        labels: columns of labels.csv (hair,year:class), or a table of one's own (my.csv, my.csv:hair); after a column, :class, :number or
            :tags says how to read it. None takes all columns of a table that is there, else the folders as classes.
        seed: of the order in which items come.
        progress: is told (what, done, total).
        pages: "first" or "all" of the pages and frames of a file: see `open_data`.
        follow_links: read what links in a folder lead to outside of it.
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
        """Return the source of a run's data, to be read as it was read when the run began.

        Args:
            path: place of the data.
            asked: wishes that recipe.json keeps; earlier versions knew fewer.
            progress: is told (what, done, total).
        """
        return cls(path, progress=progress, **{name: asked[name] for name in WISHES if asked.get(name) is not None})

    @property
    def wanted(self) -> Size | None:
        """The size asked for.

        Raises:
            UserError: where it is none.
        """
        if self.size is None or isinstance(self.size, Size):
            return self.size
        return parse_size(str(self.size))

    def within(self, *folders: str) -> Source | None:
        """The first of these subfolders that is there, as a source of its own."""
        for name in folders:
            if (place := Path(self.path) / name).is_dir():
                return replace(self, path=place)
        return None

    def pack(self, size: Size | None = None, channels: int | None = None, fit: str = "crop") -> Pack:
        """The packed images, enough of them to learn from.

        Args:
            size, channels: in the place of the wishes above.
            fit: how images are brought to the size: see `decode`.

        Raises:
            UserError: whatever `open_data` raises; where there is one image, or all are alike.
        """
        size, channels = size or self.wanted, channels or self.channels
        more = {"pages": self.pages, "follow_links": self.follow_links, "progress": self.progress}
        pack = open_data(self.path, size=size, channels=channels, fit=fit, **more)
        if len(pack) < 2:
            raise UserError(
                f"{self.path} has one usable image; a GAN learns from many: 500 is a good beginning, 2 the least."
            )
        if distinct(pack, 2) < 2:
            raise UserError(
                f"The {len(pack)} images in {self.path} are all alike; there is nothing to learn but a copy. Check the folder."
            )
        return pack
