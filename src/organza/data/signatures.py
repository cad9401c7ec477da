"""File signatures: the content of a file by its first bytes, a supported format or another one with
advice.
"""

from __future__ import annotations

import re
import struct
from typing import NamedTuple

HEAD = 4096  # bytes to inspect; an SVG may begin with a long comment
CONVERT = "convert it to PNG or JPEG"
NOT_AN_IMAGE = "it is no image"

READ = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "PPM", "JPEG2000", "AVIF", "HEIF")
"""Supported formats, by Pillow's names, and HEIF by pillow-heif. Each has a decoder inside the
process: none starts a program, as the one for EPS does, and none is a container for other formats."""


class Content(NamedTuple):
    """A file's content by its first bytes.

    Args:
        format: one of `READ`, or "".
        name: description with an article: "a HEIC image".
        advice: advice for a format that is not supported.
    """

    format: str
    name: str
    advice: str = CONVERT


_STARTS: tuple[tuple[bytes, Content], ...] = (
    (b"\xff\xd8\xff", Content("JPEG", "a JPEG image")),
    (b"\x89PNG\r\n\x1a\n", Content("PNG", "a PNG image")),
    (b"GIF87a", Content("GIF", "a GIF image")),
    (b"GIF89a", Content("GIF", "a GIF image")),
    (b"\0\0\0\x0cjP  \r\n\x87\n", Content("JPEG2000", "a JPEG 2000 image")),
    (b"\xff\x4f\xff\x51", Content("JPEG2000", "a JPEG 2000 image")),
    (b"\0\0\0\x0cJXL \r\n\x87\n", Content("", "a JPEG XL image")),
    (b"\xff\x0a", Content("", "a JPEG XL image")),
    (b"II\xbc\x01", Content("", "a JPEG XR image")),
    (b"II*\0\x10\0\0\0CR", Content("", "a camera's raw file (CR2)", "develop it to PNG, TIFF or JPEG")),
    (b"IIRO", Content("", "a camera's raw file (ORF)", "develop it to PNG, TIFF or JPEG")),
    (b"IIRS", Content("", "a camera's raw file (ORF)", "develop it to PNG, TIFF or JPEG")),
    (b"IIU\0", Content("", "a camera's raw file (RW2)", "develop it to PNG, TIFF or JPEG")),
    (b"FUJIFILMCCD-RAW", Content("", "a camera's raw file (RAF)", "develop it to PNG, TIFF or JPEG")),
    (b"FOVb", Content("", "a camera's raw file (X3F)", "develop it to PNG, TIFF or JPEG")),
    (b"II*\0", Content("TIFF", "a TIFF image")),
    (b"MM\0*", Content("TIFF", "a TIFF image")),
    (b"II+\0", Content("TIFF", "a TIFF image")),
    (b"MM\0+", Content("TIFF", "a TIFF image")),
    (b"8BPS", Content("", "a Photoshop document (PSD)", "export its layers as PNG")),
    (b"%!PS", Content("", "a PostScript or EPS drawing, which is a program", "convert it to PNG")),
    (b"\xc5\xd0\xd3\xc6", Content("", "an EPS drawing, which is a program", "convert it to PNG")),
    (b"%PDF", Content("", "a PDF document", "export its pages as PNG")),
    (b"\x76\x2f\x31\x01", Content("", "an OpenEXR image", "convert it to PNG or float TIFF")),
    (b"#?RADIANCE", Content("", "a Radiance HDR image", "convert it to PNG or float TIFF")),
    (b"#?RGBE", Content("", "a Radiance HDR image", "convert it to PNG or float TIFF")),
    (b"\0\0\1\0", Content("", "a Windows icon (ICO)")),
    (b"\0\0\2\0", Content("", "a Windows cursor (CUR)")),
    (b"icns", Content("", "an Apple icon (ICNS)")),
    (b"DDS ", Content("", "a DirectDraw texture (DDS)")),
    (b"qoif", Content("", "a QOI image")),
    (b"gimp xcf", Content("", "a GIMP document (XCF)", "export it as PNG")),
    (b"AT&TFORM", Content("", "a DjVu document", "export its pages as PNG")),
    (b"\xd7\xcd\xc6\x9a", Content("", "a Windows drawing (WMF)", "convert it to PNG")),
    (b"SIMPLE  =", Content("", "a FITS image", "convert it to TIFF")),
    (b"\x93NUMPY", Content("", "a NumPy array file", "give it by itself, not in a folder of images")),
    (b"\x89HDF", Content("", "an HDF5 file", "save its images as PNG, or as one uint8 array with numpy.save")),
    (b"PAR1", Content("", "a Parquet table", "save its images as PNG")),
    (b"SQLite format 3", Content("", "an SQLite database", NOT_AN_IMAGE)),
    (
        b"\x80\x02",
        Content("", "a Python pickle, which is a program and never opened", "save its arrays with numpy.save"),
    ),
    (
        b"\x80\x03",
        Content("", "a Python pickle, which is a program and never opened", "save its arrays with numpy.save"),
    ),
    (
        b"\x80\x04",
        Content("", "a Python pickle, which is a program and never opened", "save its arrays with numpy.save"),
    ),
    (
        b"\x80\x05",
        Content("", "a Python pickle, which is a program and never opened", "save its arrays with numpy.save"),
    ),
    (b"PK\3\4", Content("", "a zip archive", "unpack it, or give it by itself")),
    (b"PK\5\6", Content("", "an empty zip archive", "get it again")),
    (b"\x1f\x8b", Content("", "a gzip archive", "unpack it first")),
    (b"BZh", Content("", "a bzip2 archive", "unpack it first")),
    (b"\xfd7zXZ\0", Content("", "an xz archive", "unpack it first")),
    (b"\x28\xb5\x2f\xfd", Content("", "a Zstandard archive", "unpack it first")),
    (b"7z\xbc\xaf\x27\x1c", Content("", "a 7-Zip archive", "unpack it first")),
    (b"Rar!\x1a\x07", Content("", "a RAR archive", "unpack it first")),
    (b"\x1a\x45\xdf\xa3", Content("", "a Matroska or WebM video", "save its frames as PNG or JPEG")),
    (b"\0\0\1\xba", Content("", "an MPEG video", "save its frames as PNG or JPEG")),
    (b"FLV\1", Content("", "a Flash video", "save its frames as PNG or JPEG")),
    (b"\0\5\x16\7", Content("", "what a Mac keeps beside a file", NOT_AN_IMAGE)),
    (b"L\0\0\0\1\x14\2\0", Content("", "a Windows shortcut", "copy the image itself")),
    (b"MZ", Content("", "a Windows program", NOT_AN_IMAGE)),
    (b"\x7fELF", Content("", "a program", NOT_AN_IMAGE)),
    (b"version https://git-lfs", Content("", "a Git LFS pointer, not the image itself", "run git lfs pull")),
)

_COMMON = {start[:3]: (start, content) for start, content in _STARTS if content.format in ("JPEG", "PNG")}
_BRANDS = {  # ISO media files, by brand in their ftyp box
    **dict.fromkeys((b"avif", b"avis"), Content("AVIF", "an AVIF image")),
    **dict.fromkeys(
        (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"), Content("HEIF", "a HEIC image")
    ),
    **dict.fromkeys((b"mif1", b"msf1", b"mif2"), Content("HEIF", "a HEIF image")),
    b"crx ": Content("", "a camera's raw file (CR3)", "develop it to PNG, TIFF or JPEG"),
    b"jxl ": Content("", "a JPEG XL image"),
}
_VIDEO = Content("", "an MP4 or QuickTime video", "save its frames as PNG or JPEG")
_RAW = Content("", "a camera's raw file, whose first image is a thumbnail", "develop it to PNG, TIFF or JPEG")


def content_of(head: bytes) -> Content | None:
    r"""Return the content of a file by its first `HEAD` bytes; None if they are not recognized.

    >>> content_of(b"\x89PNG\r\n\x1a\n...").format, content_of(b"<!DOCTYPE html><html>").name
    ('PNG', 'a web page (HTML)')
    """
    common = _COMMON.get(head[:3])  # first, as it serves millions of files
    if common is not None and head.startswith(common[0]):
        return common[1]
    content = _by_start(head)
    if content is None:
        return _text(head)
    return _RAW if content.format == "TIFF" and _is_raw(head) else content


def _by_start(head: bytes) -> Content | None:
    """Return the content that the first bytes of a file tell, or None."""
    if head[4:8] == b"ftyp":
        return _by_brand(head)
    if head[:4] == b"RIFF":
        return {
            b"WEBP": Content("WEBP", "a WebP image"),
            b"AVI ": Content("", "an AVI video", "save its frames as PNG or JPEG"),
        }.get(head[8:12], Content("", "a RIFF file", NOT_AN_IMAGE))
    if head[:2] == b"BM" and int.from_bytes(head[14:18], "little") in (12, 16, 40, 52, 56, 64, 108, 124):
        return Content("BMP", "a BMP image")
    if re.match(rb"P[1-6f]\s", head):
        return Content("PPM", "a PPM, PGM or PBM image")
    if head[128:132] == b"DICM":
        return Content("", "a DICOM image", "convert it to 16-bit PNG or TIFF")
    if head[257:262] == b"ustar":
        return Content("", "a tar archive", "unpack it first")
    if head[:4] == b"\1\0\0\0" and head[40:44] == b" EMF":
        return Content("", "a Windows drawing (EMF)", "convert it to PNG")
    return next((content for start, content in _STARTS if head.startswith(start)), None)


def _by_brand(head: bytes) -> Content:
    """Return the content of an ISO media file, by its major brand, then by its compatible brands."""
    end = min(len(head), max(16, int.from_bytes(head[:4], "big")), 256)
    brands = [head[8:12], *(head[place : place + 4] for place in range(16, end - 3, 4))]
    told = [brand for brand in brands if brand in _BRANDS]
    if brands[0] in (b"mif1", b"msf1", b"mif2"):  # the other brands give the codec
        told = sorted(told, key=lambda brand: brand in (b"mif1", b"msf1", b"mif2"))
    return _BRANDS[told[0]] if told else _VIDEO


def _text(head: bytes) -> Content | None:
    """Return the kind of text that a file begins with, or None if it is no text."""
    try:
        text = head.decode("utf-16" if head[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    except UnicodeDecodeError as error:
        if error.start < len(head) - 4 or not head:  # otherwise the last character is cut off
            return None
        text = head[: error.start].decode("utf-8-sig", "replace")
    begin = text.lstrip().lower()
    if begin.startswith(("<!doctype html", "<html", "<head", "<body")) or ("<html" in begin and begin.startswith("<")):
        return Content("", "a web page (HTML)", "download the image itself")
    if "<svg" in begin and begin.startswith("<"):
        return Content("", "an SVG drawing", "convert it to PNG")
    if not begin or any(c < " " and c not in "\t\n\r\f\v\x1b" for c in begin):
        return None
    if begin.startswith("<"):
        return Content("", "an XML text", NOT_AN_IMAGE)
    return Content("", "a text", NOT_AN_IMAGE)


def _is_raw(head: bytes) -> bool:
    """Return True if a TIFF is a camera's raw file: it is marked as DNG, or its first image is a
    thumbnail and the others lie deeper.
    """
    order = "<" if head[:2] == b"II" else ">"
    if len(head) < 8 or head[2:4] not in (b"*\0", b"\0*"):
        return False
    (place,) = struct.unpack(order + "I", head[4:8])
    if place + 2 > len(head):  # programs write the directory at the end of a file, cameras do not
        return False
    (count,) = struct.unpack(order + "H", head[place : place + 2])
    tags = {}
    for entry in range(place + 2, min(place + 2 + 12 * count, len(head) - 11), 12):
        tag, _, _, value = struct.unpack(order + "HHII", head[entry : entry + 12])
        tags[tag] = value
    reduced, deeper, dng = 254, 330, 50706
    return dng in tags or (deeper in tags and bool(tags.get(reduced, 0) & 1))
