"""Labels: fields from folders and tables, rows as numbers and back, what is missing told by name, a row of the grid for each class."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from organza import Labelled, Source
from organza.data.labels import Field, Labels
from organza.errors import UserError
from organza.part import decode, encode
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
        ({"class": "dgo"}, "no class dgo; there are cat, dog. Did you mean dog?"),
        ({"clas": "dog"}, "no label clas in this run; it knows class, tags, age.* Did you mean class?"),
        ({"age": "old"}, "age is a number; 'old' is none"),
        ({"age": "nan"}, "age is a number; 'nan' is none"),
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


def test_classes_come_from_folders_and_a_grid_has_a_row_for_each(tmp_path: Path):
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
        (["file,kind"] + [f"{k:02d}.png,{k % 2}" for k in range(37)], "nothing of 3 of 40 .* 37.png, 38.png, 39.png"),
        (["file,kind"] + [f"{k:02d}.png,a" for k in range(40)], "the same of every image"),
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
    with pytest.raises(UserError, match=r"Nothing is known of 1 of 121 images, for example lonely\.png"):
        labelled(tmp_path)
    flat = tmp_path / "plain"
    with pytest.raises(UserError, match="Nothing is known of the images in"):
        labelled(flat)
