"""Array files and archives that lie, shrink or hold objects: refused in words, and no memory is taken for what is not there."""

from __future__ import annotations

import io
import os
import struct
import subprocess
import sys
import threading
import warnings
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest

from organza.data import check
from organza.data.arrays import Failures, Rows, open_array, parse_array
from organza.data.check import notes
from organza.data.decode import Unreadable
from organza.data.described import described
from organza.data.folder import listing
from organza.data.volumes import volumes_in
from organza.errors import UserError

from .corpus import encoded, photo

ARRAY = np.random.default_rng(0).integers(0, 256, (7, 5, 4, 3), np.uint8)


def npy(shape: str, descr: str = "'|u1'", body: int = 30_000, more: str = "") -> bytes:
    header = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, {more}}}".encode()
    header += b" " * (64 - (len(header) + 11) % 64) + b"\n"
    return b"\x93NUMPY\1\0" + struct.pack("<H", len(header)) + header + bytes(body)


LIES = {
    "negative": npy("(-1, 64, 64, 3)"),
    "a bool": npy("(True, 64, 64, 3)"),
    "no tuple": npy("[2, 8, 8, 3]"),
    "floats": npy("(2.0, 8, 8, 3)"),
    "overflow": npy(f"({2**40}, {2**40}, 64, 3)"),
    "more than is there": npy("(1000, 64, 64, 3)"),
    "deep": npy("(2, 8, 8, 3)", more="'x': " + "-" * 5000 + "1"),
    "brackets": npy("(2, 8, 8, 3)", more="'x': " + "[" * 3000 + "]" * 3000),
    "another key": npy("(2, 8, 8, 3)", more="'x': 1"),
    "a call": npy("__import__('os').system('true')"),
    "objects": npy("(2, 8, 8, 3)", "'|O'"),
    "records": npy("(2, 8, 8, 3)", "[('a', '|u1')]"),
    "words": npy("(2, 8, 8, 3)", "'|S1'"),
    "another kind": npy("(2, 8, 8, 3)", "'u1,u1'"),
    "long header": b"\x93NUMPY\2\0" + struct.pack("<I", 2**31) + bytes(100),
    "version": b"\x93NUMPY\7\0" + bytes(100),
    "cut": npy("(2, 8, 8, 3)")[:40],
    "a pickle": b"\x80\x02no array",
    "nothing": b"",
}


@pytest.mark.parametrize("name", LIES)
@pytest.mark.parametrize("packed", [False, True])
def test_arrays_that_lie_are_refused_in_words(name: str, packed: bool, tmp_path: Path):
    path = tmp_path / ("x.npz" if packed else "x.npy")
    content = LIES[name]
    if packed:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("x.npy", content)
        content = path.read_bytes()
    path.write_bytes(content)
    for read in (check, lambda place: list(volumes_in(place))):
        with pytest.raises(UserError, match=r"array file") as told:
            read(path)
        assert "\n" not in str(told.value)
    with pytest.raises(Failures):
        parse_array(content)


def test_rows_are_those_of_the_array(tmp_path: Path):
    np.save(tmp_path / "a.npy", ARRAY)
    rows = open_array(tmp_path / "a.npy")
    assert isinstance(rows, Rows)
    assert (rows.shape, rows.dtype, rows.nbytes, len(rows)) == (ARRAY.shape, ARRAY.dtype, ARRAY.nbytes, 7)
    for which in (
        0,
        -1,
        slice(2, 5),
        slice(None, None, -2),
        slice(5, 2),
        [6, 0, 0],
        np.array([[1, 2], [3, 4]]),
        ARRAY[:, 0, 0, 0] > 90,
    ):
        assert np.array_equal(rows[which], ARRAY[which])
    assert np.array_equal(rows[3, :2], ARRAY[3, :2])
    assert np.array_equal(rows, ARRAY)
    assert [row.tolist() for row in rows] == ARRAY.tolist()
    for beyond in (7, -8, [0, 7]):
        with pytest.raises(IndexError):
            rows[beyond]
    mine = rows[:2]
    mine[:] = 0
    assert np.array_equal(rows[:2], ARRAY[:2])


@pytest.mark.parametrize("save", ["C", "F", "npz", "compressed"])
def test_every_way_to_save_is_read(save: str, tmp_path: Path):
    path = tmp_path / ("a.npy" if len(save) == 1 else "a.npz")
    if len(save) == 1:
        np.save(path, np.asarray(ARRAY, order=save))  # type: ignore[call-overload]
    else:
        (np.savez if save == "npz" else np.savez_compressed)(path, pictures=ARRAY)
    assert np.array_equal(open_array(path), ARRAY)
    assert np.array_equal(parse_array(path.read_bytes()), ARRAY)


def test_an_array_that_shrinks_is_told_and_kills_nothing(tmp_path: Path):
    code = (
        "import os, sys; import numpy as np; from organza.data import folder; from organza.data.decode import Unreadable\n"
        "np.save(sys.argv[1], np.zeros((4000, 32, 32, 3), np.uint8)); found = folder.listing(sys.argv[1])\n"
        "os.truncate(sys.argv[1], 100_000); first = found.read(found.entries[0])\n"
        "try: found.read(found.entries[3000])\n"
        "except Unreadable as reason: print(first.shape, reason)"
    )
    done = subprocess.run([sys.executable, "-c", code, tmp_path / "a.npy"], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "(32, 32, 3) it cannot be read (it was cut short while it was read)"


def test_a_zip_that_unpacks_to_more_than_memory_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    np.savez_compressed(tmp_path / "a.npz", np.zeros((100, 64, 64, 3), np.uint8))
    monkeypatch.setattr("organza.data.arrays.free_memory", lambda: 2**20)
    with pytest.raises(UserError, match=r"GB are available; save it with numpy.save"):
        listing(tmp_path / "a.npz")


def member(index: int) -> bytes:
    return encoded(photo(30 + index, 20))


def test_one_damaged_member_is_left_out(tmp_path: Path):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for index in range(6):
            archive.writestr(f"{index}.bmp", encoded(photo(30, 20), "bmp"))
    content = bytearray(path.read_bytes())
    second = content.index(b"PK\3\4", 30)
    content[second + 40 : second + 60] = bytes(20)
    path.write_bytes(content)
    found = check(path)
    assert len(found.usable) == 5
    assert [name for name, _ in found.broken] == ["1.bmp"]


def test_two_members_of_one_name_are_neither(tmp_path: Path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # zipfile's own, of the duplicate
        for name in ("a/1.png", "a/1.png", "a\\1.png", "./a/2.png", "a/3.png", "A/3.png"):
            archive.writestr(name, member(len(name)))
    found = listing(tmp_path / "a.zip")
    assert [entry.name for entry in found.entries] == ["A/3.png", "a/2.png", "a/3.png"]
    assert {why for _, why in found.problems} == {"the archive holds it twice"}


def test_bombs_are_refused_by_their_claims(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with zipfile.ZipFile(tmp_path / "one.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("0.bmp", bytes(2**25))
        archive.writestr("1.png", member(1))
    found = listing(tmp_path / "one.zip")
    assert found.problems == (("0.bmp", "it claims to unpack to hundreds of times its size, as no image does"),)
    with zipfile.ZipFile(tmp_path / "many.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for index in range(40):
            archive.writestr(f"{index}.bmp", bytes(2**20))
    monkeypatch.setattr("organza.data.archive.FREE", 2**24)
    with pytest.raises(UserError, match="exhaust a machine"):
        listing(tmp_path / "many.zip")


def test_a_zip_is_read_by_many_threads_at_once(tmp_path: Path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for index in range(60):
            archive.writestr(f"{index:02d}.png", member(index))
    found, wrong = listing(tmp_path / "a.zip"), list[object]()

    def read() -> None:
        for _ in range(5):
            wrong.extend(e for i, e in enumerate(found.entries) if found.read(e) != member(i))

    threads = [threading.Thread(target=read) for _ in range(8)]
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        [thread.start() for thread in threads]
        [thread.join() for thread in threads]
    finally:
        sys.setswitchinterval(before)
    assert not wrong


def test_a_zip_whose_large_directory_cannot_be_is_one_sentence(tmp_path: Path):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("0.png", member(0))
    content = path.read_bytes()
    end = content.rindex(b"PK\5\6")
    path.write_bytes(content[:end] + b"PK\6\6" + bytes(52) + b"PK\6\7" + b"\7" * 16 + content[end:])
    with pytest.raises(UserError, match=r"not a readable zip .* download or copy it again"):
        listing(path)
    assert described(path, ["0.png"], None) is None


@pytest.mark.parametrize("field", ["offset", "sizes", "method"])
def test_a_directory_that_lies_costs_the_member_alone(field: str, tmp_path: Path):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for index in range(3):
            archive.writestr(f"{index}.png", member(index))
    content = bytearray(path.read_bytes())
    place = content.index(b"PK\1\2")
    if field == "offset":
        content[place + 42 : place + 46] = struct.pack("<I", 2**31)
    elif field == "sizes":
        content[place + 20 : place + 28] = struct.pack("<II", 2**27, 2**27)
    else:
        content[place + 10] = 93
    path.write_bytes(content)
    found = listing(path)
    for entry in found.entries:
        if entry.name == "0.png":
            with pytest.raises(Unreadable):
                found.read(entry)
        else:
            assert found.read(entry)
    assert len(check(path).usable) == 2


def test_pipes_and_volumes(tmp_path: Path):
    os.mkfifo(tmp_path / "v.npy")
    with pytest.raises(UserError):
        list(volumes_in(tmp_path / "v.npy"))
    np.save(tmp_path / "w.npy", np.ones((2, 300, 2, 2), bool))
    with pytest.raises(UserError, match="up to 256 a side"):
        list(volumes_in(tmp_path / "w.npy"))
    buffer = io.BytesIO()
    np.savez(buffer, a=np.ones((4, 4, 4), bool))
    assert parse_array(buffer.getvalue()).all()


def nameless_flag(path: Path, names: list[str], encoding: str, extra: bool = False) -> Path:
    """A zip whose names are in this encoding, though no flag says so."""
    with zipfile.ZipFile(path, "w") as archive:
        for number, name in enumerate(names):
            content = name.encode(encoding)
            info = zipfile.ZipInfo(f"{number}{'Q' * (len(content) - 1)}")
            if extra:
                body = b"\1" + struct.pack("<I", zlib.crc32(content)) + name.encode()
                info.extra = struct.pack("<HH", 0x7075, len(body)) + body
            archive.writestr(info, encoded(photo()))
    content = path.read_bytes()
    for number, name in enumerate(names):
        content = content.replace(f"{number}{'Q' * (len(name.encode(encoding)) - 1)}".encode(), name.encode(encoding))
    path.write_bytes(content)
    return path


NAMES = ["k\u00e4fer/1.png", "\u732b/2.png", "plain/3.png"]


def test_names_in_a_zip_are_read_in_their_encoding(tmp_path: Path):
    found = listing(nameless_flag(tmp_path / "a.zip", NAMES, "utf-8"))
    assert [entry.name for entry in found.entries] == sorted(NAMES)
    assert not found.notes
    assert all(found.read(entry) == encoded(photo()) for entry in found.entries)
    german = ["k\u00e4fer/1.png", "m\u00fccke/2.png"]
    assert [entry.name for entry in listing(nameless_flag(tmp_path / "b.zip", german, "cp437")).entries] == german
    told = listing(nameless_flag(tmp_path / "c.zip", german, "latin-1", extra=True))
    assert [entry.name for entry in told.entries] == german
    assert not told.notes


def test_names_whose_encoding_nothing_tells_are_told(tmp_path: Path):
    found = listing(nameless_flag(tmp_path / "a.zip", ["k\u00e4fer/1.png", "ant/2.png"], "latin-1"))
    (note,) = found.notes
    assert "1 names in a.zip are in an encoding that the zip does not declare" in note
    assert "unpack the zip and give the folder" in note


@pytest.mark.parametrize(("method", "named"), [(9, "Deflate64"), (93, "Zstandard"), (77, "77")])
def test_a_method_that_cannot_be_unpacked_is_named(method: int, named: str, tmp_path: Path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("1.png", encoded(photo()))
    content = bytearray((tmp_path / "a.zip").read_bytes())
    for sign, place in ((b"PK\3\4", 8), (b"PK\1\2", 10)):
        begin = content.index(sign) + place
        content[begin : begin + 2] = struct.pack("<H", method)
    (tmp_path / "a.zip").write_bytes(content)
    found = check(tmp_path / "a.zip")
    ((_, reason),) = found.broken
    assert named in reason
    assert "unpack the zip" in reason
    assert notes(found)[0] == "none of the files can be used, so there is nothing to train on"


@pytest.mark.parametrize(
    ("shape", "dtype", "remedy"),
    [
        ((6, 3, 16, 16), np.uint8, "save array.transpose(0, 2, 3, 1)"),
        ((16, 16, 3, 6), np.uint8, "save array.transpose(3, 0, 1, 2)"),
        ((6, 16, 16, 3), np.float32, "save (array * 255).round().astype('uint8')"),
        ((6, 16, 16), bool, "save array.astype('uint8') * 255"),
        ((6, 16, 16, 3), ">u2", "save array.astype('uint8')"),
        ((64, 64, 3), np.uint8, "looks like one image [H, W, C]"),
        ((64, 64, 4), np.uint8, "array[None]"),
        ((28, 28, 6000), np.uint8, "numpy.moveaxis(array, -1, 0)"),
    ],
)
def test_other_layouts_are_refused_with_what_turns_them(
    shape: tuple[int, ...], dtype: str, remedy: str, tmp_path: Path
):
    np.save(tmp_path / "a.npy", np.zeros(shape, dtype))
    with pytest.raises(UserError) as told:
        listing(tmp_path / "a.npy")
    assert remedy in str(told.value)
