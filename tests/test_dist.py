"""What is distributed: the wheel alone, in a bare environment outside the repository, runs the README's lines."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of `make dist`."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=300)
    return folder


def test_wheel_and_sdist_hold_what_is_needed(built: Path):
    with zipfile.ZipFile(next(built.glob("*.whl"))) as wheel:
        names = set(wheel.namelist())
    for name in ("py.typed", "report/style.css", "export/page/page.css", "export/runtime/LICENSE"):
        assert f"organza/{name}" in names
    assert not {name for name in names if name.startswith("tests")}
    here = {path.relative_to(ROOT / "src").as_posix() for path in (ROOT / "src" / "organza").rglob("*.py")}
    assert here <= names
    with tarfile.open(next(built.glob("*.tar.gz"))) as sdist:
        kept = {name.partition("/")[2] for name in sdist.getnames()}
    assert {"pyproject.toml", "README.md", "LICENSE", "src/organza/__init__.py"} <= kept


def test_the_lines_of_the_readme_run_from_the_wheel_in_a_bare_environment(built: Path, tmp_path: Path):
    venv.create(tmp_path / "env", with_pip=False, symlinks=os.name != "nt")
    home = Path(sysconfig.get_path("purelib", vars={"base": str(tmp_path / "env"), "platbase": str(tmp_path / "env")}))
    with zipfile.ZipFile(next(built.glob("*.whl"))) as wheel:
        wheel.extractall(home)
    # The dependencies are those of this environment: a path in a .pth file, whose own .pth files, editable installs, are not read.
    (home / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    photos = tmp_path / "photos"
    photos.mkdir()
    for index, pixels in enumerate(np.random.default_rng(0).integers(0, 256, (40, 32, 32, 3), dtype=np.uint8)):
        Image.fromarray(pixels).save(photos / f"{index}.png")
    found = re.search(r"The same from Python:\n\n```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert found
    lines = found[1].replace('budget="20m"', 'budget="32img", recipe="mlp", evaluate=False, report=False')
    lines += "\nprint(organza.__file__, images.shape, chances.shape)\n"
    python = tmp_path / "env" / ("Scripts" if os.name == "nt" else "bin") / "python"
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    ended = subprocess.run(
        [python, "-I", "-c", lines], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300, env=kept
    )
    assert ended.returncode == 0, ended.stderr
    where, _, rest = ended.stdout.strip().rpartition(".py ")
    assert Path(where).is_relative_to(home)
    assert rest == "(64, 32, 32, 3) (64,)"
    assert (tmp_path / "out" / "grid.png").is_file()
