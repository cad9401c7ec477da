"""Runs and data that move: found from anywhere, never mixed up, and what does not fit is said."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

import organza
from organza.data.location import locate, places, remember, shared_name
from organza.errors import UserError
from organza.evaluation.run_with_data import RunWithData
from organza.recipes import get
from organza.run import checkpoint
from organza.run.events import Event, Warned
from organza.run.folder import RunFolder
from organza.shell import quoted
from organza.training.default_run import default_run, name_of
from tests.contracts.discovery import small
from tests.drawings import drawing
from tests.test_cli import call


def photos(folder: Path, first: int = 0, count: int = 24) -> Path:
    folder.mkdir(parents=True)
    for seed in range(first, first + count):
        drawing(seed).save(folder / f"{seed:03d}.png")
    return folder


def train(data: Path | str, run: Path | str | None = None, budget: str = "16img", **request) -> list[Event]:
    events: list[Event] = []
    request = {"recipe": small(get("mlp")), "size": 32} | request
    organza.train(data, run, on_event=events.append, budget=budget, evaluate=False, report=False, **request)
    return events


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def found(run: Path | str) -> Path:
    return locate(RunFolder(run).read(), run).resolve()


def test_the_data_is_found_from_any_folder_and_after_a_move_of_both(here: Path, monkeypatch: pytest.MonkeyPatch):
    photos(here / "project" / "photos")
    (here / "elsewhere").mkdir()
    monkeypatch.chdir(here / "project")
    train("photos", "r")
    assert RunFolder("r").read()["data"]["source"] == "photos"
    monkeypatch.chdir(here / "elsewhere")
    assert found(here / "project" / "r") == here / "project" / "photos"
    assert RunWithData("../project/r").missing() == ""
    (here / "project").rename(here / "moved")
    assert found("../moved/r") == here / "moved" / "photos"
    shutil.move(here / "moved" / "r", here / "alone")  # the run by itself: what the note says last is right
    remember(here / "alone", here / "moved" / "photos")
    assert found(here / "alone") == here / "moved" / "photos"


def test_an_absolute_path_stays_out_of_what_is_shared(here: Path):
    train(photos(here / "secret name" / "photos"), "r")
    assert "secret name" not in Path("r/recipe.json").read_text()
    assert "secret name" in Path("r/data.json").read_text()
    assert shared_name("../photos") == "../photos"


def test_data_that_moved_is_remembered_by_whatever_was_told(here: Path):
    train(photos(here / "photos"), "r")
    (here / "photos").rename(here / "moved")
    assert "`data`" in RunWithData("r").missing()
    assert RunWithData("r", at="moved").missing() == ""
    assert RunWithData("r").missing() == ""
    (here / "moved").rename(here / "again")
    train("again", "r", budget="32img")
    assert found("r") == here / "again"
    other = photos(here / "other", first=50)
    with pytest.raises(UserError, match=r"other is not the data that r was trained on.*24 added.*24 removed"):
        _ = RunWithData("r", at=other).data
    assert found("r") == here / "again"


def test_a_run_of_an_earlier_version_is_found_by_what_it_says(here: Path, monkeypatch: pytest.MonkeyPatch):
    photos(here / "photos")
    train("photos")
    Path("runs/photos/data.json").unlink()
    assert found("runs/photos") == here / "photos"
    (here / "below").mkdir()
    monkeypatch.chdir(here / "below")
    assert found("../runs/photos") == here / "photos"


@pytest.mark.parametrize(
    "note",
    [
        "[" * 10_000,
        "[]",
        '{"path": 5}',
        '{"path": "\\u0000"}',
        '{"path": "/"}',
        '{"path": "' + "a" * 5000 + '"}',
        "\udcff",
    ],
)
def test_a_note_that_cannot_be_used_is_passed_over(note: str, here: Path):
    train(photos(here / "photos"), "r")
    (here / "r" / "data.json").write_bytes(note.encode("utf8", "surrogateescape"))
    content = json.loads((here / "r" / "recipe.json").read_text())
    assert [place.resolve() for place in places(content, "r")] == [here / "photos"]


def test_the_same_name_never_means_the_same_run(here: Path):
    one, two = photos(here / "x" / "pics"), photos(here / "y" / "pics", first=50)
    train(one)
    events = train(two)
    assert any("runs/pics-2" in event.text for event in events if isinstance(event, Warned))
    for data, place in ((one, "runs/pics"), (two, "runs/pics-2")):
        assert default_run(data).folder.path == Path(place)
        assert not default_run(data).note
    shutil.rmtree("runs/pics")
    assert default_run(two).folder.path == Path("runs/pics-2")  # though a name before it is free
    assert default_run(one).folder.path == Path("runs/pics")
    two.rename(here / "y" / "moved")
    two.parent.joinpath("moved").rename(here / "pics")
    assert default_run("pics").folder.path == Path("runs/pics-2")  # by its content


def test_a_folder_that_is_no_run_is_not_written_into(here: Path):
    (here / "runs" / "photos").mkdir(parents=True)
    (here / "runs" / "photos" / "letter.txt").write_text("dear")
    assert default_run(photos(here / "photos")).folder.path == Path("runs/photos-2")


def test_a_run_whose_recipe_is_damaged_is_told_of_and_not_begun_anew(here: Path):
    data = photos(here / "photos")
    train(data)
    Path("runs/photos/recipe.json").write_text("{")
    with pytest.raises(UserError, match="cannot be read"):
        train(data)
    assert not Path("runs/photos-2").exists()


def test_a_run_whose_recipe_is_no_file_or_gone_is_never_begun_anew(here: Path, monkeypatch: pytest.MonkeyPatch):
    data = photos(here / "photos")
    train(data, "r")
    kept = {path: path.read_bytes() for path in Path("r").rglob("*") if path.is_file() and path.name != "recipe.json"}
    recipe = Path("r/recipe.json")
    text = recipe.read_bytes()
    recipe.unlink()
    for make, words in (
        (lambda: recipe.symlink_to("/dev/zero"), "recipe.json cannot be read"),
        (lambda: recipe.symlink_to("nowhere"), "recipe.json cannot be read"),
        (recipe.mkdir, "recipe.json cannot be read"),
        (lambda: None, "but no recipe.json; restore it"),
    ):
        make()
        with pytest.raises(UserError, match=words):
            train(data, "r", recipe="few-shot")
        recipe.rmdir() if recipe.is_dir() else recipe.unlink(missing_ok=True)
    for rest in ("stats.jsonl", "events.jsonl"):
        Path("r", rest).unlink(missing_ok=True)
    for rest in ("best.json", "latest.json", "data.json", "report.html", "evaluations.jsonl"):
        Path("r", rest).unlink(missing_ok=True)
    assert not RunFolder("r").is_free
    with pytest.raises(UserError, match=r"holds checkpoints of a run but no recipe.json"):
        train(data, "r")
    recipe.write_bytes(text)
    monkeypatch.setattr(
        RunFolder, "exists", property(lambda folder: next(flips))
    )  # it comes and goes while it is looked at
    for first in (False, True):
        flips = iter([first, *[not first, first] * 50])
        with pytest.raises(UserError):
            train(data, "r", recipe="few-shot")
    assert recipe.read_bytes() == text
    assert all(path.read_bytes() == content for path, content in kept.items() if path.exists())
    assert any(path.exists() for path in kept)


def test_what_a_run_that_was_killed_at_its_beginning_left_is_begun_anew(here: Path):
    data = photos(here / "photos")
    (here / "r" / "checkpoints" / ".00000008.1").mkdir(parents=True)
    (here / "r" / "samples").mkdir()
    (here / "r" / "lock").touch()
    assert RunFolder("r").is_free
    train(data, "r")
    assert checkpoint.existing(RunFolder("r").checkpoints)


@pytest.mark.parametrize(
    ("data", "name"),
    [
        ("faces.v1", "faces.v1"),
        ("data.zip", "data"),
        ("a.npy", "a"),
        ("x\ny", "x_y"),
        ("aux.png", "aux.png_"),
        ("..", None),
        ("a" * 250, "a" * 100),
    ],
)
def test_names_of_runs(data: str, name: str | None, here: Path):
    assert name_of(data) == (name or name_of(here.parent))


def test_runs_inside_the_data_are_no_data(here: Path, monkeypatch: pytest.MonkeyPatch):
    photos(here / "photos")
    monkeypatch.chdir(here / "photos")
    train(".")
    assert Path("runs/photos/recipe.json").exists()
    assert list(Path("runs/photos/samples").glob("*.png"))
    events = train(".", budget="32img")
    assert any(
        "runs/photos is a run and is not used as data" in event.text for event in events if isinstance(event, Warned)
    )
    assert RunFolder("runs/photos").read()["data"]["count"] == 24


def test_files_that_cannot_be_used_change_nothing_and_images_that_came_are_named(here: Path):
    data = photos(here / "photos")
    train(data)
    (data / "empty.png").touch()
    train(data, budget="32img")
    drawing(99).save(data / "new.png")
    (data / "003.png").unlink()
    drawing(98).save(data / "004.png")
    with pytest.raises(UserError) as told:
        train(data, budget="48img")
    for words in ("1 added (new.png)", "1 removed (003.png)", "1 changed (004.png)", "another folder"[:3], "`run`"):
        assert words in str(told.value)


@pytest.mark.parametrize(
    ("size", "words"),
    [
        (4, "at least 8"),
        ("7x64", "at least 8"),
        (31, "nearest sizes that it can make: 30x30 and 32x32"),
        ("33x40", "32x40 and 34x40"),
    ],
)
def test_a_size_that_cannot_be_made_names_those_that_can(size: str | int, words: str, here: Path):
    data = photos(here / "photos")
    for recipe in (small(get("swift")), None):
        with pytest.raises(UserError) as told:
            train(data, size=size, recipe=recipe)
        assert words in str(told.value)
    assert not Path("runs").exists()


def test_a_size_that_halves_twice_trains(here: Path):
    train(photos(here / "photos"), "r", size=36, recipe=small(get("swift")))  # 36 = 4 * 9
    assert organza.load("r").sample(1).shape == (1, 36, 36, 3)


@pytest.mark.parametrize(
    "name",
    ["plain", "my photos", "it's", "-rf", "a$HOME`b`", "two\nlines", "caf\udce9", 'say "x"', "a\\b", "tab\there", "é"],
)
@pytest.mark.skipif(not Path("/bin/bash").exists(), reason="no bash")
def test_a_printed_path_is_read_by_the_shell_as_it_was(name: str, tmp_path: Path):
    typed = quoted(name)
    assert typed.isprintable()
    told = subprocess.run(
        ["/bin/bash", "-c", f"printf %s {typed}"], capture_output=True, check=True, env={"LC_ALL": "C.UTF-8"}
    ).stdout
    assert os.fsdecode(told).removeprefix("./") == name
    assert not os.fsdecode(told).startswith("-")


def test_no_command_is_printed_with_a_path_that_is_not_quoted():
    """Commands in messages name paths through `quoted` alone."""
    for file in Path(organza.__file__).parent.rglob("*.py"):
        for line in file.read_text().splitlines():
            for command in re.findall(
                r"organza (?:data check|train|sample|judge|encode|evaluate|translate|report|quiz)([^\"]*\{[^\"]*)",
                line,
            ):
                for value in re.findall(r"\{([^}]*)\}", command.split(";")[0]):
                    assert value.startswith("quoted(") or value in (
                        "run",
                        "data",
                        "rates",
                        "own",
                        "_typed(found.size)",
                        "found.budget",
                        "size",
                    ), (file, line)


def test_a_command_line_that_names_other_data(here: Path, capsys: pytest.CaptureFixture[str]):
    train(photos(here / "photos"), "r")
    photos(here / "other", first=50)
    for verb in (
        ["evaluate", "r", "--data", "other"],
        ["report", "r", "--data", "other"],
        ["quiz", "r", "--data", "gone"],
    ):
        code, _, error = call(capsys, *verb)
        assert code == 2, error
        assert "Traceback" not in error
