"""What every test may count on: a cache of its own, one thread, and small real data."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch: two test processes share two cores

from organza import Batches
from organza.training import preparation
from tests.contracts.material import Material
from tests.drawings import drawing

FIRST = ("studio/test_journey.py", "studio/test_guard.py", "test_export_page.py")
"""Files whose tests wait for a browser or a clock. They come first, while the checks of types use the cores that they leave free."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the files that wait before all others; within each, and otherwise, the order stays."""
    items.sort(key=lambda item: not item.path.as_posix().endswith(FIRST))


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


@pytest.fixture(scope="session", autouse=True)
def _little_is_measured():
    """Hundreds of runs begin here: where their length is in images, two steps tell the speed, and 60 samples are evaluated."""
    before = preparation.ROUGHLY, preparation.SAMPLES
    preparation.ROUGHLY, preparation.SAMPLES = 0.0, 60
    yield
    preparation.ROUGHLY, preparation.SAMPLES = before


@pytest.fixture
def few_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Four samples in a grid and 16 logits in a checkpoint, not 64 and 256: those take most of so short a run. A hole is smoothed in one
    round of each size, not in four, as each adds some hundred operations to a file.
    """
    monkeypatch.setattr("organza.networks.filler.ROUNDS", 1)
    monkeypatch.setattr("organza.training.evaluator.JUDGED", 16)
    monkeypatch.setattr(Batches, "rows", 2)
    monkeypatch.setattr(Batches, "columns", 2)


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of 120 small drawings."""
    folder = tmp_path_factory.mktemp("pictures")
    for seed in range(120):
        drawing(seed).save(folder / f"{seed:03d}.png")
    return folder


@pytest.fixture(scope="session")
def material(tmp_path_factory: pytest.TempPathFactory) -> Material:
    """What each recipe is trained on: `material(recipe)` is a folder, `material.opened(recipe)` the data."""
    return Material(tmp_path_factory.mktemp("material"))
