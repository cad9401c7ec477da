"""Pictures inside a page: small, as data URIs, each with its words for those who do not see it."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from html import escape
from pathlib import Path

import numpy as np
from PIL import Image

from organza.pictures import grid, to_image

SHEETS = 16
"""Sheets of samples on a page; of more, evenly spaced ones."""
WIDEST = 720
"""Pixels of a sheet on a page."""
QUALITY = 80


def uri(content: bytes, kind: str) -> str:
    """Bytes as a data URI.

    >>> uri(b"GIF", "image/gif")
    'data:image/gif;base64,R0lG'
    """
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def encoded(image: Image.Image, quality: int = QUALITY) -> str:
    """An image as a data URI: small ones as PNG, of which every pixel counts; large ones as WebP."""
    content = io.BytesIO()
    if image.width * image.height <= 128 * 128 * 2:
        image.save(content, "png")
        return uri(content.getvalue(), "image/png")
    image.save(content, "webp", quality=quality, method=2)
    return uri(content.getvalue(), "image/webp")


def sheet_of(path: Path, widest: int = WIDEST) -> Image.Image:
    """A sheet of samples from its file, scaled down where it is wider than a page needs.

    Raises:
        OSError: it is not there, or damaged.
    """
    with Image.open(path) as image:
        image.load()
    scale = widest / max(image.size)
    if scale < 1:
        image = image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.LANCZOS)
    return image


def img(picture: np.ndarray, alt: str, scale: int = 96) -> str:
    """A uint8 [H, W, C] picture as an img element, drawn about `scale` pixels wide: see the page's style."""
    image = to_image(picture)
    if max(image.size) > 2 * scale:
        image.thumbnail((2 * scale, 2 * scale), Image.Resampling.LANCZOS)
    return (
        f'<img class="cell" alt="{escape(alt)}" src="{encoded(image)}" width="{image.width}" height="{image.height}">'
    )


def row(pictures: Sequence[np.ndarray] | np.ndarray, alt: str) -> str:
    """Pictures side by side as one img element."""
    sheet = to_image(grid(np.stack(list(pictures)), len(pictures), gap=2))
    if sheet.width > 2 * WIDEST:
        sheet.thumbnail((2 * WIDEST, 2 * WIDEST), Image.Resampling.LANCZOS)
    return f'<img class="strip" alt="{escape(alt)}" src="{encoded(sheet, 88)}" width="{sheet.width}" height="{sheet.height}">'


def spaced(items: Sequence[Path], most: int = SHEETS) -> list[Path]:
    """The first, the last, and evenly spaced ones between."""
    if len(items) <= most:
        return list(items)
    return [items[round(index * (len(items) - 1) / (most - 1))] for index in range(most)]
