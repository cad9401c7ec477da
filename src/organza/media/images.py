"""Images for display: grids, files, and half-block drawings for a terminal."""

from __future__ import annotations

import io
import math
import os
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image

from organza.disk import cannot_write, discard, rename
from organza.errors import UserError
from organza.media.provenance import Provenance

Colour = tuple[int, int, int]


def grid(pictures: np.ndarray, columns: int | None = None, gap: int = 2, paper: int = 255) -> np.ndarray:
    """Arrange images in a grid.

    Args:
        pictures: uint8 [N, H, W, C].
        columns: number of images in a row; as square as possible by default.
        gap: pixels between images.
        paper: grey value between images.

    >>> grid(np.zeros((4, 8, 8, 3), np.uint8)).shape
    (18, 18, 3)
    """
    count, height, width, channels = pictures.shape
    across = min(count, columns or math.ceil(math.sqrt(count)))
    rows = math.ceil(count / across)
    sheet = np.full((rows * (height + gap) - gap, across * (width + gap) - gap, channels), paper, np.uint8)
    for index, picture in enumerate(pictures):
        y, x = (index // across) * (height + gap), (index % across) * (width + gap)
        sheet[y : y + height, x : x + width] = picture
    return sheet


def side_by_side(parts: Sequence[np.ndarray]) -> np.ndarray:
    """Join the parts of each item side by side: uint8 [N, H, W, C], also of different channels and
    heights.

    >>> side_by_side([np.zeros((2, 8, 8, 1), np.uint8), np.zeros((2, 8, 8, 3), np.uint8)]).shape
    (2, 8, 16, 3)
    """
    if len(parts) == 1:
        return parts[0]
    channels, height = max(part.shape[3] for part in parts), max(part.shape[1] for part in parts)
    return np.concatenate([_on_paper(part, channels, height) for part in parts], axis=2)


def _on_paper(pictures: np.ndarray, channels: int, height: int) -> np.ndarray:
    """Return images with these channels, on white of this height, uint8 [N, H, W, C]."""
    if pictures.shape[3] == 1 and channels > 1:
        pictures = np.repeat(pictures, 3, axis=3)
    if pictures.shape[3] < channels:  # opaque
        pictures = np.concatenate([pictures, np.full_like(pictures[..., :1], 255)], axis=3)
    above = (height - pictures.shape[1]) // 2
    rows = (above, height - pictures.shape[1] - above)
    return np.pad(pictures, ((0, 0), rows, (0, 0), (0, 0)), constant_values=255)


def to_image(picture: np.ndarray) -> Image.Image:
    """Return a uint8 [H, W, C] array with 1, 3 or 4 channels as a Pillow image."""
    return Image.fromarray(picture[:, :, 0] if picture.shape[2] == 1 else picture)


def save_png(picture: np.ndarray, path: Path, made_by: Provenance | None = None) -> None:
    """Write a uint8 [H, W, C] array as PNG, through a temporary file.

    Args:
        picture: image to write.
        path: output file.
        made_by: provenance to record in the file, if any.

    Raises:
        UserError: if it cannot be written.
    """
    write_aside(path, png(picture, made_by))


def png(picture: np.ndarray, made_by: Provenance | None = None) -> bytes:
    """Return a uint8 [H, W, C] array as the bytes of a PNG file.

    Args:
        picture: image to encode.
        made_by: provenance to record in the file, if any.
    """
    content = io.BytesIO()
    to_image(picture).save(content, "png", pnginfo=made_by.png() if made_by else None)
    return content.getvalue()


def encoded(picture: np.ndarray, kind: Literal["png", "webp"], made_by: Provenance | None = None) -> bytes:
    """Return a uint8 [H, W, C] array as the bytes of a PNG or lossless WebP file.

    Args:
        picture: image to encode.
        kind: file format.
        made_by: provenance to record in the file, if any.

    >>> picture = np.arange(192, dtype=np.uint8).reshape(8, 8, 3)
    >>> read = [Image.open(io.BytesIO(encoded(picture, kind))) for kind in ("png", "webp")]
    >>> [(image.format, np.array_equal(image, picture)) for image in read]
    [('PNG', True), ('WEBP', True)]
    """
    if kind == "png":
        return png(picture, made_by)
    content, xmp = io.BytesIO(), made_by.xmp().encode() if made_by else b""
    to_image(picture).save(content, "webp", lossless=True, exact=True, method=2, xmp=xmp)
    return content.getvalue()


def write_aside(path: Path, content: bytes) -> None:
    """Write a file through a temporary file, so that it is complete or absent; create its folder.

    Raises:
        UserError: if it cannot be written.
    """
    aside = path.with_name(
        f".{os.getpid()}-{secrets.token_hex(4)}"
    )  # short, as the name itself may have the maximal length
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with aside.open("xb") as file:  # never through a link
            file.write(content)
        rename(aside, path)
    except OSError as error:
        discard(aside)
        raise UserError(cannot_write(path, error)) from error


def shrunk(pictures: np.ndarray, width: int) -> np.ndarray:
    """Shrink images for a terminal: RGB on white, `width` pixels wide and of an even height,
    [N, h, width, 3].

    >>> shrunk(np.zeros((2, 64, 48, 1), np.uint8), 20).shape
    (2, 26, 20, 3)
    """
    height = max(2, round(width * pictures.shape[1] / pictures.shape[2] / 2) * 2)
    return np.stack([_small(picture, (width, height)) for picture in pictures])


def _small(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    image = to_image(picture)
    if image.mode == "RGBA":
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return np.asarray(image.convert("RGB").resize(size, Image.Resampling.BOX))


def half_blocks(picture: np.ndarray) -> list[list[tuple[Colour, Colour]]]:
    """Return an image, uint8 [2 h, W, 3], as h rows of (upper, lower) colours, two pixels for each
    character cell of a terminal.
    """
    pairs = picture.reshape(-1, 2, picture.shape[1], 3)
    return [[(_colour(upper), _colour(lower)) for upper, lower in row.transpose(1, 0, 2)] for row in pairs]


def _colour(pixel: np.ndarray) -> Colour:
    red, green, blue = (int(value) for value in pixel)
    return red, green, blue
