"""Requests of the page: data, uploads, starts that fail, commands, and workers that die."""

from __future__ import annotations

import json
import os
import socket
import threading
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psutil
import pytest

from organza.errors import UserError
from organza.studio import commands
from organza.studio.dropped import DroppedFile, DroppedImages
from organza.studio.processes import shown, threads
from organza.studio.roots import Roots
from organza.studio.server import Address, bound
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


def packed(files: list[tuple[str, bytes]]) -> bytes:
    """Files by their paths, as the page sends them."""
    parts = [(*path.rpartition("/")[::2], content) for path, content in files]
    entries = [{"folder": folder, "file": file, "bytes": len(content)} for folder, file, content in parts]
    return json.dumps(entries).encode() + b"\n" + b"".join(content for *_, content in parts)


def dropped(studio: Studio, name: str, *files: tuple[str, bytes]) -> Any:
    return studio.send("POST", f"/api/data/upload?name={quote(name)}", packed(list(files)), RAW)


def test_dropped_images_go_into_a_folder_of_their_own(studio: Studio):
    content = (studio.data / "drawings" / "001.png").read_bytes()
    other = (studio.data / "drawings" / "002.png").read_bytes()
    for _ in range(2):  # the same images once more
        assert dropped(studio, "mine", ("a.png", content)).json == [{"name": "a.png"}]
    assert dropped(studio, "mine", ("a.png", other), ("a.png", content)).json == [
        {"name": "a-2.png"},
        {"name": "a.png"},
    ]
    entry = json.dumps([{"folder": "", "file": "../../b.png", "bytes": len(content)}]).encode() + b"\n" + content
    assert studio.send("POST", "/api/data/upload?name=mine", entry, RAW).json == [{"name": "b.png"}]
    assert sorted(path.name for path in (studio.data / "mine").iterdir()) == [".dropped", "a-2.png", "a.png", "b.png"]
    for file, wrong in (("c.png", b"no image"), ("c.png", b""), ("c.exe", content), ("../c.png", content), (".x/c.png", content),
                        ("a.png/c.png", content), ("labels.csv", b"\xff\xfe\0"), ("x/labels.csv", b"file,hair\n")):  # fmt: skip
        answer = dropped(studio, "mine", (file, wrong), ("a.png", content))
        assert answer.json[0].keys() == {"error"}, file
        assert answer.json[1] == {"name": "a.png"}  # one that cannot be used keeps no other out
    for name in ("drawings", "../x", "linked", ""):
        assert dropped(studio, name, ("c.png", content)).status == 400, name
    assert len(list((studio.data / "mine").iterdir())) == 4
    assert len(list((studio.data / "drawings").iterdir())) == 120


def test_dropped_folders_keep_their_classes_and_labels(studio: Studio):
    content = [(studio.data / "drawings" / f"{number:03d}.png").read_bytes() for number in range(4)]
    table = b"file,hair\ncats/1.png,long\n"
    files = ("cats/1.png", content[0]), ("cats/2.png", content[1]), ("dogs/1.png", content[2]), ("labels.csv", table)
    assert [one["name"] for one in dropped(studio, "pets", *files).json] == ["1.png", "2.png", "1.png", "labels.csv"]
    assert "error" in dropped(studio, "pets", ("labels.csv", b"file,hair\n")).json[0]
    checked = studio.post("/api/data/check", {"root": "data", "path": "pets"})
    assert (checked["usable"], checked["classes"], checked["labels"]) == (3, [["cats", 2], ["dogs", 1]], ["hair"])


def test_many_requests_fill_one_folder_at_once_and_lose_nothing(studio: Studio):
    content = [(studio.data / "drawings" / f"{number:03d}.png").read_bytes() for number in range(24)]
    lanes = [threading.Thread(target=dropped, args=(studio, "lanes", *(("same.png", one) for one in content[at::6])))
             for at in range(6)]  # fmt: skip
    for lane in lanes:
        lane.start()
    for lane in lanes:
        lane.join()
    kept = [path.read_bytes() for path in (studio.data / "lanes").glob("*.png")]
    assert sorted(kept) == sorted(content)
    assert not list((studio.data / "lanes").glob(".*.part"))


@pytest.mark.parametrize(
    "body",
    [b"", b"\n", b"[]\n", b"{}\n", b"[1]\nx", b'[{"folder": "", "file": "a.png", "bytes": 3}]\nxy', b"[" * 5000 + b"\n",
     b'[{"folder": "", "file": "a.png", "bytes": -1}]\n', b'[{"folder": "", "file": "a.png", "bytes": true}]\nx',
     b'[{"folder": "", "file": "a.png", "bytes": 1}]\nxy', b'[{"folder": 1, "file": "a.png", "bytes": 1}]\nx',
     b"[" + b",".join([b'{"folder": "", "file": "a.png", "bytes": 0}'] * 257) + b"]\n"],
)  # fmt: skip
def test_an_upload_whose_list_does_not_fit_is_refused(studio: Studio, body: bytes):
    answer = studio.send("POST", "/api/data/upload?name=unfit", body, RAW)
    assert (answer.status, set(answer.json)) == (400, {"error"})
    assert not (studio.data / "unfit").exists()


def test_a_folder_of_dropped_images_has_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    images = DroppedImages(Roots.of(tmp_path / "runs", (tmp_path,)))
    monkeypatch.setattr("organza.studio.dropped.FILES", 3)

    def store(number: int) -> list[dict[str, str]]:
        return images.store("few", [DroppedFile("x" * (number % 2), f"{number}.png", memoryview(b"%d" % number))])

    assert [list(store(number)[0]) for number in range(5)] == [["name"]] * 3 + [["error"]] * 2
    assert list(store(0)[0]) == ["name"]  # it is there already
    (tmp_path / "few" / "2.png").unlink()
    assert list(store(7)[0]) == ["name"]  # room was made
    again = DroppedImages(Roots.of(tmp_path / "runs", (tmp_path,)))
    assert "is full" in again.store("few", [DroppedFile("", "9.png", memoryview(b"9"))])[0]["error"]


def test_a_browser_waits_for_no_acknowledgement_between_head_and_body():
    place = bound(Address(port=0))
    try:
        assert place.proto == socket.IPPROTO_TCP  # asyncio turns Nagle's algorithm off for such sockets only
    finally:
        place.close()


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
