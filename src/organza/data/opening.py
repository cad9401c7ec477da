"""Opening of image files without decoding: by the decoder for their first bytes, within limits, or
refused with a reason.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from PIL import Image, features
from PIL.TiffImagePlugin import TiffImageFile

from organza.data.deep import Unscaled
from organza.data.signatures import CONVERT, HEAD, content_of
from organza.data.signatures import Content as Known
from organza.errors import is_bug

ENDINGS = (
    ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".apng", ".webp", ".bmp", ".dib", ".gif", ".tif", ".tiff", ".mpo",
    ".ppm", ".pgm", ".pbm", ".pnm", ".pfm", ".jp2", ".j2k", ".jpf", ".jpx", ".j2c", ".jpc", ".avif", ".avifs",
    ".heic", ".heif", ".heics", ".heifs", ".hif",
)  # fmt: skip
MOST_PIXELS = 89_478_485  # a quarter of a GiB as RGB: Pillow's own limit, at which it only warns
MOST_PAGES = 4096  # largest number of pages in one file
LARGEST_PROFILE = 2**22  # bytes; those of cameras and screens have kilobytes
NONE_OF_THEM = "not a JPEG, PNG, WebP, BMP, GIF or TIFF image"

Content = bytes | np.ndarray
"""Bytes of an image file, or pixels from an array file: uint8 [H, W] or [H, W, C]."""


class Unreadable(Exception):
    """A file is not a usable image; the message is the reason, in a few words."""


def opened(content: Content) -> Image.Image:
    """Open an image from the bytes of a file, without decoding it, or from pixels.

    Raises:
        Unreadable: if it is not in a supported format, is damaged, or too large.
    """
    if isinstance(content, np.ndarray):
        if content.shape[0] * content.shape[1] > MOST_PIXELS:
            raise Unreadable("it is larger than 89 megapixels")
        image = Image.fromarray(content)
        image.format = "array"
        return image
    if not content:
        raise Unreadable("the file is empty")
    known = content_of(content[:HEAD])
    if known is None:
        raise Unreadable(f"{NONE_OF_THEM}, or its header is damaged")
    if not known.format:
        raise Unreadable(f"{NONE_OF_THEM} but {known.name}: {known.advice}")
    if known.format == "PNG":
        content = _checked_png(content)
    image = _identified(content, known)
    require_size(image)
    if known.format == "PNG" and "transparency" in image.info:
        _mend_key(image, content[24])
    return image


def _identified(content: bytes, known: Known) -> Image.Image:
    """Open an image with the decoder of one format."""
    try:
        if known.format == "HEIF":
            return _heif(io.BytesIO(content))
        return Image.open(io.BytesIO(content), formats=(known.format,))
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        raise Unreadable("it claims to be larger than 89 megapixels") from None
    except (Image.UnidentifiedImageError, SyntaxError, KeyError):
        if known.format == "AVIF" and not features.check("avif"):
            raise Unreadable("it is an AVIF image, which this build of Pillow cannot read; " + CONVERT) from None
        other = "its values are not supported by Pillow (such as colours in floats), or " * (known.format == "TIFF")
        raise Unreadable(f"it begins as {known.name}, but {other}its header is damaged") from None


def _heif(file: io.BytesIO) -> Image.Image:
    """Open a HEIC image, which libheif turns upright. Its opener is not registered, as that would
    change Pillow globally.
    """
    try:
        from pillow_heif import HeifImageFile
    except ImportError:
        raise Unreadable(
            "it is a HEIC image: pip install 'organza[heif]' to read it, or convert it to PNG or JPEG"
        ) from None
    return HeifImageFile(file)


def require_size(image: Image.Image) -> None:
    if image.width * image.height > MOST_PIXELS:
        raise Unreadable("it claims to be larger than 89 megapixels")


def orientation(image: Image.Image) -> int:
    """Return the EXIF orientation that remains to be applied, 1 to 8; 1 (upright) if there is none
    or the EXIF block is damaged.

    Pillow rotates TIFF images itself when it loads them, and libheif rotates HEIC images.
    """
    if image.format in ("TIFF", "HEIF"):
        return 1
    try:
        found = image.getexif().get(0x0112, 1)
    except Exception:  # damaged metadata does not make an image unusable
        return 1
    return found if found in range(1, 9) else 1


def profile_of(content: bytes, space: bytes) -> bytes | None:
    """Return the ICC profile of an image file; None if there is none, or it is for colours of another space.

    Args:
        content: bytes of the file, with its metadata.
        space: colour space of the pixels, b"RGB " or b"GRAY": bytes 16 to 19 of a profile.
    """
    known = content_of(content[:HEAD])
    try:
        image = Image.open(io.BytesIO(content), formats=(known.format,)) if known and known.format else None
        profile = image.info.get("icc_profile") if image else None
    except Exception:  # damaged metadata does not make an image unusable
        return None
    sound = isinstance(profile, bytes) and 128 < len(profile) <= LARGEST_PROFILE and profile[16:20] == space
    return profile if sound else None


def page_numbers(image: Image.Image, most: int) -> list[int]:
    """Return the numbers of the pages or frames that are separate images, at most `most`.

    Thumbnails and masks in a TIFF, and the previews and gain maps in a camera's JPEG, are not.
    """
    if not may_have_pages(image) or not getattr(image, "is_animated", False):
        return [0]
    if image.format == "MPO":
        kinds = [entry["Attribute"]["MPType"] for entry in getattr(image, "mpinfo", {}).get(0xB002, ())]
        return [0, *(number for number, kind in enumerate(kinds) if number and "Multi-Frame" in kind)][:most]
    if isinstance(image, TiffImageFile):
        return _tiff_pages(image, most)
    return list(
        range(2 if most == 2 else min(getattr(image, "n_frames", 1), most))
    )  # for a GIF, counting reads the whole file


def may_have_pages(image: Image.Image) -> bool:
    return image.format in ("GIF", "WEBP", "PNG", "TIFF", "AVIF", "HEIF", "MPO")


def _tiff_pages(image: TiffImageFile, most: int) -> list[int]:
    """Return the numbers of the pages of a TIFF that are no thumbnails and no masks."""
    numbers, number = [0], 0
    try:
        while len(numbers) < most and number < 4 * MOST_PAGES:
            number += 1
            image.seek(number)
            if not int(image.tag_v2.get(254, 0)) & 0b101:  # reduced, or a mask
                numbers.append(number)
    except Exception:  # the end, or a damaged directory; the pages before are good
        pass
    return numbers


@contextmanager
def reasons() -> Iterator[None]:
    """Turn any error of a decoder into `Unreadable` with a reason."""
    try:
        yield
    except (Unreadable, Unscaled):
        raise
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        raise Unreadable("it claims to be larger than 89 megapixels") from None
    except Exception as error:  # decoders raise many kinds of errors
        if is_bug(error):
            raise
        raise Unreadable(f"it cannot be decoded ({_words(error)})") from error


def _mend_key(image: Image.Image, depth: int) -> None:
    """Convert the key colour of a PNG to the 8 bits of Pillow's image, as Pillow keeps the key as
    deep as in the file.
    """
    key = image.info["transparency"]
    if image.mode == "L" and isinstance(key, int) and depth < 8:
        image.info["transparency"] = key * 255 // (2**depth - 1)
    elif image.mode == "RGB" and isinstance(key, tuple) and depth == 16:
        image.info["transparency"] = tuple(value >> 8 for value in key)


_PIXELS = (b"IHDR", b"PLTE", b"IDAT", b"tRNS", b"acTL", b"fcTL", b"fdAT")  # chunks of a PNG that determine its pixels
_TEXTS = (b"tEXt", b"zTXt", b"iTXt")
_TURNED = (
    b"XML:com.adobe.xmp\0",
    b"Raw profile type exif\0",
    b"Raw profile type APP1\0",
)  # chunks of text that may hold the orientation
_LONGEST_TEXT = 2**19  # largest such text in bytes; Pillow refuses an image with one of 2**20 unpacked


def _checked_png(content: bytes) -> bytes:
    """Check the checksums of a PNG's pixel data, which Pillow does not: otherwise a flipped bit can
    pass as an image.

    Metadata chunks (comments, dates, colour profiles, generation workflows) are removed, since
    Pillow refuses an image if one of them is damaged or long. The orientation stays.
    """
    place, kept, begin = 8, [], 0
    while place + 12 <= len(content):
        length = int.from_bytes(content[place : place + 4], "big")
        end = place + 8 + length
        kind = content[place + 4 : place + 8]
        if end + 4 > len(content):
            raise Unreadable("it is cut short")
        if zlib.crc32(content[place + 4 : end]) != int.from_bytes(content[end : end + 4], "big"):
            if kind in _PIXELS:
                raise Unreadable("it is damaged (the checksum of its pixels is wrong)")
            spare = kind[:1].islower()  # lower case: not needed to display the image
        else:
            spare = kind[:1].islower() and kind not in _PIXELS and not _tells_orientation(kind, content, place + 8, end)
        if spare:
            kept.append(content[begin:place])
            begin = end + 4
        if kind == b"IEND":
            break
        place = end + 4
    return b"".join((*kept, content[begin:])) if kept else content


def _tells_orientation(kind: bytes, content: bytes, begin: int, end: int) -> bool:
    """Return True if a chunk of a PNG may hold the orientation, and is short enough for Pillow to
    read.
    """
    if kind == b"eXIf":
        return True
    if kind not in _TEXTS or not content.startswith(_TURNED, begin) or end - begin > _LONGEST_TEXT:
        return False
    rest = content[content.index(b"\0", begin) + 1 : end]
    if kind == b"iTXt":  # compression flag and method, language, translated keyword
        parts = rest[2:].split(b"\0", 2)
        if rest[:1] != b"\1" or len(parts) < 3:
            return rest[:1] == b"\0"
        packed = parts[2]
    elif kind == b"zTXt":
        packed = rest[1:]
    else:
        return True
    try:
        unpacking = zlib.decompressobj()
        unpacking.decompress(packed, _LONGEST_TEXT)
        return unpacking.eof
    except zlib.error:
        return False


def _words(error: Exception) -> str:
    text = str(error).strip()
    return text.splitlines()[0] if text else type(error).__name__
