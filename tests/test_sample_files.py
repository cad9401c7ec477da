"""Sampling to files: the same bytes in one go or after any interruption, and nobody else's file replaced."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import organza
from organza.errors import UserError
from organza.inference.sample_files import Journal, sample_files
from tests.test_cli import call

FIXTURE = Path(__file__).parent / "fixtures" / "format-2"
COUNT = 72  # four batches and a half
OUTPUTS = ["images", "faces.npy", "faces.zip", "faces.tar"]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> organza.Run:
    """A run of 8x8 images."""
    return organza.load(shutil.copytree(FIXTURE, tmp_path_factory.mktemp("runs") / "small"))


def digests(out: Path) -> dict[str, str]:
    """The sha256 of a file, or of every file in a folder."""
    files = [out] if out.is_file() else [path for path in out.iterdir() if not path.name.startswith(".")]
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(files)}


def stopping(at: int):
    """A progress callback that is interrupted, as by Ctrl-C."""

    def progress(task: str, done: int, total: int) -> None:
        if done >= at:
            raise KeyboardInterrupt

    return progress


@pytest.mark.parametrize("name", OUTPUTS)
def test_an_interrupted_series_goes_on_with_the_same_bytes(run: organza.Run, tmp_path: Path, name: str):
    (tmp_path / "whole").mkdir()
    whole, out = tmp_path / "whole" / name, tmp_path / name
    sample_files(run, whole, COUNT, seed=3)
    for at in (16, 48, COUNT):
        with pytest.raises(KeyboardInterrupt):
            sample_files(run, out, COUNT, seed=3, progress=stopping(at))
        journal = Journal.at(out)
        assert journal is not None
        assert journal.done == at
        assert not out.is_file()  # a shard has its name when it is complete
    done = sample_files(run, out, COUNT, seed=3)
    assert done.resumed == COUNT
    assert np.array_equal(done.first, run.sample(COUNT, seed=3))
    assert digests(out) == digests(whole)
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


@pytest.mark.parametrize("name", OUTPUTS[1:])
def test_a_killed_process_leaves_a_shard_that_goes_on(run: organza.Run, tmp_path: Path, name: str):
    """A kill leaves an older journal, and more bytes than it names."""
    whole, out, part = tmp_path / f"whole-{name}", tmp_path / name, tmp_path / f".{name}.part"
    sample_files(run, whole, COUNT)
    with pytest.raises(KeyboardInterrupt):
        sample_files(run, out, COUNT, progress=stopping(32))
    kept = Journal.at(out)
    with pytest.raises(KeyboardInterrupt):
        sample_files(run, out, COUNT, progress=stopping(48))
    assert kept is not None
    kept.save()
    part.write_bytes(part.read_bytes() + b"half an image")
    assert sample_files(run, out, COUNT).resumed == 32
    assert digests(out)[name] == digests(whole)[whole.name]


def test_images_that_were_removed_are_made_again(run: organza.Run, tmp_path: Path):
    sample_files(run, tmp_path / "out", 40, kind="webp")
    before = digests(tmp_path / "out")
    (tmp_path / "out" / "00020.webp").unlink()
    (tmp_path / "out" / "00037.webp").write_bytes(b"")
    assert sample_files(run, tmp_path / "out", 40, kind="webp").resumed == 20
    assert digests(tmp_path / "out") == before
    more = sample_files(run, tmp_path / "out", 41, kind="webp")  # and a longer series begins with them
    assert more.resumed == 40
    assert len(digests(tmp_path / "out")) == 42


def test_every_form_holds_the_run_s_images_and_says_that_they_are_synthetic(run: organza.Run, tmp_path: Path):
    images = run.sample(20, seed=5)
    sample_files(run, tmp_path / "a.npy", 20, seed=5)
    assert np.array_equal(np.load(tmp_path / "a.npy", mmap_mode="r"), images)
    assert json.loads((tmp_path / "a.npy.json").read_text())["digital_source_type"].endswith("trainedAlgorithmicMedia")
    sample_files(run, tmp_path / "a.zip", 20, seed=5, kind="webp")
    sample_files(run, tmp_path / "a.tar", 20, seed=5)
    with zipfile.ZipFile(tmp_path / "a.zip") as packed, tarfile.open(tmp_path / "a.tar") as taped:
        assert packed.testzip() is None
        assert packed.namelist() == [f"{index:05d}.webp" for index in range(20)]
        assert taped.getnames() == [f"{index:05d}.png" for index in range(20)]
        for index, image in enumerate(images):
            member = taped.extractfile(f"{index:05d}.png")
            assert member is not None
            for content in (packed.read(f"{index:05d}.webp"), member.read()):
                assert b"trainedAlgorithmicMedia" in content
                opened = Image.open(io.BytesIO(content)).convert("L")
                assert np.array_equal(np.asarray(opened), image[..., 0])
    sample_files(run, tmp_path / "bare.npy", 2, metadata=False)
    assert not (tmp_path / "bare.npy.json").exists()


def test_nobody_else_s_file_is_replaced(run: organza.Run, tmp_path: Path):
    (tmp_path / "mine.zip").write_bytes(b"mine")
    (tmp_path / "photos").mkdir()
    Image.new("L", (8, 8)).save(tmp_path / "photos" / "00003.png")
    (tmp_path / "text").write_text("mine")
    for name, words in (
        ("mine.zip", "mine.zip exists already; name another file, or remove it"),
        ("photos", "00003.png was not generated by organza and would be replaced"),
        ("text", "text is a file; `out` needs a folder, or a new file that ends in .npy, .tar, .zip"),
    ):
        before = digests(tmp_path / name)
        with pytest.raises(UserError, match=words):
            sample_files(run, tmp_path / name, 4)
        assert digests(tmp_path / name) == before


def test_a_shard_of_another_series_is_not_continued(run: organza.Run, tmp_path: Path):
    with pytest.raises(KeyboardInterrupt):
        sample_files(run, tmp_path / "a.tar", COUNT, progress=stopping(32))
    with pytest.raises(UserError, match="was begun with other weights, seed, labels, format or count"):
        sample_files(run, tmp_path / "a.tar", COUNT, seed=1)
    with pytest.raises(UserError, match="`format` is gif; it can be png or webp"):
        sample_files(run, tmp_path / "b.tar", 1, kind="gif")  # type: ignore[arg-type]


def test_another_seed_begins_a_folder_anew(run: organza.Run, tmp_path: Path):
    sample_files(run, tmp_path / "out", 20)
    assert sample_files(run, tmp_path / "out", 20, seed=1).resumed == 0
    sample_files(run, tmp_path / "other", 20, seed=1)
    assert digests(tmp_path / "out") == digests(tmp_path / "other")


def test_the_command_says_what_it_wrote_and_what_was_there(
    run: organza.Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    code, told, _ = call(capsys, "sample", run.path, "--count", "5", "--out", tmp_path / "a.zip", "--format", "webp")
    assert code == 0
    assert f"5 images in {tmp_path / 'a.zip'} (seed 0, checkpoint" in told
    call(capsys, "sample", run.path, "--count", "5", "--out", tmp_path / "out")
    code, told, _ = call(capsys, "sample", run.path, "--count", "7", "--out", tmp_path / "out")
    assert code == 0
    assert "7 images (5 of them were there) and grid.png" in told
