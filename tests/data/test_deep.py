"""Deep images: one scale for all of a data set, by its type where it is a single file, told where the type does not tell it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from organza.data import Size, check, open_data
from organza.data.batches import Images
from organza.data.decode import decode
from organza.data.deep import Extent, Scale, fixed, of_data_set, read_scales
from organza.data.source import Source
from organza.inference.judge_files import judge_files
from organza.recipes import get
from tests.contracts.discovery import small
from tests.drawings import drawing
from tests.helpers import train, weights

from .corpus import chunk, deep_png, encoded, photo, png

EIGHT = Size(8, 8)


def ramp(most: float, kind: str) -> bytes:
    values = np.linspace(0, most, 64 * 64).reshape(64, 64).astype(kind)
    return deep_png(values) if kind == "u2" else encoded(Image.fromarray(values), "tiff")


def brightest(content: bytes, **options) -> int:
    return int(decode(content, Size(64, 64), 1, **options).max())


@pytest.fixture
def packed(tmp_path: Path):
    def make(*contents: bytes, **options):
        folder = tmp_path / f"set{len(list(tmp_path.iterdir()))}"
        folder.mkdir()
        for index, content in enumerate(contents):
            (folder / f"{index}.png").write_bytes(content)
        return open_data(folder, size=Size(64, 64), channels=1, cache=tmp_path / "cache", **options)

    return make


@pytest.mark.parametrize("most", [0.98, 1.0, 1.02, 1.04])
def test_a_float_a_little_over_white_is_not_black(most: float):
    assert 120 < decode(ramp(most, "f4"), EIGHT, 1).mean() < 135


def test_a_single_file_goes_by_its_type():
    assert brightest(ramp(4000, "u2")) == 16  # of 65535
    assert brightest(ramp(200, "i4")) == 1
    assert brightest(ramp(2**20, "i4")) == 16  # of 24 bits
    assert brightest(ramp(300.0, "f4")) == 255
    assert decode(encoded(Image.fromarray(np.array([[-(2**31), 0, 2**31 - 1]] * 3, np.int32)), "tiff"), Size(3, 3), 1)[
        0, :, 0
    ].tolist() == [0, 128, 255]


def test_twelve_bits_in_sixteen_are_one_scale_for_all(packed):
    pack = packed(ramp(4000, "u2"), ramp(2000, "u2"), ramp(100, "u2"))
    assert [int(image.max()) for image in pack.images] == [249, 125, 6]
    assert pack.scale == {"16-bit": (0, 4095)}
    assert "3 16-bit images hold values from 0 to 4,000" in pack.notes[0]
    assert "4,095 as white" in pack.notes[0]


def test_sixteen_bits_need_no_word(packed):
    pack = packed(ramp(60_000, "u2"), ramp(2000, "u2"))
    assert [int(image.max()) for image in pack.images] == [233, 8]
    assert pack.notes == ()
    assert pack.scale == {"16-bit": (0, 65535)}


def test_floats_of_a_data_set_share_a_scale_that_nonsense_does_not_move(packed):
    hot = np.full((64, 64), 1.0, np.float32)
    hot[0, 0] = 1e9
    pack = packed(ramp(5.0, "f4"), ramp(2.5, "f4"), ramp(0.5, "f4"), encoded(Image.fromarray(hot), "tiff"))
    highest = [int(image.max()) for image in pack.images]
    assert highest[0] == 255
    assert highest[1:3] == pytest.approx([128, 26], abs=2)
    assert pack.images[3].mean() == pytest.approx(52, abs=3)


def test_the_scale_is_recalled_and_is_what_inference_is_told(packed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ORGANZA_CACHE", str(tmp_path / "cache"))
    packed(ramp(3000, "i4"), ramp(1500, "i4"))
    folder = next(tmp_path.glob("set*"))
    for _ in range(2):  # made, and recalled
        facts = Images(Source(folder, size=64, channels=1)).facts()
        assert facts["scale"] == {"32-bit": [0, 4095]}
        assert Images(Source(folder, size=64, channels=1)).notes
    assert brightest(ramp(1500, "i4"), scaling=fixed(read_scales(facts["scale"]))) == 93
    assert (
        brightest(ramp(60_000, "u2"), scaling=fixed(read_scales(facts["scale"]))) == 233
    )  # of a kind it does not know


def test_a_check_says_the_same(packed, tmp_path: Path):
    packed(ramp(4000, "u2"), ramp(2000, "u2"), encoded(photo()))
    assert "2 16-bit images hold values from 0 to 4,000" in check(next(tmp_path.glob("set*"))).told[0]


def test_signed_values_keep_their_order():
    extents = {"32-bit": [Extent(-1000, 3000, -990, 2900)], "float": [Extent(-1, 1, -0.9, 0.9)]}
    assert of_data_set(extents) == {"32-bit": Scale(-990, 2900), "float": Scale(-1, 1)}
    assert of_data_set({"float": [Extent(-0.01, 1.0, -0.005, 0.99)]}) == {"float": Scale(0, 1)}  # resampling rings
    assert of_data_set({"float": [Extent(7, 7, 7, 7)], "32-bit": [Extent(0, 0, 0, 0)]}) == {
        "float": Scale(0, 7),
        "32-bit": Scale(0, 255),
    }


@pytest.mark.parametrize(
    "facts", [None, [], {"x": [1]}, {"x": [2, 1]}, {"x": [0, float("nan")]}, {"x": "01"}, {"x": [0, True]}]
)
def test_a_scale_that_is_none_is_not_taken(facts: object):
    assert read_scales(facts) == {}


def test_white_may_be_zero_in_a_tiff():
    values = np.array([[0, 65535]] * 2, np.uint16)
    assert decode(encoded(Image.fromarray(values), "tiff", tiffinfo={262: 0}), Size(2, 2), 1)[0, :, 0].tolist() == [
        255,
        0,
    ]


@pytest.mark.parametrize(("depth", "key"), [(1, 1), (2, 2), (4, 5), (8, 100), (16, 40_000)])
def test_key_colours_of_grey_at_every_depth(depth: int, key: int):
    values = [0, key, 2**depth - 1 if key != 2**depth - 1 else 0, 0]
    bits = "".join(f"{value:0{depth}b}" for value in values).ljust(8, "0")
    row = bytes(int(bits[place : place + 8], 2) for place in range(0, len(bits), 8))
    content = png(4, 1, depth, 0, b"\0" + row, chunk(b"tRNS", key.to_bytes(2, "big")))
    assert (decode(content, Size(4, 1), 4)[0, :, 3] > 0).tolist() == [True, False, True, True]


def test_key_colours_of_16_bits():
    row = b"".join(value.to_bytes(2, "big") for value in (0x8000, 0x8000, 0x8000, 0, 0, 0))
    content = png(2, 1, 16, 2, b"\0" + row, chunk(b"tRNS", (0x8000).to_bytes(2, "big") * 3))
    assert decode(content, Size(2, 1), 4)[0, :, 3].tolist() == [0, 255]


@pytest.mark.parametrize("grey", [True, False])
def test_a_run_on_sixteen_bits_is_that_on_the_same_images_in_eight(grey: bool, tmp_path: Path):
    recipe, made = small(get("swift"), 4), []
    for bits in (8, 16):
        (tmp_path / f"{bits}").mkdir()
        for seed in range(12):
            image = np.asarray(drawing(seed).convert("L" if grey else "RGB"))
            content = encoded(Image.fromarray(image)) if bits == 8 else deep_png(image.astype(np.uint16) * 257)
            (tmp_path / f"{bits}" / f"{seed}.png").write_bytes(content)
        train(tmp_path / f"{bits}", tmp_path / f"run{bits}", recipe, budget="24img")
        made.append(weights(tmp_path / f"run{bits}"))
    assert made[0]["generator.safetensors"] == made[1]["generator.safetensors"]
    alike = [
        [one.probability for one in judge_files(tmp_path / "run16", [tmp_path / f"{bits}"])[0]] for bits in (8, 16)
    ]
    assert len(alike[0]) == 12
    assert alike[0] == alike[1]
