"""Image files that a command is given."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from organza.cli.options import tell
from organza.errors import UserError

if TYPE_CHECKING:
    import numpy as np

    from organza.inference.load import Run


def read_images(trained: Run, paths: Sequence[Path]) -> tuple[list[str], np.ndarray]:
    """Return names and uint8 [N, H, W, C] of image files and folders, cropped and scaled as training images are."""
    import numpy as np

    from organza.data.size import Size
    from organza.inference.judge_files import pictures_at

    if len(trained.shape) != 3:
        raise UserError(f"{trained.path} generates volumes; this command takes images.")
    notes: list[str] = []
    size = Size(trained.width, trained.height)
    read = list(pictures_at(paths, size, trained.channels, notes, trained.content["data"]))
    tell(tuple(notes) + tuple(f"{name}: {note}" for name, _, note in read[:5] if note))
    if not read:
        raise UserError(f"{', '.join(map(str, paths))} hold no images that can be read.")
    return [name for name, _, _ in read], np.stack([image for _, image, _ in read])
