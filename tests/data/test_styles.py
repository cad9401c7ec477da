"""Two styles as two domains: what is written, and what is refused before anything is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from organza import Source, Unpaired, UserError
from organza.data import render_faces, render_styles

pytest.importorskip("dicebear")


def pictures(folder: Path) -> list[np.ndarray]:
    return [np.asarray(Image.open(path)) for path in sorted(folder.glob("*.png"))]


def test_two_domains_that_unpaired_reads_each_with_its_licence(tmp_path: Path):
    folder = render_styles(tmp_path / "styles", "lorelei", "open-peeps", count=12, size=32)
    assert sorted(path.name for path in folder.iterdir()) == ["a", "b"]
    for name, style in (("a", "lorelei"), ("b", "open-peeps")):
        assert f"style {style}" in (folder / name / "ATTRIBUTION.txt").read_text()
    data = Unpaired(Source(folder, size=32))
    assert data.count == 12
    assert data.broken == ()
    assert data.source_shape == data.shape == (3, 32, 32)


def test_the_two_series_have_no_face_in_common_and_other_seeds_have_other_faces(tmp_path: Path):
    folder = render_styles(tmp_path / "one", "micah", "lorelei", count=6, size=32)
    twin = render_faces(tmp_path / "twin", 6, 32, "lorelei", seed=0)  # the seed of a, in the style of b
    assert not any(np.array_equal(x, y) for x, y in zip(pictures(folder / "b"), pictures(twin), strict=True))
    other = render_styles(tmp_path / "other", "lorelei", "micah", count=6, size=32, seed=1)
    assert not any(np.array_equal(x, y) for x, y in zip(pictures(other / "a"), pictures(folder / "b"), strict=True))


def test_an_interrupted_rendering_is_finished_and_a_finished_one_left_alone(tmp_path: Path):
    folder = render_styles(tmp_path / "styles", "lorelei", "micah", count=3, size=16)
    before = [path.stat().st_mtime_ns for path in sorted(folder.rglob("*.png"))]
    (folder / "b" / "00002.png").unlink()
    render_styles(folder, "lorelei", "micah", count=3, size=16)
    assert len(pictures(folder / "b")) == 3
    assert [path.stat().st_mtime_ns for path in sorted(folder.rglob("*.png"))][:5] == before[:5]


def test_mistakes_are_told_before_anything_is_written(tmp_path: Path):
    with pytest.raises(UserError, match="nothing to translate"):
        render_styles(tmp_path / "styles", "micah", "micah", count=3)
    with pytest.raises(UserError, match="Did you mean lorelei"):
        render_styles(tmp_path / "styles", "micah", "lorelay", count=3)
    assert not (tmp_path / "styles").exists()
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(UserError, match=r"other files \(notes.txt\)"):
        render_styles(tmp_path, "micah", "lorelei", count=3)
    assert not (tmp_path / "a").exists()
