"""Volumes as images and surfaces: the right side up, lit, turning; surfaces closed and of the right volume."""

from __future__ import annotations

import io
import time

import numpy as np
import pytest
from PIL import Image

from organza.media.volume_files import gif
from organza.media.volumes import View, pictured, render, stl, surface, turntable
from tests.drawings import table


def block(z: slice, y: slice, x: slice, side: int = 32) -> np.ndarray:
    cube = np.zeros((1, side, side, side, 1), np.uint8)
    cube[0, z, y, x] = 255
    return cube


def drawn(picture: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The rows and columns that are not paper."""
    return np.nonzero((picture != 255).any(2))


ALL, SOME = slice(None), slice(12, 20)


def test_what_stands_on_the_floor_is_drawn_below_and_what_is_right_at_the_right():
    view = View(0, 0)
    rows, columns = drawn(render(block(SOME, slice(26, 32), SOME), 96, view)[0])
    assert rows.mean() > 60
    assert abs(columns.mean() - 47.5) < 2
    rows, columns = drawn(render(block(SOME, SOME, slice(26, 32)), 96, view)[0])
    assert columns.mean() > 60
    assert abs(rows.mean() - 47.5) < 2


def test_what_is_before_hides_what_is_behind_and_from_behind_it_is_the_other_way_round():
    both = block(slice(2, 4), SOME, SOME) | block(slice(26, 28), slice(8, 24), slice(8, 24))
    front, back = (render(both, 96, View(azimuth, 0))[0] for azimuth in (0, 180))
    small, large = front[48, 48], front[36, 36]
    assert small.sum() > large.sum()  # nearer is lighter
    assert np.array_equal(back[48, 48], back[36, 36])  # the large one hides the small


def test_from_above_the_tops_of_things_are_seen_and_a_side_away_from_the_light_is_darker():
    cube = block(slice(8, 24), slice(8, 24), slice(8, 24))
    picture = render(cube, 96, View(45, 30))[0].astype(int)
    rows, _ = drawn(picture)
    top, left, right = picture[rows.min() + 12, 48], picture[60, 36], picture[60, 60]
    assert top.sum() > left.sum() > right.sum()


@pytest.mark.parametrize("side", [8, 16, 32, 64])
def test_every_usual_size_fits_into_the_picture(side: int):
    picture = render(block(ALL, ALL, ALL, side))[0]
    assert picture.shape == (96, 96, 3)
    rows, columns = drawn(picture)
    assert 0 < rows.min() < rows.max() < 95
    assert 0 < columns.min() < columns.max() < 95


def test_an_empty_volume_is_paper_and_a_single_voxel_is_seen():
    assert (render(np.zeros((1, 16, 16, 16, 1), np.uint8)) == 255).all()
    speck = np.zeros((1, 32, 32, 32, 1), np.uint8)
    speck[0, 16, 16, 16] = 255
    assert len(drawn(render(speck)[0])[0]) > 2


def test_64_volumes_take_about_a_second_of_one_core():
    volumes = np.stack([table(item, 32) for item in range(64)])[..., None] * np.uint8(255)
    render(volumes[:1])
    start = time.process_time()
    render(volumes)
    assert time.process_time() - start < 4  # 0.6 on a quiet machine


def test_pictures_stay_as_they_are():
    pictures = np.zeros((2, 8, 8, 3), np.uint8)
    assert pictured(pictures) is pictures
    assert pictured(np.zeros((2, 8, 8, 8, 1), np.uint8)).shape == (2, 96, 96, 3)


def test_a_turntable_turns_and_is_an_animation():
    frames = turntable(np.stack([table(0, 16), table(1, 16)])[..., None] * np.uint8(255), frames=8, size=48)
    assert len(frames) == 8
    assert frames[0].shape == (48, 96, 3)
    assert not np.array_equal(frames[0], frames[1])
    image = Image.open(io.BytesIO(gif(frames)))
    assert image.n_frames == 8  # type: ignore[attr-defined]
    assert image.info["loop"] == 0


def edges(triangles: np.ndarray) -> np.ndarray:
    return np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])


@pytest.mark.parametrize("kind", ["table", "box", "ball"])
def test_a_surface_is_closed_points_outwards_and_holds_its_volume(kind: str):
    if kind == "ball":
        z, y, x = np.mgrid[:24, :24, :24] - 11.5
        volume = np.clip(127.5 + 60 * (9 - np.sqrt(x * x + y * y + z * z)), 0, 255)
        expected, tolerance = 4 / 3 * np.pi * 9**3, 0.02
    else:
        volume = (table(3, 24) if kind == "table" else block(SOME, SOME, SOME)[0, ..., 0] > 0) * 255
        expected, tolerance = (volume > 0).sum(), 0.2  # corners are cut off
    vertices, triangles = surface(volume)
    there = {tuple(edge) for edge in edges(triangles)}
    assert all(
        (b, a) in there for a, b in there
    )  # each edge has a neighbour that runs the other way: closed, one orientation
    a, b, c = vertices[triangles].transpose(1, 0, 2)
    assert (np.cross(a, b) * c).sum() / 6 == pytest.approx(expected, rel=tolerance)


def test_a_surface_lies_where_the_voxels_are():
    vertices, _ = surface(block(slice(0, 4), slice(24, 32), slice(20, 32))[0, ..., 0])
    # x from the left, y from the floor, z towards the viewer; corners are cut off by less than half a voxel
    assert vertices.min(0) == pytest.approx([20, 0, 28], abs=0.1)
    assert vertices.max(0) == pytest.approx([32, 8, 32], abs=0.1)


def test_an_stl_is_read_back_with_z_up():
    trimesh = pytest.importorskip("trimesh")
    found = trimesh.load(io.BytesIO(stl(table(3, 16) * np.uint8(255))), file_type="stl")
    height = 16 - np.flatnonzero(table(3, 16).any((0, 2)))[0]
    assert np.ptp(found.vertices[:, 2]) == pytest.approx(height, abs=0.5)
    assert found.volume > 0
