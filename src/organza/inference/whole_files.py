"""Files of whole images enlarged or filled, each written as PNG with the opacity and the colour profile of its original."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from organza.data.decode import Original, Unreadable, decode, original
from organza.data.size import Size
from organza.errors import UserError
from organza.inference.jobs import Job
from organza.inference.whole_images import OPAQUE, enlarged, filled
from organza.media.png import save_strips
from organza.media.provenance import Provenance
from organza.networks.layers import Translator
from organza.progress import Progress
from organza.untrusted import read_bytes

LARGEST = 2**28
"""Bytes of a mask's file."""


@dataclass(frozen=True)
class WholeFiles:
    """A network at work on files.

    Args:
        network: translator with a `reach`.
        channels: 1 or 3, those of its output.
        made_by: provenance to record in the files, if any.
        progress: callback (task, done, total).
    """

    network: Translator
    channels: int
    made_by: Provenance | None
    progress: Progress | None

    def enlarge(self, job: Job, size: Size | None) -> str:
        """Write an image enlarged; return the reason if it cannot be read, or "".

        Args:
            job: image.
            size: size to crop and reduce it to first; None keeps its own.
        """
        try:
            content = job.read()
            image = Original(decode(content, size, self.channels), None) if size else original(content)
        except Unreadable as reason:
            return str(reason)
        except OSError as error:
            return f"it cannot be read ({error.strerror or error})"
        pixels, factor = image.pixels, self.network.factor
        made = enlarged(self.network, pixels, self.channels, self._ticked(job))
        shape = (pixels.shape[0] * factor, pixels.shape[1] * factor, pixels.shape[2])
        save_strips(made, shape, job.result, self.made_by, image.profile)
        return ""

    def fill(self, job: Job, mask: Path | None) -> str:
        """Write an image with its hole filled; return the reason if it cannot be read, or "".

        Args:
            job: image.
            mask: file of the mask; None for the transparent pixels of the image.

        Raises:
            UserError: if the mask does not suit the image, or marks nothing or all.
        """
        try:
            image = original(job.read())
        except Unreadable as reason:
            return str(reason)
        except OSError as error:
            return f"it cannot be read ({error.strerror or error})"
        hole = hole_of(job.name, image.pixels, mask)
        made = filled(self.network, image.pixels, hole, self.channels)
        save_strips([made], made.shape, job.result, self.made_by, image.profile)
        return ""

    def _ticked(self, job: Job):
        progress = self.progress
        return (lambda done, of: progress(f"enlarging {job.name}, tiles", done, of)) if progress else None


def hole_of(name: str, pixels: np.ndarray, mask: Path | None) -> np.ndarray:
    """Return the pixels to fill, bool [H, W]: bright or opaque ones of a mask, or transparent ones of the image.

    Args:
        name: name of the image, for errors.
        pixels: image, uint8 [H, W, C].
        mask: file of the mask, if there is one.

    Raises:
        UserError: if sizes differ, or nothing or all is to be filled.
    """
    if mask is None:
        if pixels.shape[2] < 4:
            raise UserError(
                f"{name} has no transparent pixels to fill; give `mask`, an image that is white where to fill."
            )
        hole, said = pixels[..., 3] < OPAQUE, f"{name} has no transparent pixels"
    else:
        try:
            marks = original(read_bytes(mask, LARGEST)).pixels
        except Unreadable as reason:
            raise UserError(f"{mask} cannot be used as a mask: {reason}.") from None
        except OSError as error:
            raise UserError(f"{mask} cannot be read: {error.strerror or error}.") from None
        if marks.shape[:2] != pixels.shape[:2]:
            sizes = [f"{part.shape[1]}x{part.shape[0]}" for part in (marks, pixels)]
            raise UserError(f"The mask {mask} is {sizes[0]} and {name} is {sizes[1]}; give a mask of the image's size.")
        painted = marks.shape[2] == 4 and marks[..., 3].min() < OPAQUE  # strokes on a transparent layer
        hole, said = (marks[..., 3] if painted else marks[..., :3].mean(2)) >= OPAQUE, f"{mask} has no white pixels"
    if not hole.any():
        raise UserError(f"{said}, so there is nothing to fill; paint white what should be filled.")
    if hole.all():
        raise UserError(f"All of {name} is to be filled; leave some of it known.")
    return hole
