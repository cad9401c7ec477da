"""Extractors that an evaluation can use: by name, by what is installed, by the kind of the images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import Tensor

from organza.distributed.world import ALONE, World
from organza.errors import UserError, nearest
from organza.evaluation.image_sets import ImageSet
from organza.metrics.extractors import efficientnet_lite, mobilenet
from organza.metrics.extractors.features import Extractor, offline_extractor, second_opinion
from organza.metrics.extractors.multiscale import Pyramid
from organza.metrics.extractors.reference import KINDS, known
from organza.metrics.shapes import ShapeStatistics
from organza.metrics.vectors import Standardised
from organza.progress import Progress
from organza.recipes import imported

AT_ONCE = 576
"""Images between two progress reports: whole batches of every extractor."""
EXTRACTORS: dict[str, tuple[Callable[[], Extractor], Callable[[], bool]]] = {
    "lite0": (lambda: Pyramid(offline_extractor), efficientnet_lite.WEIGHTS.installed),
    "mobilenet": (lambda: Pyramid(second_opinion), mobilenet.WEIGHTS.installed),
}


def suited(side: ImageSet, named: Sequence[str] = ()) -> list[Extractor]:
    """Return the extractors of these names for images of this kind, or all whose weights are
    installed if no name is given.

    Raises:
        UserError: as in `named_extractor`.
    """
    if side.images.ndim == 5:
        return [ShapeStatistics()]
    if side.table is not None:
        return [Standardised(side.table)]
    chosen = named or [name for name, (_, installed) in EXTRACTORS.items() if installed()] or ["lite0"]
    return [named_extractor(name) for name in chosen]


def named_extractor(
    name: str, files: Sequence[Path] = (), download: bool = False, progress: Progress | None = None
) -> Extractor:
    """Return an extractor by its name.

    Args:
        name: lite0 or mobilenet, whose weights come inside packages; inception, clip or dinov2,
            whose weights are published; or my_module:my_extractor, a function of yours that returns
            an `Extractor`.
        files: files that may hold published weights.
        download: True to permit their download.
        progress: callback for a download.

    Raises:
        UserError: if the name is unknown (names the nearest), or weights are missing (gives their
            size and address).
    """
    if ":" in name:
        made = imported(name, "extractors")()
        if not callable(made) or not all(hasattr(made, part) for part in ("name", "dimension", "card")):
            raise UserError(
                f"`extractors` is {name}, which returned a {type(made).__name__}; it must return an Extractor."
            )
        return cast("Extractor", made)
    if name in KINDS:
        return known(name, files, download, progress=progress)
    if name not in EXTRACTORS:
        names = (*EXTRACTORS, *KINDS)
        raise UserError(
            f"There is no extractor {name}; choose from {', '.join(names)}, and my_module:my_extractor.{nearest(name, names)}"
        )
    return EXTRACTORS[name][0]()


class Reporting:
    """An extractor that reports its progress, and whose work the ranks of a world share.

    Args:
        extractor: extractor.
        progress: callback (task, done, total).
        world: ranks, all of which ask for the features of the same images.
    """

    def __init__(self, extractor: Extractor, progress: Progress | None, world: World = ALONE):
        self.extractor, self.progress, self.world = extractor, progress, world
        self.name, self.dimension, self.card = extractor.name, extractor.dimension, extractor.card

    def __call__(self, images: np.ndarray | Tensor) -> Tensor:
        """Return the features of images, computed in parts."""
        whole = len(images) - len(images) % AT_ONCE
        starts = range(0, whole, AT_ONCE)
        parts: list[Tensor] = []
        for turn in range(0, len(starts), self.world.size):
            parts += self.world.map(lambda start: self._part(images, start), starts[turn : turn + self.world.size])
            self._tell(min((turn + self.world.size) * AT_ONCE, whole), len(images))
        if whole < len(images):  # of a size of its own, so each rank computes it
            parts.append(self._part(images, whole))
            self._tell(len(images), len(images))
        return torch.cat(parts)

    def _part(self, images: np.ndarray | Tensor, start: int) -> Tensor:
        return self.extractor(images[start : start + AT_ONCE])

    def _tell(self, done: int, total: int) -> None:
        if self.progress:
            self.progress(f"computing features of {self.name}", done, total)
