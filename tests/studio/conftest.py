"""A studio for the tests of its routes: runs of earlier formats, images, and traps around them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("starlette")
pytest.importorskip("uvicorn")

from tests.studio.server import Studio

FIXTURES = Path(__file__).parents[1] / "fixtures"
SECRET = b"the content of a file outside of the studio"


def furnished(place: Path, pictures: Path) -> tuple[Path, Path]:
    """Folders of runs and of data, with traps: links that lead out, and a name that is no name."""
    runs, data = place / "runs", place / "data"
    runs.mkdir()
    for name in ("format-2", "format-1-evaluated"):
        shutil.copytree(FIXTURES / name, runs / name)
    shutil.copytree(pictures, data / "drawings")
    (place / "secret.txt").write_bytes(SECRET)
    (place / "outside").mkdir()
    (place / "outside" / "secret.png").write_bytes(SECRET)
    shutil.copytree(FIXTURES / "format-2", place / "outside" / "run")
    (place / "outside" / "run" / "report.html").write_bytes(SECRET)
    if hasattr(os, "symlink"):
        (runs / "linked").symlink_to(place / "outside" / "run")
        (data / "linked").symlink_to(place / "outside")
        (runs / "format-2" / "samples").mkdir()
        (runs / "format-2" / "samples" / "00000099.png").symlink_to(place / "outside" / "secret.png")
        (runs / "format-2" / "report.html").symlink_to(place / "secret.txt")
    return runs, data


@pytest.fixture(scope="package")
def studio(tmp_path_factory: pytest.TempPathFactory, pictures: Path) -> Iterator[Studio]:
    runs, data = furnished(tmp_path_factory.mktemp("studio"), pictures)
    served = Studio(runs, data).start()
    yield served
    served.end()
