"""Sampling by onnxruntime: used if it agrees with torch, and torch otherwise, with the reason."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

import organza
from organza.errors import UserError
from organza.inference import engine
from organza.inference.sample_files import sample_files

FIXTURE = Path(__file__).parent / "fixtures" / "format-2"


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of 8x8 images."""
    return Path(shutil.copytree(FIXTURE, tmp_path_factory.mktemp("runs") / "small"))


@pytest.fixture(scope="module")
def fast(path: Path) -> organza.Run:
    pytest.importorskip("onnxscript")
    return organza.load(path, engine="onnx")


def test_onnxruntime_makes_the_same_images_within_a_level(path: Path, fast: organza.Run, tmp_path: Path):
    assert fast.notes == ()
    assert fast.session is not None
    wanted = organza.load(path).sample(40, seed=3, truncate=0.7)
    images = fast.sample(40, seed=3, truncate=0.7)
    assert images.dtype == np.uint8
    assert images.shape == wanted.shape
    assert np.abs(images.astype(int) - wanted.astype(int)).max() <= 1
    assert np.array_equal(fast.sample(5, seed=3, first=8, truncate=0.7), images[8:13])
    sample_files(fast, tmp_path / "a.npy", 20, seed=3)
    assert np.array_equal(np.load(tmp_path / "a.npy"), fast.sample(20, seed=3))


def test_the_graph_is_traced_once(path: Path, fast: organza.Run, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(engine, "made", lambda *_: pytest.fail("traced again"))
    assert organza.load(path, engine="onnx").session is not None
    [kept] = (engine.cache_folder() / "onnx").glob("*.onnx")
    content = kept.read_bytes()
    kept.write_bytes(content[: len(content) // 2])  # a damaged one is made again
    with pytest.raises(pytest.fail.Exception, match="traced again"):
        organza.load(path, engine="onnx")
    kept.write_bytes(content)


def test_where_onnxruntime_cannot_be_used_torch_is_and_the_reason_is_noted(
    path: Path, fast: organza.Run, monkeypatch: pytest.MonkeyPatch
):
    wanted = organza.load(path).sample(4)
    monkeypatch.setattr(engine, "LEVELS", -1)
    other = organza.load(path, engine="onnx")
    assert other.notes == ("torch generates the images: its ONNX file differs from torch by 0 of 255 levels",)
    assert np.array_equal(other.sample(4), wanted)
    monkeypatch.setattr(engine, "find_spec", lambda name: None)
    other = organza.load(path, engine="onnx")
    assert "onnxruntime is not installed: pip install 'organza[export]'" in other.notes[0]
    assert np.array_equal(other.sample(4), wanted)
    with pytest.raises(UserError, match=r"engine is 'onx'; it must be torch or onnx. Did you mean onnx\?"):
        organza.load(path, engine="onx")  # type: ignore[arg-type]
