"""Files of vectors: read by any separator, refused by line and column, standardised by their training rows."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from rich.console import Console

from organza import Source
from organza.data.given import place_of
from organza.data.points import drawn, save_points
from organza.data.vector_check import check_vectors, render_vectors
from organza.data.vector_files import is_vectors, read_vectors, written
from organza.data.vectors import Vectors
from organza.errors import UserError
from organza.networks.standard import Columns


def file(folder: Path, text: str, name: str = "table.csv") -> Path:
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


@pytest.mark.parametrize(
    ("text", "names", "first"),
    [
        ("a,b\n1,2\n3,4.5\n", ("a", "b"), [1, 2]),
        ("a;b\n1,5;2\n3,25;4\n", ("a", "b"), [1.5, 2]),
        ("a\tb\n1e3\t-2\n3\t4\n", ("a", "b"), [1000, -2]),
        ("1,2\n3,4\n", ("x1", "x2"), [1, 2]),
        (",a,b\n0,5,6\n1,7,9\n", ("a", "b"), [5, 6]),  # the index that pandas writes
        ("\ufeffa,b\r\n1,2\r\n\r\n3,4\r\n", ("a", "b"), [1, 2]),
    ],
)
def test_tables_of_any_usual_form_are_read(text: str, names: tuple[str, ...], first: list[float], tmp_path: Path):
    found = read_vectors(file(tmp_path, text))
    assert found.names == names
    assert found.values[0].tolist() == first
    assert found.values.shape == (2, 2)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a,kind\n1,ash\n2,oak\n", r"the column kind holds text \('ash' in line 2\); leave it out"),
        ("a,b\n1,2\n3\n4,5\n", "line 3 has 1 cells, and the first line names 2 columns"),
        ("a,b\n1,2\n3,\nnan,5\n", r"1 value is missing or not finite in the column a \(first in line 4\).*and 1 more"),
        ("a,b\n1,2\n", "it has one row; a GAN needs at least 2"),
        ("a,b\n", "it has no rows"),
        ("a\n1\n2\n", r"it has one column \(a\)"),
        ("a,b\n1,7\n2,7\n", "the column b is 7 in every row; there is nothing to learn"),
        ("a,a\n1,7\n2,8\n", "2 columns are named a; rename"),
        ("a,b\n1,1e999\n2,3\n", "not finite in the column b"),
        ("", "is empty; it needs a line for each vector"),
    ],
)
def test_what_cannot_be_trained_on_is_told_by_line_and_column(text: str, said: str, tmp_path: Path):
    with pytest.raises(UserError, match=said):
        read_vectors(file(tmp_path, text))


def test_arrays_and_folders_with_one_file_are_vectors_and_others_are_not(tmp_path: Path):
    values = np.random.default_rng(0).normal(size=(5, 3))
    np.save(tmp_path / "a.npy", values)
    assert is_vectors(tmp_path / "a.npy")
    assert is_vectors(tmp_path)
    assert np.array_equal(read_vectors(tmp_path).values, values)
    np.save(tmp_path / "images.npy", np.zeros((5, 8, 8), np.uint8))
    assert not is_vectors(tmp_path / "images.npy")
    assert not is_vectors(tmp_path)  # which of the two?
    labels = tmp_path / "set"
    labels.mkdir()
    file(labels, "file,class\n1.png,a\n", "labels.csv")
    assert not is_vectors(labels)
    values[2, 1] = np.nan
    np.save(tmp_path / "a.npy", values)
    with pytest.raises(UserError, match=r"not finite in the column x2 \(first in row 3\)"):
        read_vectors(tmp_path / "a.npy")


def test_columns_are_standardised_by_the_training_rows_and_restored(tmp_path: Path):
    values = np.random.default_rng(0).normal(size=(300, 2)) * [1.0, 1e6] + [1.7e9, -5]
    np.save(tmp_path / "a.npy", values)
    data = Vectors(Source(tmp_path / "a.npy", seed=1))
    training = data.x[data.parts.train]
    assert training.mean(0).abs().max() < 1e-5
    torch.testing.assert_close(training.std(0, correction=0), torch.ones(2), rtol=1e-5, atol=0)
    assert np.abs(data.finished(data.x).numpy() - values).max(0) == pytest.approx([0, 0], abs=0.5)
    assert data.shape == (2,)
    assert len(data.parts.held_out) == 30
    again = Vectors(Source(tmp_path / "a.npy", seed=1))
    assert torch.equal(data.at(range(7))["vector"], again.at(range(7))["vector"])
    assert data.is_same(again.fingerprint)
    values[0, 0] += 1
    np.save(tmp_path / "a.npy", values)
    assert not data.is_same(Vectors(Source(tmp_path / "a.npy")).fingerprint)


def test_a_strangers_columns_are_checked():
    good = Columns(("a", "b"), (0.0, 1.0), (1.0, 2.0))
    assert Columns.of(good.facts(), 2) == good
    for wrong in (None, good.facts()[:1], [{"name": "a"}] * 2, [good.facts()[0] | {"deviation": 0}] * 2, ["a", "b"]):
        with pytest.raises(UserError, match="columns of these vectors"):
            Columns.of(wrong, 2)


def test_the_check_tells_columns_duplicates_and_what_is_wrong(tmp_path: Path):
    rows = "".join(f"{k},{k % 7}.5,{'x' if k == 3 else k}\n" for k in range(40)) + "0,0.5,0\n"
    for text, words in (
        ("age,share,number\n" + rows, ("41", "holds text ('x' in line 5)", "it cannot be trained on until")),
        (
            "age,share,number\n" + rows.replace("x", "3"),
            ("1 rows repeat", "age", "whole numbers only in age", "next: organza train"),
        ),
    ):
        out = io.StringIO()
        Console(file=out, width=140).print(render_vectors(check_vectors(file(tmp_path, text))))
        for word in words:
            assert word in out.getvalue()


def test_written_vectors_are_read_again_to_a_millionth_of_their_range(tmp_path: Path):
    values = np.random.default_rng(0).normal(size=(50, 3)) * [1e-9, 1, 1e9] + [0, 1000, 0]
    again = read_vectors(file(tmp_path, written(values, ("tiny", "a,b", "huge"))))
    assert again.names == ("tiny", "a,b", "huge")
    assert (np.abs(again.values - values) <= 1e-6 * np.ptp(values, axis=0)).all()


def test_points_are_written_as_csv_and_array(tmp_path: Path):
    points = drawn("moons", 60, 3)
    save_points(points, tmp_path / "a.csv")
    save_points(points, tmp_path / "a.npy")
    assert read_vectors(tmp_path / "a.csv").names == ("x", "y")
    assert np.abs(read_vectors(tmp_path / "a.csv").values - np.load(tmp_path / "a.npy")).max() < 1e-5
    with pytest.raises(UserError, match="exists already"):
        save_points(points, tmp_path / "a.csv")
    with pytest.raises(UserError, match=r"ends in .csv or .npy"):
        save_points(points, tmp_path / "a.txt")


def test_an_array_given_in_python_has_a_place_of_its_content():
    values = np.arange(12).reshape(6, 2)
    one, other = place_of(values), place_of(torch.from_numpy(values).float())
    assert one == other
    assert np.array_equal(np.load(one), values)
    assert place_of(values + 1) != one
