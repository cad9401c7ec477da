"""One picture file to pixels: converted on purpose or refused with a reason, never silently turned into something else."""

from __future__ import annotations

import io
import warnings
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageOps

from organza.data.size import Size

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF")
ENDINGS = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff")


class Unreadable(Exception):
    """Why a file is not a usable picture, in a few words."""


class Facts(NamedTuple):
    """What a picture file is, before anything was done to it."""

    format: str
    mode: str
    size: Size
    has_alpha: bool
    is_grey: bool


def opened(content: bytes) -> Image.Image:
    """A picture from the bytes of a file, not decoded yet.

    Raises:
        Unreadable: not one of the formats, or larger than a picture should be.
    """
    if not content:
        raise Unreadable("the file is empty")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            return Image.open(io.BytesIO(content), formats=FORMATS)
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        raise Unreadable("it claims to be larger than 89 megapixels") from None
    except Image.UnidentifiedImageError:
        raise Unreadable("not a JPEG, PNG, WebP, BMP, GIF or TIFF picture") from None
    except Exception as error:
        raise Unreadable(_words(error)) from error


def decode(content: bytes, size: Size, channels: int, fit: str = "crop") -> np.ndarray:
    """The bytes of a file to uint8 [H, W, C].

    Args:
        content: of the file; the first frame counts.
        size: to bring it to, antialiased.
        channels: 1 (grey), 3 (colour; transparency is laid on white) or 4 (colour and opacity).
        fit: "crop" cuts the middle out to the aspect; "pad" shows the whole picture on white, or on nothing with 4 channels.

    Raises:
        Unreadable: damaged, cut short, not a picture, or with values that are not finite.
    """
    image = opened(content)
    try:
        if image.format == "JPEG":  # let the decoder shrink by 2, 4 or 8: several times faster for large photographs
            width, height = size if image.getexif().get(0x0112, 1) < 5 else reversed(size)
            image.draft(None, (2 * width, 2 * height))
        image.load()
        image = ImageOps.exif_transpose(image)
        return _fitted(to_eight_bits(image), size, channels, fit)
    except Unreadable:
        raise
    except Exception as error:  # decoders raise whatever they please
        raise Unreadable(_words(error)) from error


def facts(content: bytes) -> Facts:
    """What a picture file is.

    Raises:
        Unreadable: as `decode`.
    """
    image = opened(content)
    try:
        image.load()
    except Exception as error:
        raise Unreadable(_words(error)) from error
    width, height = image.size
    if image.getexif().get(0x0112, 1) in (5, 6, 7, 8):
        width, height = height, width
    small = to_eight_bits(image)
    small.thumbnail((64, 64))
    pixels = np.asarray(small).astype(np.int16)
    has_alpha = bool((pixels[..., 3] < 250).any())
    is_grey = bool((np.abs(pixels[..., :3] - pixels[..., :1]) <= 4).all())
    return Facts(str(image.format), image.mode, Size(width, height), has_alpha, is_grey)


def to_eight_bits(image: Image.Image) -> Image.Image:
    """Any mode to RGBA with 8 bits: deep pictures are scaled, never clipped; palettes and CMYK are resolved."""
    if image.mode.startswith("I;16") or image.mode in ("I", "F"):
        values = np.asarray(image).astype(np.float64)
        if not np.isfinite(values).all():
            raise Unreadable("it holds values that are not finite")
        return Image.fromarray(_scaled(values, image.mode)).convert("RGBA")
    return image.convert("RGBA")


def _scaled(values: np.ndarray, mode: str) -> np.ndarray:
    """Deep grey values to 0..255. 16-bit files use their full range; floats in 0..1 that range, others their own."""
    low, high = float(values.min()), float(values.max())
    if mode != "F" and low >= 0 and high <= 65535:
        low, high = 0.0, 65535.0
    elif mode == "F" and low >= 0 and high <= 1:
        low, high = 0.0, 1.0
    span = high - low if high > low else 1.0
    return np.round((values - low) / span * 255).astype(np.uint8)


def _fitted(image: Image.Image, size: Size, channels: int, fit: str) -> np.ndarray:
    # Premultiplied while resizing, so that colours hidden under full transparency do not bleed into the edges.
    premultiplied = image.convert("RGBa")
    if fit == "crop":
        scale = max(size.width / image.width, size.height / image.height)
        width, height = size.width / scale, size.height / scale
        left, top = (image.width - width) / 2, (image.height - height) / 2
        box = (left, top, min(left + width, image.width), min(top + height, image.height))
        small = premultiplied.resize(size, Image.Resampling.LANCZOS, box=box).convert("RGBA")
    else:
        scale = min(size.width / image.width, size.height / image.height)
        inner = Size(max(1, round(image.width * scale)), max(1, round(image.height * scale)))
        small = Image.new("RGBA", size, (255, 255, 255, 0))
        small.paste(
            premultiplied.resize(inner, Image.Resampling.LANCZOS).convert("RGBA"),
            ((size.width - inner.width) // 2, (size.height - inner.height) // 2),
        )
    if channels == 4:
        return np.asarray(small)
    on_white = Image.alpha_composite(Image.new("RGBA", size, "white"), small)
    return np.asarray(on_white.convert("L"))[:, :, None] if channels == 1 else np.asarray(on_white.convert("RGB"))


def _words(error: Exception) -> str:
    text = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    return f"it cannot be decoded ({text})"
