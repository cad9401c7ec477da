"""Points in the plane with a known law, for learning what the players do: rings, grids, moons, a spiral, a drawing."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from organza.data.batches import Batches, round_robin
from organza.data.vector_files import save, written
from organza.errors import UserError, nearest

NARROW = 0.04
"""Standard deviation of the points around their place."""
MOST = 100_000


def ring(rng: np.random.Generator, count: int) -> np.ndarray:
    """Draw points of eight Gaussians on a circle of radius 0.75, float32 [count, 2]."""
    return around(RING, rng, count)


def grid(rng: np.random.Generator, count: int) -> np.ndarray:
    """Draw points of 25 Gaussians on a square of side 1.5."""
    return around(GRID, rng, count)


def moons(rng: np.random.Generator, count: int) -> np.ndarray:
    """Draw points of two half circles that reach into one another."""
    angle, upper = rng.uniform(0, math.pi, count), rng.random(count) < 0.5
    x = np.where(upper, np.cos(angle), 1 - np.cos(angle)) - 0.5
    y = np.where(upper, np.sin(angle), 0.5 - np.sin(angle)) - 0.25
    return blurred(np.stack([x, y], 1) * 0.55, rng)


def spiral(rng: np.random.Generator, count: int) -> np.ndarray:
    """Draw points of a spiral of two turns."""
    turn = np.sqrt(rng.random(count)) * 4 * math.pi
    return blurred(np.stack([np.cos(turn), np.sin(turn)], 1) * (turn / (4 * math.pi) * 0.85)[:, None], rng)


RING = [(0.75 * math.cos(k * math.pi / 4), 0.75 * math.sin(k * math.pi / 4)) for k in range(8)]
GRID = [(0.375 * x, 0.375 * y) for x in range(-2, 3) for y in range(-2, 3)]
SHAPES: dict[str, Callable[[np.random.Generator, int], np.ndarray]] = {
    "ring": ring,
    "grid": grid,
    "moons": moons,
    "spiral": spiral,
}
PLACES = {"ring": RING, "grid": GRID}
"""Places of the Gaussians, of shapes made of them."""


def around(places: Sequence[Sequence[float]], rng: np.random.Generator, count: int) -> np.ndarray:
    """Draw points around places, each as likely as the others, float32 [count, 2]."""
    return blurred(np.asarray(places)[rng.integers(len(places), size=count)], rng)


def blurred(points: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return points moved by N(0, NARROW^2), float32."""
    return (points + rng.normal(0, NARROW, points.shape)).astype(np.float32)


def drawn(shape: str, count: int, seed: int = 0) -> np.ndarray:
    """Draw points of a shape, float32 [count, 2] in about [-1, 1].

    Args:
        shape: ring, grid, moons or spiral.
        count: number of points.
        seed: random seed.

    >>> drawn("ring", 5).shape
    (5, 2)

    Raises:
        UserError: if the shape is unknown (names the nearest).
    """
    if shape not in SHAPES:
        raise UserError(f"There is no shape {shape}; choose from {', '.join(SHAPES)}.{nearest(shape, SHAPES)}")
    if not 1 <= count <= MOST:
        raise UserError(f"count is {count}; it must be from 1 to {MOST:,}.")
    return SHAPES[shape](np.random.default_rng(seed), count)


def save_points(points: np.ndarray, out: str | Path) -> None:
    """Write points as CSV with the columns x and y, or as .npy.

    Args:
        points: points, [N, 2].
        out: file that ends in .csv or .npy; it must not exist.

    Raises:
        UserError: if it has another ending, exists, or cannot be written.
    """
    place = Path(out)
    if place.suffix.lower() not in (".csv", ".npy"):
        raise UserError(f"{place} names no file for points; name one that ends in .csv or .npy.")
    if place.exists():
        raise UserError(f"{place} exists already; name another file, or remove it.")
    content = io.BytesIO()
    if place.suffix.lower() == ".npy":
        np.save(content, points, allow_pickle=False)
    else:
        content.write(written(points.astype(np.float64), ("x", "y")).encode())
    save(place, content.getvalue())


def covered(points: np.ndarray, places: Sequence[Sequence[float]], share: float = 0.02) -> int:
    """Count the places that have at least a share of the points within four deviations.

    >>> covered(np.array(RING, np.float32), RING)
    8

    Args:
        points: points, [N, 2].
        places: means of the Gaussians.
        share: least share of all points at a place that counts.
    """
    distance = np.linalg.norm(points[:, None] - np.asarray(places)[None], axis=2)
    near = distance < 4 * NARROW
    return int((near.mean(0) >= share).sum())


class Points(Batches):
    """Points, {"image": [N, D]}, in memory.

    Args:
        points: points, float [N, D] in [-1, 1].
        seed: random seed of the order.

    Raises:
        UserError: for fewer than two points, or values that are not finite.
    """

    unit = "points"

    def __init__(self, points: np.ndarray, seed: int = 0):
        if points.ndim != 2 or len(points) < 2 or not np.isfinite(points).all():
            raise UserError(f"Points are finite numbers [N, D], two at the least; these are {list(points.shape)}.")
        super().__init__(len(points), seed)
        self.points = torch.from_numpy(np.ascontiguousarray(points, np.float32))
        self.shape = (points.shape[1],)
        self.fingerprint = "points"

    def at(self, positions: Sequence[int]) -> dict[str, Tensor]:
        return {"image": self.points[self.order.at(positions)]}

    def referenced(self, positions: Sequence[int]) -> dict[str, Tensor]:
        return {"image": self.points[round_robin(self.reference, positions)]}

    def real(self) -> np.ndarray:
        return self.points[self.reference].numpy()
