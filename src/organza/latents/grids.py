"""Grids that show a direction: a row for each latent, columns along the axis."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from organza.disk import safe_name
from organza.latents.directions import Direction
from organza.latents.source import Source, images, latents, law_of, rows
from organza.media.images import grid, save_png
from organza.media.volumes import pictured

COLUMNS = (-3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0)
"""Deviations of the columns from each row's own latent, which is in the middle."""
ROWS = 4


def direction_grid(source: Source, direction: Direction, seed: int = 0, count: int = ROWS) -> np.ndarray:
    """Return a grid of images moved along a direction, uint8 [H, W, C].

    Args:
        source: run.
        direction: direction to move along.
        seed: random seed of the latents.
        count: number of rows.
    """
    law, series = law_of(source), range(count)
    z = latents(source, seed, series).repeat_interleave(len(COLUMNS), 0)
    row = tuple(one.repeat_interleave(len(COLUMNS), 0) for one in rows(source, series, seed))
    moved = law.moved(z, direction.axis, torch.tensor(COLUMNS).repeat(count)[:, None])
    return grid(pictured(images(source, moved, *row)), columns=len(COLUMNS))


def save_grids(source: Source, directions: tuple[Direction, ...], folder: Path, metadata: bool = True) -> list[Path]:
    """Write a grid for each direction, NAME.png in a folder, and return the files.

    Raises:
        UserError: if one cannot be written.
    """
    written = []
    for one in directions:
        path = folder / f"{safe_name(one.name)}.png"
        save_png(direction_grid(source, one), path, source.made_by(0) if metadata else None)
        written.append(path)
    return written
