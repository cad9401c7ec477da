"""Labelled images for the search of directions: data with a table of labels, or with a folder for each class."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from organza.data.described import described
from organza.data.pack import open_data
from organza.data.size import Size
from organza.errors import UserError
from organza.latents.attributes import Attribute, attributes_of
from organza.latents.search import Labelled
from organza.latents.source import Source
from organza.progress import Progress
from organza.seeding import permutation
from organza.shell import quoted

MOST = 2000
"""Largest number of images to learn attributes from."""


def labelled(
    source: Source, data: str | Path, table: str | None = None, most: int = MOST, progress: Progress | None = None
) -> Labelled:
    """Return images of a run's size with the attributes that their labels give.

    Args:
        source: run.
        data: folder, zip or array file of images.
        table: table of labels; by default one that is in the data or beside it, and folders of classes.
        most: largest number of images.
        progress: function that takes (task, done, total).

    Raises:
        UserError: if there are no images, or no labels.
    """
    channels, height, width = source.shape
    pack = open_data(data, size=Size(width, height), channels=channels, progress=progress)
    told = described(data, pack.names, table)
    order = permutation(len(pack), "labelled images", len(pack)).numpy()[:most]
    images = np.stack([pack.images[int(n)] for n in np.sort(order)])
    shuffled = permutation(len(images), "labelled images", "order").numpy()
    kept = np.sort(order)[shuffled]
    attributes: list[Attribute] = []
    if told is not None:
        cells = {column: [cells[n] for n in kept] for column, cells in told.columns.items()}
        attributes += attributes_of(cells, told.decimal_comma)
    if pack.labels is not None:
        names = [pack.classes[k] for k in np.asarray(pack.labels)[kept]]
        attributes += attributes_of({"class": names})
    if not attributes:
        raise UserError(
            f"{data} has no labels that vary; give a table with `labels`, put each class into a folder of its own, or mark images: "
            f"organza directions {quoted(source.path)} --has FOLDER --has-not FOLDER"
        )
    taken = {one.name: one for one in attributes}
    return Labelled(images[shuffled], tuple(one for one in taken.values() if torch.isfinite(one.values).sum() > 20))
