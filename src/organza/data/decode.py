"""One picture file to pixels: converted on purpose or refused with a reason, never silently turned into something else."""

from __future__ import annotations

import io
import zlib
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageChops
from PIL.JpegImagePlugin import JpegImageFile

from organza.data.size import Size

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF")
ENDINGS = (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff")
MOST_PIXELS = 89_478_485  # a quarter of a GiB as RGB: Pillow's own bound, which it only warns of up to twice as many
FITS = ("crop", "pad", "left", "right")
GLANCE = Size(32, 32)

_UPRIGHT = {  # EXIF orientation: how to turn the picture so that it stands as it was taken
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


Content = bytes | np.ndarray
"""The bytes of a picture file, or pixels as an array file has them: uint8 [H, W] or [H, W, C]."""


class Unreadable(Exception):
    """Why a file is not a usable picture, in a few words."""


class Facts(NamedTuple):
    """What a picture file is, before anything was done to it."""

    format: str
    mode: str
    size: Size  # upright
    has_alpha: bool  # something in it can be seen through
    is_grey: bool


def decode(content: Content, size: Size, channels: int, fit: str = "crop") -> np.ndarray:
    """A picture to uint8 [H, W, C].

    Upright by its EXIF orientation; the first frame or page; colour profiles are not applied. 16-bit values are divided by 257,
    other deep ones as `full_scale` says. Transparency is laid on white, or kept with 4 channels, where what cannot be seen is black.

    Args:
        content: the bytes of a file, or pixels.
        size: to bring it to, antialiased (Lanczos); small pictures are enlarged.
        channels: 1 (grey), 3 (colour) or 4 (colour and opacity).
        fit: "crop" cuts the middle out to the aspect; "pad" shows the whole picture on white, or on nothing with 4 channels;
            "left" and "right" take one half of it, of pictures that are two, and crop that.

    Raises:
        Unreadable: damaged, cut short, too large, not a picture, or with values that are not finite.
    """
    try:
        whole = Size(2 * size.width, size.height) if fit in ("left", "right") else size
        image = half(upright(content, whole), fit)
        plain = on_white(image) if channels < 4 else image.convert("RGBA").convert("RGBa")
        small = padded(plain, size) if fit == "pad" else cropped(plain, size)
        pixels = np.asarray(small.convert({1: "L", 3: "RGB", 4: "RGBA"}[channels]))
        return pixels.reshape(size.height, size.width, channels)
    except Unreadable:
        raise
    except Exception as error:  # decoders raise whatever they please
        raise Unreadable(f"it cannot be decoded ({_words(error)})") from error


def glance(content: Content) -> tuple[Facts, np.ndarray]:
    """What a picture file is, and how it looks at 32x32: uint8 [32, 32, 3].

    Raises:
        Unreadable: as `decode`.
    """
    try:
        header = opened(content)
        turned = orientation(header) >= 5
        image = upright(content, GLANCE)
        alpha = image.mode == "RGBA" and int(np.asarray(image.getchannel("A")).min()) < 250
        plain = on_white(image)
        size = Size(*(reversed(header.size) if turned else header.size))
        found = Facts(str(header.format), header.mode, size, alpha, _is_grey(plain))
        return found, np.asarray(cropped(plain, GLANCE).convert("RGB"))
    except Unreadable:
        raise
    except Exception as error:
        raise Unreadable(f"it cannot be decoded ({_words(error)})") from error


def opened(content: Content) -> Image.Image:
    """A picture from the bytes of a file, not decoded yet, or from pixels.

    Raises:
        Unreadable: not one of the formats, damaged, or larger than a picture should be.
    """
    if isinstance(content, np.ndarray):
        image = Image.fromarray(content)
        image.format = "array"
        return image
    if not content:
        raise Unreadable("the file is empty")
    if content.startswith(b"version https://git-lfs"):
        raise Unreadable("it is a Git LFS pointer, not the picture itself: run git lfs pull")
    try:
        image = Image.open(io.BytesIO(content), formats=FORMATS)
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        raise Unreadable("it claims to be larger than 89 megapixels") from None
    except Image.UnidentifiedImageError:
        raise Unreadable("not a JPEG, PNG, WebP, BMP, GIF or TIFF picture, or its header is damaged") from None
    if image.width * image.height > MOST_PIXELS:
        raise Unreadable("it claims to be larger than 89 megapixels")
    if image.format == "PNG":
        _verify_png(content)
    return image


def size_of(content: bytes) -> Size:
    """The size of a picture as it stands upright, from its header alone.

    Raises:
        Unreadable: as `opened`.
    """
    image = opened(content)
    return Size(*(reversed(image.size) if orientation(image) >= 5 else image.size))


def upright(content: Content, size: Size) -> Image.Image:
    """The first frame as L, RGB or RGBA, standing as it was taken; a JPEG comes shrunk, still larger than `size`."""
    image = opened(content)
    turn = orientation(image)
    if isinstance(image, JpegImageFile):  # the decoder can shrink by 2, 4 or 8: several times faster for photographs
        width, height = size if turn < 5 else (size.height, size.width)
        image.draft(None, (2 * width, 2 * height))  # type: ignore[arg-type]  # None: the file's own mode
    image.load()
    shallow = to_eight_bits(image)
    return shallow.transpose(_UPRIGHT[turn]) if turn in _UPRIGHT else shallow


def orientation(image: Image.Image) -> int:
    """The EXIF orientation, 1 to 8; 1 (upright) where there is none or the EXIF block is damaged."""
    try:
        found = image.getexif().get(0x0112, 1)
    except Exception:  # a damaged note beside the picture is no reason to lose the picture
        return 1
    return found if found in _UPRIGHT else 1


def to_eight_bits(image: Image.Image) -> Image.Image:
    """Any mode to L, RGB or RGBA: deep pictures are scaled, never clipped; palettes, key colours and CMYK are resolved."""
    if image.mode.startswith("I") or image.mode == "F":
        values = np.asarray(image).astype(np.float64)
        low, high = (0.0, 65535.0) if image.mode.startswith("I;16") else full_scale(values, whole=image.mode == "I")
        grey = Image.fromarray(np.rint((values - low) / (high - low) * 255).astype(np.uint8))
        key = image.info.get("transparency")
        if isinstance(key, int):
            grey.putalpha(Image.fromarray(np.where(values == key, 0, 255).astype(np.uint8)))
            return grey.convert("RGBA")
        return grey
    if "A" in image.mode or "a" in image.mode or "transparency" in image.info:
        return image.convert("RGBA")
    return image.convert("L" if image.mode in ("1", "L") else "RGB")


def full_scale(values: np.ndarray, whole: bool) -> tuple[float, float]:
    """The values that stand for black and white, where the file does not say: 0 and the least of 1 (only floats), 255 and 65535
    that holds all of them; their own least and greatest where some are negative or larger.

    >>> full_scale(np.array([0.0, 0.5]), whole=False), full_scale(np.array([0, 300]), whole=True)
    ((0.0, 1.0), (0.0, 65535.0))

    Raises:
        Unreadable: where values are not finite.
    """
    if not np.isfinite(values).all():
        raise Unreadable("it holds values that are not finite (NaN or infinity)")
    low, high = float(values.min()), float(values.max())
    for white in (255.0, 65535.0) if whole else (1.0, 255.0, 65535.0):
        if low >= 0 and high <= white:
            return 0.0, white
    return low, max(high, low + 1e-12)


def on_white(image: Image.Image) -> Image.Image:
    """L or RGB, with white where the picture can be seen through."""
    if image.mode != "RGBA":
        return image
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")


def half(image: Image.Image, side: str) -> Image.Image:
    """The left or right half of a picture; all of it for any other side."""
    middle = max(1, image.width // 2)
    boxes = {"left": (0, 0, middle, image.height), "right": (image.width - middle, 0, image.width, image.height)}
    return image.crop(boxes[side]) if side in boxes else image


def cropped(image: Image.Image, size: Size) -> Image.Image:
    """The largest middle part with the aspect of `size`, brought to it. A mode with alpha must be premultiplied (RGBa)."""
    scale = max(size.width / image.width, size.height / image.height)
    width, height = min(size.width / scale, image.width), min(size.height / scale, image.height)
    left, top = (image.width - width) / 2, (image.height - height) / 2
    return _resized(image, size, (left, top, left + width, top + height))


def padded(image: Image.Image, size: Size) -> Image.Image:
    """The whole picture in the middle of `size`, on white, or on nothing where it has alpha (premultiplied, RGBa)."""
    scale = min(size.width / image.width, size.height / image.height)
    inner = Size(max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    ground = Image.new(image.mode, size, (0, 0, 0, 0) if image.mode == "RGBa" else "white")
    place = ((size.width - inner.width) // 2, (size.height - inner.height) // 2)
    ground.paste(_resized(image, inner, (0, 0, *image.size)), place)
    return ground


def _resized(image: Image.Image, size: Size, box: tuple[float, float, float, float]) -> Image.Image:
    if image.size == size:
        return image
    # A gap of 3 shrinks large pictures by whole factors first: two to four times faster, and not to be told apart.
    return image.resize(size, Image.Resampling.LANCZOS, box=box, reducing_gap=3.0)


def _is_grey(image: Image.Image) -> bool:
    """Whether no pixel has a colour worth the name (4 of 255 between its channels, for the sake of JPEG)."""
    if image.mode == "L":
        return True
    red, green, blue = image.split()
    return max(ImageChops.difference(green, other).getextrema()[1] for other in (red, blue)) <= 4  # type: ignore[operator]


def _verify_png(content: bytes) -> None:
    """Check the sums that PNG carries for its pixel data, which Pillow does not: else a flipped bit can pass as a picture."""
    place = 8
    while place + 12 <= len(content):
        length = int.from_bytes(content[place : place + 4], "big")
        end = place + 8 + length
        kind = content[place + 4 : place + 8]
        if end + 4 > len(content):
            raise Unreadable("it is cut short")
        if kind in (b"IDAT", b"PLTE", b"IHDR") and zlib.crc32(content[place + 4 : end]) != int.from_bytes(
            content[end : end + 4], "big"
        ):
            raise Unreadable("it is damaged (the checksum of its pixels is wrong)")
        if kind == b"IEND":
            return
        place = end + 4


def _words(error: Exception) -> str:
    text = str(error).strip()
    return text.splitlines()[0] if text else type(error).__name__
