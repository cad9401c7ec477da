"""Small images with structure."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw


def drawing(seed: int, width: int = 32, height: int = 32) -> Image.Image:
    """A coloured disc and a bar on a coloured ground."""
    rng = np.random.default_rng(seed)
    ground, disc, bar = (tuple(int(v) for v in rng.integers(0, 256, 3)) for _ in range(3))
    image = Image.new("RGB", (width, height), ground)
    draw = ImageDraw.Draw(image)
    x, y, r = rng.integers(8, width - 8), rng.integers(8, height - 8), rng.integers(3, 8)
    draw.ellipse((x - r, y - r, x + r, y + r), fill=disc)
    draw.rectangle((0, height - 6, int(rng.integers(4, width)), height - 3), fill=bar)
    return image


def table(seed: int, side: int) -> np.ndarray:
    """A table of its own size and height in a cube of voxels, bool [side, side, side]."""
    rng = np.random.default_rng(seed)
    deep, high, wide = (int(length) for length in rng.integers(side // 3, side - 2, 3))
    front, left, top = (side - deep) // 2, (side - wide) // 2, side - high
    cube = np.zeros((side, side, side), bool)
    cube[front : front + deep, top : top + 2, left : left + wide] = True
    for z in (front, front + deep - 2):
        for x in (left, left + wide - 2):
            cube[z : z + 2, top:, x : x + 2] = True
    return cube
