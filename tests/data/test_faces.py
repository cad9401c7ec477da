"""Cartoon faces: the same everywhere, whoever draws them and however often it was interrupted."""

from __future__ import annotations

import csv
import hashlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from organza.data import render_faces
from organza.data.builtin import faces
from organza.data.builtin.face_drawing import Artist
from organza.errors import UserError

pytest.importorskip("dicebear", reason="the extra organza[faces]")


def files(folder: Path) -> dict[str, str]:
    return {
        p.name: hashlib.sha256(p.read_bytes()).hexdigest()
        for p in sorted(folder.iterdir())
        if not p.name.startswith(".")
    }


def pictures(folder: Path, count: int) -> np.ndarray:
    return np.stack([np.asarray(Image.open(folder / f"{k:05d}.png")) for k in range(count)])


@pytest.fixture(scope="module")
def twelve(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return render_faces(tmp_path_factory.mktemp("faces") / "new", count=12, size=64)


def test_faces_are_rgb_on_white_and_fill_the_frame(twelve: Path):
    drawn = pictures(twelve, 12)
    assert drawn.shape == (12, 64, 64, 3)
    assert (drawn[:, 0, 0] == 255).mean() > 0.5
    share = (drawn != 255).any(-1).mean()
    assert 0.45 < share < 0.8  # of the pixels belong to a face; without the zoom a third do
    assert len({image.tobytes() for image in drawn}) == 12
    tones = {tuple(pixel) for pixel in drawn.reshape(-1, 3)}
    assert len(tones) > 300  # edges are smooth


def test_a_face_depends_on_its_place_alone(twelve: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(faces, "FEW", 0)  # so that worker processes draw them
    more = render_faces(tmp_path / "more", count=17, size=64, workers=3)
    assert np.array_equal(pictures(more, 12), pictures(twelve, 12))
    rows = list(csv.DictReader((more / "labels.csv").open()))
    assert rows[:12] == list(csv.DictReader((twelve / "labels.csv").open()))
    other = render_faces(tmp_path / "other", count=12, size=64, seed=1)
    assert not any((a == b).all() for a, b in zip(pictures(other, 12), pictures(twelve, 12), strict=True))


def test_labels_and_attribution(twelve: Path):
    rows = list(csv.DictReader((twelve / "labels.csv").open()))
    assert [row["file"] for row in rows] == [f"{k:05d}.png" for k in range(12)]
    assert set(rows[0]) == {
        "file", "details", "earrings", "eyebrows", "eyes", "glasses", "hair", "hair_color", "mouth", "skin_color",
    }  # fmt: skip
    assert all(row["skin_color"].startswith("#") and row["mouth"] for row in rows)
    assert any(row["glasses"] == "" for row in rows)
    skin = tuple(int(rows[0]["skin_color"][i : i + 2], 16) for i in (1, 3, 5))
    shown = np.asarray(Image.open(twelve / "00000.png")).reshape(-1, 3).astype(int)
    assert (np.abs(shown - skin).max(1) <= 2).sum() > 50  # the label says what the image shows
    told = (twelve / "ATTRIBUTION.txt").read_text()
    for words in (
        "Lisa Wischofsky",
        "CC BY 4.0",
        "https://creativecommons.org/licenses/by/4.0/",
        "Adventurer",
        "figma.com",
    ):
        assert words in told


def test_an_interrupted_rendering_is_finished(twelve: Path, tmp_path: Path):
    folder = tmp_path / "faces"

    def interrupt(_what: str, done: int, _total: int) -> None:
        if done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        render_faces(folder, count=12, size=64, progress=interrupt)
    assert not (folder / "labels.csv").exists()
    old = (folder / "00000.png").stat().st_mtime_ns
    render_faces(folder, count=12, size=64)
    assert files(folder) == files(twelve)
    assert (folder / "00000.png").stat().st_mtime_ns == old
    render_faces(folder, count=14, size=64)  # and made longer
    assert len(list(csv.DictReader((folder / "labels.csv").open()))) == 14


def test_a_finished_folder_is_left_as_it_is(twelve: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Artist, "draw", lambda *_: pytest.fail("drawn again"))
    monkeypatch.setattr(Artist, "describe", lambda *_: pytest.fail("looked at again"))
    assert render_faces(twelve, count=12, size=64) == twelve


def test_from_a_script_without_a_guard(tmp_path: Path):
    script = tmp_path / "script.py"
    script.write_text(
        "from organza.data.builtin import faces\nfaces.FEW = 0\nprint('once')\n"
        f"faces.render_faces({str(tmp_path / 'out')!r}, count=3, size=16, workers=2)\n"
    )
    (tmp_path / "json.py").write_text("raise SystemExit('a module of the user was imported')")
    run = subprocess.run(
        [sys.executable, "-P", script], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert (run.returncode, run.stdout) == (0, "once\n"), run.stderr
    assert len(list((tmp_path / "out").glob("*.png"))) == 3


def test_a_worker_that_cannot_write_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(faces, "FEW", 0)
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / faces.NOTE).write_text(json.dumps({"style": "adventurer", "seed": 0, "size": 16, "done": 0}))
    (folder / ".drawing-00001.png").mkdir()  # in the way
    with pytest.raises(UserError, match="cannot be written: Is a directory"):
        render_faces(folder, count=3, size=16, workers=1 + 1)


def test_artwork_is_not_checked_against_a_schema_in_each_process(monkeypatch: pytest.MonkeyPatch):
    """Which takes a second; the check of dicebear stays as it is for all others."""
    import dicebear

    checked = []
    monkeypatch.setattr("dicebear.validator._details", lambda schema, _data: checked.append(schema) or [])
    Artist("adventurer", faces.style_definition("adventurer"), 0, 32)
    assert checked == []
    dicebear.Style(faces.style_definition("planets"))
    assert checked == ["definition.json"]


def test_mistakes(tmp_path: Path, twelve: Path, monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(UserError, match=r"There is no style adventure. Did you mean adventurer?"):
        render_faces(tmp_path / "a", count=1, style="adventure")
    for count, size in ((0, 64), (1, 4), (-3, 64), (1, 9999)):
        with pytest.raises(UserError, match="count must be at least 1"):
            render_faces(tmp_path / "a", count=count, size=size)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("x")
    with pytest.raises(UserError, match="holds other files"):
        render_faces(tmp_path / "mine", count=1)
    with pytest.raises(UserError, match="is a file"):
        render_faces(tmp_path / "mine" / "thesis.txt", count=1)
    with pytest.raises(UserError, match="holds faces of style adventurer, seed 0, size 64"):
        render_faces(twelve, count=12, size=32)
    with pytest.raises(UserError, match="holds 12 faces already"):
        render_faces(twelve, count=3, size=64)
    assert not (tmp_path / "a").exists()
    monkeypatch.setattr(faces, "find_spec", lambda _: None)
    with pytest.raises(UserError, match=r"pip install 'organza\[faces\]'"):
        render_faces(tmp_path / "a", count=1)


@pytest.mark.parametrize("style", ["lorelei", "micah", "initials", "planets", "pixel-art"])
def test_other_styles(tmp_path: Path, style: str):
    folder = render_faces(tmp_path / style, count=3, size=32, style=style)
    drawn = pictures(folder, 3)
    assert drawn.std() > 5
    assert len(list(csv.DictReader((folder / "labels.csv").open()))) == 3


def test_a_worker_whose_order_is_cut_short_ends_without_a_word():
    code = "from organza.data.builtin.face_drawing import work; work()"
    ended = subprocess.run([sys.executable, "-c", code], input=b'{"first": 0, "cou', capture_output=True, check=True)
    assert (ended.stdout, ended.stderr) == (b"", b"")
