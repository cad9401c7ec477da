"""Pairs of a line drawing and its coloured original: the same faces as elsewhere, and the same everywhere."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from organza import Pairs, Source
from organza.data import render_faces, render_pairs
from organza.data.builtin import faces
from organza.data.builtin.face_drawing import edges, hinted
from organza.errors import UserError

pytest.importorskip("dicebear", reason="the extra organza[faces]")


def pictures(folder: Path, count: int) -> np.ndarray:
    return np.stack([np.asarray(Image.open(folder / f"{k:05d}.png")) for k in range(count)])


def content(folder: Path) -> dict[str, bytes]:
    files = [path for path in folder.rglob("*") if path.is_file() and not path.name.startswith(".")]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


@pytest.fixture(scope="module")
def eight(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return render_pairs(tmp_path_factory.mktemp("pairs") / "new", count=8)


def test_b_is_the_face_and_a_its_lines(eight: Path, tmp_path: Path):
    a, b = pictures(eight / "a", 8), pictures(eight / "b", 8)
    assert (a.shape, b.shape) == ((8, 64, 64), (8, 64, 64, 3))
    assert np.array_equal(b, pictures(render_faces(tmp_path / "faces", count=8), 8))
    surfaces = a == 255
    assert 0.75 < surfaces.mean() < 0.95
    assert (b[surfaces] < 250).any(1).mean() > 0.2  # what is coloured in b is white in a
    assert (b[a < 40].max(1) < 130).mean() > 0.95  # and what is black in a is dark in b
    assert len({image.tobytes() for image in a}) == 8
    data = Pairs(Source(eight, size=64))
    assert (data.count, data.source_shape, data.shape) == (8, (1, 64, 64), (3, 64, 64))


def test_a_pair_depends_on_its_place_alone_and_an_interrupted_rendering_is_finished(
    eight: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(faces, "FEW", 0)  # so that worker processes draw them

    def interrupt(what: str, done: int, _total: int) -> None:
        assert what == "rendering pairs"
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        render_pairs(tmp_path / "again", count=8, workers=2, progress=interrupt)
    assert not (tmp_path / "again" / "labels.csv").exists()
    (tmp_path / "again" / "b" / "00000.png").unlink(missing_ok=True)  # half a pair
    render_pairs(tmp_path / "again", count=8, workers=2)
    assert content(tmp_path / "again") == content(eight)
    assert len(list(csv.DictReader((eight / "labels.csv").open()))) == 8


def test_what_was_done_to_the_artwork_is_said(eight: Path, tmp_path: Path):
    assert "those in a/ show its lines alone, without colours" in (eight / "ATTRIBUTION.txt").read_text()
    assert "CC BY 4.0" in (eight / "ATTRIBUTION.txt").read_text()
    other = render_pairs(tmp_path / "edges", count=2, kind="edges", style="big-smile")
    assert "those in a/ show its edges, computed from b/" in (other / "ATTRIBUTION.txt").read_text()


def test_edges_are_dark_where_colours_change():
    flat = np.full((16, 16, 3), 200, np.uint8)
    flat[:, 8:] = (200, 60, 200)  # of equal red and blue
    found = np.asarray(edges(Image.fromarray(flat)))
    assert (found[:, :7] == 255).all()
    assert (found[:, 9:] == 255).all()
    assert (found[:, 7:9] == 255 - 2 * 70).all()


def test_mistakes(eight: Path, tmp_path: Path):
    with pytest.raises(UserError, match=r"There is no kind edge of line drawings; .* Did you mean edges?"):
        render_pairs(tmp_path / "x", count=1, kind="edge")
    with pytest.raises(UserError, match=r"holds pairs of style adventurer, seed 0, size 64, kind drawing"):
        render_pairs(eight, count=8, kind="edges")
    with pytest.raises(UserError, match="holds pairs of"):
        render_faces(eight, count=8)
    with pytest.raises(UserError, match="holds 8 pairs already"):
        render_pairs(eight, count=3)
    assert not (tmp_path / "x").exists()


def test_hints_are_dabs_of_the_true_colours_inside_their_surfaces():
    coloured = np.full((64, 64, 3), 255, np.uint8)
    coloured[8:32, 8:32], coloured[40:60, 8:60], coloured[0:4, 60:64] = (200, 30, 30), (20, 90, 200), (1, 2, 3)
    drawing = np.full((64, 64), 255, np.uint8)
    drawing[8:32, 8] = 0
    found = np.asarray(hinted(Image.fromarray(drawing), Image.fromarray(coloured), "0-7"))
    dabs = (found != drawing[..., None]).any(2)
    assert (
        9 * 7 < dabs.sum() <= 9 * 10
    )  # round(462 / 160 + 0.25) and round(900 / 160 + 0.25), 3x3; few overlap; none for the speck
    assert not dabs[:5, 59:].any()
    np.testing.assert_array_equal(found[dabs], coloured[dabs])
    again = np.asarray(hinted(Image.fromarray(drawing), Image.fromarray(coloured), "0-8"))
    assert (again != found).any()


def test_pairs_with_hints_are_colour_on_both_sides(tmp_path: Path):
    folder = render_pairs(tmp_path / "hints", count=3, kind="hints")
    plain = render_pairs(tmp_path / "plain", count=3)
    for k in range(3):
        with Image.open(folder / f"a/{k:05d}.png") as with_dabs, Image.open(plain / f"a/{k:05d}.png") as without:
            dabs = np.asarray(with_dabs) != np.asarray(without.convert("RGB"))
        assert 9 <= dabs.any(2).sum() <= 9 * 20
    assert "with a few dabs of each large colour" in (folder / "ATTRIBUTION.txt").read_text()
