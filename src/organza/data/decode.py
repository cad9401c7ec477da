"""Decoding of image files to pixels: explicit conversions, or a refusal with the reason."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from PIL import Image, ImageChops
from PIL.JpegImagePlugin import JpegImageFile

from organza.data.deep import Extent, Scale, Scaling, alone, extent, kind_of
from organza.data.opening import (
    ENDINGS,
    MOST_PAGES,
    MOST_PIXELS,
    NONE_OF_THEM,
    Content,
    Unreadable,
    may_have_pages,
    opened,
    orientation,
    page_numbers,
    profile_of,
    reasons,
    require_size,
)
from organza.data.size import Size

__all__ = [
    "ENDINGS",
    "FITS",
    "NONE_OF_THEM",
    "PAGES",
    "Content",
    "Facts",
    "Pages",
    "Unreadable",
    "decode",
    "glance",
    "size_of",
]

MOST_PIXELS_OF_PAGES = 64 * MOST_PIXELS  # all pages of one file together
FITS = ("crop", "pad", "left", "right")
PAGES = ("first", "all")
GLANCE = Size(32, 32)
BITS, SAMPLE_FORMAT, SIGNED = 258, 339, 2  # tags of a TIFF, and a value

_UPRIGHT = {  # EXIF orientation: transposition that turns the image upright
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class Facts(NamedTuple):
    """Properties of an image file before any conversion."""

    format: str
    mode: str
    size: Size  # upright
    has_alpha: bool  # some pixels are transparent
    is_grey: bool
    several: bool = False  # it has more than one page or frame
    deep: Extent | None = None  # range of values that are scaled to 8 bits


class Pages(NamedTuple):
    """The images of a file.

    Args:
        images: uint8 [H, W, C], or the reason why a page cannot be used: the first page, or all of
            them.
        several: True if the file has more than one page or frame.
    """

    images: list[np.ndarray | str]
    several: bool


def decode(content: Content, size: Size, channels: int, fit: str = "crop", scaling: Scaling = alone) -> np.ndarray:
    """Decode an image to uint8 [H, W, C].

    The image is rotated upright by its orientation; the first frame or page is used; colour
    profiles are not applied. Deep values are scaled by `scaling`. Transparency is composited on
    white, or kept with 4 channels, with black where a pixel is invisible.

    Args:
        content: bytes of a file, or pixels.
        size: size of the result, resampled with antialiasing (Lanczos); small images are enlarged.
        channels: 1 (grey), 3 (colour) or 4 (colour and opacity).
        fit: "crop" crops the middle to the aspect; "pad" shows the whole image on white, or on
            transparency with 4 channels; "left" and "right" take one half of an image of two, and
            crop that.
        scaling: scale of deep values; by the type of the file if no data set is known.

    Raises:
        Unreadable: if it is damaged, cut short, too large, not an image, or has values that are not
            finite.
    """
    with reasons():
        image = opened(content)
        return _fitted(image, orientation(image), size, channels, fit, scaling)


def decode_pages(
    content: Content, size: Size, channels: int, fit: str = "crop", scaling: Scaling = alone, pages: str = "first"
) -> Pages:
    """Return the first image of a file, or all of them, each decoded as in `decode`.

    Args:
        content: bytes of a file, or pixels.
        size: size of the results.
        channels: 1, 3 or 4.
        fit: see `decode`.
        scaling: see `decode`.
        pages: "first" or "all".

    Raises:
        Unreadable: as in `decode`, for the first page.
    """
    with reasons():
        image = opened(content)
        turn, first = orientation(image), image.tell() if may_have_pages(image) else 0
        images: list[np.ndarray | str] = [_fitted(image, turn, size, channels, fit, scaling)]
        numbers = page_numbers(image, 2 if pages == "first" else MOST_PAGES + 1)
    if pages == "first":
        return Pages(images, len(numbers) > 1)
    if len(numbers) > MOST_PAGES or len(numbers) * image.width * image.height > MOST_PIXELS_OF_PAGES:
        raise Unreadable(f"it has too many pages or frames; the limit is {MOST_PAGES:,}, or 5,700 megapixels")
    for number in numbers:
        if number == first:
            continue
        try:
            with reasons():
                image.seek(number)
                require_size(image)
                images.append(_fitted(image, turn, size, channels, fit, scaling))
        except Unreadable as reason:  # frames depend on earlier ones, so the rest cannot be trusted
            images.append(str(reason))
            break
    return Pages(images, len(numbers) > 1)


def glance(content: Content) -> tuple[Facts, np.ndarray]:
    """Return the properties of an image file, and its 32x32 thumbnail: uint8 [32, 32, 3].

    Raises:
        Unreadable: as in `decode`.
    """
    with reasons():
        image = opened(content)
        header, mode, turn = image.size, image.mode, orientation(image)
        deep: list[Extent] = []

        def noted(kind: str, values: np.ndarray) -> Scale:
            deep.append(extent(values))
            return alone(kind, values)

        picture = _upright(image, turn, GLANCE, noted)
        own = image.size if image.format == "TIFF" else header  # Pillow shrinks a JPEG, and rotates a TIFF
        size = Size(*(reversed(own) if turn >= 5 else own))
        alpha = picture.mode == "RGBA" and int(np.asarray(picture.getchannel("A")).min()) < 250
        plain = on_white(picture)
        several = len(page_numbers(image, 2)) > 1
        found = Facts(str(image.format), mode, size, alpha, _is_grey(plain), several, deep[0] if deep else None)
        return found, np.asarray(cropped(plain, GLANCE).convert("RGB"))


class Original(NamedTuple):
    """An image at its own size.

    Args:
        pixels: uint8 [H, W, C], upright; grey, colour, or colour and opacity, as in the file.
        profile: ICC profile of its colours, if the file has one that fits.
    """

    pixels: np.ndarray
    profile: bytes | None


def original(content: bytes) -> Original:
    """Decode an image without changing its 8-bit values: upright, at its own size, with its colour profile.

    Raises:
        Unreadable: as in `decode`.
    """
    with reasons():
        image = opened(content)
        image = _upright(image, orientation(image), Size(*image.size), alone)
        pixels = np.array(image).reshape(image.height, image.width, -1)  # a copy, as Pillow's array is read-only
    return Original(pixels, profile_of(content, b"GRAY" if pixels.shape[2] == 1 else b"RGB "))


def extents(content: Content, pages: str = "first") -> tuple[str, Extent] | None:
    """Return the kind and the range of a file's deep values, of its first page or of all; None if
    it has none.

    Raises:
        Unreadable: as in `decode`.
    """
    with reasons():
        image = opened(content)
        if not (kind := kind_of(image.mode)):
            return None
        found = []
        for number in page_numbers(image, MOST_PAGES) if pages == "all" else [image.tell()]:
            image.seek(number)
            require_size(image)
            if kind_of(image.mode) == kind:
                image.load()
                found.append(extent(_finite(image)))
        low, high, dark, bright = zip(*found, strict=True)
        return kind, Extent(min(low), max(high), min(dark), max(bright))


def size_of(content: bytes) -> Size:
    """Return the size of an upright image, from its header alone.

    Raises:
        Unreadable: as in `opened`.
    """
    with reasons():
        image = opened(content)
        return Size(*(reversed(image.size) if orientation(image) >= 5 else image.size))


def _fitted(image: Image.Image, turn: int, size: Size, channels: int, fit: str, scaling: Scaling) -> np.ndarray:
    """Return an image upright, scaled to a size and with the wanted channels, uint8 [H, W, C]."""
    whole = Size(2 * size.width, size.height) if fit in ("left", "right") else size
    picture = half(_upright(image, turn, whole, scaling), fit)
    plain = on_white(picture) if channels < 4 else picture.convert("RGBA").convert("RGBa")
    small = padded(plain, size) if fit == "pad" else cropped(plain, size)
    pixels = np.asarray(small.convert({1: "L", 3: "RGB", 4: "RGBA"}[channels]))
    return pixels.reshape(size.height, size.width, channels)


def _upright(image: Image.Image, turn: int, size: Size, scaling: Scaling) -> Image.Image:
    """Return the current frame as L, RGB or RGBA, upright; a JPEG is shrunk while decoding, to no
    less than `size`.
    """
    if isinstance(image, JpegImageFile):  # the decoder can shrink by 2, 4 or 8: several times faster for photographs
        width, height = size if turn < 5 else (size.height, size.width)
        image.draft(None, (2 * width, 2 * height))  # None: the file's own mode
    image.load()
    shallow = to_eight_bits(image, scaling)
    return shallow.transpose(_UPRIGHT[turn]) if turn in _UPRIGHT else shallow


def to_eight_bits(image: Image.Image, scaling: Scaling = alone) -> Image.Image:
    """Convert any mode to L, RGB or RGBA: scale deep images, resolve palettes, key colours and
    CMYK.
    """
    if kind := kind_of(image.mode):
        values = _finite(image)
        black, white = scaling(kind, values)
        shares = (values.astype(np.float64) - black) / (white - black)
        eighths = np.rint(np.clip(shares, 0, 1) * 255).astype(np.uint8)
        if getattr(image, "tag_v2", {}).get(262) == 0:  # a TIFF in which white is 0: Pillow inverts only 8-bit ones
            eighths = 255 - eighths
        grey = Image.fromarray(eighths)
        key = image.info.get("transparency")
        if isinstance(key, int):
            grey.putalpha(Image.fromarray(np.where(values == key, 0, 255).astype(np.uint8)))
            return grey.convert("RGBA")
        return grey
    if image.mode == "La":
        image = image.convert("LA")
    if image.mode in ("LA", "PA", "RGBA", "RGBa") or "transparency" in image.info:
        return image.convert("RGBA")
    if image.mode == "L" and _tag(image, SAMPLE_FORMAT) == SIGNED:  # Pillow reads the bytes as unsigned
        return Image.fromarray(np.asarray(image) ^ np.uint8(0x80))
    if image.mode in ("L", "RGB"):  # unchanged: a conversion would copy it
        return image
    return image.convert("L" if image.mode == "1" else "RGB")


def _finite(image: Image.Image) -> np.ndarray:
    """Return the values of a deep image.

    Raises:
        Unreadable: if they are not finite.
    """
    values = np.asarray(image)
    if image.mode == "I" and _tag(image, BITS) == 32 and _tag(image, SAMPLE_FORMAT) != SIGNED:
        values = values.view(np.uint32)  # Pillow reads them as signed
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise Unreadable("it holds values that are not finite (NaN or infinity)")
    return values


def _tag(image: Image.Image, number: int) -> int | None:
    """Return the first value of a TIFF tag; None if there is none."""
    value = getattr(image, "tag_v2", {}).get(number)
    value = value[0] if isinstance(value, tuple) and value else value
    return value if isinstance(value, int) else None


def on_white(image: Image.Image) -> Image.Image:
    """Composite an image on white; the result is L or RGB."""
    if image.mode != "RGBA":
        return image
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")


def half(image: Image.Image, side: str) -> Image.Image:
    """Return the left or right half of an image; the whole image for any other side."""
    middle = max(1, image.width // 2)
    boxes = {"left": (0, 0, middle, image.height), "right": (image.width - middle, 0, image.width, image.height)}
    return image.crop(boxes[side]) if side in boxes else image


def cropped(image: Image.Image, size: Size) -> Image.Image:
    """Crop the largest middle part with the aspect of `size`, and resize it. A mode with alpha must
    be premultiplied (RGBa).
    """
    scale = max(size.width / image.width, size.height / image.height)
    width, height = min(size.width / scale, image.width), min(size.height / scale, image.height)
    left, top = (image.width - width) / 2, (image.height - height) / 2
    return _resized(image, size, (left, top, left + width, top + height))


def padded(image: Image.Image, size: Size) -> Image.Image:
    """Centre the whole image in `size`, on white, or on transparency if it has alpha
    (premultiplied, RGBa).
    """
    scale = min(size.width / image.width, size.height / image.height)
    inner = Size(max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    ground = Image.new(image.mode, size, (0, 0, 0, 0) if image.mode == "RGBa" else "white")
    place = ((size.width - inner.width) // 2, (size.height - inner.height) // 2)
    ground.paste(_resized(image, inner, (0, 0, *image.size)), place)
    return ground


def _resized(image: Image.Image, size: Size, box: tuple[float, float, float, float]) -> Image.Image:
    if image.size == size:
        return image
    # A gap of 3 shrinks large images by whole factors first: two to four times faster, without a visible difference.
    return image.resize(size, Image.Resampling.LANCZOS, box=box, reducing_gap=3.0)


def _is_grey(image: Image.Image) -> bool:
    """Return True if no pixel is coloured: its channels differ by at most 4 of 255, to allow for
    JPEG.
    """
    if image.mode == "L":
        return True
    red, green, blue = image.split()
    return all(int(np.asarray(ImageChops.difference(green, other)).max()) <= 4 for other in (red, blue))
