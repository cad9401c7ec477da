"""What every test may count on: a cache of its own, one thread, and small real data."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch: two test processes share two cores


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory):
    """Nothing is read from or written to the user's cache; test processes share one."""
    folder = tmp_path_factory.getbasetemp()
    shared = (folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder) / "cache"
    before = os.environ.get("ORGANZA_CACHE")
    os.environ["ORGANZA_CACHE"] = str(shared)
    yield
    if before is None:
        del os.environ["ORGANZA_CACHE"]
    else:
        os.environ["ORGANZA_CACHE"] = before


def drawing(seed: int, width: int = 32, height: int = 32) -> Image.Image:
    """A small picture with structure: a coloured disc and a bar on a coloured ground."""
    rng = np.random.default_rng(seed)
    ground, disc, bar = (tuple(int(v) for v in rng.integers(0, 256, 3)) for _ in range(3))
    image = Image.new("RGB", (width, height), ground)
    draw = ImageDraw.Draw(image)
    x, y, r = rng.integers(8, width - 8), rng.integers(8, height - 8), rng.integers(3, 8)
    draw.ellipse((x - r, y - r, x + r, y + r), fill=disc)
    draw.rectangle((0, height - 6, int(rng.integers(4, width)), height - 3), fill=bar)
    return image


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of 120 small drawings."""
    folder = tmp_path_factory.mktemp("pictures")
    for seed in range(120):
        drawing(seed).save(folder / f"{seed:03d}.png")
    return folder
