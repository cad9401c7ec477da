"""Pages about runs that a stranger made: nothing on them is code, nothing is opened that is no sheet, and no line of a file breaks them."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import shutil
import struct
import time
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import organza
from organza.errors import UserError
from organza.recipes import get
from organza.report.build import write_report
from organza.report.compare import comparison, records, verdicts
from organza.report.lines import evaluation_lines, event_lines, stats_lines
from organza.report.page import html, page
from organza.report.quiz import quiz
from organza.report.record import Record
from tests.contracts.discovery import small


@pytest.fixture(scope="module")
def trained(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("pages") / "run"
    organza.train(pictures, place, recipe=small(get("mlp")), size=16, budget="48img", report=False)
    return place


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained, tmp_path / "run"))


def policy_holds(text: str) -> None:
    """Check that each style and script of a page is one that its policy names, and that there are none in attributes."""
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', text)
    assert policy
    assert "unsafe" not in policy[1]
    for tag, code in re.findall(r"<(style|script)>(.*?)</\1>", text, re.DOTALL):
        digest = base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy[1]
    assert not re.search(r"<[^>]*\s(style|on\w+)=", re.sub(r"<(style|script)>.*?</\1>", "", text, flags=re.DOTALL))


def test_pages_allow_their_own_scripts_and_styles_alone(run: Path, tmp_path: Path):
    other = shutil.copytree(run, tmp_path / "other")
    runs = records([run, other])
    pictures = np.random.default_rng(0).integers(0, 256, (10, 8, 8, 3), np.uint8)
    for text in (
        write_report(run).read_text("utf8"),
        comparison(runs, verdicts(runs)),
        quiz(pictures, np.arange(10) < 5, "</script><script>alert(1)</script>"),
        page("plain", ["<p>no script</p>"]),
    ):
        policy_holds(text)
    assert "script-src 'none'" in page("plain", [])


def test_a_policy_that_does_not_hold_is_seen():
    for text in (page("x", ['<p style="color:red">']), page("x", ["<style>a</style>"])):
        with pytest.raises(AssertionError):
            policy_holds(text)


def test_texts_of_files_are_shown_and_are_no_code():
    assert html("<b>\x1b[2J\udce9\u202e\n") == r"&lt;b&gt;\x1b[2J\udce9\u202e\n"
    assert len(html("a" * 10**6)) < 3000
    page(html("\udce9"), [html("\udce9")]).encode()


def png(width: int, height: int, depth: int = 1, kind: int = 0) -> bytes:
    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    head = struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 50 50\n%%EndComments\nshowpage\n%%EOF\n"


@pytest.mark.parametrize("name", ["00000000.png", "real.png"])
@pytest.mark.parametrize(
    "content",
    [
        EPS,
        png(60_000, 60_000),
        png(16, 16),
        b"",
        b"\x89PNG\r\n\x1a\n",
        b"GIF89a" + bytes(100),
        "link",
        "pipe",
        "folder",
    ],
    ids=str,
)
def test_a_sheet_that_is_none_is_left_out_and_said(
    name: str, content: bytes | str, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    program = tmp_path / "bin" / "gs"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\ntouch {tmp_path}/started\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    sheet = run / "samples" / name
    sheet.unlink()
    if content == "link":
        Image.new("RGB", (8, 8)).save(tmp_path / "outside.png")
        sheet.symlink_to(tmp_path / "outside.png")
    elif content == "pipe":
        os.mkfifo(sheet)
    elif content == "folder":
        sheet.mkdir()
    else:
        assert isinstance(content, bytes)
        sheet.write_bytes(content)
    text = write_report(run).read_text("utf8")
    assert f"samples/{name} is left out: " in text
    assert not (tmp_path / "started").exists()


def test_a_folder_of_sheets_that_leads_out_or_is_a_file_or_is_full(run: Path, tmp_path: Path):
    shutil.rmtree(run / "samples")
    (tmp_path / "outside").mkdir()
    Image.new("RGB", (8, 8)).save(tmp_path / "outside" / "00000001.png")
    (run / "samples").symlink_to(tmp_path / "outside")
    assert Record.of(run).sheets == []
    (run / "samples").unlink()
    (run / "samples").write_text("")
    assert Record.of(run).sheets == []
    (run / "samples").unlink()
    (run / "samples").mkdir()
    for number in range(5000):
        (run / "samples" / f"{number:08d}.png").touch()
    (run / "samples" / "²³.png").touch()
    began = time.monotonic()
    write_report(run)
    assert time.monotonic() - began < 20


VALUES = (
    None,
    True,
    -1,
    1.5,
    1e300,
    -1e300,
    float("nan"),
    float("inf"),
    2**62,
    "",
    "<b>",
    "\x1b]0;x\x07",
    [],
    [1],
    {},
    {"mean": "x"},
    {"a": {"b": 1}},
)


def hostile_lines() -> list[str]:
    """Lines with every key of a run's files set to every kind of value, and lines that are none."""
    line = {"images": 5, "seconds": 1.0, "event": "warned", "text": "t", "time": "x", "kind": "budget"}
    metric = {"value": 0.1, "error": 0.1}
    line |= {
        "mmd": metric,
        "D accuracy": metric,
        "variety": metric,
        "generator": {"mean": 0.5, "std": 0.1},
        "rate": 3.0,
    }
    line |= {
        "health": {"text": "well", "spread": 0.5},
        "card": {"real": 5, "split": "held-out", "extractor": {"name": "x"}},
    }
    lines = [json.dumps(line | {key: value}) for key in line for value in VALUES]
    lines += [
        json.dumps({**line, key: {**line[key], inner: value}})
        for key in line
        if isinstance(line[key], dict)
        for inner in line[key]
        for value in VALUES
    ]
    lines += [json.dumps({k: v for k, v in line.items() if k != key}) for key in line]
    lines += [
        "[" * 200_000,
        '{"a":' * 5000,
        "null",
        "5",
        "[]",
        '{"images": 1, "images": 2}',
        "{" + "9" * 5000,
        '{"images": ' + "9" * 5000 + "}",
        "\x00\xff",
    ]
    lines += [
        json.dumps(line | {"text": "x" * 10**6}),
        json.dumps(line | {f"k{n}": n for n in range(10_000)}),
        json.dumps(line | {"event": "stopped"}),
    ]
    return lines


def test_no_line_of_a_file_breaks_a_report(run: Path, tmp_path: Path):
    text = "\n".join(hostile_lines())
    for name in ("stats", "evaluations", "events"):
        with (run / f"{name}.jsonl").open("ab") as file:
            file.write(text.encode("utf8", "surrogateescape") + b"\n")
    written = write_report(run).read_text("utf8")
    policy_holds(written)
    assert "\x1b" not in written
    assert len(written) < 20_000_000
    record = Record.of(run)
    assert all(check.error >= 0 and abs(check.distance) < 1e16 for check in record.checks)
    runs = records([run, shutil.copytree(run, tmp_path / "other")])
    policy_holds(comparison(runs, verdicts(runs)))


@pytest.mark.parametrize("number", range(0, 400, 7))
def test_no_single_line_breaks_a_record(number: int, run: Path):
    lines = hostile_lines()
    line = lines[number % len(lines)]
    for name in ("stats", "evaluations", "events"):
        (run / f"{name}.jsonl").write_bytes(line.encode("utf8", "surrogateescape") + b"\n")
    record = Record.of(run)
    from organza.report.build import report, verdict_of

    policy_holds(report(record, None, verdict_of(record, None)))


def test_lines_of_a_real_run_are_all_taken(trained: Path):
    for name, read in (("stats", stats_lines), ("evaluations", evaluation_lines), ("events", event_lines)):
        file = trained / f"{name}.jsonl"
        lines = [json.loads(line) for line in file.read_text().splitlines()]
        assert lines
        assert list(read(file)) == lines


def test_a_million_lines_are_thinned(run: Path):
    with (run / "stats.jsonl").open("w") as file:
        file.writelines(f'{{"images": {n}, "generator": {{"mean": {n % 7}}}}}\n' for n in range(1_000_000))
    began = time.monotonic()
    stats = Record.of(run).stats
    assert time.monotonic() - began < 20
    assert 10_000 < len(stats) <= 20_001
    assert stats[0]["images"] == 0
    assert stats[-1]["images"] == 999_999


@pytest.mark.parametrize("name", ["best.json", "latest.json"])
@pytest.mark.parametrize(
    "content", ["[" * 200_000, "", "5", "[]", '{"checkpoint": {}}', '{"checkpoint": "../../x"}', "\x00"]
)
def test_a_pointer_that_is_none_falls_back_to_what_is_whole(name: str, content: str, run: Path):
    (run / name).write_text(content)
    assert organza.load(run, name.removesuffix(".json")).sample(1).shape == (1, 16, 16, 3)


@pytest.mark.parametrize(
    ("table", "key", "value"),
    [
        ("data", "held_out", []), ("data", "held_out", -5), ("data", "held_out", 10**12), ("data", "source", "\x1b]0;x\x07"),
        ("versions", "torch", "\x1b]0;x\x07"), ("versions", "x", [[[]]]), ("recipe", "source", {"a": 1}),
        ("players", "generator", {"part": 5}), ("asked", "labels", "\x1b"),
    ],
)  # fmt: skip
def test_a_hostile_recipe_json_makes_a_page_or_one_sentence(table: str, key: str, value: object, run: Path):
    content = json.loads((run / "recipe.json").read_text())
    content[table][key] = value
    (run / "recipe.json").write_text(json.dumps(content))
    try:
        text = write_report(run).read_text("utf8")
    except UserError as error:
        text = str(error)
    assert "\x1b" not in text
