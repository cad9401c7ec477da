"""Single images to pixels: what is refused and why, what is read, and that it is read right."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from PIL import Image

from organza.data.decode import FITS, Unreadable, decode, glance
from organza.data.size import Size, parse_size
from organza.errors import UserError

from .corpus import READ, REFUSED, deep_png, encoded, frames, photo, png

SMALL = Size(24, 16)
RED, BLUE, WHITE = (255, 0, 0), (0, 0, 255), (255, 255, 255)


@pytest.fixture(autouse=True)
def _quiet():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's, as in open_data
        yield


@pytest.mark.parametrize("name", REFUSED)
def test_refused_with_a_reason(name: str):
    make, reason = REFUSED[name]
    content = make()
    for read in (lambda: decode(content, SMALL, 3), lambda: glance(content)):
        with pytest.raises(Unreadable) as told:
            read()
        assert reason in str(told.value)
        assert 5 < len(str(told.value)) < 200
        assert "\n" not in str(told.value)


@pytest.mark.parametrize("name", READ)
def test_read_at_every_shape(name: str):
    content = READ[name]()
    for fit in FITS:
        for channels in (1, 3, 4):
            pixels = decode(content, SMALL, channels, fit)
            assert (pixels.shape, pixels.dtype) == ((16, 24, channels), np.uint8)
    assert glance(content)[1].shape == (32, 32, 3)


def test_the_corpus_has_its_28_cases_and_the_reader_can_tell_good_from_bad():
    assert len(REFUSED) + len(READ) >= 28
    good = decode(encoded(photo()), Size(96, 64), 3)
    assert np.array_equal(good, np.asarray(photo()))  # nothing is resampled where nothing need be


def test_no_bit_of_a_png_can_flip_unseen():
    content = encoded(photo(24, 16))
    whole = decode(content, SMALL, 3)
    for place in range(8, len(content), 7):
        for bit in (1, 128):
            damaged = bytearray(content)
            damaged[place] ^= bit
            try:
                assert np.array_equal(decode(bytes(damaged), SMALL, 3), whole)  # it hit a part that is not the image
            except Unreadable:
                continue


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format", ["png", "jpeg"])
def test_exif_orientation(orientation: int, format: str):
    upright = Image.new("RGB", (48, 32), "white")  # red top left, blue bottom right
    upright.paste(RED, (0, 0, 24, 16))
    upright.paste(BLUE, (24, 16, 48, 32))
    pixels = np.asarray(upright)
    stored = {  # how the camera's rows and columns lie: EXIF 2.32, tag 0x0112, by hand
        1: pixels,
        2: pixels[:, ::-1],
        3: pixels[::-1, ::-1],
        4: pixels[::-1],
        5: pixels.swapaxes(0, 1),
        6: pixels.swapaxes(0, 1)[::-1],
        7: pixels.swapaxes(0, 1)[::-1, ::-1],
        8: pixels.swapaxes(0, 1)[:, ::-1],
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = encoded(Image.fromarray(np.ascontiguousarray(stored)), format, exif=exif)
    read = decode(content, Size(48, 32), 3).astype(int)
    assert np.abs(read - pixels).mean() < 4  # JPEG is not exact
    assert glance(content)[0].size == (48, 32)


@pytest.mark.parametrize("orientation", [0, 9, 77])
def test_a_nonsense_orientation_is_upright(orientation: int):
    exif = Image.Exif()
    exif[0x0112] = orientation
    assert np.array_equal(decode(encoded(photo(), exif=exif), Size(96, 64), 3), np.asarray(photo()))


def test_16_bits_are_scaled_not_clipped():
    values = np.array([[0, 257, 32_896, 65_535]] * 4, np.uint16)
    assert decode(deep_png(values), Size(4, 4), 1)[0, :, 0].tolist() == [0, 1, 128, 255]
    colour = np.stack([values, values[:, ::-1], values], -1)
    assert decode(deep_png(colour), Size(4, 4), 3)[0, :, 0].tolist() == [0, 1, 128, 255]
    for kind in ("<u2", ">u2"):
        tiff = encoded(Image.fromarray(values.astype(kind)), "tiff")
        assert decode(tiff, Size(4, 4), 1)[0, :, 0].tolist() == [0, 1, 128, 255]


@pytest.mark.parametrize(
    ("values", "grey"),
    [
        ([0.0, 0.5, 1.0], [0, 128, 255]),
        ([0, 100, 255], [0, 100, 255]),
        ([-1.0, 0.0, 1.0], [0, 128, 255]),
        ([0, 65535, 257], [0, 255, 1]),
    ],
)
def test_floats_by_the_least_full_scale_that_holds_them(values: list[float], grey: list[int]):
    tiff = encoded(Image.fromarray(np.array([values] * 3, np.float32)), "tiff")
    assert decode(tiff, Size(3, 3), 1)[0, :, 0].tolist() == grey


def test_alpha_on_white_and_nothing_hidden_shows():
    pixels = np.zeros((4, 4, 4), np.uint8)
    pixels[..., :] = (255, 0, 0, 0)  # red that cannot be seen
    pixels[0, 0] = (0, 0, 0, 128)
    content = encoded(Image.fromarray(pixels, "RGBA"))
    seen = decode(content, Size(4, 4), 3)
    assert seen[0, 0].tolist() == [127, 127, 127]
    assert (seen[1:] == 255).all()
    assert decode(content, Size(4, 4), 1)[3, 3, 0] == 255
    kept = decode(content, Size(4, 4), 4)
    assert kept[0, 0, 3] == 128
    assert not kept[1:].any()  # unseen is black, whatever was hidden there
    for size in (Size(2, 2), Size(3, 3), Size(9, 9)):
        for fit in FITS:
            large = decode(content, size, 3, fit).astype(int)
            assert (large[..., 0] - large[..., 1] <= 1).all()  # no red seeps in from the unseen
    assert glance(content)[0].has_alpha


def test_resizing_with_four_channels_keeps_the_unseen_out():
    pixels = np.zeros((64, 64, 4), np.uint8)
    pixels[..., 0] = 255  # red everywhere, seen nowhere ...
    pixels[:, 32:] = (0, 0, 255, 255)  # ... but blue on the right
    small = decode(encoded(Image.fromarray(pixels, "RGBA")), Size(9, 9), 4).astype(int)
    assert small[..., 0].max() <= 1
    assert small[4, 8].tolist() == [0, 0, 255, 255]


def test_palettes_key_colours_and_cmyk():
    palette = Image.new("P", (4, 4), 1)
    palette.putpalette([0, 0, 0, 10, 200, 30])
    assert decode(encoded(palette), Size(4, 4), 3)[0, 0].tolist() == [10, 200, 30]
    through = encoded(palette, transparency=1)
    assert decode(through, Size(4, 4), 3)[0, 0].tolist() == list(WHITE)
    assert decode(through, Size(4, 4), 4)[0, 0].tolist() == [0, 0, 0, 0]
    key = png(2, 2, 8, 2, (b"\0" + bytes((9, 8, 7)) + bytes(RED)) * 2)
    assert decode(key, Size(2, 2), 3)[0].tolist() == [[9, 8, 7], [255, 0, 0]]
    inks = Image.new("CMYK", (16, 16), (0, 255, 255, 0))
    for content in (encoded(inks, "jpeg", quality=95), encoded(inks, "tiff")):
        assert np.abs(decode(content, Size(16, 16), 3)[8, 8].astype(int) - RED).max() < 8


@pytest.mark.parametrize("format", ["gif", "webp", "png", "tiff"])
def test_the_first_frame_counts(format: str):
    assert np.abs(decode(frames(format), SMALL, 3)[8, 8].astype(int) - RED).max() < 12


def test_crop_takes_the_middle_and_pad_keeps_all():
    wide = Image.new("RGB", (90, 30), "white")
    wide.paste(RED, (0, 0, 30, 30))
    wide.paste(BLUE, (30, 0, 60, 30))
    content = encoded(wide)
    assert (decode(content, Size(30, 30), 3) == BLUE).all()
    padded = decode(content, Size(30, 30), 3, "pad")
    assert padded[15, 2].tolist() == list(RED)
    assert (padded[:9] == 255).all()
    assert (decode(content, Size(30, 30), 4, "pad")[:9] == 0).all()
    assert decode(content, Size(90, 10), 3, "pad").shape == (10, 90, 3)
    for shape in ((33, 20), (20, 33), (7, 5)):
        assert (decode(encoded(Image.new("RGB", shape, "red")), Size(16, 24), 3) == RED).all()


def test_shrinking_is_antialiased():
    stripes = np.zeros((512, 512, 3), np.uint8)
    stripes[:, ::2] = 255
    small = decode(encoded(Image.fromarray(stripes)), Size(32, 32), 3).astype(int)
    assert np.abs(small - 127.5).max() < 6  # picking pixels would give 0 or 255


def test_fast_shrinking_of_jpeg_is_the_same_picture():
    large = photo(96, 64).resize((1536, 1024), Image.Resampling.BICUBIC)
    slow = decode(encoded(large), Size(48, 32), 3).astype(int)
    fast = decode(encoded(large, "jpeg", quality=95), Size(48, 32), 3).astype(int)
    assert np.abs(slow - fast).mean() < 2


def test_facts():
    assert glance(encoded(photo(mode="L")))[0].is_grey
    assert glance(encoded(photo(mode="L").convert("RGB"), "jpeg"))[0].is_grey
    dotted = photo(500, 500, "L").convert("RGB")
    dotted.putpixel((250, 250), RED)
    assert not glance(encoded(dotted))[0].is_grey
    found = glance(encoded(photo(), "webp"))[0]
    assert (found.format, found.size, found.has_alpha, found.is_grey) == ("WEBP", (96, 64), False, False)


@pytest.mark.parametrize("text", ["0", "-4", "64x", "x64", "64*64", "", "4097", "64x0", "6.4", "big", "64x64x3"])
def test_sizes_that_are_none(text: str):
    with pytest.raises(UserError, match="write 64, or 96x64"):
        parse_size(text)


def test_sizes():
    assert parse_size(" 96X64 ") == Size(width=96, height=64)
    assert parse_size("4096") == (4096, 4096)
