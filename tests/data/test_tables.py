"""Tables as spreadsheets, scripts and published data sets write them: read right, or refused in words, and nothing else."""

from __future__ import annotations

import json
import os
import stat
import unicodedata
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from organza import Labelled, Source
from organza.data.described import Described, described
from organza.data.tables import COLUMNS, Table, read_table
from organza.errors import UserError
from tests.drawings import drawing

KINDS = [f"{'ab'[k % 2]}" for k in range(8)]


def images(folder: Path, names: list[str] | None = None) -> Path:
    """Small drawings of these names."""
    for k, name in enumerate(names or [f"{k:04d}.png" for k in range(8)]):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        drawing(k).resize((16, 16)).save(path, "PNG")
    return folder


def kinds(source: Path, labels: str | None = None) -> list[str]:
    """The class of each image, in the order of their names."""
    data = Labelled(Source(source, size=16, labels=labels))
    (field,) = data.labels.fields
    return [field.values[k] for k in data.known.argmax(1)]


def lines(separator: str = ",", end: str = "\n", files: list[str] | None = None, header: str = "file") -> str:
    files = files or [f"{k:04d}.png" for k in range(8)]
    return (
        end.join([f"{header}{separator}kind", *(f"{f}{separator}{k}" for f, k in zip(files, KINDS, strict=True))]) + end
    )


@pytest.mark.parametrize("separator", [",", ";", "\t", "|", " , ", " ;\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", "\n\n", "\n \n"])
def test_any_separator_and_line_end_is_read(separator: str, end: str, tmp_path: Path):
    images(tmp_path)
    (tmp_path / "labels.csv").write_bytes(lines(separator, end).encode())
    assert kinds(tmp_path) == KINDS


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_a_mark_tells_the_encoding(encoding: str, tmp_path: Path):
    images(tmp_path)
    (tmp_path / "labels.csv").write_bytes(lines().encode(encoding))
    assert kinds(tmp_path) == KINDS


@pytest.mark.parametrize("content", [lines().encode("utf-16-le"), lines(files=["käse.png"] * 8).encode("cp1252")])
def test_an_encoding_that_nothing_tells_is_refused(content: bytes, tmp_path: Path):
    images(tmp_path)
    (tmp_path / "labels.csv").write_bytes(content)
    with pytest.raises(UserError, match=r"cannot be read as a table.*UTF-8"):
        kinds(tmp_path)


@pytest.mark.parametrize(
    "header", ["File", "filename", "file_name", "FILE NAME", "image", "Path", "image_id", '"file"', "\ufefffile"]
)
def test_the_column_of_files_may_be_called_otherwise(header: str, tmp_path: Path):
    images(tmp_path)
    (tmp_path / "labels.csv").write_text(lines(header=header), encoding="utf-8")
    assert kinds(tmp_path) == KINDS


def test_two_columns_that_may_name_files_are_told_and_file_decides():
    with pytest.raises(UserError, match="the columns image and path"):
        read_table(b"image,path,kind\n1.png,2.png,a\n", "t.csv")
    assert read_table(b"image,file,kind\n1.png,2.png,a\n", "t.csv").lines[0].file == "2.png"


@pytest.mark.parametrize(
    "text",
    [
        "file,kind\n" + "".join(f"{k:04d}.png,{KINDS[k]}\n" for k in range(8)) + ",\n,,,\n ; \n".replace(" ; ", " , "),
        "sep=,\n" + lines(),
        "\n\n" + lines(),
        "file,kind\n" + "".join(f'"{k:04d}.png" , "{KINDS[k]}"\n' for k in range(8)),
        ",file,kind\n" + "".join(f"{k},{k:04d}.png,{KINDS[k]}\n" for k in range(8)),
        "file,kind\n" + "".join(f"{k:04d}.png,{KINDS[k]},,\n" for k in range(8)),
        lines(files=[f"./{k:04d}.png" for k in range(8)]),
        lines(files=[f"{k:04d}" for k in range(8)]),
        lines(files=[f"{k}" for k in range(8)]),
        lines(files=[f"{k:04d}.PNG" for k in range(8)]),
        lines(files=[f"{k:04d}.jpg" for k in range(8)]),
        lines(files=[f"C:\\Users\\me\\pictures\\{k:04d}.png" for k in range(8)]),
        lines(files=[f"/home/me/pictures/{k:04d}.png" for k in range(8)]),
        lines(files=[f"..\\pictures\\{k:04d}.png" for k in range(8)]),
    ],
)
def test_tables_as_people_have_them(text: str, tmp_path: Path):
    images(tmp_path)
    (tmp_path / "labels.csv").write_text(text)
    assert kinds(tmp_path) == KINDS


def test_absolute_paths_and_paths_from_the_tables_folder(tmp_path: Path):
    folder = images(tmp_path / "set" / "cats")
    (tmp_path / "labels.csv").write_text(lines(files=[str(folder / f"{k:04d}.png") for k in range(8)]))
    assert kinds(folder, str(tmp_path / "labels.csv")) == KINDS
    dogs = [f"set/dogs/{k:04d}.png,b" for k in range(8)]  # the same names in another folder
    (tmp_path / "labels.csv").write_text(lines(files=[f"set/cats/{k:04d}.png" for k in range(8)]) + "\n".join(dogs))
    assert kinds(folder, str(tmp_path / "labels.csv")) == KINDS
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (tmp_path / "labels.csv").rename(elsewhere / "my.csv")  # the folder's own name tells cats from dogs
    assert kinds(folder, f"{elsewhere / 'my.csv'}:kind") == KINDS


def test_a_bare_name_that_two_images_have_is_refused_and_one_that_one_has_is_taken(tmp_path: Path):
    images(tmp_path, ["x/0.png", "y/0.png", "y/1.png"])
    (tmp_path / "labels.csv").write_text("file,kind\n0.png,a\n1.png,b\n")
    with pytest.raises(UserError, match=r"0\.png, which may be x/0\.png or y/0\.png"):
        kinds(tmp_path)
    (tmp_path / "labels.csv").write_text("file,kind\n0.png,a\nx/0.png,b\n1.png,b\n")
    assert kinds(tmp_path) == ["b", "a", "b"]
    (tmp_path / "labels.csv").write_text("file,kind\nx/0.png,b\n1.png,a\n")  # its line is no one else's
    with pytest.raises(UserError, match=r"no line for 1 of 3 images, for example y/0\.png"):
        kinds(tmp_path)


def test_a_file_that_is_named_twice_is_told(tmp_path: Path):
    images(tmp_path)
    (tmp_path / "labels.csv").write_text(lines() + "0003.png,b\n")
    data = Labelled(Source(tmp_path, size=16))
    assert any(
        "names 1 images more than once, with the same labels, for example 0003.png" in note for note in data.notes
    )
    (tmp_path / "labels.csv").write_text(lines() + "./0003.png,a\n")
    with pytest.raises(UserError, match=r"names 0003\.png twice, in lines 5 and 10, with different labels"):
        kinds(tmp_path)


def test_lines_for_other_files_are_told(tmp_path: Path):
    images(tmp_path)
    (tmp_path / "labels.csv").write_text(lines() + "gone.png,b\n0008.png,a\n,a\n")
    notes = Labelled(Source(tmp_path, size=16)).notes
    assert any(
        "2 lines for files that are not among the usable images, for example gone.png, 0008.png" in note
        for note in notes
    )
    assert any("1 lines of" in note and "name no file" in note for note in notes)


def test_unicode_forms_are_one_unless_both_are_there(tmp_path: Path):
    decomposed, composed = (unicodedata.normalize(form, "ü.png") for form in ("NFD", "NFC"))
    images(tmp_path, [decomposed, "other.png"])
    (tmp_path / "labels.csv").write_text(f"file,kind\n{composed},a\nother.png,b\n")
    assert sorted(kinds(tmp_path)) == ["a", "b"]
    images(tmp_path, [composed])
    (tmp_path / "labels.csv").write_text(f"file,kind\n{composed},a\n{decomposed},b\nother.png,b\n")
    data = Labelled(Source(tmp_path, size=16))
    told = dict(zip(data.pack.names, data.known.argmax(1).tolist(), strict=True))
    assert told == {composed: 0, decomposed: 1, "other.png": 1}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("file,kind\n0000.png,a,b\n", "Line 2 of .* has 3 cells, but the first line names 2 columns"),
        ('file,kind\n0000.png,"a\n0001.png,b\n', "a quote is opened and never closed"),
        ("file,kind,kind\n0000.png,a,b\n", "2 columns kind"),
        ("file," + ",".join(f"c{k}" for k in range(COLUMNS + 1)) + "\n", "10,001 columns"),
        ("file,kind\n0000.png," + "x" * 120_000, "is not closed"),
        ("file,kind\n0000.png," + "x" * 200_000, "cannot be read as a table"),
        ("0000.png,a\n", "no column `file`.*begins with '0000.png,a'"),
        ("", "no column `file`"),
        ("file,kind\n", "has no line for 8 of 8"),
        ("\x1b[2J,kind\n", r"begins with '\\\\x1b\[2J,kind'"),
    ],
)
def test_what_could_be_misread_is_refused(text: str, said: str, tmp_path: Path):
    images(tmp_path)
    (tmp_path / "labels.csv").write_text(text)
    with pytest.raises(UserError, match=said):
        kinds(tmp_path)


def test_decimal_commas_are_numbers_where_commas_separate_nothing(tmp_path: Path):
    images(tmp_path, [f"{k:02d}.png" for k in range(40)])
    (tmp_path / "labels.csv").write_text("Datei;file;Höhe\n" + "".join(f"x;{k:02d}.png;{k},5\n" for k in range(40)))
    (field,) = Labelled(Source(tmp_path, size=16)).labels.fields
    assert (field.name, field.values, field.shares[0]) == ("Höhe", (), 20.0)


@pytest.mark.parametrize("name", ["metadata.csv", "metadata.jsonl", "dataset.json"])
@pytest.mark.parametrize("zipped", [False, True])
def test_tables_that_data_sets_are_shipped_with(name: str, zipped: bool, tmp_path: Path):
    folder = images(tmp_path / "set")
    files = [f"{k:04d}.png" for k in range(8)]
    rows = {
        "metadata.csv": lines(header="file_name"),
        "metadata.jsonl": "\n".join(
            json.dumps({"file_name": f, "kind": k, "objects": {"bbox": [[1, 2]]}})
            for f, k in zip(files, KINDS, strict=True)
        ),
        "dataset.json": json.dumps({"labels": [[f, "ab".index(k)] for f, k in zip(files, KINDS, strict=True)]}),
    }
    (folder / name).write_text(rows[name])
    source = folder
    if zipped:
        source = tmp_path / "set.zip"
        with zipfile.ZipFile(source, "w") as archive:
            for file in folder.iterdir():
                archive.write(file, f"set/{file.name}")
    expected = ["01"["ab".index(k)] for k in KINDS] if name == "dataset.json" else KINDS
    assert kinds(source) == expected
    assert any(name in note for note in Labelled(Source(source, size=16)).notes)


def test_metadata_in_each_split_and_what_is_taken_where_there_are_several(tmp_path: Path):
    images(tmp_path, [f"{split}/{k}.png" for split in ("test", "train") for k in range(4)])
    for split in ("test", "train"):
        (tmp_path / split / "metadata.csv").write_text(
            "file_name,kind\n" + "".join(f"{k}.png,{split[1]}{k % 2}\n" for k in range(4))
        )
    assert kinds(tmp_path) == ["e0", "e1"] * 2 + ["r0", "r1"] * 2
    (tmp_path / "train" / "metadata.csv").rename(tmp_path / "train" / "labels.csv")  # says nothing of test/
    with pytest.raises(UserError, match="There are no labels for the images"):
        kinds(tmp_path)
    (tmp_path / "labels.csv").write_text(
        "file,kind\n" + "".join(f"{s}/{k}.png,{k % 2}\n" for s in ("test", "train") for k in range(4))
    )
    (tmp_path / "metadata.csv").write_text("file_name,kind\n")
    data = Labelled(Source(tmp_path, size=16))
    assert any("metadata.csv is ignored, since there is" in note for note in data.notes)
    assert data.labels.fields[0].values == ("0", "1")


def test_vectors_and_missing_labels_of_stylegan(tmp_path: Path):
    images(tmp_path)
    rows = [[f"{k:04d}.png", [k / 7, 1.0, -k]] for k in range(8)]
    (tmp_path / "dataset.json").write_text(json.dumps({"labels": rows}))
    data = Labelled(Source(tmp_path, size=16))
    assert [(field.name, field.values) for field in data.labels.fields] == [("label0", ()), ("label2", ())]
    assert any("label1 is 1.0 for every image" in note for note in data.notes)
    (tmp_path / "dataset.json").write_text('{"labels": null}')
    with pytest.raises(UserError, match="There are no labels for"):
        kinds(tmp_path)
    (tmp_path / "dataset.json").write_text('{"labels": [["0000.png", [1]], ["0001.png", 2]]}')
    with pytest.raises(UserError, match="labels of different lengths"):
        kinds(tmp_path)


def test_a_table_of_captions_leaves_the_class_folders_to_tell(tmp_path: Path):
    images(tmp_path, [f"{kind}/{k:02d}.png" for kind in "ab" for k in range(15)])
    (tmp_path / "metadata.csv").write_text(
        "file_name,text\n" + "".join(f"{kind}/{k:02d}.png,number {k} of {kind}\n" for kind in "ab" for k in range(15))
    )
    data = Labelled(Source(tmp_path, size=16))
    assert data.labels.fields[0].values == ("a", "b")
    assert any("classes are taken from the folders" in note for note in data.notes)


def test_an_array_files_images_are_known_by_their_numbers(tmp_path: Path):
    np.save(tmp_path / "set.npy", np.random.default_rng(0).integers(0, 255, (12, 16, 16, 3), dtype=np.uint8))
    (tmp_path / "labels.csv").write_text("file,kind\n" + "".join(f"{k},{'ab'[k % 2]}\n" for k in range(12)))
    assert kinds(tmp_path / "set.npy") == list("ab" * 6)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes in folders")
def test_no_table_is_read_through_a_link_out_of_the_folder_nor_from_a_pipe(tmp_path: Path):
    folder = images(tmp_path / "set")
    (tmp_path / "outside.csv").write_text(lines())
    (folder / "labels.csv").symlink_to(tmp_path / "outside.csv")
    with pytest.raises(UserError, match=r"link that leads out of .*`labels`"):
        kinds(folder)
    assert kinds(folder, str(tmp_path / "outside.csv")) == KINDS
    (folder / "labels.csv").unlink()
    os.mkfifo(folder / "labels.csv")
    assert stat.S_ISFIFO((folder / "labels.csv").stat().st_mode)
    with pytest.raises(UserError, match="not a regular file"):
        kinds(folder)


def test_a_damaged_table_in_a_zip_is_told(tmp_path: Path):
    folder, source = images(tmp_path / "set"), tmp_path / "set.zip"
    with zipfile.ZipFile(source, "w") as archive:
        for file in folder.iterdir():
            archive.write(file, file.name)
        archive.writestr("labels.csv", lines())
    content = source.read_bytes()
    source.write_bytes(content.replace(b"0003.png,b", b"0003.png,c", 1))
    with pytest.raises(UserError, match=r"labels\.csv cannot be read as a table \(it cannot be unpacked"):
        kinds(source)


ANY_NAME = st.sampled_from(["t.csv", "t.jsonl", "t.json", "t.tsv"])
SCRAPS = st.lists(
    st.sampled_from(
        ["file", "file_name", "kind", "1.png", ",", ";", "\t", "|", "\n", "\r\n", '"', "'", " ", "{", "}", "[", "]", ":", '"file"',
         '"labels"', "1e999", "null", "NaN", "\0", "\ufeff", "\u0308", "\x1b[2J", "../", "C:\\", "sep=;", "9" * 30, "[" * 5000]
    ),
    max_size=40,
)  # fmt: skip


def told_or(ask: Callable[[], object]) -> object:
    """The answer, or None where there is a sentence that can be shown instead."""
    try:
        return ask()
    except UserError as error:
        sentence = str(error)
    assert sentence.isprintable()
    return None


def is_table_or_told(content: bytes, name: str) -> None:
    table = told_or(lambda: read_table(content, name))
    if table is None:
        return
    assert isinstance(table, Table)
    assert all(len(line.cells) == len(table.columns) and line.file for line in table.lines)


@settings(max_examples=400, deadline=None)
@given(st.binary(max_size=300), ANY_NAME)
def test_any_bytes_are_a_table_or_a_sentence(content: bytes, name: str):
    is_table_or_told(content, name)


@settings(max_examples=600, deadline=None)
@given(SCRAPS, ANY_NAME, st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]))
def test_scraps_of_tables_are_a_table_or_a_sentence(scraps: list[str], name: str, encoding: str):
    is_table_or_told("".join(scraps).encode(encoding), name)


# Training flushes numbers too small for a float to 0 in the whole process, where hypothesis cannot make any.
SCALARS = st.none() | st.booleans() | st.floats(allow_subnormal=False) | st.integers() | st.text(max_size=8)
KEYS = st.sampled_from(["file", "labels", "x", ""])
JSON = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4))


@settings(max_examples=200, deadline=None)
@given(JSON, ANY_NAME)
def test_any_json_is_a_table_or_a_sentence(value: object, name: str):
    is_table_or_told(json.dumps(value).encode(), name)
    is_table_or_told(json.dumps({"labels": value}).encode(), "dataset.json")


@settings(max_examples=200, deadline=None)
@given(st.lists(st.text("ab./\\:üU\u0308 0", min_size=1, max_size=9), min_size=1, max_size=6))
def test_any_names_find_images_or_a_sentence(tmp_path_factory: pytest.TempPathFactory, files: list[str]):
    folder = tmp_path_factory.getbasetemp() / "any-names"
    folder.mkdir(exist_ok=True)
    table = folder / "labels.csv"
    table.write_text(json.dumps({"labels": [[file, k] for k, file in enumerate(files)]}))
    table.rename(folder / "dataset.json")
    told = told_or(lambda: described(folder, ["a.png", "b/a.png", "ü.png"], None))
    if told is not None:
        assert isinstance(told, Described)
        assert len(told.columns["class"]) == 3


def test_the_tables_of_celeba_are_read_as_they_are_published(tmp_path: Path):
    images(tmp_path)
    rows = "".join(f"{k:04d}.png {'-1' if k % 2 else ' 1'}  1\n" for k in range(8))
    for header in ("Male Young \n", "image_id Male Young\n"):
        (tmp_path / "list_attr.txt").write_text(f"8\n{header}{rows}")
        assert kinds(tmp_path, "list_attr.txt:Male") == ["1", "-1"] * 4
    for count in ("9", "9" * 5000):  # a line is lost; no number that Python reads
        (tmp_path / "list_attr.txt").write_text(f"{count}\nMale Young\n{rows}")
        with pytest.raises(UserError, match="has no column `file`"):
            kinds(tmp_path, "list_attr.txt:Male")


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (b"PK\3\4\x14\0\6\0\x08\0\xe2\x80", "a spreadsheet or a zip"),
        (b"PK\3\4\x14\0\6\0\x08\0", "a spreadsheet or a zip"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "a spreadsheet of an older Excel"),
        (b"\x1f\x8b\x08\0\xff", "a gzip archive"),
        (b"PAR1\x15\0\xff", "a Parquet table"),
    ],
)
def test_what_is_no_text_is_named(content: bytes, named: str):
    with pytest.raises(UserError, match=f"labels.csv is not a table but {named}; .*CSV in UTF-8"):
        read_table(content, "labels.csv")


def test_addresses_name_files_by_their_last_parts(tmp_path: Path):
    images(tmp_path, [f"my cat {k}.png" for k in range(8)])
    (tmp_path / "labels.csv").write_text(lines(files=[f"https://a.org/x/my%20cat%20{k}.png?raw=1#x" for k in range(8)]))
    assert kinds(tmp_path) == KINDS


def test_a_number_that_is_none_is_an_empty_cell():
    (line, _) = read_table(b'{"file": "1.png", "a": NaN}\n{"file": "2.png", "a": 1}\n', "metadata.jsonl").lines
    assert line.cells == ("",)


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("labels.csv", "file,kind\n" + "".join(f"{k:04d}.png,{'none' * (k % 2)}\n" for k in range(8)), "kind is none for every"),
        ("labels.csv", "file,,\n" + "".join(f"{k:04d}.png,{KINDS[k]},\n" for k in range(8)), "without a name are left out"),
        ("metadata.jsonl", "".join(json.dumps({"file": f"{k:04d}.png", "m": {"a": k}}) + "\n" for k in range(8)), "m of .* a structure"),
    ],
)  # fmt: skip
def test_a_table_without_a_usable_column_says_why(name: str, text: str, reason: str, tmp_path: Path):
    (images(tmp_path) / name).write_text(text)
    with pytest.raises(UserError, match=f"has the same values for every image .*{reason}"):
        kinds(tmp_path)


def test_a_decimal_comma_that_is_taken_for_none_is_told(tmp_path: Path):
    (images(tmp_path) / "labels.csv").write_text("file,age\n" + "".join(f'{k:04d}.png,"{k},5"\n' for k in range(8)))
    with pytest.raises(UserError, match="write decimals with a point"):
        Labelled(Source(tmp_path, size=16, labels="age:number"))


def test_a_table_of_another_name_is_named_where_nothing_else_tells(tmp_path: Path):
    folder = images(tmp_path / "set" / "my train")
    (tmp_path / "set" / "train labels.csv").write_text(lines())
    with pytest.raises(UserError, match=r"with `labels`, perhaps '.*/set/train labels\.csv'"):
        kinds(folder)
