"""The detective on files: folders, zips, odd sizes, broken files, and order."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import pytest
from rich.console import Console

import organza
from organza.errors import UserError
from organza.inference.judge_files import as_json, as_table, judge_files
from organza.recipes import get
from tests.contracts.discovery import small
from tests.drawings import drawing


@pytest.fixture(scope="module")
def run(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("judged") / "run"
    organza.train(
        pictures, folder, recipe=small(get("dcgan-r1")), budget="40img", size=32, evaluate=False, report=False
    )
    return folder


def test_files_folders_and_zips_are_judged_alike(run: Path, pictures: Path, tmp_path: Path):
    with zipfile.ZipFile(tmp_path / "some.zip", "w") as archive:
        archive.write(pictures / "000.png", "000.png")
    verdicts, notes = judge_files(run, [pictures / "000.png", tmp_path / "some.zip", pictures])
    assert len(verdicts) == 122
    assert notes == ()
    chances = [verdict.probability for verdict in verdicts]
    assert chances == sorted(chances)
    assert len({verdict.probability for verdict in verdicts if verdict.file.endswith("000.png")}) == 1
    assert all(verdict.note == "" for verdict in verdicts)


def test_another_size_is_said_and_a_broken_file_left_out(run: Path, tmp_path: Path):
    drawing(1, 80, 40).save(tmp_path / "wide.png")
    (tmp_path / "text.png").write_text("hello")
    verdicts, notes = judge_files(run, [tmp_path / "wide.png", tmp_path / "text.png"])
    assert [verdict.note for verdict in verdicts] == ["it is 80x40, resized to 32x32"]
    assert len(notes) == 1
    assert "text.png is left out: not a JPEG" in notes[0]


def test_nothing_to_judge_is_one_sentence(run: Path, tmp_path: Path):
    (tmp_path / "text.png").write_text("hello")
    with pytest.raises(UserError, match=r"None of .*text.png can be judged"):
        judge_files(run, [tmp_path / "text.png"])
    with pytest.raises(UserError, match=r"There is no .*nothing.png"):
        judge_files(run, [tmp_path / "nothing.png"])


def test_the_same_verdicts_as_json_and_as_a_table(run: Path, pictures: Path):
    verdicts, _ = judge_files(run, [pictures / "003.png", pictures / "004.png"])
    assert [line["probability"] for line in json.loads(as_json(verdicts))] == [v.probability for v in verdicts]
    console = Console(file=io.StringIO(), width=200)
    console.print(as_table(verdicts))
    assert f"{verdicts[0].probability:.3f}" in console.file.getvalue()  # type: ignore[attr-defined]
