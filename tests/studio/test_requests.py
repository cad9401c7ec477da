"""Requests of the page: data, uploads, starts that fail, commands, and workers that die."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psutil
import pytest

from organza.errors import UserError
from organza.studio import commands
from organza.studio.processes import shown, threads
from tests.studio.server import Studio, wait_for

RAW = {"Content-Type": "application/octet-stream"}


def workers(studio: Studio) -> list[psutil.Process]:
    assert studio.process is not None
    children = psutil.Process(studio.process.pid).children()
    return [child for child in children if "organza.studio.worker" in child.cmdline()]


def test_folders_are_listed_and_checked(studio: Studio):
    found = studio.get("/api/data?root=data&path=")
    assert "drawings" in found["folders"]
    (studio.data / "drawings" / "broken.png").write_bytes(b"no image")
    try:
        checked = studio.post("/api/data/check", {"root": "data", "path": "drawings"})
    finally:
        (studio.data / "drawings" / "broken.png").unlink()
    assert checked["usable"] == 120
    assert [name for name, _ in checked["broken"]] == ["broken.png"]
    small = studio.send("GET", "/api/data/thumbnail?root=data&path=drawings/003.png")
    assert (small.status, small.headers["content-type"], small.body[:4]) == (200, "image/webp", b"RIFF")


def test_a_table_is_listed_and_checked(studio: Studio):
    (studio.data / "ring.csv").write_text(
        "x,y\n" + "".join(f"{row},{row % 7}\n" for row in range(600)), encoding="utf-8"
    )
    (studio.data / "text.csv").write_text("name,age\nann,3\nbob,\n", encoding="utf-8")
    try:
        assert {"ring.csv", "text.csv"} <= set(studio.get("/api/data?root=data&path=")["folders"])
        checked = studio.post("/api/data/check", {"root": "data", "path": "ring.csv"})
        refused = studio.post("/api/data/check", {"root": "data", "path": "text.csv"})
    finally:
        (studio.data / "ring.csv").unlink()
        (studio.data / "text.csv").unlink()
    assert (checked["usable"], checked["columns"]) == (600, [["x", "0", "599"], ["y", "0", "6"]])
    assert refused["usable"] == 0
    assert "holds text" in refused["problems"][0]


@pytest.mark.parametrize("path", ["drawings/../../secret.txt", "linked/secret.png", "..", "/etc/hostname"])
def test_nothing_outside_is_shown(studio: Studio, path: str):
    for route in ("/api/data?root=data&path=", "/api/data/thumbnail?root=data&path="):
        assert studio.send("GET", route + quote(path)).status in (400, 404)
    assert studio.send("POST", "/api/data/check", {"root": "data", "path": path}).status == 400


def test_dropped_images_go_into_a_folder_of_their_own(studio: Studio):
    content = (studio.data / "drawings" / "001.png").read_bytes()

    def drop(name: str, file: str, content: bytes = content) -> Any:
        return studio.send("POST", f"/api/data/upload?name={quote(name)}&file={quote(file)}", content, RAW)

    assert drop("mine", "a.png").json == {"name": "a.png", "images": 1}
    assert drop("mine", "a.png").json["name"] == "a.png"  # the same image once more
    assert drop("mine", "../../b.png").json["name"] == "b.png"
    assert drop("mine", "a.png", (studio.data / "drawings" / "002.png").read_bytes()).json["name"] == "a-2.png"
    assert sorted(p.name for p in (studio.data / "mine").iterdir() if p.suffix == ".png") == [
        "a-2.png",
        "a.png",
        "b.png",
    ]
    for name, file, wrong in (
        ("mine", "c.png", b"no image"), ("mine", "c.exe", content), ("drawings", "c.png", content), ("../x", "c.png", content),
        ("linked", "c.png", content), ("", "c.png", content),
    ):  # fmt: skip
        assert drop(name, file, wrong).status == 400, (name, file)
    assert len(list((studio.data / "drawings").iterdir())) == 120


def test_a_start_with_a_wrong_option_writes_nothing(studio: Studio):
    place = {"root": "data", "path": "drawings", "name": "never"}
    for wrong in (
        {"recipe": "my_module:my_recipe"}, {"recipe": "--help"}, {"budget": "soon"}, {"size": "big"}, {"settings": ["batch=1; rm"]},
        {"settings": ["adversarial=os:system"]}, {"labels": "--x"}, {"device": "tpu"},
        {"path": "nothing"}, {"name": "../x"}, {"start": "nothing"},
    ):  # fmt: skip
        answer = studio.send("POST", "/api/runs", place | wrong)
        assert answer.status == 400, (wrong, answer)
        assert answer.json["error"]
    assert not (studio.runs / "never").exists()


def test_a_start_that_fails_says_why_and_can_be_repeated(studio: Studio):
    wishes = {"root": "data", "path": "drawings", "name": "failing", "recipe": "pix2pix", "budget": "1m"}
    told = studio.post("/api/runs", wishes)
    assert told["command"].startswith("organza train ")

    def failed() -> Any:
        found = studio.get("/api/runs/failing")
        return found if found["state"]["state"] == "failed" else None

    found = wait_for(failed)
    assert "pix2pix" in found["log"] or "pairs" in found["log"] or "a/" in found["log"], found["log"]
    assert found["state"]["why"] in found["log"]
    again = studio.send("POST", "/api/runs", wishes)
    assert again.status == 201
    assert studio.send("POST", "/api/runs", wishes).status == 400  # it is running already
    wait_for(failed)


def test_commands_of_a_run_answer_with_their_words(studio: Studio):
    job = studio.post("/api/runs/format-2/make", {"kind": "export", "forms": ["folder"], "license": "cc-by-4.0"})
    assert (
        shown(["export", str(studio.runs / "format-2"), "--to", "folder", "--license", "cc-by-4.0"]) == job["command"]
    )
    assert (
        studio.send("POST", "/api/runs/format-2/make", {"kind": "export", "forms": ["folder"]}).status == 400
    )  # it is being made
    ended = wait_for(
        lambda: next(
            (one for one in studio.get("/api/jobs") if one["number"] == job["number"] and one["code"] is not None), None
        )
    )
    assert ended["code"] == 0, ended
    names = [file["name"] for file in studio.get("/api/runs/format-2")["files"]]
    assert "generator.safetensors" in names
    answer = studio.send("GET", "/api/runs/format-2/files/generator.safetensors")
    assert answer.body == (studio.runs / "format-2" / "export" / "generator.safetensors").read_bytes()
    assert "attachment" in answer.headers["content-disposition"]


def test_a_worker_that_dies_is_started_again_with_a_word(studio: Studio):
    wanted = studio.send("POST", "/api/play/format-2/images", {"points": [{"seed": 3}]})
    assert (wanted.status, wanted.body[:4]) == (200, b"\x89PNG")
    for worker in workers(studio):
        worker.kill()
    assert studio.send("POST", "/api/play/format-2/images", {"points": [{"seed": 3}]}).status in (200, 409)
    assert studio.send("POST", "/api/play/format-2/images", {"points": [{"seed": 3}]}).body == wanted.body
    answers: list[Any] = []
    waiting = threading.Thread(
        target=lambda: answers.append(studio.send("POST", "/api/play/format-1-evaluated/describe", {}))
    )
    before = {worker.pid for worker in workers(studio)}
    waiting.start()
    while waiting.is_alive():  # in the middle of a call, or just before it
        for worker in workers(studio):
            if worker.pid in before:
                worker.suspend()
                waiting.join(0.3)
                worker.kill()
                before.discard(worker.pid)
        waiting.join(0.1)
    assert answers[0].status in (200, 409)
    if answers[0].status == 409:
        assert "ended unexpectedly" in answers[0].json["error"]
    assert studio.send("POST", "/api/play/format-2/images", {"points": [{"seed": 3}]}).body == wanted.body


def test_wrong_points_and_images_are_told(studio: Studio):
    for points in (
        [],
        [{}] * 200,
        [{"seed": -1}],
        [{"moves": [99]}],
        [{"kept": "0123456789abcdef"}],
        [{"labels": {"a": "b"}}],
    ):
        answer = studio.send("POST", "/api/play/format-2/images", {"points": points})
        assert answer.status == 400, points
    for call in ("invert", "judge", "translate", "encode"):
        assert studio.send("POST", f"/api/play/format-2/{call}", b"no image", RAW).status == 400
    assert studio.send("POST", "/api/play/nothing/describe", {}).status == 404


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("budget", "1h30m"),
        ("budget", "500kimg"),
        ("budget", "0.5epochs"),
        ("size", 64),
        ("recipe", "swift"),
        ("seed", 7),
        ("labels", "hair,year:class"),
    ],
)
def test_options_that_a_terminal_takes(name: str, value: Any):
    assert commands.valid(name, value) == str(value)


@pytest.mark.parametrize(
    ("name", "value"),
    [("labels", "my.csv:hair"), ("labels", "../table:class"), ("labels", "-x"), ("recipe", "a:b"), ("size", "-1")],
)
def test_options_that_could_name_a_file_or_a_module_are_refused(name: str, value: str):
    with pytest.raises(UserError):
        commands.valid(name, value)


def test_a_command_is_shown_as_typed(tmp_path: Path):
    given = {"recipe": "auto", "budget": "20m", "settings": ["batch=32", "generator.width=48"]}
    arguments = commands.train(Path("my photos"), Path("runs/x"), given)
    assert (
        shown(arguments) == "organza train 'my photos' --run runs/x --budget 20m --set batch=32 generator.width=48"
        or os.name == "nt"
    )


def test_a_budget_that_is_spent_is_no_longer_one(studio: Studio):
    answer = studio.send("POST", "/api/runs/format-2/resume", {"budget": "1img"})
    assert answer.status == 400
    assert b"1img is spent" in answer.body
    mistaken = studio.send("POST", "/api/runs/format-2/resume", {"budget": "3 apples"})
    assert (mistaken.status, b"must be a time" in mistaken.body) == (400, True)
    assert commands.is_spent("1m30s", 0, 90, 10)
    assert not commands.is_spent("0.5kimg", 499, 1e9, 10)
    assert commands.is_spent("2epochs", 20, 1, 10)


def test_a_worker_leaves_cores_to_a_run_that_trains():
    assert [threads(cores)["OMP_NUM_THREADS"] for cores in (1, 2, 16)] == ["1", "1", "8"]
