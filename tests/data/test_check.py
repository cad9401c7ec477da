"""The look at data before training."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from organza.cli.wording import in_options
from organza.data import Size, check, render
from organza.data.check import Check, notes, recommendation
from organza.errors import UserError

from ..conftest import drawing
from .corpus import photo


def shown(found: Check) -> str:
    console = Console(width=120, record=True, file=open("/dev/null", "w"))  # noqa: SIM115, PTH123
    console.print(render(found, in_options))
    return console.export_text()


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    for index in range(12):
        place = tmp_path / "mixed" / ("cat" if index < 4 else "[red]dog")
        place.mkdir(parents=True, exist_ok=True)
        drawing(index, 80, 60).save(place / f"{index:02d}.{'jpg' if index % 2 else 'png'}", quality=95)
    (tmp_path / "mixed" / "cat" / "00 copy.png").write_bytes((tmp_path / "mixed" / "cat" / "00.png").read_bytes())
    drawing(1, 80, 60).save(tmp_path / "mixed" / "cat" / "resaved.jpg", quality=60)
    drawing(2, 80, 60).resize((40, 30), Image.Resampling.LANCZOS).save(tmp_path / "mixed" / "cat" / "smaller.png")
    (tmp_path / "mixed" / "cat" / "bad[red].png").write_bytes(b"")
    return tmp_path / "mixed"


def test_what_is_there(mixed: Path):
    told = []
    found = check(mixed, progress=lambda *now: told.append(now))
    assert len(found.usable) == 15
    assert found.broken == (("cat/bad[red].png", "the file is empty"),)
    assert found.formats == {"PNG": 8, "JPEG": 7}
    assert found.modes == {"RGB": 15}
    assert found.sizes == (Size(40, 30), Size(80, 60), Size(80, 60))
    assert found.aspect == pytest.approx(4 / 3)
    assert found.classes == (("[red]dog", 8), ("cat", 7))
    assert found.copies == (("cat/00 copy.png", "cat/00.png"),)
    assert ("cat/01.jpg", "cat/resaved.jpg") in found.alike
    assert ("cat/02.png", "cat/smaller.png") in found.alike
    assert sum(len(group) for group in found.alike) == 4  # different drawings are not taken for one another
    assert (found.size, found.channels, found.budget) == ((64, 64), 3, "20m")
    assert told[-1] == ("looking at images", 16, 16)


def test_how_it_is_told(mixed: Path):
    found = check(mixed)
    text = shown(found)
    for words in ("usable images    15", "PNG 8, JPEG 7", "40x30 to 80x60, median 80x60", "cat/bad[red].png: the file is empty",
                  "[red]dog 8, cat 7", "--size 64", "--recipe auto", "--budget 20m", "1 in 1 group"):  # fmt: skip
        assert words in text
    assert f"next: organza train {mixed} --size 64 --budget 20m" in text.replace("\n", "")
    python = str(render(found).renderables[-1])  # the same for a reader of Python
    assert python.strip() == f"next: `organza.train({str(mixed)!r}, size='64', budget='20m')`"
    told = " ".join(notes(found))
    for words in (
        "15 images are few",
        "15 images are smaller than 64",
        "1 image repeats",
        "1 file cannot be used",
    ):
        assert words in told


def test_a_size_of_ones_own(mixed: Path):
    found = check(mixed, size=Size(128, 32))
    assert found.size == (128, 32)
    assert found.enlarged == 15
    assert any("cuts much of them off" in note for note in notes(found))
    assert recommendation(found)[0][0] == "size='128x32'"
    assert check(mixed, size=Size(40, 30)).enlarged == 0


def test_grey_and_arrays(tmp_path: Path):
    np.save(tmp_path / "a.npy", np.random.default_rng(0).integers(0, 255, (9, 28, 28), np.uint8))
    found = check(tmp_path / "a.npy")
    assert (found.size, found.channels, len(found.usable)) == ((32, 32), 1, 9)


def test_nothing_usable(tmp_path: Path):
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "a.png").write_bytes(b"no")
    assert "broken files   1" in shown(check(tmp_path / "bad"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="no images"):
        check(tmp_path / "empty")


def test_neither_check_nor_packing_imports_torch():
    code = "import sys, organza.data; assert 'torch' not in sys.modules; assert 'dicebear' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_the_command_is_in_one_line_however_narrow_the_output(tmp_path: Path):
    folder = tmp_path / ("a rather long name of a folder with photographs of one's holidays " * 2).strip()
    folder.mkdir()
    for k in range(3):
        photo(64 + k).save(folder / f"{k}.png")
    command = [sys.executable, "-m", "organza", "data", "check", str(folder)]
    told = subprocess.run(command, capture_output=True, text=True, check=True, env={**os.environ, "COLUMNS": "60"})
    line = told.stdout.splitlines()[-1]
    assert line.startswith("next: organza train ")
    assert shlex.split(line)[3] == str(folder)


def test_one_file_is_not_several(tmp_path: Path):
    photo().save(tmp_path / "1.png")
    (tmp_path / "2.png").write_bytes(b"")
    told = notes(check(tmp_path))
    assert told[0] == "1 file cannot be used and will be skipped"
    assert "at least 2" in told[1]


def test_large_images_are_told_what_each_size_keeps_and_costs(tmp_path: Path):
    draw = np.random.default_rng(0)
    for index in range(3):  # squares of 2x2 pixels: 128 keeps them, 64 makes them grey
        small = draw.integers(0, 256, (64, 64, 3), np.uint8)
        Image.fromarray(small).resize((128, 128), Image.Resampling.NEAREST).save(tmp_path / f"{index}.png")
    found = check(tmp_path)
    assert [one.side for one in found.resolutions] == [64, 128]
    assert found.resolutions[0].kept < 0.7 < found.resolutions[1].kept == 1
    assert found.resolutions[0].cost == 1 < found.resolutions[1].cost
    assert [argument for argument, _ in recommendation(found)][:2] == ["size='64'", "size='128'"]
    assert "--size 128     more detail: at 64," in shown(found)


def test_small_images_are_offered_no_larger_size(mixed: Path):
    assert check(mixed).resolutions == ()
