"""Volumes: from arrays and meshes to cubes of voxels, what is left out by name, what is refused in words."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest

from organza.data.check import check
from organza.data.decode import Unreadable
from organza.data.meshes import Mesh, filled, read_mesh, voxelised
from organza.data.source import Source
from organza.data.volumes import Volumes, fitted, solid, volumes_in
from organza.errors import UserError
from tests.drawings import table

BOX = """# a box of 4 x 2 x 1 in quads, with normals
v 0 0 0
v 4 0 0
v 4 2 0
v 0 2 0
v 0 0 1
v 4 0 1
v 4 2 1
v 0 2 1
vn 0 0 1
f 1//1 2//1 3//1 4//1
f 5//1 6//1 7//1 8//1
f 1//1 2//1 6//1 5//1
f 4//1 3//1 7//1 8//1
f 1//1 4//1 8//1 5//1
f 2//1 3//1 7//1 6//1
"""


@pytest.fixture
def tables(tmp_path: Path) -> Path:
    folder = tmp_path / "tables"
    folder.mkdir()
    for item in range(12):
        np.save(folder / f"{item:02d}.npy", table(item, 16))
    return folder


def opened(path: Path, size: int | None = None, **more) -> Volumes:
    return Volumes(Source(path, size=size), **more)


def test_a_folder_becomes_cubes_of_0_and_255_and_batches_of_minus_1_and_1(tables: Path):
    data = opened(tables)
    assert data.unit == "volumes"
    assert data.volumes.shape == (12, 16, 16, 16, 1)
    assert set(np.unique(data.volumes)) == {0, 255}
    assert np.array_equal(data.volumes[3, ..., 0] == 255, table(3, 16))
    batch = data.at(range(5))["volume"]
    assert batch.shape == (5, 1, 16, 16, 16)
    assert batch.unique().tolist() == [-1.0, 1.0]
    assert data.shape == (1, 16, 16, 16)
    assert data.real().shape[1:] == (16, 16, 16, 1)


def test_the_pack_is_kept_and_its_fingerprint_follows_the_content(tables: Path):
    first = opened(tables)
    again = opened(tables)
    assert (again.directory, again.fingerprint) == (first.directory, first.fingerprint)
    np.save(tables / "00.npy", table(99, 16))
    assert opened(tables).fingerprint != first.fingerprint


@pytest.mark.parametrize("kind", ["npy", "npz", "zip", "trailing axis"])
def test_one_array_file_or_a_zip_holds_the_same_volumes(kind: str, tables: Path, tmp_path: Path):
    stack = np.stack([table(item, 16) for item in range(12)])
    place = tmp_path / f"all.{'npy' if kind == 'trailing axis' else kind}"
    if kind == "npy":
        np.save(place, stack)
    elif kind == "npz":
        np.savez_compressed(place, stack.astype(np.uint8) * 255)
    elif kind == "trailing axis":
        np.save(place, (stack[..., None] * 2.0 - 1).astype(np.float32))
    else:
        with zipfile.ZipFile(place, "w") as archive:
            for file in sorted(tables.iterdir()):
                archive.write(file, file.name)
    assert np.array_equal(opened(place).volumes, opened(tables).volumes)


def test_broken_and_empty_files_are_named_and_left_out(tables: Path):
    (tables / "cut.npy").write_bytes((tables / "00.npy").read_bytes()[:100])
    (tables / "text.obj").write_text("hello")
    (tables / "scene.glb").write_bytes(b"glTF")
    np.save(tables / "empty.npy", np.zeros((16, 16, 16)))
    np.save(tables / "flat.npy", np.ones((16, 16)))
    data = opened(tables, 16)
    assert data.count == 12
    assert {name for name, _ in data.broken} == {"cut.npy", "text.obj", "scene.glb", "empty.npy", "flat.npy"}
    assert dict(data.broken)["empty.npy"] == "nothing in it is solid"
    assert "[16, 16]" in dict(data.broken)["flat.npy"]


def test_different_sizes_are_refused_with_two_names_unless_a_size_fits_them(tables: Path):
    np.save(tables / "large.npy", table(3, 24))
    with pytest.raises(UserError, match=r"00.npy has 16x16x16 voxels, large.npy has 24x24x24; use `size=32`"):
        opened(tables)
    assert opened(tables, 16).volumes.shape == (13, 16, 16, 16, 1)


def test_what_is_no_cube_is_refused_unless_fitted(tmp_path: Path):
    np.save(tmp_path / "boxes.npy", np.random.default_rng(0).random((5, 8, 16, 12)) > 0.5)
    with pytest.raises(UserError, match=r"8x16x12 voxels, which is not a cube"):
        opened(tmp_path / "boxes.npy")
    assert opened(tmp_path / "boxes.npy", 16).shape == (1, 16, 16, 16)


def test_too_few_alike_or_none(tmp_path: Path, pictures: Path):
    np.save(tmp_path / "one.npy", table(0, 16)[None])
    with pytest.raises(UserError, match="one usable volume"):
        opened(tmp_path / "one.npy")
    np.save(tmp_path / "same.npy", np.stack([table(0, 16)] * 3))
    with pytest.raises(UserError, match="all equal"):
        opened(tmp_path / "same.npy")
    with pytest.raises(UserError, match=r"no volumes in .* no .npy"):
        opened(pictures)
    np.save(tmp_path / "grey.npy", np.full((8, 8, 8), 200, np.uint8))
    with pytest.raises(UserError, match="For images use"):
        opened(tmp_path / "grey.npy")
    with pytest.raises(UserError, match="not a cube"):
        Volumes(Source(tmp_path / "same.npy", size="32x16"))


def test_a_check_or_a_recipe_for_pictures_says_what_volumes_are_trained_with(tables: Path, tmp_path: Path):
    with pytest.raises(UserError, match=r"12 volumes \(00.npy ...\) and no images; .*`recipe='gan3d'`"):
        check(tables)
    np.save(tmp_path / "all.npy", np.zeros((5, 16, 16, 16), np.uint8))
    with pytest.raises(UserError, match="gan3d"):
        check(tmp_path / "all.npy")


def test_mirroring_flips_left_and_right_only(tmp_path: Path):
    lopsided = np.stack([table(item, 16) for item in range(4)])
    lopsided[:, :, :, 8:] = False
    np.save(tmp_path / "left.npy", lopsided)
    plain = opened(tmp_path / "left.npy").at(range(40))["volume"]
    turned = opened(tmp_path / "left.npy", mirror=True).at(range(40))["volume"]
    same = [bool((a == b).all()) for a, b in zip(plain, turned, strict=True)]
    assert 5 < sum(same) < 35
    assert all((a == b).all() or (a.flip(-1) == b).all() for a, b in zip(plain, turned, strict=True))


def test_values_of_every_usual_range_are_read_alike():
    x = table(0, 8)
    for values in (x, x.astype(int), x * np.uint8(255), x * 1.0, x * 2.0 - 1, x * 0.9):
        assert np.array_equal(solid(values), x)
    for wrong in (x * 3000.0, np.where(x, np.nan, 0), np.array([[["a"]]]), np.zeros((300, 2, 2))):
        with pytest.raises(Unreadable):
            solid(wrong)


def test_fitting_keeps_thin_legs_the_floor_and_the_middle():
    thin = np.zeros((64, 64, 64), bool)
    thin[10, 20:, 10] = True
    small = fitted(thin, 32)
    assert small[5, 10:, 5].all()
    assert small.sum() == 22
    large = fitted(np.ones((2, 4, 2), bool), 16)
    assert large[:, -1].any()
    assert large.sum() == 8 * 16 * 8


def test_a_box_is_voxelised_upright_on_the_floor_centred_and_filled():
    pytest.importorskip("trimesh")
    grid = voxelised(read_mesh(BOX.encode(), ".obj"), 34)
    deep, high, wide = (np.flatnonzero(grid.any(axis)) for axis in ((1, 2), (0, 2), (0, 1)))
    assert (len(deep), len(high), len(wide)) == pytest.approx((8, 16, 32), abs=1)
    assert high[-1] == 33
    assert wide[0] == 33 - wide[-1] == 1
    assert abs(deep[0] - (33 - deep[-1])) <= 1
    assert grid.sum() == len(deep) * len(high) * len(wide)  # solid all through


def test_an_stl_has_z_up_and_an_obj_y():
    trimesh = pytest.importorskip("trimesh")
    vertices = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 3.0]])
    content = trimesh.Trimesh(vertices, [[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]]).export(file_type="stl")
    found = read_mesh(content, ".stl")
    assert np.ptp(found.vertices, axis=0).tolist() == [1, 3, 1]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "no"),
        ("v 0 0 0\nv 1 1 1\n", "no"),
        ("v 0 0 nan\nv 1 0 0\nv 0 1 0\nf 1 2 3\n", "not numbers"),
        ("\0\1", "no"),
    ],
)
def test_meshes_that_are_none_are_told(content: str, said: str):
    pytest.importorskip("trimesh")
    with pytest.raises(Unreadable, match=said):
        read_mesh(content.encode(), ".obj")
    with pytest.raises(Unreadable, match="no extent"):
        voxelised(Mesh(np.zeros((3, 3)), np.array([[0, 1, 2]])), 16)


def test_filling_leaves_what_air_reaches():
    shell = np.zeros((9, 9, 9), bool)
    shell[2:7, 2:7, 2:7] = True
    shell[3:6, 3:6, 3:6] = False
    assert filled(shell)[4, 4, 4]
    shell[4, 4, 6] = False  # a hole in the wall
    assert not filled(shell)[4, 4, 4]


def test_volumes_in_reads_a_single_mesh(tmp_path: Path):
    pytest.importorskip("trimesh")
    (tmp_path / "box.obj").write_text(BOX)
    (found,) = volumes_in(tmp_path / "box.obj", 16)
    assert found.name == "box.obj"
    assert not isinstance(found.solid, str)
    assert found.solid.shape == (16, 16, 16)


def test_numbers_of_segments_are_told_and_are_not_empty(tmp_path: Path):
    np.save(tmp_path / "a.npy", np.random.default_rng(0).integers(0, 4, (3, 8, 8, 8)))
    (_, reason), *_ = volumes_in(tmp_path / "a.npy")
    assert "its values go from 0 to 3" in str(reason)
