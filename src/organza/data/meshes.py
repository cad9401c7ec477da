"""Meshes to volumes: a surface of triangles becomes a cube of voxels, resting on its floor, centred
and filled.
"""

from __future__ import annotations

import io
import warnings
from typing import Any, NamedTuple

import numpy as np

from organza.data.decode import Unreadable
from organza.errors import UserError

STEP = 0.5  # voxels between neighbouring points on a surface, so that no crossed voxel is missed
AT_ONCE = 2**20  # points in memory at a time
MOST_BYTES = 2**27  # largest file; parsed, it takes ten times as much memory
MOST_TRIANGLES = 2**22
MOST_POINTS = 2**27  # largest number of points on all triangles: a real surface of 256 voxels a side has a tenth of it
FARTHEST = 1e30  # largest distance from the origin, whose square is still finite


class Mesh(NamedTuple):
    """Triangles in space: x to the right, y up, z towards the viewer.

    Args:
        vertices: coordinates, float [V, 3].
        triangles: indices of the vertices of each triangle, int [T, 3].
    """

    vertices: np.ndarray
    triangles: np.ndarray


def read_mesh(content: bytes, ending: str) -> Mesh:
    """Parse the mesh of an OBJ or STL file. In OBJ files y points up; in STL files, those of 3-D
    printers, z does.

    Raises:
        Unreadable: if it is damaged, or holds no surface.
        UserError: if trimesh is not installed.
    """
    if len(content) > MOST_BYTES:
        raise Unreadable("it is larger than 128 MB; simplify the mesh")
    try:
        import trimesh
    except ImportError:
        raise UserError(
            "Meshes need the package trimesh: pip install 'organza[meshes]'; or give volumes (.npz)."
        ) from None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found: Any = trimesh.load(
                io.BytesIO(content), file_type=ending[1:], force="mesh", process=False, skip_materials=True
            )
            vertices, triangles = np.asarray(found.vertices, np.float64), np.asarray(found.faces, np.int64)
    except Exception as error:  # parsers of foreign formats raise many kinds of errors
        raise Unreadable(f"it is no readable {ending[1:].upper()} file ({error})") from None
    if not len(triangles):
        raise Unreadable("it holds no triangles")
    if len(triangles) > MOST_TRIANGLES or triangles.shape[1:] != (3,) or vertices.shape[1:] != (3,):
        raise Unreadable(
            f"it holds {len(triangles):,} faces; the limit is {MOST_TRIANGLES:,} triangles: simplify the mesh"
        )
    if triangles.max() >= len(vertices) or triangles.min() < 0:
        raise Unreadable("its triangles refer to vertices that do not exist")
    if not np.isfinite(vertices[triangles]).all():
        raise Unreadable("some of its vertices are not numbers")
    if np.abs(vertices[triangles]).max() > FARTHEST:
        raise Unreadable("some of its vertices lie too far away")
    if ending == ".stl":
        vertices = vertices[:, [0, 2, 1]] * [1, 1, -1]
    return Mesh(vertices, triangles)


def voxelised(mesh: Mesh, side: int) -> np.ndarray:
    """Convert a mesh to a cube of voxels, bool [side, side, side]: depth from front to back, height
    from top to bottom, width.

    Its longest side fills the cube except for an empty voxel at each end; it rests on the floor,
    centred. Every voxel that the surface crosses is solid, and so are enclosed cavities.

    >>> box = Mesh(np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1.0]]), np.array([[0, 1, 2], [0, 1, 3], [0, 2, 3], [1, 2, 3]]))
    >>> grid = voxelised(box, 16); grid.shape, bool(grid[:, -1].any()), bool(grid[:, 0].any())
    ((16, 16, 16), True, False)

    Raises:
        Unreadable: if it has no extent.
    """
    used = mesh.vertices[np.unique(mesh.triangles)]
    low, extent = used.min(0), np.ptp(used, axis=0)
    if extent.max() <= 0:
        raise Unreadable("it has no extent")
    margin = 1 if side >= 16 else 0
    scale = (side - 2 * margin) * (1 - 1e-6) / extent.max()  # so that the far end lies in the last voxel
    points = (mesh.vertices - low) * scale
    points[:, [0, 2]] += (side - extent[[0, 2]] * scale) / 2  # centred; y, the height, begins at the floor
    points[~np.isfinite(points)] = 0  # vertices without a triangle
    grid = np.zeros((side, side, side), bool)
    for some in _points(points[mesh.triangles]):
        x, y, z = np.clip(some.astype(np.int64), 0, side - 1).T
        grid[side - 1 - z, side - 1 - y, x] = True
    return filled(grid)


def _points(corners: np.ndarray):
    """Yield points all over triangles [T, 3, 3], no further apart than `STEP`, in parts: [n, 3]
    each.
    """
    edges = corners - np.roll(corners, 1, axis=1)
    cuts = np.maximum(1, np.ceil(np.sqrt((edges**2).sum(2)).max(1) / STEP)).astype(np.int64)
    if int(((cuts + 1) * (cuts + 2) // 2).sum()) > MOST_POINTS:
        raise Unreadable(
            "its triangles are so many and so large that they must lie over one another; simplify the mesh"
        )
    for n in np.unique(cuts):
        i, j = np.mgrid[: n + 1, : n + 1].reshape(2, -1)
        a, b = i[i + j <= n] / n, j[i + j <= n] / n
        weights = np.stack([a, b, 1 - a - b], 1)  # [points, 3]
        some = corners[cuts == n]
        for start in range(0, len(some), max(1, AT_ONCE // len(weights))):
            part = some[start : start + max(1, AT_ONCE // len(weights))]
            yield np.einsum("pk,tkc->tpc", weights, part).reshape(-1, 3)


def filled(solid: np.ndarray) -> np.ndarray:
    """Fill enclosed cavities, bool [D, H, W] to the same; the floor counts as closed.

    >>> shell = np.ones((5, 5, 5), bool); shell[1:4, 1:4, 1:4] = False
    >>> int(filled(shell).sum())
    125
    """
    free = np.pad(~solid, 1, constant_values=True)
    air = np.zeros_like(free)
    air[0] = True
    free[:, -1] = False
    count = 0
    while count != (count := int(air.sum())):
        for axis in range(3):
            one, other = air.swapaxes(0, axis), free.swapaxes(0, axis)
            for layers in (
                range(1, len(one)),
                range(len(one) - 2, -1, -1),
            ):  # each sweep extends the outside air as far as possible
                step = 1 if layers.step > 0 else -1
                for layer in layers:
                    one[layer] |= one[layer - step] & other[layer]
    return ~air[1:-1, 1:-1, 1:-1]
