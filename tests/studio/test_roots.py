"""Names that a page sends lead nowhere else."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from organza.errors import UserError
from organza.studio.roots import Roots, kind_of, listed

NAMES = ["..", ".", "", "/", "a/b", "..\\..", "run\x00", "a:b", ".hidden", "x" * 300, "\ud800", "run\n", "nothing"]


@pytest.fixture
def roots(tmp_path: Path) -> Roots:
    (tmp_path / "runs" / "run").mkdir(parents=True)
    (tmp_path / "runs" / "run" / "recipe.json").write_text("{}", encoding="utf-8", newline="\n")
    (tmp_path / "data" / "images" / "deep").mkdir(parents=True)
    (tmp_path / "data" / "images" / "a.png").write_bytes(b"")
    (tmp_path / "recipe.json").write_text("{}", encoding="utf-8", newline="\n")
    return Roots.of(tmp_path / "runs", (tmp_path / "data",))


def test_a_run_is_found_by_its_name_only(roots: Roots):
    assert roots.names() == ["run"]
    assert kind_of(roots.run("run")) == "run"
    for name in NAMES:
        with pytest.raises(UserError):
            roots.run(name)


@pytest.mark.parametrize(
    "path",
    [
        "..",
        "images/..",
        "images/../..",
        "images/\x00",
        "/etc/passwd",
        "images/deep/../../..",
        "~",
        "images\\..",
        "a/" * 40,
    ],
)
def test_data_is_looked_up_inside_its_folder(roots: Roots, path: str):
    with pytest.raises(UserError):
        roots.folder("data", path)


def test_data_and_its_images_are_counted(roots: Roots):
    place = roots.folder("data", "images")
    assert listed(place) == (["deep"], 1)
    for name in ("ring.csv", "labels.csv", "moons.npy"):
        (place / name).write_bytes(b"")
    assert listed(place) == (["deep", "moons.npy", "ring.csv"], 1)  # labels belong to the images
    (place / "second.npy").write_bytes(b"")
    assert listed(place) == (["deep", "ring.csv"], 3)  # several arrays are volumes
    with pytest.raises(UserError):
        roots.folder("elsewhere", "")


@pytest.mark.skipif(not hasattr(os, "symlink"), reason="links")
def test_a_link_that_leads_out_is_no_run_and_no_data(roots: Roots, tmp_path: Path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "recipe.json").write_text("{}", encoding="utf-8", newline="\n")
    (roots.runs / "linked").symlink_to(outside)
    (roots.data["data"] / "linked").symlink_to(outside)
    assert roots.names() == ["run"]
    for find in (lambda: roots.run("linked"), lambda: roots.folder("data", "linked")):
        with pytest.raises(UserError):
            find()


@pytest.mark.parametrize("name", [*NAMES[:-1], "con", "-rf", "run"])
def test_a_new_run_needs_a_name_that_is_free_and_valid_everywhere(roots: Roots, name: str):
    with pytest.raises(UserError):
        roots.new_run(name)
    assert roots.new_run("another") == roots.runs / "another"
