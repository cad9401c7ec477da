"""Volumes on disk: an array of all, an image of each, a grid, a turntable of the first few, and surfaces for printers."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from organza.media.images import grid, save_png, write_aside
from organza.media.provenance import Provenance
from organza.media.volumes import LEVEL, render, stl, turntable

TURNING = 4  # volumes in the turntable
SHEET = 256  # largest number of volumes in the grid
PICTURE = 192  # pixels of a single image; those in the grid have half as many


def write_volumes(
    folder: Path, volumes: np.ndarray, singly: bool = True, surfaces: bool = False, made_by: Provenance | None = None
) -> list[str]:
    """Write volumes.npz, grid.png, turntable.gif, and an image and a surface of each volume; return a summary of the files.

    Args:
        folder: output folder.
        volumes: uint8 [N, D, H, W, 1].
        singly: True to write an image of each.
        surfaces: True to write an STL file of each that has a surface.
        made_by: provenance to record in the images, if any.

    Raises:
        UserError: if a file cannot be written.
    """
    content = io.BytesIO()
    np.savez_compressed(content, volumes=volumes[..., 0])
    write_aside(folder / "volumes.npz", content.getvalue())
    save_png(grid(render(volumes[:SHEET], PICTURE // 2)), folder / "grid.png", made_by)
    write_aside(folder / "turntable.gif", gif(turntable(volumes[:TURNING]), made_by=made_by))
    told = [f"{len(volumes)} volumes in volumes.npz", "grid.png", "turntable.gif"]
    for index, volume in enumerate(volumes) if singly else ():
        save_png(render(volume[None], PICTURE)[0], folder / f"{index:05d}.png", made_by)
    if singly:
        told.insert(1, f"{len(volumes)} images")
    if surfaces:
        there = [index for index, volume in enumerate(volumes) if volume.max() > LEVEL]
        for index in there:
            write_aside(folder / f"{index:05d}.stl", stl(volumes[index, ..., 0]))
        told.insert(1, f"{len(there)} STL files")
    return told


def gif(frames: Sequence[np.ndarray], seconds: float = 3.0, made_by: Provenance | None = None) -> bytes:
    """Encode images uint8 [H, W, 3] as an endless animation, with 64 colours.

    The provenance is a comment, the only text that every reader of GIF supports.

    >>> gif([np.zeros((8, 8, 3), np.uint8), np.ones((8, 8, 3), np.uint8)])[:6]
    b'GIF89a'
    """
    palette = Image.fromarray(np.concatenate(frames[:4])).quantize(64)
    images = [Image.fromarray(frame).quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames]
    content = io.BytesIO()
    pause = round(1000 * seconds / len(frames))
    said = {"comment": f"{made_by.text}; {made_by.kind}".encode()} if made_by else {}
    images[0].save(
        content, "gif", save_all=True, append_images=images[1:], duration=pause, loop=0, optimize=True, **said
    )
    return content.getvalue()
