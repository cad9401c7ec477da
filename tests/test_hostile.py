"""Model files that mean harm, or are of another kind: refused in words, and nothing of them is run."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import struct
from pathlib import Path

import pytest

import organza
from organza.errors import UserError
from organza.run import checkpoint
from organza.run.checkpoint import Damaged
from organza.untrusted import Refused, printable, read_json, require_inside


class Bomb:
    """What a hostile pickle holds: a program that makes a file where it is unpickled."""

    def __init__(self, trace: Path):
        self.trace = trace

    def __reduce__(self):
        return os.mkdir, (str(self.trace),)


def header(table: object, rest: bytes = b"", length: int | None = None) -> bytes:
    """A safetensors file by hand."""
    text = table if isinstance(table, bytes) else json.dumps(table).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + rest


def tensor(kind: str = "F32", shape: tuple[int, ...] = (1,), where: tuple[int, int] = (0, 4)) -> dict:
    return {"dtype": kind, "shape": list(shape), "data_offsets": list(where)}


TWICE = b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}'
HEADERS = {
    "nothing": b"",
    "one byte": b"\x08",
    "length of 2^60": header({}, length=2**60),
    "length past the end": header({}, length=10_000),
    "no JSON": header(b"{not json}"),
    "a list": header([]),
    "deep JSON": header(b"[" * 50_000 + b"]" * 50_000),
    "the same name twice": header(TWICE, bytes(8)),
    "shape too large": header({"a": tensor(shape=(2**40, 2**40))}, bytes(4)),
    "negative shape": header({"a": tensor(shape=(-1,))}, bytes(4)),
    "overlapping": header({"a": tensor(), "b": tensor()}, bytes(4)),
    "offsets backwards": header({"a": tensor(where=(4, 0))}, bytes(4)),
    "offsets past the end": header({"a": tensor(shape=(1000,), where=(0, 4000))}, bytes(4)),
    "a hole": header({"a": tensor(where=(4, 8))}, bytes(8)),
    "junk behind": header({"a": tensor()}, bytes(400)),
    "unknown kind": header({"a": tensor(kind="F31")}, bytes(4)),
    "a pickle": pickle.dumps({"a": 1}),
    "a zip": b"PK\x03\x04" + bytes(100),
}  # fmt: skip


def crafted(parent: Path, content: bytes, **changes: object) -> Path:
    """A checkpoint whose digests are right, as someone who means harm would write it."""
    folder = parent / "00000008"
    folder.mkdir(parents=True)
    (folder / "generator.safetensors").write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    manifest = {"format": 1, "images": 8, "sha256": {"generator.safetensors": digest}, "facts": {"images": 8}} | changes
    manifest["self"] = checkpoint._own_digest(manifest)
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


@pytest.mark.parametrize("name", HEADERS)
def test_a_hostile_header_with_the_right_digest_is_refused(name: str, tmp_path: Path):
    with pytest.raises(Damaged, match="generator"):
        checkpoint.load(crafted(tmp_path, HEADERS[name]))


@pytest.mark.parametrize(
    "changes",
    [
        {"format": "1"}, {"format": 0}, {"format": None}, {"sha256": []}, {"facts": []}, {"sha256": {"../../secret.safetensors": "0"}},
        {"sha256": {"/etc/passwd": "0"}}, {"sha256": {"generator.pkl": "0"}}, {"sha256": {"generator.safetensors": 5}},
    ],
    ids=str,
)  # fmt: skip
def test_a_hostile_manifest_with_the_right_digest_is_refused(changes: dict, tmp_path: Path):
    with pytest.raises(Damaged):
        checkpoint.load(crafted(tmp_path, header({"a": tensor()}, bytes(4)), **changes))


def test_pipes_links_and_keys_that_are_there_twice(tmp_path: Path):
    folder = crafted(tmp_path / "a", header({"a": tensor()}, bytes(4)))
    checkpoint.load(folder)
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "00000008").symlink_to(folder)
    with pytest.raises(Damaged, match="link"):
        checkpoint.load(tmp_path / "b" / "00000008")
    text = (folder / "manifest.json").read_text()
    (folder / "manifest.json").write_text(text.replace('{"format": 1,', '{"format": 1, "format": 1,'))
    with pytest.raises(Damaged, match="has a duplicate key"):
        checkpoint.load(folder)
    (folder / "manifest.json").unlink()
    os.mkfifo(folder / "manifest.json")  # to open it would be to wait for ever
    with pytest.raises(Damaged, match="not a regular file"):
        checkpoint.load(folder)


@pytest.mark.skipif(not hasattr(os, "symlink"), reason="links")
def test_a_link_that_leads_out_of_its_folder_is_refused_and_one_inside_is_not(tmp_path: Path):
    home = tmp_path / "home"
    home.mkdir()
    for place in (home / "in.json", tmp_path / "secret.json"):
        place.write_text("{}")
    (home / "alias.json").symlink_to(home / "in.json")
    (home / "out.json").symlink_to(tmp_path / "secret.json")
    assert read_json(home / "alias.json", inside=home) == {}
    for place in (home / "out.json", home / ".." / "secret.json"):
        with pytest.raises(Refused, match="leads out of"):
            require_inside(place, home)
        with pytest.raises(Refused, match="leads out of"):
            read_json(place, inside=home)


def test_characters_that_control_a_terminal_are_shown_as_escapes():
    assert printable("plain, naïve, 日本") == "plain, naïve, 日本"
    assert printable("\x1b]0;title\x07 \u202egnp.exe\n") == r"\x1b]0;title\x07 \u202egnp.exe\n"


@pytest.mark.parametrize("name", ["stylegan2-ffhq.pkl", "model.pt", "model.pth", "last.ckpt", ".metadata"])
def test_a_pickle_is_never_opened(name: str, tmp_path: Path):
    trace, file = tmp_path / "trace", tmp_path / name
    file.write_bytes(pickle.dumps(Bomb(trace)))
    file.chmod(0)
    with pytest.raises(UserError, match=r"pickle|is a file"):
        organza.load(file)
    assert not trace.exists()
    folder = crafted(
        tmp_path / "run" / "checkpoints", file.read_bytes() if os.access(file, os.R_OK) else pickle.dumps(Bomb(trace))
    )
    with pytest.raises(Damaged):
        checkpoint.load(folder)
    assert not trace.exists()


@pytest.mark.parametrize("name", ["model.onnx", "weights.safetensors", "hostile.safetensors", "notes.txt"])
def test_other_files_are_refused_in_words(name: str, tmp_path: Path):
    content = {
        "weights.safetensors": header({"a": tensor()}, bytes(4)),
        "hostile.safetensors": header({}, length=2**60),
    }
    (tmp_path / name).write_bytes(content.get(name, b"\x08\x07" + b"x" * 100))
    with pytest.raises(UserError, match=r"ONNX|no recipe|not a sound safetensors|a run is a folder"):
        organza.load(tmp_path / name)


def test_no_source_file_reads_pickles():
    for file in Path(organza.__file__).parent.rglob("*.py"):
        text = file.read_text()
        assert "import pickle" not in text, file
        loads = [line for line in text.replace("safetensors.torch.load(", "").splitlines() if "torch.load(" in line]
        if file.name in (
            "bundled_weights.py",
            "downloaded_weights.py",
        ):  # an extractor's weights: their sha256 is pinned and compared before
            assert all("weights_only=True" in line for line in loads), file
        else:
            assert not loads, file
        assert "allow_pickle=True" not in text, file
