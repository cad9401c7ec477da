"""Encoding of image files as latents, and files with latents and reconstructions for other programs
and for people.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from organza.data.size import Size
from organza.errors import UserError
from organza.inference.judge_files import pictures_at
from organza.inference.load import Run
from organza.media.images import grid, save_png, side_by_side, write_aside
from organza.media.provenance import CHANGED

SHOWN = 256  # largest number of images in a grid


@dataclass(frozen=True)
class Encoded:
    """Images and their latents.

    Args:
        names: names of the files.
        pictures: images as the encoder received them, uint8 [N, H, W, C].
        latents: float32 [N, z_dim].
        notes: notes for the user.
    """

    names: tuple[str, ...]
    pictures: np.ndarray
    latents: np.ndarray
    notes: tuple[str, ...]


def encode_files(run: Run, paths: Sequence[Path]) -> Encoded:
    """Encode every image of files and folders as a latent.

    Raises:
        UserError: if the run has no encoder, or no path can be read.
    """
    _ = run.encoder  # reports a missing encoder first
    notes = list(run.notes)
    found = list(pictures_at(paths, Size(run.width, run.height), run.channels, notes, run.content["data"]))
    if not found:
        raise UserError(
            f"None of {', '.join(map(str, paths))} can be encoded: {'; '.join(notes) or 'they hold no images'}."
        )
    scaled = [f"{name}: {note}" for name, _, note in found if note]
    if scaled:
        notes.append(scaled[0] + (f"; and {len(scaled) - 1} more" if len(scaled) > 1 else ""))
    pictures = np.stack([picture for _, picture, _ in found])
    return Encoded(tuple(name for name, _, _ in found), pictures, run.encode(pictures).numpy(), tuple(notes))


def write(run: Run, encoded: Encoded, folder: Path) -> None:
    """Write latents.npz with `names` and `latents`, and reconstructions.png with original |
    reconstruction of the first images.
    """
    content = io.BytesIO()
    np.savez(content, names=np.array(encoded.names), latents=encoded.latents)
    write_aside(folder / "latents.npz", content.getvalue())
    some = encoded.pictures[:SHOWN]
    save_png(
        grid(side_by_side([some, run.reconstruct(some)])), folder / "reconstructions.png", run.made_by(kind=CHANGED)
    )


def write_way(run: Run, encoded: Encoded, folder: Path, steps: int) -> None:
    """Write between.png: the interpolation between two images, with the images at its ends.

    Raises:
        UserError: if there are not exactly two images.
    """
    if len(encoded.pictures) != 2:
        raise UserError(f"`between` takes two images to interpolate between; {len(encoded.pictures)} were given.")
    first, last = encoded.pictures
    way = run.interpolate(first, last, steps)
    save_png(
        grid(np.concatenate([first[None], way, last[None]]), columns=steps + 2),
        folder / "between.png",
        run.made_by(kind=CHANGED),
    )
