"""Images inside a page: small, as data URIs, each with an alternative text."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from organza.media.images import grid, to_image
from organza.report.page import html
from organza.untrusted import Refused, read_bytes

SHEETS = 16
"""Largest number of sample grids on a page; if there are more, evenly spaced ones are shown."""
WIDEST = 720
"""Width of a sample grid on a page, in pixels."""
QUALITY = 80
MOST_BYTES, MOST_PIXELS = 2**28, 2**27
"""Limits of a sample grid's file, in bytes and in pixels; 64 images of 1024x1024 have half as many
pixels."""


def uri(content: bytes, kind: str) -> str:
    """Return bytes as a data URI.

    >>> uri(b"GIF", "image/gif")
    'data:image/gif;base64,R0lG'
    """
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def encoded(image: Image.Image, quality: int = QUALITY) -> str:
    """Return an image as a data URI: small ones as PNG, since each pixel counts; large ones as
    WebP.
    """
    content = io.BytesIO()
    if image.width * image.height <= 128 * 128 * 2:
        image.save(content, "png")
        return uri(content.getvalue(), "image/png")
    image.save(content, "webp", quality=quality, method=2)
    return uri(content.getvalue(), "image/webp")


def sheet_of(path: Path, run: Path, widest: int = WIDEST) -> Image.Image:
    """Return a sample grid, scaled down if it is wider than a page needs.

    Args:
        path: PNG file.
        run: run folder, which must contain the file.
        widest: largest width in pixels.

    Raises:
        OSError: if it is missing, not a PNG file, damaged, or larger than any sample grid; the
            message gives the reason.
    """
    content = read_bytes(path, MOST_BYTES, inside=run)
    try:
        with Image.open(io.BytesIO(content), formats=("PNG",)) as image:
            if image.width * image.height > MOST_PIXELS:
                raise Refused(path, f"it is {image.width}x{image.height} pixels large")
            image.load()
    except Refused:
        raise
    except Exception as error:  # a damaged file raises many kinds of errors
        raise Refused(path, "it is no PNG file, or damaged") from error
    scale = widest / max(image.size)
    if image.mode not in ("L", "RGB", "RGBA"):
        image = image.convert("RGBA" if image.mode in ("LA", "P") else "RGB")
    if scale < 1:
        sides = max(1, round(image.width * scale)), max(1, round(image.height * scale))
        image = image.resize(sides, Image.Resampling.LANCZOS)
    return image


def img(picture: np.ndarray, alt: str, scale: int = 96) -> str:
    """Return a uint8 [H, W, C] image as an img element, about `scale` pixels wide: see the page's
    style.
    """
    image = to_image(picture)
    if max(image.size) > 2 * scale:
        image.thumbnail((2 * scale, 2 * scale), Image.Resampling.LANCZOS)
    return f'<img class="cell" alt="{html(alt)}" src="{encoded(image)}" width="{image.width}" height="{image.height}">'


def row(pictures: Sequence[np.ndarray] | np.ndarray, alt: str) -> str:
    """Return images side by side as one img element."""
    sheet = to_image(grid(np.stack(list(pictures)), len(pictures), gap=2))
    if sheet.width > 2 * WIDEST:
        sheet.thumbnail((2 * WIDEST, 2 * WIDEST), Image.Resampling.LANCZOS)
    return f'<img class="strip" alt="{html(alt)}" src="{encoded(sheet, 88)}" width="{sheet.width}" height="{sheet.height}">'


def spaced(items: Sequence[Path], most: int = SHEETS) -> list[Path]:
    """Return the first item, the last, and evenly spaced ones between them."""
    if len(items) <= most:
        return list(items)
    return [items[round(index * (len(items) - 1) / (most - 1))] for index in range(most)]
