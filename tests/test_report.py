"""The report of really trained runs, verdicts on recorded histories, runs side by side, and the quiz."""

from __future__ import annotations

import base64
import io
import json
import math
import re
import shlex
import shutil
from collections.abc import Sequence
from dataclasses import replace
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

import organza
from organza.errors import UserError
from organza.metrics.kernels import Estimate
from organza.report import at_end
from organza.report.build import report, verdict_of, write_report
from organza.report.compare import as_table, comparison, groups, records, standings, verdicts, warnings
from organza.report.evidence import Evidence
from organza.report.findings import likeness, trend, varied
from organza.report.quiz import alike, odd, quiz, wilson, write_quiz
from organza.report.ranking import Entry, better
from organza.report.record import Record
from organza.report.sections import in_python, next_commands
from organza.report.seeds import seeds_of, unequal
from organza.report.verdict import Verdict, verdict
from organza.run.events import Evaluated, Reported, Sampled, Stopped, Tick, Warned
from organza.run.health import Vitals, findings
from organza.stop import Check, tie
from organza.training.loggers import Scalars, tensorboard, wandb
from tests.drawings import drawing
from tests.test_cli import call

HOSTILE = "<img src=x onerror=alert(1)>'\"&"
EMPTY = {"meta", "link", "img", "br", "input"}


class Page(HTMLParser):
    """Reads a page: its elements with their attributes, its text, and whether each one that opens is closed."""

    def __init__(self, html: str):
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in EMPTY:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images with file names and a folder's name that would be code in a page."""
    folder = tmp_path_factory.mktemp("data") / "<script>alert(1)<"
    folder.mkdir()
    for seed in range(120):
        drawing(seed).save(folder / f"<b>&{seed:03d}'.png")
    return folder


@pytest.fixture(scope="module")
def run(hostile: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of three steps or so, with its report."""
    path, told = tmp_path_factory.mktemp("runs") / "a <i>run", []
    organza.train(
        hostile, path, on_event=told.append, recipe="swift", size=16, budget="96img", settings=["generator.width=8"]
    )
    (verdict,) = (event for event in told if isinstance(event, Reported))
    assert verdict.title in (path / "report.html").read_text()
    assert "near-copies" in verdict.copies
    return path


@pytest.fixture(scope="module")
def html(run: Path) -> str:
    return (run / "report.html").read_text()


def test_the_end_of_a_run_writes_a_page_that_is_whole_and_loads_nothing(html: str):
    page = Page(html)
    for tag, attributes in page.elements:
        for name in ("src", "href", "action", "xlink:href"):
            assert (attributes.get(name) or "data:").startswith("data:"), (tag, name)
    assert not re.search(r"https?://|url\((?!data:)|@import", re.sub(r"data:image/\S+", "", html))
    assert len(html) < 6_000_000
    pictures = page.all("img")
    assert len(pictures) > 20
    assert all(picture.get("alt") for picture in pictures)
    for picture in pictures:
        head, _, content = str(picture["src"]).partition(";base64,")
        Image.open(BytesIO(base64.b64decode(content, validate=True))).verify()
        assert head in ("data:image/png", "data:image/webp")
    for plot in (attributes for tag, attributes in page.elements if tag == "svg" and attributes.get("role") == "img"):
        assert plot["aria-labelledby"]


def test_what_comes_from_users_is_text(html: str, run: Path):
    page = Page(html)
    assert not page.all("b") or all(not attributes for attributes in page.all("b"))
    assert len(page.all("script")) == 1
    assert not page.all("i")
    assert "<script>alert(1)<" in page.text
    assert "a <i>run" in page.text
    assert re.search(r"from <b>&\d{3}'\.png", page.text)
    content = Record.of(run)
    changed = Record(
        run,
        json.loads(json.dumps(content.content)),
        content.stats,
        content.evaluations,
        ({"event": HOSTILE, "text": HOSTILE},),
    )
    changed.content["recipe"]["name"] = changed.content["versions"]["torch"] = HOSTILE
    again = Page(report(changed, None, verdict_of(changed, None), HOSTILE))
    assert not any("onerror" in attributes for _, attributes in again.elements)
    assert again.text.count("onerror=alert(1)") >= 5


def test_the_numbers_are_those_of_the_files(html: str, run: Path):
    text = Page(html).text
    best = json.loads((run / "best.json").read_text())["images"]
    lines = [json.loads(line) for line in (run / "evaluations.jsonl").read_text().splitlines()]
    for line in lines:
        assert f"{line['mmd']['value']:.4g} ± {line['mmd']['error']:.2g}" in text
    chosen = next(line for line in lines if line["images"] == best)
    value, error = chosen["mmd"]["value"], chosen["mmd"]["error"]
    digits = 2 if error >= 0.005 else 3
    assert f"distance {value:.{digits}f} ± {error:.{digits}f} at {best:,} images" in text
    assert f"{len(lines)} times, against {lines[0]['card']['real']} held-out images" in text


def test_commands_of_the_page_exist_and_are_quoted(run: Path, capsys: pytest.CaptureFixture[str]):
    record = Record.of(run)
    lines = [shlex.split(line) for _, line in next_commands(record)]
    assert all(str(run) in words or "train" in words for words in lines)
    assert {words[1] for words in lines} == {"train", "sample", "walk", "judge", "evaluate", "quiz", "compare"}
    _, told, _ = call(capsys, "--help")
    assert all(words[1] in told for words in lines)
    python = "\n".join(in_python(record))
    assert f"run = organza.load({str(record.path)!r})" in python
    compile(python, "report", "exec")


def test_a_report_that_fails_costs_a_warning(hostile: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def broken(*_: object) -> None:
        raise RuntimeError("no page today")

    monkeypatch.setattr(at_end, "conclude", broken)
    told = []
    organza.train(
        hostile, tmp_path / "run", on_event=told.append, recipe="swift", size=16, budget="32img", evaluate=False
    )
    assert isinstance(told[-1], Stopped)
    assert any(isinstance(event, Warned) and "no page today" in event.text for event in told)
    assert "no page today" in (tmp_path / "run" / "events.jsonl").read_text()
    assert not any(isinstance(event, Reported) for event in told)
    assert organza.load(tmp_path / "run").sample(1).shape == (1, 16, 16, 3)
    monkeypatch.undo()
    text = Page(write_report(tmp_path / "run").read_text()).text  # a run that was never measured
    assert "It has hardly begun" in text  # after two steps nothing has collapsed
    assert "there were none" in text
    assert "Distance to real" not in text


def test_a_page_without_data_says_so(run: Path, tmp_path: Path):
    moved = tmp_path / "run"
    shutil.copytree(run, moved)
    content = json.loads((moved / "recipe.json").read_text())
    content["data"]["source"] = str(tmp_path / "gone")
    (moved / "recipe.json").write_text(json.dumps(content))
    (moved / "data.json").unlink()
    before = (moved / "report.html").read_bytes()
    with pytest.raises(UserError, match="is kept, as a new page would lack 'The most suspicious samples'"):
        write_report(moved)
    assert (moved / "report.html").read_bytes() == before
    (moved / "report.html").unlink()
    text = Page(write_report(moved).read_text()).text
    assert "Note: " in text
    assert "most suspicious" not in text
    assert "Between two samples" in text


def history(*distances: float, error: float = 0.01) -> tuple[Check, ...]:
    return tuple(Check(1000 * n, value, error, 0.8, 0.02) for n, value in enumerate(distances, 1))


# What runs on real images measured: 6,000 cartoon faces; the same with fifty times the learning rate; 24 garments for seven minutes.
GOOD = Evidence(
    5400, 600, (Check(12624, 0.2937, 0.0044, 0.816, 0.017), Check(25232, 0.2727, 0.0045, 0.875, 0.015),
                Check(37856, 0.3062, 0.0047, 0.957, 0.009), Check(44176, 0.3038, 0.0048, 0.969, 0.008)),
    Estimate(1.1616, 0.0084), Estimate(0.0, 0.0088), Estimate(2.06, 0.066), Estimate(0.0, 0.0074),
    Estimate(0.883, 0.028), Estimate(0.914, 0.025), "budget",
)  # fmt: skip
COLLAPSED = Evidence(
    5400, 600, (Check(8800, 0.7944, 0.0056, 0.43, 0.022), Check(17584, 0.7990, 0.0056, 0.061, 0.011),
                Check(17600, 0.7990, 0.0056, 0.002, 0.002)),
    Estimate(0.0, 0.0), Estimate(1.0, 0.0088), Estimate(5.7, 0.07), Estimate(0.0, 0.0074),
    Estimate(0.84, 0.033), Estimate(0.88, 0.028), "budget",
)  # fmt: skip
MEMORISING = Evidence(
    24, 0, (Check(29824, 0.0857, 0.016, 0.9, 0.013), Check(59632, 0.0861, 0.016, 0.9, 0.013), Check(86640, 0.0812, 0.016, 0.9, 0.013)),
    Estimate(0.857, 0.005), Estimate(0.375, 0.1), Estimate(0.70, 0.045), Estimate(0.637, 0.036), Estimate(0.875, 0.07), None, "budget",
)  # fmt: skip


def test_verdicts_on_recorded_runs():
    good, collapsed, copying = verdict(GOOD), verdict(COLLAPSED), verdict(MEMORISING)
    assert good.title == "Healthy so far: rough"
    assert good.tone == "fair"
    assert collapsed.title.startswith("Collapsed")
    assert copying.title.startswith("It copies")
    assert collapsed.tone == copying.tone == "bad"
    assert [finding.answer for finding in good.findings] == [
        "Rough",
        "Yes",
        "New",
        "No, it got worse after its best",
        "Yes",
    ]
    assert "64% of the samples" in copying.why


def test_a_run_that_repeats_a_few_pictures_has_collapsed_though_they_differ():
    found = verdict(
        Evidence(
            5400,
            600,
            history(0.2, 0.2, 0.2),
            Estimate(0.95, 0.01),
            Estimate(0.9, 0.02),
            Estimate(1.1, 0.05),
            Estimate(0.0, 0.01),
        )
    )
    assert found.title == "Collapsed: it repeats a few images"


@pytest.mark.parametrize(
    "ill", [{"variety": 0.24}, {"distinct": 0.5}, {"spread": 0.0005}, {"variety": 0.3}, {}], ids=str
)
def test_training_and_report_judge_collapse_alike(ill: dict):
    """By health alone: whatever an evaluation told of a run that varied before, both call it collapsed, or neither."""
    told = [Vitals(3000 * n, 0.5 - 0.1 * n, 0.01, 0.8, 1.0, 0.7) for n in range(1, 5)]
    told[-1] = told[-1]._replace(**ill)
    checks = tuple(Check(one.images, one.distance, one.error, 0.8, 0.02) for one in told)
    variety = Estimate(told[-1].variety or 0, 0.01)
    seen = Evidence(5400, 600, checks, variety, Estimate(0.01, 0.01), images=12_000, vitals=tuple(told))
    grave = [found.name for found in findings(told) if found.grave]
    assert grave == (["collapse"] if ill else [])
    assert verdict(seen).title.startswith("Collapsed") == bool(grave)


def test_an_illness_after_the_best_is_told_beside_the_trend():
    told = [Vitals(3000 * n, 0.2 - 0.05 * n, 0.01, 0.8, 1.0, 0.7) for n in range(1, 4)]
    told.append(Vitals(12_000, 0.7, 0.01, 0.02, 0.1, 0.0))
    checks = tuple(Check(one.images, one.distance, one.error, 0.8, 0.02) for one in told)
    seen = Evidence(5400, 600, checks, Estimate(0.8, 0.01), images=12_000, vitals=tuple(told))
    assert not verdict(seen).title.startswith("Collapsed")  # what was kept is well
    assert "At the end there was collapse: 90% of the samples" in trend(seen).why
    assert "At the end" not in trend(replace(seen, vitals=tuple(told[:-1]))).why


@pytest.mark.parametrize(
    ("distance", "answer"),
    [(0.0003, "Very like"), (0.019, "Close"), (0.036, "Recognisable"), (0.102, "Recognisable"), (0.181, "Recognisable"),
     (0.218, "Rough"), (0.321, "Rough"), (0.573, "Not like")],
)  # fmt: skip
def test_the_words_are_those_that_the_eye_found_for_sheets_of_races(distance: float, answer: str):
    """Real faces against others; Fashion-MNIST by dcgan, auto, the tutorial; icons; faces by auto; blots; smudges: docs/report.md."""
    said = likeness(Evidence(5400, 600, history(distance)))
    assert said is not None
    assert said.answer.startswith(answer)


@pytest.mark.parametrize(
    ("pieces", "blurred", "answer"),
    [(0.133, 0.302, "Recognisable"), (0.031, 0.267, "Rough"), (0.287, 0.018, "Not like"), (0.116, 0.106, "Recognisable"),
     (0.9, 0.9, "Close")],
)  # fmt: skip
def test_one_distance_is_another_word_on_other_data(pieces: float, blurred: float, answer: str):
    """Faces, pixel art, photographic textures and nebulae, as they were measured; and data that hardly bear damage."""
    said = likeness(Evidence(5400, 600, history(0.082), pieces=pieces, blurred=blurred))
    assert said is not None
    assert said.answer.startswith(answer)
    assert f"{pieces:.3f}" in said.numbers


def test_what_has_hardly_begun_has_not_collapsed():
    assert verdict(replace(COLLAPSED, images=500)).title.startswith("It has hardly begun")
    assert verdict(replace(COLLAPSED, images=17_600)).title.startswith("Collapsed")


def test_a_run_that_was_not_measured_says_so():
    assert "was not measured" in verdict(Evidence(900, 100, variety=Estimate(0.9, 0.01))).title


def test_a_run_that_did_well_is_praised():
    found = verdict(
        Evidence(
            5400,
            600,
            history(0.1, 0.05, 0.005, error=0.001),
            Estimate(1.0, 0.01),
            Estimate(0.01, 0.01),
            Estimate(1.0, 0.05),
            Estimate(0.01, 0.01),
        )
    )
    assert found.tone == "good"
    assert found.title == "It works: very like the real ones"
    assert "larger budget" in found.remedy


def test_a_run_that_broke_off_says_what_broke_it():
    found = verdict(Evidence(100, 10, kind="non-finite", reason="generator is nan after 96 images"))
    assert found.title.startswith("It broke off")
    assert "generator is nan" in found.why


def test_a_discriminator_that_knows_its_data_by_heart_is_found_out():
    seen = Evidence(
        900, 100, history(0.3, 0.2, 0.2), knows_training=Estimate(0.99, 0.01), knows_held_out=Estimate(0.4, 0.05)
    )
    assert verdict(seen).findings[-1].answer == "No: it knows its images by heart"
    last = Vitals(
        2000, 0.2, 0.01, overfitting=0.1
    )  # of the check that is kept: what training measured goes before shares
    assert verdict(replace(seen, vitals=(last,))).findings[-1].answer == "Yes"
    by_heart = replace(seen, knows_held_out=Estimate(0.99, 0.01), vitals=(last._replace(overfitting=0.9),))
    assert verdict(by_heart).findings[-1].answer == "No: it knows its images by heart"


def test_the_trend_is_told_with_errors():
    assert trend(Evidence(900, 100, history(0.3, 0.2))).answer == "Too early to say"
    assert trend(Evidence(900, 100, history(0.5, 0.4, 0.3))).answer == "Yes, it was still getting better"
    assert trend(Evidence(900, 100, history(0.5, 0.4, 0.3, error=0.2))).answer == "Not much: it has levelled off"
    assert trend(Evidence(900, 100, history(0.5, 0.2, 0.4))).answer == "No, it got worse after its best"


def test_the_best_is_told_with_its_equals():
    assert tie(history(0.5, 0.2, 0.205)) == "2,000 and 3,000 are equal within error; kept 2,000"
    assert tie(history(0.5, 0.2, 0.23)) == ""
    assert tie(history(*[0.2] * 6)) == "6 evaluations from 1,000 to 6,000 are equal within error; kept 1,000"
    assert tie(()) == ""


def test_the_file_of_the_best_tells_its_equals(run: Path):
    checks = Record.of(run).checks
    assert json.loads((run / "best.json").read_text())["why"].endswith(
        tie(checks) or "".join(f"{min(checks, key=lambda c: c.distance).error:.4f}")
    )


def test_runs_side_by_side_warn_of_unlike_cards(run: Path, tmp_path: Path):
    like, other = tmp_path / "like", tmp_path / HOSTILE.replace("/", "")
    for copied in (like, other):
        shutil.copytree(run, copied)
    content = json.loads((other / "recipe.json").read_text())
    content["data"]["fingerprint"] = "0" * 64
    (other / "recipe.json").write_text(json.dumps(content))
    twins = records([run, like])
    assert warnings(twins) == []
    judged = verdicts(twins)
    [told] = standings(twins, judged)
    assert "cannot be told apart" in told
    page = Page(comparison(twins, judged))
    assert "Warning" not in page.text
    assert told in page.text
    assert page.text.count(judged[0].title) == 4  # a list and a table, for each run
    runs = records([run, like, other])
    assert [len(group) for group in groups(runs)] == [2, 1]
    [warning] = warnings(runs)
    assert "must not be compared" in warning
    assert "data" in warning
    found = verdicts(runs)
    assert len(standings(runs, found)) == 1  # of the two that may be compared
    assert "group" in table(runs, found)
    assert "group" not in table(twins, judged)  # one group needs no number
    page = Page(comparison(runs, found))
    assert warning in page.text
    assert page.text.count("Curves of group") == 2
    assert not any("onerror" in attributes for _, attributes in page.elements)
    assert all(picture.get("alt") for picture in page.all("img"))
    for paths in ([run], [run, run]):
        with pytest.raises(UserError):
            records(paths)


def table(runs: Sequence[Record], found: Sequence[Verdict]) -> str:
    """The comparison as a terminal shows it."""
    console = Console(file=io.StringIO(), width=100)
    console.print(as_table(runs, found))
    return console.file.getvalue()  # type: ignore[attr-defined]


def test_who_is_better_is_said_with_the_error():
    near, like, far = (Check(9000, value, 0.01, 0.8, 0.1) for value in (0.2, 0.21, 0.3))
    assert better([Entry("a", far), Entry("b", near)]).startswith("b is nearer to the real images than a")
    assert "0.7 errors apart, and at least 3 are needed" in better([Entry("a", like), Entry("b", near)])
    three = better([Entry("a", far), Entry("b", like), Entry("c", near)])
    assert three.startswith("c is nearest")
    assert "cannot be told apart from b (0.7 errors apart)" in three
    assert "behind it by more than the error is a (7.1 errors apart)" in three
    assert better([Entry("a", far), Entry("b", near, "It copies")]).endswith("But distance is not all: b: It copies")
    assert "It copies" not in better([Entry("a", far, "It copies"), Entry("b", near)])  # it is behind anyway


@pytest.mark.parametrize(("wrong", "count"), [(0, 10), (3, 40), (20, 40), (40, 40)])
def test_the_interval_is_wilsons(wrong: int, count: int):
    """Its ends are where the score test is just not rejected: |p - share| = z sqrt(share (1 - share) / n)."""
    for end in wilson(wrong, count):
        assert abs(wrong / count - end) == pytest.approx(1.959964 * math.sqrt(end * (1 - end) / count), abs=1e-9)
    assert 0 <= wilson(wrong, count).low <= wrong / count <= wilson(wrong, count).high <= 1


def test_a_quiz_hides_its_answers_and_keeps_them():
    smooth = (
        np.broadcast_to(np.arange(16, dtype=np.uint8)[:, None, None], (10, 16, 16, 3))
        + np.arange(10, dtype=np.uint8)[:, None, None, None]
    )
    noise = np.random.default_rng(0).integers(0, 256, (10, 16, 16, 3), np.uint8)
    pictures, real = np.concatenate([smooth, noise]), np.arange(20) < 10
    html = quiz(pictures, real, HOSTILE)
    facts = json.loads(re.search(r"const quiz = (.*);\n", html)[1])  # type: ignore[index]
    assert len({len(text) for text in facts["pictures"]}) == 1  # noise would be longer
    assert set(facts) == {"pictures", "marks", "wrong"}
    decoded = [np.asarray(Image.open(BytesIO(base64.b64decode(text)))) for text in facts["pictures"]]
    smooth_too = [any((picture == one).all() for one in smooth) for picture in decoded]
    answers = [odd(text) != (mark == "1") for text, mark in zip(facts["pictures"], facts["marks"], strict=True)]
    assert answers == smooth_too
    assert sum(answers) == 10
    assert answers not in ([True] * 10 + [False] * 10, [mark == "1" for mark in facts["marks"]])
    assert facts["wrong"][5] == [pytest.approx(end, abs=1e-4) for end in wilson(5, 20)]
    page = Page(html)
    assert not any("onerror" in attributes for _, attributes in page.elements)
    assert not re.search(r"\b(fake|generated|real)\b", " ".join(str(picture.get("alt")) for picture in page.all("img")))


def test_pictures_of_a_quiz_are_of_one_length_and_whole():
    flat, noise = np.zeros((8, 8, 1), np.uint8), np.random.default_rng(1).integers(0, 256, (8, 8, 1), np.uint8)
    one, other = alike([flat, noise])
    assert len(one) == len(other)
    assert (np.asarray(Image.open(BytesIO(base64.b64decode(one)))) == 0).all()


def test_a_quiz_of_a_run(run: Path):
    path = write_quiz(run, count=12, seed=3)
    assert path == run / "quiz.html"
    assert len(json.loads(re.search(r"const quiz = (.*);\n", path.read_text())[1])["pictures"]) == 12  # type: ignore[index]
    for count, word in ((11, "even"), (8, "an even number of at least 10"), (40, "at most 24")):
        with pytest.raises(UserError, match=word):
            write_quiz(run, count)


def test_loggers_are_told_of_numbers_and_pictures():
    told: list[tuple] = []
    logger = Scalars(
        lambda values, at: told.append((dict(values), at)),
        lambda sheet, at: told.append((sheet.shape, at)),
        lambda: told.append(()),
    )
    logger(Tick(16, 32, 1.0, 1.0, 16.0, {"generator": 0.5}))
    logger(Tick(16, 32, 1.0, 1.0, 16.0, {"generator": 0.5}))  # told already
    logger(Sampled(16, np.zeros((4, 8, 8, 3), np.uint8), Path("x.png")))
    logger(Evaluated(Check(32, 0.5, 0.1, 0.5, 0.1), {"images": 32, "mmd": {"value": 0.5, "error": 0.1}}, True))
    logger(Stopped("budget", "", 32))
    assert told == [
        ({"generator": 0.5, "images a second": 16.0}, 16),
        ((18, 18, 3), 16),
        ({"held-out/mmd": 0.5, "held-out/mmd error": 0.1}, 32),
        (),
    ]


def test_a_logger_whose_package_is_missing_is_an_error_for_people(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    import sys

    for package, logger in (("tensorboard", tensorboard), ("wandb", wandb)):
        monkeypatch.setitem(sys.modules, package, None)
        with pytest.raises(UserError, match=rf"pip install 'organza\[{package}\]'"):
            logger(tmp_path)


def test_tensorboard_is_told(tmp_path: Path):
    pytest.importorskip("tensorboard")
    logger = tensorboard(tmp_path / "run")
    assert not (tmp_path / "run").exists()  # a run's folder is made by the run
    logger(Tick(16, 32, 1.0, 1.0, 16.0, {"generator": 0.5}))
    logger(Stopped("budget", "", 32))
    assert list((tmp_path / "run" / "tensorboard").glob("events.*"))


def test_weights_and_biases_are_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    import sys
    from types import SimpleNamespace

    told: list[dict] = []
    session = SimpleNamespace(log=told.append, finish=lambda: told.append({}))
    monkeypatch.setitem(sys.modules, "wandb", SimpleNamespace(init=lambda name: session, Image=np.shape))
    logger = wandb(tmp_path / "faces")
    logger(Tick(16, 32, 1.0, 1.0, 16.0, {"generator": 0.5}))
    logger(Sampled(16, np.zeros((4, 8, 8, 3), np.uint8), Path("x.png")))
    logger(Stopped("budget", "", 32))
    assert told == [
        {"generator": 0.5, "images a second": 16.0, "images": 16},
        {"samples": (18, 18, 3), "images": 16},
        {},
    ]


def one_image(between: float, apart: float) -> Evidence:
    return Evidence(
        180,
        20,
        history(0.45, 0.46),
        Estimate(1.2, 0.01),
        Estimate(0.0, 0.03),
        between=between,
        apart=apart,
        images=9_000,
    )


def test_data_that_are_nearly_one_image_get_a_verdict_of_their_own():
    right, wrong, usual = (verdict(one_image(*shares)) for shares in ((0.06, 0.01), (0.06, 0.9), (0.42, 0.01)))
    assert right.title == "It makes the one image that its data are"
    assert "94% of what is in the 200 images is the same" in right.why
    assert right.tone == "fair"
    assert "does not make that one" in wrong.title
    assert wrong.tone == "bad"
    assert usual.title.startswith("Not there yet: not like")


def test_some_empty_samples_are_no_collapse_and_are_told():
    told = (Vitals(3000, 0.3, 0.04, 0.8, 0.8, 0.7),)
    checks = (Check(3000, 0.3, 0.04, 0.8, 0.02),)
    seen = Evidence(450, 50, checks, Estimate(0.8, 0.01), Estimate(0.01, 0.01), images=8_000, vitals=told)
    said = varied(seen)
    assert said is not None
    assert said.answer == "Not all of them"
    assert "20% of the samples are exact copies of another" in said.why
    assert not verdict(seen).title.startswith("Collapsed")


def test_noise_is_called_noise_whatever_was_made_of_it():
    noise = Evidence(
        450,
        50,
        history(0.3, 0.3),
        Estimate(1.0, 0.01),
        Estimate(0.9, 0.03),
        Estimate(0.8, 0.003),
        Estimate(1.0, 0.02),
        kept=0.04,
    )
    assert verdict(noise).title == "Its data are noise, of which there is nothing to learn"
    assert [one.answer for one in verdict(noise).findings if "differ" in one.question or "new" in one.question] == [
        "Cannot be said"
    ] * 2
    assert verdict(replace(noise, kept=0.24)).title.startswith(("Collapsed", "It copies"))


@pytest.mark.parametrize(
    ("budgets", "told"),
    [(("1m", "1m"), []), (("1m", "2m"), ["mlp: no mean over its seeds, as their budgets differ: 1m, 2m"])],
)
def test_seeds_without_a_mean_are_told_of(budgets: tuple[str, str], told: list[str]):
    runs: list[Any] = [
        SimpleNamespace(
            recipe="mlp", checks=(Check(10, 0.3 + seed, 0.1, 0.9, 0.1),),
            content={"asked": {"seed": seed}, "recipe": {}, "data": {}, "plan": {"budget": budget}},
        )
        for seed, budget in enumerate(budgets)
    ]  # fmt: skip
    assert unequal(runs) == told
    assert len(seeds_of(runs)) == (not told)


@pytest.mark.parametrize("images", [3200, 6400])
def test_a_run_resumed_with_a_larger_budget_is_no_equal_seed(images: int):
    plan = {"budget": "3200img", "images": 3200, "seconds": None}
    runs: list[Any] = [
        SimpleNamespace(
            recipe="mlp", images=seen, checks=(Check(10, 0.3, 0.1, 0.9, 0.1),),
            content={"asked": {"seed": seed}, "recipe": {}, "data": {}, "plan": plan},
        )
        for seed, seen in enumerate((3200, images))
    ]  # fmt: skip
    assert len(seeds_of(runs)) == (images == 3200)
    told = ["mlp: no mean over its seeds, as their budgets differ: 3200img, 6,400 images"]
    assert unequal(runs) == (told if images > 3200 else [])
