"""Files that are something else than their names say: read by content where they are images, named for what they are where not."""

from __future__ import annotations

import io
import os
import struct
import sys
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, features

from organza.data import Size, check, open_data
from organza.data.decode import Unreadable, decode, decode_pages, glance, size_of
from organza.data.folder import listing
from organza.data.signatures import content_of
from organza.errors import UserError

from .corpus import chunk, encoded, frames, photo
from .test_check import shown

SIZE = Size(16, 12)
RED = np.zeros((20, 40, 3), np.uint8) + np.array([255, 255, 255], np.uint8)
RED[:10, :10] = (255, 0, 0)
TURNED = {3: ((40, 20), (-3, -3)), 6: ((20, 40), (2, -3)), 8: ((20, 40), (-3, 2))}  # size, and where red is then


def orientated(format: str, orientation: int) -> bytes:
    image = Image.fromarray(RED)
    if format.startswith("tiff"):
        compression = {"tiff": None, "tiff lzw": "tiff_lzw", "tiff deflate": "tiff_adobe_deflate"}[format]
        return encoded(image, "tiff", compression=compression, tiffinfo={274: orientation})
    exif = Image.Exif()
    exif[274] = orientation
    if format == "heif":
        heif, file = pytest.importorskip("pillow_heif"), io.BytesIO()
        stored = heif.from_bytes("RGB", image.size, RED.tobytes())
        stored.info["exif"] = exif.tobytes()
        stored.save(file, quality=95)
        return file.getvalue()
    more = {"save_all": True, "append_images": [image]} if format == "mpo" else {}
    return encoded(image, format, exif=exif, **({} if format == "png" else {"quality": 95}), **more)


@pytest.mark.parametrize("orientation", TURNED)
@pytest.mark.parametrize("format", ["jpeg", "png", "webp", "tiff", "tiff lzw", "tiff deflate", "avif", "mpo", "heif"])
def test_orientation_is_applied_once_in_every_format(format: str, orientation: int):
    if format == "avif" and not features.check("avif"):
        pytest.skip("this Pillow has no AVIF")
    content = orientated(format, orientation)
    size, corner = TURNED[orientation]
    assert decode(content, Size(*size), 3)[corner][1] < 110
    assert (glance(content)[0].size, size_of(content)) == (size, size)


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (b"\0\0\0\x1cftypavif\0\0\0\0" + bytes(99), "AVIF"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(99), "HEIC"),
        (b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom" + bytes(99), "MP4"),
        (b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(99), "JPEG XL"),
        (b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(99), "JPEG 2000"),
        (b"\xef\xbb\xbf  <!DOCTYPE HTML><html>", "HTML"),
        (b"<?xml version='1.0'?>\n<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG"),
        ("<html><p>Zugriff verweigert: ü".encode() * 400, "HTML"),
        (b'{"error": "not found"}', "text"),
        (b"%PDF-1.7", "PDF"),
        (b"%!PS-Adobe-3.0 EPSF-3.0", "EPS"),
        (b"\xc5\xd0\xd3\xc6" + bytes(40), "EPS"),
        (b"8BPS\0\1" + bytes(40), "PSD"),
        (b"\x76\x2f\x31\x01" + bytes(40), "OpenEXR"),
        (bytes(128) + b"DICM" + bytes(40), "DICOM"),
        (b"II*\0\x10\0\0\0CR\2\0" + bytes(40), "raw file"),
        (b"PK\3\4" + bytes(40), "zip"),
        (b"\x1f\x8b\x08" + bytes(40), "gzip"),
        (b"\x80\x04\x95" + bytes(40), "pickle"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "Git LFS"),
        (b"MZ\x90\0" + bytes(40), "program"),
    ],
)  # fmt: skip
def test_what_a_file_is_is_said_with_what_to_do(content: bytes, named: str):
    for read in (lambda: decode(content, SIZE, 3), lambda: glance(content)):
        with pytest.raises(Unreadable) as told:
            read()
        assert named.lower() in str(told.value).lower()
        assert len(str(told.value)) < 200


def test_a_raw_file_named_tif_is_not_its_thumbnail():
    tags = b"".join(
        tag.to_bytes(2, "little") + b"\3\0\1\0\0\0" + value.to_bytes(4, "little") for tag, value in ((254, 1), (330, 9))
    )
    assert "raw" in content_of(b"II*\0\x08\0\0\0\2\0" + tags + bytes(20)).name  # type: ignore[union-attr]
    assert content_of(encoded(photo(), "tiff")[:4096]).format == "TIFF"  # type: ignore[union-attr]


def test_heic_is_read_with_the_extra_and_named_without(monkeypatch: pytest.MonkeyPatch):
    content = orientated("heif", 1)
    assert decode(content, Size(40, 20), 3)[2, 2, 1] < 60
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(Unreadable, match=r"HEIC.*organza\[heif\]"):
        decode(content, Size(40, 20), 3)


def test_images_of_any_ending_are_read_and_the_rest_is_listed(tmp_path: Path):
    folder = tmp_path / "set"
    folder.mkdir()
    photo(40, 30).save(folder / "a.png")
    for name, format in (
        ("b.ppm", "ppm"),
        ("c", "png"),
        ("d.apng", "png"),
        ("e.j2k", "jpeg2000"),
        ("f.dat", "jpeg"),
        ("g.pgm", "ppm"),
    ):
        (folder / name).write_bytes(encoded(photo(40, 30, "L" if name == "g.pgm" else "RGB"), format))
    others = {
        "clip.mp4": b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom", "noise.xyz": b"\x00\x01\x02\x03", "page": b"<html>",
        "old.png.bak": encoded(photo()), "array.npy": b"\x93NUMPY",
    }  # fmt: skip
    images = {"scan.dcm": b"x", "raw.NEF": encoded(photo(), "tiff"), "icon": b"\0\0\1\0"}
    for name, content in {
        **others,
        **images,
        "labels.csv": b"file",
        "note.txt": b"",
        "Thumbs.db": b"",
        ".hidden.png": b"",
    }.items():
        (folder / name).write_bytes(content)
    for name in ("@eaDir", "$RECYCLE.BIN", "lost+found", "__MACOSX", "System Volume Information", ".git"):
        (folder / name).mkdir()
        photo().save(folder / name / "thumb.png")
    found = check(folder)
    assert sorted(name for name, _ in found.usable) == ["a.png", "b.ppm", "c", "d.apng", "e.j2k", "f.dat", "g.pgm"]
    assert {name for name, _ in found.passed_over} == set(others)
    assert {name for name, _ in found.broken} == set(images)
    assert found.companions == 2
    assert len(found.apart) == 8
    text = " ".join(shown(found).split())
    for words in (
        "skipped .npy 1, .mp4 1",
        "clip.mp4: it is an MP4",
        "other files 2 tables",
        "not searched 8: ",
        "@eaDir",
    ):
        assert words in text
    pack = open_data(folder, size=SIZE, channels=3, cache=tmp_path / "cache")
    assert any("5 files are skipped" in note for note in pack.notes)
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        for path in sorted(folder.rglob("*")):
            archive.write(path, path.relative_to(folder))
    again = check(tmp_path / "set.zip")
    assert (again.usable, again.companions, len(again.apart)) == (found.usable, found.companions, 8)
    assert {name for name, _ in again.passed_over} == set(others)


def test_a_folder_of_links_is_a_subset_and_others_take_a_word(tmp_path: Path):
    store, subset, mixed = (tmp_path / name for name in ("store", "subset", "mixed"))
    for folder in (store, subset, mixed):
        folder.mkdir()
    for index in range(4):
        photo(30 + index, 20).save(store / f"{index}.png")
        (subset / f"{index}.png").symlink_to(store / f"{index}.png")
    found = listing(subset)
    assert len(found.entries) == 4
    assert "links that lead out of the folder" in found.said[0]
    photo().save(mixed / "own.png")
    (mixed / "0.png").symlink_to(store / "0.png")
    (mixed / "all").symlink_to(store, target_is_directory=True)
    (store / "back").symlink_to(mixed, target_is_directory=True)  # round and round
    (mixed / "secret").symlink_to("/etc/passwd")
    assert [entry.name for entry in listing(mixed).entries] == ["own.png"]
    assert {name for name, why in listing(mixed).problems if "`follow_links`" in why} == {"0.png", "all"}
    assert [entry.name for entry in listing(mixed, follow_links=True).entries] == [
        "0.png", "all/0.png", "all/1.png", "all/2.png", "all/3.png", "own.png",
    ]  # fmt: skip
    assert len(check(mixed, follow_links=True).usable) == 6
    (tmp_path / "dirs").mkdir()
    (tmp_path / "dirs" / "all").symlink_to(store, target_is_directory=True)
    with pytest.raises(UserError, match="`follow_links`"):
        listing(tmp_path / "dirs")


def test_runs_inside_the_data_are_no_data(tmp_path: Path):
    for place in ("a.png", "runs/photos/samples/real.png", "runs/photos/checkpoints/x.png", "samples/b.png"):
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        photo().save(tmp_path / place)
    (tmp_path / "runs" / "photos" / "recipe.json").write_text("{}")
    found = listing(tmp_path)
    assert [entry.name for entry in found.entries] == ["a.png", "samples/b.png"]
    assert found.apart == ("runs/photos (a run)",)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("x.tar", bytes(257) + b"ustar\0" + bytes(300), "tar archive: unpack it first"),
        ("x.tar.gz", b"\x1f\x8b\x08" + bytes(30), "gzip archive: unpack"),
        ("x.png", encoded(photo()), "but a PNG image; give the folder"),
        ("x.h5", b"\x89HDF\r\n\x1a\n", "HDF5"),
        ("x.pkl", b"\x80\x04", "pickle"),
    ],
)
def test_sources_that_are_something_else_are_named(tmp_path: Path, name: str, content: bytes, said: str):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=said):
        listing(tmp_path / name)


def test_a_pipe_or_a_name_too_long_is_no_source(tmp_path: Path):
    for name in ("p.png", "p.npy", "p.npz", "p.zip"):
        os.mkfifo(tmp_path / name)
        with pytest.raises(UserError, match="no regular file"):
            listing(tmp_path / name)
    with pytest.raises(UserError, match="There is no"):
        listing("x" * 5000)


@pytest.mark.parametrize("format", ["gif", "webp", "png", "tiff"])
def test_the_first_page_is_taken_and_said_or_all_are(tmp_path: Path, format: str):
    folder = tmp_path / "set"
    folder.mkdir()
    (folder / "many.tif").write_bytes(frames(format))
    photo().save(folder / "one.png")
    first = open_data(folder, size=SIZE, channels=3, cache=tmp_path / "cache")
    assert list(first.names) == ["many.tif", "one.png"]
    assert first.notes == ("1 file has several pages or frames; the first is used; `pages='all'` uses each",)
    every = open_data(folder, size=SIZE, channels=3, pages="all", cache=tmp_path / "cache")
    assert list(every.names) == ["many.tif#1", "many.tif#2", "one.png"]
    assert "each is an image" in every.notes[0]
    reds, blues = every.images[0, 6, 8].astype(int), every.images[1, 6, 8].astype(int)
    assert reds[0] > 200 > reds[2]
    assert blues[2] > 200 > blues[0]
    assert any("several pages" in note for note in check(folder).told)
    with pytest.raises(UserError, match="`pages` is some"):
        open_data(folder, pages="some")


def test_thumbnails_and_masks_in_a_tiff_are_no_pages():
    one, two = photo(40, 30), photo(20, 15)
    file = io.BytesIO()
    one.save(file, "tiff", save_all=True, append_images=[two])
    assert decode_pages(file.getvalue(), SIZE, 3).several
    reduced = io.BytesIO()
    two.encoderinfo = {"tiffinfo": {254: 1}}
    one.save(reduced, "tiff", save_all=True, append_images=[two])
    assert not decode_pages(reduced.getvalue(), SIZE, 3).several
    assert not decode_pages(orientated("mpo", 1), SIZE, 3).several  # a camera's preview


def test_too_many_pages_are_refused(monkeypatch: pytest.MonkeyPatch):
    content = encoded(photo(), "tiff", save_all=True, append_images=[photo()] * 3)
    assert len(decode_pages(content, SIZE, 3, pages="all").images) == 4
    monkeypatch.setattr("organza.data.decode.MOST_PAGES", 3)
    with pytest.raises(Unreadable, match="too many pages"):
        decode_pages(content, SIZE, 3, pages="all")


def test_a_page_that_is_damaged_ends_the_file(tmp_path: Path):
    content = bytearray(
        encoded(photo(), "tiff", save_all=True, append_images=[photo(50, 50)] * 2, compression="tiff_lzw")
    )
    with Image.open(io.BytesIO(content)) as image:
        image.seek(1)
        place = image.tag_v2[273][0]  # type: ignore[attr-defined]
    content[place : place + 60] = bytes(60)
    pages = decode_pages(bytes(content), SIZE, 3, pages="all").images
    assert isinstance(pages[0], np.ndarray)
    assert isinstance(pages[1], str)
    assert len(pages) == 2


def test_a_comment_with_a_wrong_sum_does_not_lose_the_picture():
    content = encoded(photo())
    wrong = bytearray(chunk(b"tEXt", b"Comment\0hello"))
    wrong[-1] ^= 1
    mended = content[:33] + bytes(wrong) + content[33:]
    assert np.array_equal(decode(mended, Size(96, 64), 3), np.asarray(photo()))
    key = bytearray(chunk(b"tRNS", b"\0\1\0\2\0\3"))
    key[-1] ^= 1
    with pytest.raises(Unreadable, match="checksum"):
        decode(content[:33] + bytes(key) + content[33:], SIZE, 3)


LONG = b'{"nodes": 1}' * 200_000
SPARE = {
    "workflow": chunk(b"zTXt", b"workflow\0\0" + zlib.compress(LONG)),
    "packed workflow": chunk(b"iTXt", b"workflow\0\1\0\0\0" + zlib.compress(LONG)),
    "many texts": chunk(b"tEXt", b"a\0" + LONG * 10) * 4,
    "packed edits": chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(LONG)),
    "edits that are no text": chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0"),
    "large profile": chunk(b"iCCP", b"printer\0\0" + zlib.compress(LONG)),
    "empty profile": chunk(b"iCCP", b""),
    "short pixel size": chunk(b"pHYs", b"\0"),
}


@pytest.mark.parametrize("name", SPARE)
def test_what_stands_beside_the_pixels_of_a_png_does_not_lose_the_picture(name: str):
    plain = encoded(photo())
    content = plain[:33] + SPARE[name] + plain[33:]
    assert np.array_equal(decode(content, Size(96, 64), 3), decode(plain, Size(96, 64), 3))
    assert glance(content)[0] == glance(plain)[0]


@pytest.mark.parametrize("kind", [b"iTXt", b"packed"])
def test_an_orientation_in_the_text_of_a_png_is_applied(kind: bytes):
    text = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
    body = b"\0\0\0\0" + text if kind == b"iTXt" else b"\1\0\0\0" + zlib.compress(text)
    plain = encoded(Image.fromarray(RED))
    content = plain[:33] + chunk(b"iTXt", b"XML:com.adobe.xmp\0" + body) + plain[33:]
    size, corner = TURNED[6]
    assert decode(content, Size(*size), 3)[corner][1] < 110
    assert size_of(content) == size


@pytest.mark.parametrize(
    ("values", "sample_format", "expected"),
    [
        (np.array([[0, 2**31, 2**32 - 1]], np.uint32), 1, [0, 128, 255]),
        (np.array([[-128, 0, 127]], np.int8), 2, [0, 128, 255]),
        (np.array([[-(2**31), 0, 2**31 - 1]], np.int32), 2, [0, 128, 255]),
    ],
)
def test_a_tiff_says_whether_its_values_have_a_sign(values: np.ndarray, sample_format: int, expected: list[int]):
    content = grey_tiff(values, sample_format)
    assert decode(content, Size(3, 1), 1)[0, :, 0].tolist() == expected


def grey_tiff(values: np.ndarray, sample_format: int) -> bytes:
    """An uncompressed TIFF by hand: Pillow writes only some kinds of numbers."""
    height, width = values.shape
    bits = 8 * values.itemsize
    tags = {
        256: width,
        257: height,
        258: bits,
        259: 1,
        262: 1,
        273: 0,
        277: 1,
        278: height,
        279: values.nbytes,
        339: sample_format,
    }
    tags[273] = 8 + 2 + 12 * len(tags) + 4
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in sorted(tags.items()))
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(4) + values.tobytes()


@pytest.mark.parametrize(
    "start", [b"II*\0", b"MM\0*", b"\0\0\0\x20ftyp", b"RIFF", b"BM", b"P6", b"\xff\xfe", b"\x89PNG\r\n\x1a\n"]
)
def test_a_file_that_ends_after_its_first_bytes_is_told(start: bytes, tmp_path: Path):
    for length in range(1, len(start) + 3):
        (tmp_path / "file").write_bytes((start + b"\0\0")[:length])
        with pytest.raises(UserError):
            listing(tmp_path / "file")
        with pytest.raises(Unreadable):
            decode((tmp_path / "file").read_bytes(), SIZE, 3)
