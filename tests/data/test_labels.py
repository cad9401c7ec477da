"""Labels: fields from folders and tables, rows as numbers and back, what is missing told by name, a row of the grid for each class."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from organza import Images, Labelled, Source
from organza.config import decode, encode
from organza.data.batches import Batches
from organza.data.columns import column, is_quantity
from organza.data.labels import WIDEST, Field, Labels
from organza.errors import UserError
from organza.seeding import stream
from tests.contracts.material import classes
from tests.drawings import drawing

MIXED = Labels(
    (
        Field("class", ("cat", "dog"), (0.25, 0.75)),
        Field("tags", ("hat", "tie"), (0.5, 0.1), several=True),
        Field("age", (), (30.0, 5.0)),
    )
)


def pictured(folder: Path, lines: list[str], count: int = 40) -> Path:
    """Drawings with a table."""
    for item in range(count):
        drawing(item).save(folder / f"{item:02d}.png")
    (folder / "labels.csv").write_text("\n".join(lines) + "\n")
    return folder


def labelled(folder: Path, labels: str | None = None) -> Labelled:
    return Labelled(Source(folder, size=32, labels=labels))


def test_a_row_holds_a_class_tags_and_a_standardised_number():
    row = MIXED.encode({"class": "dog", "tags": "tie; hat", "age": "40"})
    assert row.tolist() == [0, 1, 1, 1, 2]
    assert MIXED.encode({"class": "cat", "tags": "none", "age": "30"}).tolist() == [1, 0, 0, 0, 0]


def test_drawn_labels_are_as_frequent_as_in_the_data_and_a_wish_changes_no_other_field():
    rows = torch.stack([MIXED.draw(stream(0, "label", item)) for item in range(4000)])
    assert rows.mean(0)[:4].tolist() == pytest.approx([0.25, 0.75, 0.5, 0.1], abs=0.03)
    assert (rows[:, :2].sum(1) == 1).all()
    wished = torch.stack([MIXED.draw(stream(0, "label", item), {"class": "cat"}) for item in range(50)])
    assert (wished[:, 0] == 1).all()
    assert torch.equal(wished[:, 2:], rows[:50, 2:])


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ({"class": "dgo"}, "no class dgo; choose from cat, dog. Did you mean dog?"),
        ({"clas": "dog"}, "no label clas in this run; choose from class, tags, age.* Did you mean class?"),
        ({"age": "old"}, "age is 'old'; it must be a number"),
        ({"age": "nan"}, "age is 'nan'; it must be a number"),
    ],
)
def test_an_unknown_wish_is_told_with_the_nearest(wanted: dict[str, str], said: str):
    with pytest.raises(UserError, match=said):
        MIXED.draw(stream(0), wanted)


def test_what_fits_a_wish_is_every_open_class_but_no_open_number():
    rows, names = MIXED.fitting({"tags": "hat", "age": "30"})
    assert names == ["cat", "dog"]
    assert rows.tolist() == [[1, 0, 1, 0, 0], [0, 1, 1, 0, 0]]
    with pytest.raises(UserError, match="give class, age as"):
        MIXED.fitting({"tags": "hat"})
    many = Labels(tuple(Field(name, tuple("abcde"), (0.2,) * 5) for name in "xyz"))
    with pytest.raises(UserError, match="give x, y, z as"):
        many.fitting()
    assert len(many.fitting({"y": "c"})[1]) == 25


def test_labels_survive_json():
    assert Labels.of(MIXED.facts()) == MIXED
    assert decode(encode(MIXED)) == MIXED


def test_classes_come_from_folders_and_a_grid_has_a_row_for_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Batches, "rows", 8)
    monkeypatch.setattr(Batches, "columns", 8)
    classes(tmp_path)
    data = labelled(tmp_path)
    assert data.labels.fields[0].values == ("flipped", "grey", "plain")
    assert data.rows == 6
    grid = data.gallery(range(48))["label"].argmax(1).reshape(6, 8)
    assert (grid == grid[:, :1]).all()
    assert grid[:, 0].tolist() == [0, 1, 2, 0, 1, 2]
    grey = data.gallery(range(8, 16))["image"]  # the real items in the row are of its class
    assert torch.equal(grey[:, 0], grey[:, 1])
    assert data.fingerprint == labelled(tmp_path).fingerprint


def test_folders_are_the_classes_when_asked_for_although_there_is_a_table(tmp_path: Path):
    classes(tmp_path)
    rows = [
        f"{path.relative_to(tmp_path).as_posix()},{number}"
        for number, path in enumerate(sorted(tmp_path.rglob("*.png")))
    ]
    (tmp_path / "labels.csv").write_text("\n".join(["file,year:number", *rows]))
    (field,) = labelled(tmp_path, "folders").labels.fields
    assert (field.name, field.values) == ("class", ("flipped", "grey", "plain"))


def test_folders_without_classes_are_told(tmp_path: Path):
    with pytest.raises(UserError, match="put each class into a subfolder"):
        labelled(pictured(tmp_path, ["file,kind", *(f"{k:02d}.png,{k % 2}" for k in range(40))]), "folders")


def test_a_table_gives_classes_tags_and_numbers_and_its_columns_can_be_chosen(tmp_path: Path):
    lines = ["file,kind,tags,age"]
    lines += [f"{item:02d}.png,{'ab'[item % 2]},{['', 'hat', 'hat;tie'][item % 3]},{item}" for item in range(40)]
    folder = pictured(tmp_path, lines)
    kind, tags, age = labelled(folder).labels.fields
    assert (kind.values, kind.several, kind.is_class) == (("a", "b"), False, True)
    assert (tags.values, tags.several, tags.is_class) == (("hat", "tie"), True, False)
    assert age.values == ()
    assert age.shares == pytest.approx((19.5, np.std(np.arange(40))))
    one = labelled(folder, "kind")
    assert [field.name for field in one.labels.fields] == ["kind"]
    assert one.fingerprint != labelled(folder).fingerprint  # a run must not go on with other labels
    with pytest.raises(UserError, match=r"no column kin; it has kind, tags, age\. Did you mean kind\?"):
        labelled(folder, "kin")


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["file,kind"] + [f"{k:02d}.png,{k % 2}" for k in range(37)], "no line for 3 of 40 .* 37.png, 38.png, 39.png"),
        (["file,kind"] + [f"{k:02d}.png,a" for k in range(40)], "the same values for every image"),
        (["name,kind", "00.png,a"], "no column `file`"),
        (["file,kind", "00.png,a", "00.png,b"], "names 00.png twice"),
        (["file,age"] + [f"{k:02d}.png,{k if k != 5 else ''}" for k in range(40)], "1 of 40 images have none, for example 05.png"),
        (["file,who"] + [f"{k:02d}.png,person {k}" for k in range(40)], "who has 40 values for 40 images"),
    ],
)  # fmt: skip
def test_what_a_table_lacks_is_told_by_name(lines: list[str], said: str, tmp_path: Path):
    with pytest.raises(UserError, match=said):
        labelled(pictured(tmp_path, lines))


def test_pictures_without_a_class_are_named(tmp_path: Path):
    classes(tmp_path)
    drawing(7).save(tmp_path / "lonely.png")
    with pytest.raises(UserError, match=r"There are no labels for 1 of 121 images, for example lonely\.png"):
        labelled(tmp_path)
    flat = tmp_path / "plain"
    with pytest.raises(UserError, match="There are no labels for the images in"):
        labelled(flat)


def small(folder: Path, names: list[str]) -> Path:
    """Small drawings of these names."""
    for k, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        drawing(k).resize((16, 16)).save(folder / name, "PNG")
    return folder


def tiny(folder: Path, labels: str | None = None) -> Labelled:
    return Labelled(Source(folder, size=16, labels=labels))


def test_thirty_numbered_folders_are_thirty_classes(tmp_path: Path):
    data = tiny(small(tmp_path, [f"{kind}/{k}.png" for kind in range(30) for k in range(3)]))
    assert data.labels.one_class
    assert sorted(data.labels.fields[0].values, key=int) == [str(kind) for kind in range(30)]


@pytest.mark.parametrize(
    ("name", "cells", "quantity"),
    [
        ("kind", [str(k % 30) for k in range(90)], False),
        ("kind", [f"{k % 30}.0" for k in range(90)], False),  # as pandas writes whole numbers beside missing ones
        ("species", [str(k % 30 + 1) for k in range(90)], False),
        ("postcode", [f"0{1000 + 7 * (k % 30)}" for k in range(90)], False),
        ("class", [str(7 * (k % 30)) for k in range(90)], False),
        ("id", [str(k) for k in range(90)], False),
        ("age", [str(20 + k % 50) for k in range(200)], True),
        ("year", [str(1950 + k % 60) for k in range(200)], True),
        ("angle", [str(k / 4) for k in range(90)], True),
        ("price", [str(k * 3) for k in range(90)], True),
        ("turn", [str(k % 60 - 30) for k in range(180)], True),
    ],
)
def test_columns_of_many_numbers_are_quantities_or_the_names_of_classes(name: str, cells: list[str], quantity: bool):
    assert is_quantity(name, cells, [float(cell) for cell in cells]) == quantity


def test_how_a_column_is_read_can_be_said_and_what_was_decided_is_told(tmp_path: Path):
    lines = ["file,year,grade"] + [f"{k:02d}.png,{1990 + k % 30},{k % 3}" for k in range(60)]
    folder = pictured(tmp_path, lines, count=60)
    year, grade = tiny(folder).labels.fields
    assert (len(year.values), grade.values) == (0, ("0", "1", "2"))
    assert any("year is read as a number (1990 to 2019); `labels='year:class'`" in note for note in tiny(folder).notes)
    data = tiny(folder, "year:class,grade:number")
    assert [(field.name, len(field.values)) for field in data.labels.fields] == [("year", 30), ("grade", 0)]
    assert not data.notes
    for wish in (f"{folder / 'labels.csv'}:year:class", "year:class", " year:class , "):
        assert len(tiny(folder, wish).labels.fields[0].values) == 30
    assert tiny(folder, "grade:tags").labels.fields[0].several
    with pytest.raises(
        UserError, match=r"year can be read as year:class, year:number, year:tags\. Did you mean class\?"
    ):
        tiny(folder, "year:clas")
    with pytest.raises(UserError, match="names year twice"):
        tiny(folder, "year:class,year:number")
    with pytest.raises(UserError, match="no column yeer:class; it has year, grade"):
        tiny(folder, "yeer:class")


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        (
            [f"{(k + 1) * 4e306:g}" for k in range(40)],
            "x of 39.png is 1.6e.308; its absolute value must be at most 1e.100",
        ),
        (
            [f"{(k + 1) * 1e200:g}" for k in range(40)],
            "x of 39.png is 4e.201; its absolute value must be at most 1e.100",
        ),
        ([*(str(k) for k in range(39)), "1e400"], "x of 39.png is 1e400; its absolute value must be at most 1e.100"),
        (
            [*(str(k) for k in range(39)), "-1" + "0" * 400],
            "x of 39.png is -1000.* its absolute value must be at most 1e.100",
        ),
        ([*(str(k) for k in range(39)), "inf"], "1 of 40 images have none, for example 39.png .'inf'."),
        ([*(str(k) for k in range(39)), "NaN"], "1 of 40 images have none, for example 39.png .'NaN'."),
        ([f"{k + 1}e-200" for k in range(40)], "varies by less than 1e-100"),
    ],
)
def test_numbers_that_no_network_can_learn_are_refused_by_column_and_file(cells: list[str], said: str, tmp_path: Path):
    folder = pictured(tmp_path, ["file,x"] + [f"{k:02d}.png,{cell}" for k, cell in enumerate(cells)])
    with pytest.raises(UserError, match=said):
        tiny(folder)


@pytest.mark.parametrize("unit", [1e-90, 1e-3, 1.0, 1e90])
@pytest.mark.parametrize("offset", [0, 1e6])
def test_numbers_of_any_unit_become_standardised_rows(unit: float, offset: float):
    cells = [repr((offset + k) * unit) for k in range(40)]
    rows = column("x", cells, cells, "number").rows[:, 0]
    assert rows == pytest.approx((np.arange(40) - 19.5) / np.arange(40).std(), abs=1e-4)


def test_constant_columns_are_told(tmp_path: Path):
    lines = ["file,kind,x"] + [f"{k:02d}.png,{'ab'[k % 2]},7" for k in range(40)]
    folder = pictured(tmp_path, lines)
    assert any("x is 7 for every image and is left out" in note for note in tiny(folder).notes)
    for wish in ("x", "x:number", "x:class"):
        with pytest.raises(UserError, match="the same x for every image"):
            tiny(folder, wish)


def test_a_wish_far_from_all_that_the_data_has_is_told():
    assert MIXED.encode({"class": "cat", "tags": "none", "age": "-70"})[-1] == -20
    for far in ("1e9", "1e308", "-1e400"):
        with pytest.raises(UserError, match="in the data it is 30, with a standard deviation of 5"):
            MIXED.draw(stream(0), {"age": far})


@pytest.mark.parametrize(
    "splits",
    [("train", "test"), ("Training", "VAL", "holdout"), ("train2017", "val2017"), ("training_set", "test_set")],
)
def test_folders_of_splits_are_no_classes(splits: tuple[str, ...], tmp_path: Path):
    names = [f"set/{split}/{kind}/{k}.png" for split in splits for kind in ("cat", "dog") for k in range(4)]
    data = tiny(small(tmp_path, names))
    assert data.labels.fields[0].values == ("cat", "dog")
    assert data.known.argmax(1).tolist() == [k % 8 // 4 for k in range(len(names))]
    (note,) = data.notes
    assert "are treated as splits of one data set, not as classes" in note
    assert f"all {len(names)} images are used: give {tmp_path / 'set' / splits[0]} to leave the rest out" in note
    assert Images(Source(tmp_path, size=16)).notes == (note,)
    assert not tiny(tmp_path / "set" / splits[0]).notes


def test_splits_without_classes_below_are_told_and_one_word_among_others_is_a_class(tmp_path: Path):
    flat = small(tmp_path / "flat", [f"{split}/{k}.png" for split in ("train", "test") for k in range(4)])
    with pytest.raises(
        UserError, match=r"There are no labels for the images in .*test/ and train/ are treated as splits"
    ):
        tiny(flat)
    mixed = small(tmp_path / "mixed", [f"{kind}/{k}.png" for kind in ("train", "bus") for k in range(4)])
    assert tiny(mixed).labels.fields[0].values == ("bus", "train")
    assert not tiny(mixed).notes
    kaggle = small(tmp_path / "kaggle", ["train/cat/1.png", "train/dog/2.png", "test/3.png"])
    with pytest.raises(UserError, match=r"1 of 3 images, for example test/3\.png, in .*treated as splits"):
        tiny(kaggle)
    unlabelled = small(tmp_path / "unlabelled", ["train/cat/1.png", "train/dog/2.png", "unlabeled/3.png"])
    with pytest.raises(UserError, match=r"1 of 3 images, for example unlabeled/3\.png, in .*treated as splits"):
        tiny(unlabelled)


def test_names_of_classes_are_shown_without_control_characters(tmp_path: Path):
    folder = small(
        tmp_path / "set", [f"{kind}/{k}.png" for kind in ("\x1b[2Jcat", "dog\n", "caf\u0065\u0301") for k in range(3)]
    )
    data = tiny(folder)
    assert data.labels.fields[0].values == ("\\x1b[2Jcat", "caf\u00e9", "dog\\n")
    assert data.labels.encode({"class": "caf\u0065\u0301"}).tolist() == [0, 1, 0]
    small(folder, ["caf\u00e9/1.png"])
    assert "two folders are called caf\u00e9, in two Unicode forms; they are one class" in tiny(folder).notes
    small(folder, ["dog\\n/1.png"])
    with pytest.raises(UserError, match="two values that are both shown as dog"):
        tiny(folder)


GOOD = {"name": "class", "values": ["a", "b"], "shares": [0.5, 0.5], "several": False}


@pytest.mark.parametrize(
    "facts",
    [
        None, {}, [], "x", [1], [[]], [GOOD, GOOD], [{}],
        *([GOOD | {"name": name}] for name in (None, 1, "", ["a"])),
        *([GOOD | {"values": values}] for values in (None, "ab", {"a": 1}, [1, 2], ["a", "a"], ["a"], [[], []], ["", "b"])),
        *([GOOD | {"shares": shares}] for shares in
          (None, [], [0.5], [0.5] * 3, ["a", "b"], [None, 1], [float("nan"), 1], [float("inf"), 1], [-1, 1], [True, 1], [2**80, 10**400])),
        *([GOOD | {"values": [], "shares": shares}] for shares in ([0, 0], [0, -1], [0], [1e200, 1], [0, float("nan")])),
        [GOOD | {"several": "yes"}],
        [GOOD | {"values": [str(k) for k in range(WIDEST + 1)], "shares": [0.0] * (WIDEST + 1)}],
        [GOOD | {"name": str(k)} for k in range(WIDEST)],
    ],
)  # fmt: skip
def test_labels_of_a_foreign_run_are_refused_in_one_sentence(facts: object):
    with pytest.raises(UserError):
        Labels.of(facts)


def test_labels_of_a_foreign_run_are_shown_without_control_characters():
    labels = Labels.of([GOOD | {"name": "k\x1b[2J", "values": ["a\n", "b"]}])
    assert (labels.fields[0].name, labels.fields[0].values) == ("k\\x1b[2J", ("a\\n", "b"))


def test_parts_of_a_large_data_set_are_taken_for_classes_with_a_word(tmp_path: Path):
    parts = small(tmp_path / "ffhq", [f"{part}/{part[:2]}{k}.png" for part in ("00000", "01000") for k in range(3)])
    (note,) = tiny(parts).notes
    assert "the folders 00000, 01000 ... are used as classes" in note
    numbers = small(tmp_path / "numbers", [f"{kind}/{k}.png" for kind in ("00000", "00001") for k in range(3)])
    assert not tiny(numbers).notes
