"""A GAN of vectors end to end: trained from CSV and from an array, resumed, sampled with its columns, measured, reported, exported."""

from __future__ import annotations

import csv
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import organza
from organza import cli
from organza.data.points import RING, covered, drawn
from organza.errors import UserError
from organza.export.release import Statement
from organza.media.scatter import telling_pairs
from organza.recipes import get
from organza.report.verdict import of_vectors
from tests.contracts.discovery import small
from tests.contracts.material import Material
from tests.helpers import train, weights

RECIPE = small(get("vectors"))


@pytest.fixture(scope="module")
def table(material: Material) -> Path:
    return material(RECIPE) / "table.csv"


@pytest.fixture(scope="module")
def run(table: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("vectors") / "run"
    train(table, folder, recipe=RECIPE, budget="320img", size=None, evaluate=True, report=True)
    return folder


def call(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as end:
        cli.main([str(argument) for argument in arguments])
    told = capsys.readouterr()
    return int(end.value.code or 0), told.out, told.err


def test_a_run_keeps_its_columns_and_draws_scatter_plots(run: Path):
    content = json.loads((run / "recipe.json").read_text())
    assert content["data"]["shape"] == [3]
    assert [column["name"] for column in content["data"]["columns"]] == ["age", "income", "share"]
    assert content["asked"]["size"] is None
    for name in ("real.png", "00000320.png"):
        plots = np.asarray(Image.open(run / "samples" / name))
        assert plots.shape == (322 * 1 - 2, 322 * 3 - 2, 3)  # three pairs of columns
        assert len(np.unique(plots.reshape(-1, 3), axis=0)) > 20
    line = json.loads((run / "evaluations.jsonl").read_text().splitlines()[-1])
    assert line["card"]["extractor"]["name"] == "standardised columns"
    assert {"mmd", "energy", "energy_floor", "coverage", "density", "columns", "correlations", "variety"} <= line.keys()


def test_samples_are_in_the_units_of_the_data_and_the_same_in_every_batch(run: Path):
    trained = organza.load(run)
    made = trained.sample(40, seed=3)
    assert (made.shape, made.dtype) == ((40, 3), np.float64)
    assert np.array_equal(made[20:25], trained.sample(5, seed=3, first=20))
    assert np.abs(made[:, 1]).mean() > 1000 > 1 > np.abs(made[:, 2]).mean()
    chances = trained.judge(made)
    assert chances.shape == (40,)
    assert ((chances > 0) & (chances < 1)).all()
    assert "vectors of 3 columns" in repr(trained)
    with pytest.raises(UserError, match="this run makes vectors"):
        trained.sample(2, output="pil")
    with pytest.raises(UserError, match=r"takes vectors \[N, 3\] of the columns age, income, share, not \[2, 2\]"):
        trained.judge(np.zeros((2, 2)))


def test_sample_writes_csv_with_the_names_of_the_columns_and_arrays(run: Path, tmp_path: Path, capsys):
    code, out, error = call(capsys, "sample", run, "--count", "7", "--seed", "5", "--out", tmp_path / "a.csv")
    assert code == 0, error
    assert "7 vectors of 3 columns in" in out
    rows = list(csv.reader((tmp_path / "a.csv").open(encoding="utf-8")))
    assert rows[0] == ["age", "income", "share"]
    call(capsys, "sample", run, "--count", "7", "--seed", "5", "--out", tmp_path / "a.npy")
    made = np.load(tmp_path / "a.npy")
    assert np.allclose(np.array(rows[1:], float), made, atol=1e-5 * np.ptp(made, axis=0))
    assert json.loads((tmp_path / "a.csv.json").read_text())["seed"] == 5
    code, _, error = call(capsys, "sample", run, "--count", "8", "--seed", "5", "--out", tmp_path / "a.csv")
    assert (code, "exists already with other content" in error) == (2, True)
    code, out, error = call(capsys, "judge", run, tmp_path / "a.csv", "--json")
    assert code == 0, error
    assert len(json.loads(out)) == 7


@pytest.mark.parametrize(
    ("verb", "said"),
    [
        (("quiz",), "which nobody tells apart by eye"),
        (("walk",), "are for images"),
        (("directions",), "are for images"),
        (("export", "--to", "web"), "which a page does not draw"),
        (("sample", "--grid"), "leave out --grid"),
        (("sample", "--out", "made.png"), r"ends in .csv or .npy"),
    ],
)
def test_what_is_for_images_alone_is_refused_in_a_sentence(
    run: Path, verb: tuple[str, ...], said: str, capsys, monkeypatch, tmp_path
):
    monkeypatch.chdir(tmp_path)
    code, _, error = call(capsys, verb[0], run, *verb[1:])
    assert code == 2, error
    assert re.search(said, error)
    assert error.count("\n") <= 2


def test_the_report_shows_plots_columns_and_a_verdict_on_vectors(run: Path):
    page = (run / "report.html").read_text(encoding="utf-8")
    assert page.count('class="dots"') == 6
    for word in (
        "Real beside generated",
        "Columns",
        "<td>income</td>",
        "The most suspicious samples",
        "--out samples.csv",
    ):
        assert word in page
    verdict = page[page.index('<header class="verdict') : page.index("</header>")]
    assert "image" not in verdict


def test_an_evaluation_measures_the_run_and_files_against_files(run: Path, table: Path, tmp_path: Path):
    (found,) = organza.evaluate(run, count=60)
    assert {"energy", "precision", "recall", "coverage", "nearness", "copies"} <= found.metrics.keys()
    assert [column.name for column in found.columns] == ["age", "income", "share"]
    np.save(tmp_path / "made.npy", organza.load(run).sample(60))
    (other,) = organza.evaluate(tmp_path / "made.npy", table)
    assert other.metrics["energy"].value > -0.1
    np.save(tmp_path / "two.npy", np.eye(60)[:, :2] + np.arange(60)[:, None])
    with pytest.raises(UserError, match="they must be the same"):
        organza.evaluate(tmp_path / "two.npy", table)


def test_an_exported_folder_makes_the_same_vectors(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    pytest.importorskip("onnxruntime")
    monkeypatch.setattr("organza.inference.engine.cache_folder", lambda: tmp_path / "cache")
    trained = organza.load(run)
    trained.export(tmp_path / "out", to=("folder", "onnx"), statement=Statement(licence="cc0-1.0"))
    again = organza.load(tmp_path / "out")
    assert np.array_equal(again.sample(5), trained.sample(5))
    fast = organza.load(tmp_path / "out", engine="onnx")
    assert fast.session is not None, fast.notes
    assert np.allclose(fast.sample(5), trained.sample(5), rtol=1e-4)
    card = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    assert "3 columns" in card
    assert "unconditional-image-generation" not in card


def test_a_stopped_run_resumes_to_the_same_bytes(table: Path, tmp_path: Path):
    train(table, tmp_path / "whole", recipe=RECIPE, budget="512img", size=None)
    train(table, tmp_path / "parts", recipe=RECIPE, budget="512img", size=None, until=200)
    train(table, tmp_path / "parts", recipe=RECIPE, budget="512img", size=None)
    assert weights(tmp_path / "parts") == weights(tmp_path / "whole")


def test_auto_takes_the_recipe_for_vectors_and_an_array_is_enough(tmp_path: Path):
    run = organza.train(
        drawn("ring", 300),
        tmp_path / "run",
        budget="256img",
        progress=False,
        report=False,
        evaluate=False,
        settings=("batch=64",),
    )
    assert run.content["recipe"]["name"] == "vectors"
    assert run.sample(3).shape == (3, 2)
    with pytest.raises(UserError, match="no labels"):
        organza.train(drawn("ring", 300), tmp_path / "other", labels="class", progress=False)


def test_the_pairs_that_tell_most_are_found_without_correlation():
    x = np.random.default_rng(0).normal(size=(1000, 6))
    x[:, 4] = np.abs(x[:, 1]) + 0.1 * x[:, 4]
    assert telling_pairs(x, 1) == [(1, 4)]
    assert telling_pairs(x[:, :2]) == [(0, 1)]


def test_a_verdict_on_vectors_speaks_of_vectors():
    assert of_vectors("An image, images") == "A vector, vectors"


@pytest.mark.slow
def test_a_ring_of_eight_keeps_all_eight(tmp_path: Path):
    recipe = replace(get("vectors"), average=5_000)
    run = organza.train(
        drawn("ring", 2000),
        tmp_path / "run",
        recipe=recipe,
        budget="60kimg",
        evaluate=False,
        report=False,
        progress=False,
    )
    assert covered(run.sample(1000).astype(np.float32), RING, share=0.01) == 8
