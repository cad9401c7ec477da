"""What every test may count on: a cache of its own, one thread, and small real data."""

from __future__ import annotations

import functools
import gc
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch: two test processes share two cores

from organza.metrics.extractors import efficientnet_lite, mobilenet
from organza.training import preparation
from tests.contracts.exports import Exports
from tests.contracts.material import Material
from tests.drawings import drawing
from tests.helpers import WHOLE, look_little

FIRST = ("studio/test_journey.py", "studio/test_guard.py", "test_export_page.py")
"""Files whose tests wait for a browser or a clock. They come first, while the checks of types use the cores that they leave free."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the files that wait before all others; within each, and otherwise, the order stays."""
    items.sort(key=lambda item: not item.path.as_posix().endswith(FIRST))


def pytest_collection_finish() -> None:
    """Take all that is imported out of the collector's rounds, which cost a twentieth of the time otherwise; forks copy less, too."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all test processes share."""
    folder = tmp_path_factory.getbasetemp()
    return folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder


@pytest.fixture(scope="session", autouse=True)
def _own_cache(shared: Path):
    """Nothing is read from or written to the user's cache; test processes share one."""
    before = os.environ.get("ORGANZA_CACHE")
    os.environ["ORGANZA_CACHE"] = str(shared / "cache")
    yield
    if before is None:
        del os.environ["ORGANZA_CACHE"]
    else:
        os.environ["ORGANZA_CACHE"] = before


@pytest.fixture(scope="session", autouse=True)
def _little_is_measured():
    """Hundreds of runs begin here: where their length is in images, two steps tell the speed, 60 samples are evaluated, and four are
    shown. In `make faults` as many are shown as to a user.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(preparation, "ROUGHLY", 0.0)
        patch.setattr(preparation, "SAMPLES", 60)
        if not WHOLE:
            look_little(patch)
        yield


@pytest.fixture(scope="session", autouse=True)
def _feature_networks_are_kept():
    """Networks for features are read once by each worker, not by each of some hundred evaluations; their files are tried in
    `metrics/test_packaged.py`.
    """
    with pytest.MonkeyPatch.context() as patch:
        for kind in () if WHOLE else (efficientnet_lite, mobilenet):
            patch.setattr(kind, "pretrained", functools.cache(kind.pretrained))
        yield


@pytest.fixture(scope="session", autouse=True)
def _nothing_is_flushed():
    """A flush to the disk only asks for the file's state, but in `make faults`: it waits for some milliseconds, fifty times in a run, and
    changes nothing unless power is lost. Which flushes are made is looked at where they are recorded, in `tests/faults` and `test_disk.py`.
    """
    before = os.fsync
    if not WHOLE:
        os.fsync = os.fstat  # type: ignore[assignment]
    yield
    os.fsync = before


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


@pytest.fixture(scope="session")
def operators() -> Iterator[None]:
    """The exporter's table of operators is built once: half a second for each file otherwise."""
    from torch.onnx._internal.exporter._registration import ONNXRegistry

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ONNXRegistry, "from_torchlib", staticmethod(functools.cache(ONNXRegistry.from_torchlib)))
        yield


@pytest.fixture(scope="session")
def exports(shared: Path, material: Material, operators: None) -> Exports:
    """What recipes are exported to: `exports(name)` is the run and the folder of its files."""
    return Exports(shared / "exports", material)
