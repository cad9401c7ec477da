"""Volumes as images: rendered with light, as turntables, and as surfaces of triangles for printers
and viewers.

A volume is [D, H, W]: depth from front to back, height from top to bottom, width from left to
right. Values of 128 or more are solid.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np

LEVEL = 127.5
LIGHT = np.array(
    [-0.35, -0.75, -0.55]
)  # direction of the light: left, above, in front (x, y, z along width, height, depth)
CLAY = np.array([236.0, 176.0, 120.0])
PAPER = 255
FINE = 64  # voxels a side to which small volumes are smoothed before rendering


class View(NamedTuple):
    """Direction of view in degrees: around the vertical axis, and above the floor."""

    azimuth: float = 35.0
    elevation: float = 25.0


ASIDE = View()


def render(volumes: np.ndarray, size: int = 96, view: View = ASIDE) -> np.ndarray:
    """Render volumes in a parallel projection, uint8 [N, D, H, W, 1] to uint8 [N, size, size, 3].

    A ray for each pixel passes through the volume until it meets a solid voxel, whose slope
    determines the shading. Takes a hundredth of a second for each volume.

    Args:
        volumes: values of 128 or more are solid.
        size: size of the images in pixels.
        view: direction of view.

    >>> ball = np.zeros((1, 32, 32, 32, 1), np.uint8); ball[:, 8:24, 8:24, 8:24] = 255
    >>> picture = render(ball, 48)[0]; picture.shape, bool((picture[24, 24] < 255).any()), picture[0, 0].tolist()
    ((48, 48, 3), True, [255, 255, 255])
    """
    return np.stack([_seen(volume[..., 0], size, view) for volume in volumes])


def turntable(volumes: np.ndarray, frames: int = 24, size: int = 96) -> list[np.ndarray]:
    """Render volumes that turn once around, side by side: uint8 [size, N * size, 3] each."""
    views = [View(360 * frame / frames) for frame in range(frames)]
    return [np.concatenate(list(render(volumes, size, view)), axis=1) for view in views]


def pictured(items: np.ndarray) -> np.ndarray:
    """Return items as images [N, H, W, C]: images unchanged, volumes [N, D, H, W, C] rendered."""
    return render(items) if items.ndim == 5 else items


def _seen(volume: np.ndarray, size: int, view: View) -> np.ndarray:
    """Return the image of a volume from one view, uint8 [size, size, 3]."""
    factor = max(1, FINE // max(volume.shape))
    fine = _smoothed(np.pad((volume > LEVEL).astype(np.float32), 2), factor)
    rays = _rays(fine.shape, size, view)
    met = (
        fine.reshape(-1).take(rays) > 0.4
    )  # [steps, pixels]; the rim is empty, so that a ray that leaves meets nothing
    hit = met.argmax(0)
    found = met[hit, np.arange(met.shape[1])]
    where = rays[hit, np.arange(met.shape[1])][found]
    slope = _slope(fine, where)
    light = np.clip(slope @ (LIGHT / np.linalg.norm(LIGHT)), 0, 1)
    near = 1 - hit[found] / len(rays)
    shade = (0.42 + 0.58 * light) * (0.75 + 0.35 * near)
    picture = np.full((size * size, 3), PAPER, np.uint8)
    picture[found] = np.clip(CLAY * shade[:, None] + 26 * light[:, None], 0, 255)
    return picture.reshape(size, size, 3)


@lru_cache(maxsize=64)
def _rays(shape: tuple[int, ...], size: int, view: View) -> np.ndarray:
    """Return the cells along the ray of each pixel, front to back: indices into the flat volume,
    int32 [steps, size * size].
    """
    radius = (
        max(shape) / 2 * 1.42
    )  # half the width of the image, so that the corners of a cube on its floor stay inside
    turn, lift = math.radians(view.azimuth), math.radians(view.elevation)
    right = np.array([math.cos(turn), 0.0, math.sin(turn)])  # x, y, z
    ahead = np.array([-math.sin(turn) * math.cos(lift), math.sin(lift), math.cos(turn) * math.cos(lift)])
    down = np.cross(ahead, right)
    down = down if down[1] > 0 else -down
    across = (np.arange(size) + 0.5) / size * 2 - 1
    middle = np.array([shape[2], shape[1], shape[0]]) / 2
    steps = np.arange(-math.ceil(radius * 1.15), math.ceil(radius * 1.15))
    plane = (across[None, :, None] * right + across[:, None, None] * down).reshape(-1, 3) * radius
    x, y, z = np.floor(middle + plane + steps[:, None, None] * ahead).astype(np.int32).transpose(2, 0, 1)
    outside = (x < 0) | (y < 0) | (z < 0) | (x >= shape[2]) | (y >= shape[1]) | (z >= shape[0])
    flat = (z * shape[1] + y) * shape[2] + x
    flat[outside] = 0  # a corner of the rim
    return flat


def _smoothed(volume: np.ndarray, factor: int) -> np.ndarray:
    """Divide each voxel into `factor` along each axis, with linear interpolation between the
    centres.
    """
    for axis in range(3):
        places = (np.arange(volume.shape[axis] * factor) + 0.5) / factor - 0.5
        low = np.floor(places).astype(int)
        share = (places - low).astype(np.float32).reshape([-1 if i == axis else 1 for i in range(3)])
        first, second = (volume.take(np.clip(low + i, 0, volume.shape[axis] - 1), axis) for i in (0, 1))
        volume = first * (1 - share) + second * share
    return volume


def _slope(fine: np.ndarray, where: np.ndarray) -> np.ndarray:
    """Return the outward direction at some cells, [n, 3] as x, y, z, from the mean of the cells
    around.
    """
    soft = fine
    for axis in range(3):
        for _ in range(2):
            soft = soft + np.roll(soft, 1, axis) + np.roll(soft, -1, axis)
    flat, last = soft.reshape(-1), soft.size - 1
    steps = (1, fine.shape[2], fine.shape[1] * fine.shape[2])
    out = np.stack([flat[np.maximum(where - step, 0)] - flat[np.minimum(where + step, last)] for step in steps], 1)
    return out / np.maximum(np.linalg.norm(out, axis=1, keepdims=True), 1e-6)


def surface(volume: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the surface of a volume [D, H, W] at value 127.5: vertices [V, 3] as x right, y up, z
    to the viewer; triangles [T, 3].

    Naive surface nets: a vertex for each cell of 2x2x2 voxels that the surface crosses, at the mean
    of its edge crossings; two triangles for each crossed edge, between the four cells around it.
    Gibson 1998, Constrained Elastic Surface Nets, MICCAI.

    >>> cube = np.zeros((4, 4, 4), np.uint8); cube[1:3, 1:3, 1:3] = 255
    >>> vertices, triangles = surface(cube); len(vertices), len(triangles)
    (26, 48)
    """
    values = np.pad(volume.astype(np.float64), 1) - LEVEL
    inside = values > 0
    cells = tuple(side - 1 for side in values.shape)
    total, crossings = np.zeros((*cells, 3)), np.zeros(cells)
    quads = []
    for axis in range(3):
        low, high = (np.moveaxis(values, axis, 0)[part] for part in (slice(None, -1), slice(1, None)))
        crossed = (low > 0) != (high > 0)
        at = np.argwhere(crossed)  # [n, 3], the edge's axis first
        share = low[crossed] / (low[crossed] - high[crossed])
        order = [axis, *(i for i in range(3) if i != axis)]
        around = []
        for b, c in ((0, 0), (-1, 0), (-1, -1), (0, -1)):
            cell = np.empty_like(at)
            cell[:, order] = at + np.array([0, b, c])
            point = np.empty((len(at), 3))
            point[:, order] = at
            point[:, axis] += share
            np.add.at(total, tuple(cell.T), point)  # every crossed edge has four cells around it, as the rim is empty
            np.add.at(crossings, tuple(cell.T), 1)
            around.append(np.ravel_multi_index(tuple(cell.T), cells))
        square = np.stack(around, 1)
        outward = inside[tuple(np.array(_from(at, order)).T)] ^ (axis == 1)
        quads.append(np.where(outward[:, None], square[:, ::-1], square))
    square = np.concatenate(quads)
    used, numbered = np.unique(square, return_inverse=True)
    square = numbered.reshape(square.shape)
    middle = (
        total.reshape(-1, 3)[used] / crossings.reshape(-1)[used, None] - 0.5
    )  # the rim is one wide, a voxel's middle at its half
    depth, height = volume.shape[0], volume.shape[1]
    vertices = np.stack([middle[:, 2], height - middle[:, 1], depth - middle[:, 0]], 1)
    return vertices, np.concatenate([square[:, [0, 1, 2]], square[:, [0, 2, 3]]])


def _from(at: np.ndarray, order: list[int]) -> np.ndarray:
    """Return the voxel at the start of each edge."""
    voxel = np.empty_like(at)
    voxel[:, order] = at
    return voxel


def stl(volume: np.ndarray) -> bytes:
    """Return the surface of a volume [D, H, W] as a binary STL file, z up as in printers, one unit
    for each voxel.

    >>> cube = np.zeros((4, 4, 4), np.uint8); cube[1:3, 1:3, 1:3] = 255
    >>> len(stl(cube)) == 84 + 50 * 48
    True
    """
    vertices, triangles = surface(volume)
    corners = (vertices[:, [0, 2, 1]] * [1, -1, 1])[triangles].astype("<f4")  # a rotation, so that nothing is mirrored
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
    rows = np.zeros(len(corners), np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("rest", "<u2")]))
    rows["normal"], rows["corners"] = normals, corners
    return b"organza".ljust(80) + np.uint32(len(rows)).tobytes() + rows.tobytes()
