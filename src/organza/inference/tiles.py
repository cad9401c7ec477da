"""Work in tiles: a network on parts of a large image, with the same result as on the whole.

An output depends on the input within `reach` pixels. Each tile is given so many pixels around it, of which the results are
cut off; so there are no seams, and memory grows with a row of tiles, not with the image.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch

from organza.data.batches import to_float, to_uint8
from organza.networks.layers import Translator

TILE = 256
"""Pixels a side of a tile, without those around it."""
Ticked = Callable[[int, int], None]  # tiles done, tiles in all


@torch.no_grad()
def strips(
    network: Translator, image: np.ndarray, tile: int = TILE, ticked: Ticked | None = None
) -> Iterator[np.ndarray]:
    """Yield a network's result for an image from top to bottom, uint8 [rows, factor W, C'] each.

    Args:
        network: translator with a `reach`, in evaluation mode.
        image: uint8 [H, W, C].
        tile: pixels a side of a tile; rounded up to a multiple of the network's stride.
        ticked: callback after each tile.
    """
    height, width = image.shape[:2]
    side, around = (-(-pixels // network.stride) * network.stride for pixels in (tile, network.reach))
    tops, lefts = range(0, height, side), range(0, width, side)
    for row, top in enumerate(tops):
        parts = []
        for column, left in enumerate(lefts):
            parts.append(_tile(network, image, (top, left), side, around))
            if ticked:
                ticked(row * len(lefts) + column + 1, len(tops) * len(lefts))
        yield np.concatenate(parts, 1)


def _tile(network: Translator, image: np.ndarray, corner: tuple[int, int], side: int, around: int) -> np.ndarray:
    """Return the result of one tile, uint8."""
    begins = [max(0, at - around) for at in corner]
    ends = [min(at + side + around, most) for at, most in zip(corner, image.shape[:2], strict=True)]
    part = image[begins[0] : ends[0], begins[1] : ends[1]]
    own = [slice(at - begin, min(at + side, most) - begin)
           for at, begin, most in zip(corner, begins, image.shape[:2], strict=True)]  # fmt: skip
    if network.masked and not part[own[0], own[1], -1].any():  # nothing to fill
        return part[own[0], own[1], :-1]
    device = next(network.parameters()).device
    made = to_uint8(network.translate(to_float(np.array(part[None])).to(device)))[0].cpu().numpy()
    rows, columns = (slice(network.factor * one.start, network.factor * one.stop) for one in own)
    return made[rows, columns]
