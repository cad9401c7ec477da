"""What a person sees: live and plain displays from the same events, previews, exit codes, and images in character cells."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from organza.cli.terminal import display
from organza.display.console import blocks, draw
from organza.display.screen import Screen, frame, status
from organza.media.images import half_blocks, shrunk
from organza.run.events import (
    Begun,
    Busy,
    Evaluated,
    Event,
    Reported,
    RolledBack,
    Sampled,
    Saved,
    Stopped,
    Tick,
    Warned,
)
from organza.stop import Check

CHECK = Check(1200, 0.4213, 0.011, 0.6, 0.02)
MEANS = {"discriminator": 0.612, "r1": 0.02, "D(x)": 0.62, "D(G(z))": 0.38, "D accuracy": 0.7, "generator": 0.98}


def tick(images: int = 1200, alone: str = "") -> Tick:
    return Tick(images, 3000, 40.0, 60.0, 30.0, MEANS, alone)


def run(*, kind: str = "budget") -> list[Event]:
    pictures = np.random.default_rng(0).integers(0, 256, (64, 32, 32, 3), dtype=np.uint8)
    return [
        Begun(("120 images, 32x32", "recipe dcgan"), 0, 3000),
        Warned("3 of 120 files are left out"),
        Sampled(0, pictures, Path("samples/0.png")),
        tick(),
        Busy("evaluating the samples"),
        Evaluated(CHECK, {}, True),
        Saved(1200, Path("checkpoints/00001200")),
        Reported(Path("report.html"), "Healthy so far: recognisable", "Close.", "New: 1% ± 1% are near-copies"),
        Stopped(kind, "the budget of 100s is spent", 1200),
    ]


def shown(events: list[Event], **terminal) -> tuple[int, str]:
    console = Console(file=io.StringIO(), width=100, height=40, highlight=False, **terminal)
    first, *rest = events
    code = display(first, rest, Path("runs/x"), console)
    return code, console.file.getvalue()  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "terminal",
    [{"force_terminal": False}, {"force_terminal": True, "color_system": "truecolor"}],
    ids=["plain", "live"],
)
def test_everything_a_person_should_know_is_told(terminal: dict):
    code, text = shown(run(), **terminal)
    assert code == 0
    for said in (
        *("120 images, 32x32", "3 of 120 files are left out", "1,200", "30.0", "D(x) 0.62", "D(G(z)) 0.38"),
        *("discriminator 0.612", "generator 0.980", "0.4213 ± 0.011", "the budget of 100s is spent", "60 s left"),
        *("verdict: Healthy so far: recognisable. Close.", "copies? New: 1% ± 1% are near-copies"),
        *("organza sample runs/x", "organza judge runs/x"),
    ):
        assert said in text, said
    assert "D accuracy" not in text
    assert "(0 = indistinguishable from real ones; Gaussian-kernel MMD)" in text  # no extractor was named


def test_the_distance_of_the_end_names_its_features():
    named = Evaluated(CHECK, {"card": {"extractor": {"name": "small-net"}}}, True)
    _, text = shown([named if isinstance(event, Evaluated) else event for event in run()], force_terminal=False)
    assert "Gaussian-kernel MMD on features of small-net)" in text


def test_plain_lines_have_no_escape_codes_and_one_line_each():
    _, text = shown(run(), force_terminal=False)
    assert "\x1b" not in text
    assert "▀" not in text


@pytest.mark.parametrize(
    ("kind", "code"), [("budget", 0), ("plateau", 0), ("SIGINT", 130), ("SIGTERM", 143), ("non-finite", 1)]
)
def test_exit_codes_tell_how_it_ended(kind: str, code: int):
    ended, text = shown(run(kind=kind), force_terminal=False)
    assert ended == code
    assert ("run the same command again to resume" in text) == kind.startswith("SIG")


def test_warm_up_is_shown():
    assert "the discriminator alone" in status(tick(alone="the discriminator"))
    assert "alone" not in status(tick())


@pytest.mark.parametrize(("height", "rows"), [(60, 2), (26, 1), (12, 0)])
def test_the_preview_leaves_room_for_the_numbers(height: int, rows: int):
    screen = Screen()
    for event in run()[:-1]:
        screen = screen.after(event)
    console = Console(file=io.StringIO(), width=90, height=height, force_terminal=True, color_system="truecolor")
    console.print(frame(screen, console))
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    drawn = [line for line in lines if line.count("▀") > 20]
    assert len(lines) <= height
    assert len(drawn) == (rows * 10 + (1 if rows == 2 else 0))


def test_half_blocks_show_two_pixels_in_a_cell():
    picture = np.zeros((2, 3, 3), np.uint8)
    picture[0, 1] = (255, 0, 0)
    picture[1, 1] = (0, 0, 255)
    assert half_blocks(picture) == [[((0, 0, 0), (0, 0, 0)), ((255, 0, 0), (0, 0, 255)), ((0, 0, 0), (0, 0, 0))]]
    text = blocks(picture)
    assert text.plain == "▀▀▀"
    assert str(text.spans[1].style) == "rgb(255,0,0) on rgb(0,0,255)"


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_any_picture_can_be_shrunk_and_drawn(channels: int):
    pictures = np.full((2, 40, 30, channels), 200, np.uint8)
    assert shrunk(pictures, 15).shape == (2, 20, 15, 3)
    console = Console(file=io.StringIO(), width=20, force_terminal=True, color_system="truecolor")
    draw(pictures[0], console)
    assert len(console.file.getvalue().splitlines()) == 13  # type: ignore[attr-defined]


def test_what_was_left_behind_by_a_rollback_is_no_longer_the_best():
    events = run()
    worse = CHECK._replace(images=1500, distance=0.5)
    _, text = shown(
        [*events[:-1], RolledBack("collapse: rolled back to 600 images", 600), Evaluated(worse, {}, True), events[-1]]
    )
    assert "best: distance 0.5000" in text
    assert "best: distance 0.4213" not in text


def test_the_best_of_an_earlier_part_stays_the_best_after_resuming():
    first, *rest = run()
    earlier = CHECK._replace(images=600, distance=0.2)
    _, text = shown([replace(first, images=600, checks=(earlier,)), *rest])
    assert "the best was 0.2000 at 600" in text
    assert "best: distance 0.2000" in text
