"""The studio: a page on this machine that starts, shows and explores runs. Needs the extra `studio`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


def picture(run: str | Path, address: str) -> np.ndarray:
    """Return the image that the studio shows at an address, uint8 [H, W, C]; a volume is rendered.

    Args:
        run: run or exported folder.
        address: address of the image, or its part after the question mark: at=7.3&moves=1.5,-2.

    Raises:
        UserError: if there is no such run, or the address is not of an image.

    >>> picture("runs/faces", "at=7.3&moves=1.5").shape    # doctest: +SKIP
    (64, 64, 3)
    """
    from organza.inference.load import load
    from organza.studio.player import Player
    from organza.studio.points import Point

    return Player(load(run)).pictures([Point.parse(address)])[0]
