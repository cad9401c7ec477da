"""Walks of a run through its latents, and mixing of its levels."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from organza.config.arguments import whole
from organza.data.batches import to_uint8
from organza.errors import UserError
from organza.latents.interpolate import circle
from organza.latents.interpolate import walk as way
from organza.latents.law import Law
from organza.latents.levels import Levelled
from organza.latents.source import Source, images, in_batches, latents, law_of, on_device, rows
from organza.latents.truncation import truncated

SEEDS = 2**64
FRAMES = 100_000
"""Largest number of frames of a walk."""
CELLS = 256
"""Largest number of walks side by side."""


def require_share(value: float, name: str, most: float) -> float:
    """Return a number from 0 to `most`.

    Raises:
        UserError: if it is none.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= most:
        raise UserError(f"{name} is {str(value)[:40]}; it must be a number from 0 to {most:g}.")
    return float(value)


def frames_of(seconds: float, fps: int) -> int:
    """Return the number of frames of a clip.

    Raises:
        UserError: if it would have none, or too many.
    """
    fps = whole(fps, "fps", least=1, most=240)
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not math.isfinite(seconds):
        raise UserError(f"seconds is {str(seconds)[:40]}; it must be a number, such as 8.")
    frames = round(seconds * fps)
    if not 1 <= frames <= FRAMES:
        raise UserError(
            f"{seconds:g} s at {fps} frames a second are {frames:,} frames; a walk has 1 to {FRAMES:,}: change seconds or fps."
        )
    return frames


def walk(
    source: Source,
    seeds: Sequence[int] = (0,),
    *,
    seconds: float = 8.0,
    fps: int = 30,
    cells: int = 1,
    closed: bool = True,
    truncate: float = 1.0,
    labels: Mapping[str, str] | None = None,
) -> Iterator[np.ndarray]:
    """Yield the frames of a walk, uint8 [cells, H, W, C] each: see `organza.inference.load.Run.walk`."""
    law, frames = law_of(source), frames_of(seconds, fps)
    psi = require_share(truncate, "truncate", 2)
    cells = whole(cells, "cells", least=1, most=CELLS)
    if not len(seeds):
        raise UserError("seeds is empty; give at least one seed, such as 7.")
    chosen = [whole(seed, "seed", most=SEEDS) for seed in seeds]
    series = range(cells)
    row = rows(source, series, chosen[0], labels)
    keys = truncated(law, torch.stack([latents(source, seed, series) for seed in chosen]), psi)
    return _frames(source, law, keys, chosen[0], psi, frames, closed, row)


def _frames(
    source: Source,
    law: Law,
    keys: Tensor,
    seed: int,
    psi: float,
    frames: int,
    closed: bool,
    row: tuple[Tensor, ...],
) -> Iterator[np.ndarray]:
    """Yield the images of each frame of a walk: see `walk`."""
    if len(keys) == 1:  # the circle through one image and a random one
        further = truncated(law, latents(source, seed, range(CELLS, CELLS + keys.shape[1])), psi)
        path = (
            circle(law, keys[0], further, frames)
            if closed
            else way(law, torch.stack([keys[0], further]), frames, False)
        )
    else:
        path = way(law, keys, frames, closed)
    for z in path:
        yield images(source, z, *row)


@torch.no_grad()
def mixed(
    source: Source,
    coarse: Sequence[int],
    fine: Sequence[int],
    level: int | None = None,
    labels: Mapping[str, str] | None = None,
) -> np.ndarray:
    """Return images of mixed levels, uint8 [coarse, fine, H, W, C]: see `organza.inference.load.Run.mix`."""
    law_of(source)
    count = len(getattr(source.generator, "levels", ()))
    if count < 2:
        raise UserError(
            f"z enters the generator of {source.path} at {'one place' if count else 'no place that is known'}, so it has no levels to mix; "
            "recipes with swift's generator have."
        )
    level = 1 if level is None else whole(level, "level", least=1, most=count - 1)
    if not len(coarse) or not len(fine):
        raise UserError("mix needs at least one seed for the coarse levels and one for the fine ones.")
    z1, z2 = (torch.stack([source.latent(seed, 0) for seed in seeds]) for seeds in (coarse, fine))
    levelled = Levelled(source.generator)
    pairs = z1.repeat_interleave(len(z2), 0), z2.repeat(len(z1), 1)
    row = tuple(one.expand(len(pairs[0]), -1) for one in rows(source, range(1), int(coarse[0]), labels))

    def draw(a: Tensor, b: Tensor, *row: Tensor) -> Tensor:
        return levelled.mixed(a, *row, other=b, at=level)

    made = to_uint8(in_batches(on_device(source, draw), *pairs, *row)).numpy()
    return made.reshape(len(z1), len(z2), *made.shape[1:])
