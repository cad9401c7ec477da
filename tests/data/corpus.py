"""The bad, odd and unusual images that a folder may hold, made on the fly: reliability.md, section 10."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageCms, PngImagePlugin


def encoded(image: Image.Image, format: str = "png", **options) -> bytes:
    """The bytes of an image file."""
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def photo(width: int = 96, height: int = 64, mode: str = "RGB") -> Image.Image:
    """An image with smooth colours and some noise, so that compressed data is spread over the whole file."""
    y, x = np.mgrid[:height, :width]
    noise = np.random.default_rng(0).integers(0, 40, (height, width))
    pixels = np.stack([x * 200 // width + noise, y * 200 // height + noise, 255 - x * 200 // width - noise], -1)
    return Image.fromarray(pixels.astype(np.uint8)).convert(mode)


def chunk(kind: bytes, body: bytes) -> bytes:
    """A chunk of a PNG file."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width: int, height: int, depth: int, colour: int, rows: bytes, *extra: bytes) -> bytes:
    """A PNG file by hand; each row begins with its filter, 0."""
    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + b"".join(extra)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


def deep_png(values: np.ndarray) -> bytes:
    """A 16-bit PNG: grey from [H, W], colour from [H, W, 3]."""
    big = values.astype(">u2")
    rows = b"".join(b"\0" + row.tobytes() for row in big)
    return png(values.shape[1], values.shape[0], 16, 0 if values.ndim == 2 else 2, rows)


def flipped(content: bytes, place: float) -> bytes:
    """The same with one bit changed, at a share of its length."""
    damaged = bytearray(content)
    damaged[int(len(damaged) * place)] ^= 0x10
    return bytes(damaged)


def float_tiff(value: float) -> bytes:
    pixels = np.full((16, 16), 0.5, np.float32)
    pixels[3, 3] = value
    return encoded(Image.fromarray(pixels), "tiff")


def frames(format: str) -> bytes:
    """An animation whose first frame is red and whose second is blue."""
    first, second = Image.new("RGB", (40, 40), "red"), Image.new("RGB", (40, 40), "blue")
    return encoded(first, format, save_all=True, append_images=[second])


def zipped_text() -> bytes:
    """A PNG with a comment of 100 MB, packed into 100 kB."""
    text = chunk(b"zTXt", b"Comment\0\0" + zlib.compress(b"\0" * 100_000_000))
    return png(2, 2, 8, 0, b"\0\x10\x10" * 2, text)


def with_profile(profile: bytes) -> bytes:
    return encoded(photo(), "jpeg", icc_profile=profile, quality=90)


def text_of(size: int) -> PngImagePlugin.PngInfo:
    info = PngImagePlugin.PngInfo()
    info.add_text("Comment", "x" * size)
    return info


# Those that must be refused: name -> (bytes, what the reason must contain).
REFUSED: dict[str, tuple[Callable[[], bytes], str]] = {
    "zero bytes": (lambda: b"", "empty"),
    "one byte": (lambda: b"\x89", "not a JPEG"),
    "text named png": (lambda: b"hello, this is a text\n" * 20, "not a JPEG"),
    "html error page": (lambda: b"<!DOCTYPE html><html><body>404</body></html>", "not a JPEG"),
    "git lfs pointer": (lambda: b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "Git LFS"),
    "png signature only": (lambda: b"\x89PNG\r\n\x1a\n", ""),
    "png cut in its pixels": (lambda: encoded(photo())[:4000], "cut short"),
    "png cut at a third": (lambda: (lambda c: c[: len(c) // 3])(encoded(photo())), "cut short"),
    "jpeg cut at two thirds": (lambda: (lambda c: c[: len(c) * 2 // 3])(encoded(photo(), "jpeg")), "truncated"),
    "bmp cut": (lambda: encoded(photo(), "bmp")[:9000], "truncated"),
    "gif cut": (lambda: (lambda c: c[: len(c) // 2])(encoded(photo(), "gif")), ""),
    "webp cut": (lambda: (lambda c: c[: len(c) // 2])(encoded(photo(), "webp")), ""),
    "tiff cut": (lambda: encoded(photo(), "tiff")[:9000], ""),
    "compressed tiff cut": (lambda: (lambda c: c[: len(c) // 2])(encoded(photo(), "tiff", compression="tiff_lzw")), ""),
    "png with a flipped bit": (lambda: flipped(encoded(photo()), 0.5), "checksum"),
    "png of 50000x50000": (lambda: png(50_000, 50_000, 8, 2, b"\0"), "89 megapixels"),
    "png of 13000x13000": (lambda: png(13_000, 13_000, 8, 2, b"\0"), "89 megapixels"),
    "png of width 0": (lambda: png(0, 5, 8, 2, b"\0"), ""),
    "tiff with NaN": (lambda: float_tiff(float("nan")), "not finite"),
    "tiff with infinity": (lambda: float_tiff(float("inf")), "not finite"),
    "eps": (lambda: encoded(photo(), "eps"), "not a JPEG"),
    "pdf": (lambda: encoded(photo(), "pdf"), "not a JPEG"),
    "svg": (lambda: b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>', "not a JPEG"),
    "psd": (lambda: b"8BPS\0\x01" + bytes(40), "not a JPEG"),
}

# Those that must be read.
READ: dict[str, Callable[[], bytes]] = {
    "1x1": lambda: encoded(Image.new("RGB", (1, 1), "red")),
    "1x20000": lambda: encoded(Image.new("RGB", (1, 20_000), "red")),
    "20000x1": lambda: encoded(Image.new("RGB", (20_000, 1), "red")),
    "palette": lambda: encoded(photo().quantize(16)),
    "palette gif": lambda: encoded(photo(), "gif"),
    "bilevel": lambda: encoded(photo().convert("1")),
    "grey": lambda: encoded(photo(mode="L")),
    "grey and alpha": lambda: encoded(photo(mode="LA")),
    "16-bit grey": lambda: deep_png(np.arange(64, dtype=np.uint16).reshape(8, 8) * 1000),
    "16-bit colour": lambda: deep_png(np.full((8, 8, 3), 30_000, np.uint16)),
    "float tiff": lambda: float_tiff(0.25),
    "cmyk jpeg": lambda: encoded(photo(mode="CMYK"), "jpeg"),
    "cmyk tiff": lambda: encoded(photo(mode="CMYK"), "tiff"),
    "lab tiff": lambda: encoded(Image.new("LAB", (9, 9)), "tiff"),
    "animated gif": lambda: frames("gif"),
    "animated webp": lambda: frames("webp"),
    "animated png": lambda: frames("png"),
    "many pages": lambda: frames("tiff"),
    "tiff named png": lambda: encoded(photo(), "tiff"),
    "progressive jpeg": lambda: encoded(photo(), "jpeg", progressive=True),
    "broken profile": lambda: with_profile(b"not a profile at all"),
    "a profile": lambda: with_profile(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()),
    "broken exif": lambda: encoded(photo(), "jpeg", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff\xff"),
    "png with 100 MB of text": zipped_text,
    "some text": lambda: encoded(photo(), pnginfo=text_of(1000)),
}
