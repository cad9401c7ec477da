"""Visible damage as a unit of distances: the distance of real images from themselves in pieces, and blurred.

A distance of 0.08 is a face with a smudged mouth for one data set, and debris for another. Damage of one kind is equally visible in
both: three by three pieces of nine different images keep colours, surfaces and layout, but no object; a blur of a sixteenth
of the side keeps only the layout.
"""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from organza.metrics.extractors.features import Extractor, cached_features
from organza.metrics.suite import distance

CUTS = 3
BLUR = 1 / 16
"""Standard deviation of the blur, relative to the shorter side."""
ENOUGH = 250
"""Number of images to damage: the error of a distance is then a tenth of it."""


class Damage(NamedTuple):
    """Distances of damaged real images from real ones.

    Args:
        pieces: distance of images composed of pieces of others.
        blurred: distance of blurred images.
    """

    pieces: float
    blurred: float

    @property
    def unit(self) -> float:
        """Smaller of the two distances; samples beyond it are further from real images than damaged real images are.

        Damage that leaves images unchanged does not count: noise in pieces is noise, and flat colours blurred are flat colours.
        """
        return min((one for one in self if one > HARMLESS), default=UNIT)


HARMLESS = 0.01
"""Distance that damage must exceed to count."""
UNIT = 0.12
"""Unit if no damage counts, or it was not measured: between those of faces and of icons."""


def damage(extractor: Extractor, images: np.ndarray, features: Tensor, key: str, directory: Path) -> Damage:
    """Measure the distances of damaged real images from the real images.

    Args:
        extractor: feature extractor.
        images: real images, uint8 [N, H, W, C].
        features: features of the undamaged images.
        key: key of the images among the cached features.
        directory: folder of the cached features.

    Raises:
        UserError: if the extractor refuses the images.
    """
    some = np.asarray(images[:ENOUGH])
    kinds = {"pieces": pieces(some), "blurred": blurred(some)}
    return Damage(
        **{
            name: distance(features, cached_features(extractor, damaged, f"{key}, {name}", directory)).value
            for name, damaged in kinds.items()
        }
    )


def pieces(images: np.ndarray, cuts: int = CUTS, seed: int = 0) -> np.ndarray:
    """Compose images of pieces, cuts x cuts, each from another image at the same place: uint8 [N, H, W, C] to the same.

    >>> a = np.arange(4, dtype=np.uint8)[:, None, None, None] * np.ones((4, 6, 6, 1), np.uint8)
    >>> sorted(np.unique(pieces(a)[:, 0, 0, 0]).tolist())
    [0, 1, 2, 3]
    """
    random = np.random.default_rng(seed)
    height, width = images.shape[1:3]
    rows, columns = ([length * k // cuts for k in range(cuts + 1)] for length in (height, width))
    made = np.empty_like(images)
    for top, bottom in itertools.pairwise(rows):
        for left, right in itertools.pairwise(columns):
            made[:, top:bottom, left:right] = images[random.permutation(len(images)), top:bottom, left:right]
    return made


def blurred(images: np.ndarray, share: float = BLUR) -> np.ndarray:
    """Blur images by a Gaussian of a share of their shorter side: uint8 [N, H, W, C] to the same.

    >>> dot = np.zeros((1, 16, 16, 1), np.uint8); dot[0, 8, 8] = 255
    >>> int(blurred(dot).max())
    41
    """
    deviation = share * min(images.shape[1:3])
    reach = max(1, round(3 * deviation))
    kernel = torch.exp(-0.5 * (torch.arange(-reach, reach + 1) / deviation) ** 2)
    kernel = kernel / kernel.sum()
    found = []
    for start in range(0, len(images), 256):
        x = torch.from_numpy(np.array(images[start : start + 256])).movedim(-1, 1).float()
        x = F.pad(x, (reach,) * 4, mode="replicate")
        planes = x.flatten(0, 1)[:, None]
        planes = F.conv2d(F.conv2d(planes, kernel.view(1, 1, 1, -1)), kernel.view(1, 1, -1, 1))
        x = planes.view(*x.shape[:2], *planes.shape[-2:])
        found.append(x.round().clamp(0, 255).to(torch.uint8).movedim(1, -1).numpy())
    return np.concatenate(found)
