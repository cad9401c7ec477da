"""Furniture from catalogues: a small one made here, in the form of Sweet Home 3D's."""

from __future__ import annotations

import csv
import zipfile
from pathlib import Path

import pytest

from organza.data.builtin.furniture import furniture
from organza.errors import UserError
from tests.data.test_volumes import BOX

TABLE = """# a catalogue
id=test
name#1=Office chair
category#1=Office
creator#1=Ann
model#1=/test/a/a.obj
width#1=40
height#1=80
depth#1=20
name#2=Round table
category#2=Living room
creator#2=Bob
model#2=/test/a/a.obj
modelRotation#2=0 1 0 -1 0 0 0 0 1
width#2=10
height#2=20
depth#2=30
name#3=Office chair
category#3=Office
model#3=/test/a/a.obj
"""


@pytest.fixture
def catalogues(tmp_path: Path) -> Path:
    folder = tmp_path / "catalogues"
    folder.mkdir()
    with zipfile.ZipFile(folder / "Test.sh3f", "w") as archive:
        archive.writestr("PluginFurnitureCatalog.properties", TABLE)
        archive.writestr("LICENSE.TXT", "anyone may")
        archive.writestr("test/a/a.obj", BOX)
    return folder


def extents(path: Path) -> list[float]:
    rows = [[float(x) for x in line.split()[1:]] for line in path.read_text().splitlines() if line.startswith("v ")]
    return [max(column) - min(column) for column in zip(*rows, strict=True)]


def test_meshes_are_written_by_category_upright_in_centimetres_with_their_licence(catalogues: Path, tmp_path: Path):
    assert furniture(tmp_path / "out", catalogues) == 3
    out = tmp_path / "out"
    files = sorted(str(path.relative_to(out)) for path in out.rglob("*") if path.is_file())
    assert files == [
        "ATTRIBUTION.txt",
        "LICENSE-Test.txt",
        "labels.csv",
        "living-room/round-table.obj",
        "office/office-chair-2.obj",
        "office/office-chair.obj",
    ]
    assert extents(out / "office/office-chair.obj") == [40, 80, 20]
    assert extents(out / "living-room/round-table.obj") == [10, 20, 30]
    assert "Ann, Bob" in (out / "ATTRIBUTION.txt").read_text()
    rows = list(csv.DictReader((out / "labels.csv").open()))
    assert [row["name"] for row in rows] == ["Office chair", "Round table", "Office chair"]


def test_some_of_them_by_words_of_their_names(catalogues: Path, tmp_path: Path):
    assert furniture(tmp_path / "out", catalogues, only=["table"]) == 1
    with pytest.raises(UserError, match=r"No object in .* words tab"):
        furniture(tmp_path / "none", catalogues, only=["tab"])
    assert not (tmp_path / "none").exists()


def test_what_is_missing_is_said_with_what_to_install(tmp_path: Path):
    with pytest.raises(UserError, match="apt-get install sweethome3d sweethome3d-furniture"):
        furniture(tmp_path / "out", tmp_path)
    (tmp_path / "bad.sh3f").write_bytes(b"no zip")
    with pytest.raises(UserError, match="not a furniture catalogue"):
        furniture(tmp_path / "out", tmp_path)
    with pytest.raises(UserError, match="not an empty folder"):
        furniture(tmp_path, tmp_path)
