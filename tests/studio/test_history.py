"""A run is read in milliseconds, whatever its length, and followed without losing a line."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

from organza.studio import history
from organza.studio.processes import Training
from organza.studio.roots import Roots
from organza.studio.watch import Watch
from tests.studio.conftest import FIXTURES


def line(images: int) -> str:
    terms = {f"term {n}": {"mean": images / (n + 1), "std": 0.1} for n in range(9)}
    return (
        json.dumps(
            {"images": images, "seconds": images / 100, "rate": 100.0, "D(x)": {"mean": 0.6, "std": 0.0}, **terms}
        )
        + "\n"
    )


def copied(run: Path) -> Path:
    import shutil

    return Path(shutil.copytree(FIXTURES / "format-2", run))


def test_a_hundred_thousand_lines_open_within_a_second(tmp_path: Path):
    run = copied(tmp_path / "long")
    (run / "stats.jsonl").write_text("".join(map(line, range(1, 100_001))), encoding="utf-8", newline="\n")
    began = time.process_time()
    found = history.history(run)
    assert time.process_time() - began < 1
    assert 1_000 <= len(found["points"]) <= history.POINTS + 1
    assert found["points"][-1]["images"] == 100_000
    assert found["at"] == (run / "stats.jsonl").stat().st_size
    began = time.process_time()
    assert history.summary(run)["images"] == 100_000
    assert time.process_time() - began < 0.1


def test_new_lines_are_read_once_and_a_torn_one_waits(tmp_path: Path):
    file = tmp_path / "stats.jsonl"
    file.write_text(line(1) + line(2)[:20], encoding="utf-8", newline="\n")
    lines, at = history.added(file, 0)
    assert [one["images"] for one in lines] == [1]
    with file.open("a", encoding="utf-8", newline="\n") as stream:
        stream.write(line(2)[20:] + "no json\n" + line(3))
    lines, at = history.added(file, at)
    assert [one["images"] for one in lines] == [2, 3]
    assert at == history.position(file)
    file.write_text(line(1), encoding="utf-8", newline="\n")
    assert history.added(file, at) == ([], -1)  # rewritten, as after a rollback


def test_changes_are_told_in_order_and_rewriting_is_said(tmp_path: Path):
    run = copied(tmp_path / "runs" / "one")
    watch = Watch(Roots.of(tmp_path / "runs", ()), Training())
    assert [kind for kind, _ in watch.look()] == ["run"]
    assert watch.look() == []
    with (run / "stats.jsonl").open("a", encoding="utf-8", newline="\n") as stream:
        stream.write(line(24))
    messages = dict(watch.look())
    assert messages["run"]["images"] == 24
    assert messages["points"]["points"][0]["images"] == 24
    assert messages["points"]["to"] == history.position(run / "stats.jsonl")
    (run / "stats.jsonl").write_text(line(8), encoding="utf-8", newline="\n")
    assert "rewritten" in dict(watch.look())
    (run / "recipe.json").unlink()
    assert ("gone", {"name": "one"}) in watch.look()


def test_a_damaged_run_is_shown_as_damaged(tmp_path: Path):
    run = copied(tmp_path / "runs" / "one")
    (run / "recipe.json").write_text("{", encoding="utf-8", newline="\n")
    [(_, told)] = Watch(Roots.of(tmp_path / "runs", ()), Training()).look()
    assert told["state"] == "damaged"
    assert "restore it" in told["why"]


def test_reading_runs_needs_no_torch():
    code = "import sys, organza.studio.server; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_states_in_words():
    def after(*events: dict) -> str:
        return history.state_of(events, None)[0]

    started = {"event": "started"}
    assert after(started) == "interrupted"
    assert after(started, {"event": "stopped", "kind": "plateau"}) == "finished"
    assert after(started, {"event": "stopped", "kind": "collapse"}) == "ended early"
    assert after(started, {"event": "stopped", "kind": "SIGTERM"}) == "paused"
    assert after(started, {"event": "stopped", "kind": "SIGTERM"}, {"event": "resumed"}) == "interrupted"
