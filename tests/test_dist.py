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


QUICKLY = ("--recipe", "mlp", "--no-evaluate", "--no-report")
COMMANDS = """
import shlex
from organza.cli import main
for line in {lines!r}:
    try:
        main(shlex.split(line)[1:])
    except SystemExit as end:
        assert not end.code, (line, end.code)
"""
"""Commands as typed, in one process, since each import of torch takes seconds; `main` is what the console script calls."""


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
        [scripts] = [wheel.read(name).decode() for name in names if name.endswith("dist-info/entry_points.txt")]
    for name in ("py.typed", "report/style.css", "export/page/page.css", "export/runtime/LICENSE"):
        assert f"organza/{name}" in names
    assert "organza = organza.cli:main" in scripts
    assert not {name for name in names if name.startswith("tests")}
    here = {path.relative_to(ROOT / "src").as_posix() for path in (ROOT / "src" / "organza").rglob("*.py")}
    assert here <= names
    with tarfile.open(next(built.glob("*.tar.gz"))) as sdist:
        kept = {name.partition("/")[2] for name in sdist.getnames()}
    assert {"pyproject.toml", "README.md", "LICENSE", "src/organza/__init__.py"} <= kept


@pytest.mark.slow
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
    readme = (ROOT / "README.md").read_text("utf-8")
    shell = re.findall(
        r"^organza (?:data check|train|sample|walk|judge) .*photos.*$",
        readme.partition("The same from")[0],
        re.MULTILINE,
    )
    assert len(shell) == 5
    shell = [
        line.replace("--budget 20m", f"--budget 32img {' '.join(QUICKLY)}").replace("some/image.jpg", "photos/3.png")
        for line in shell
    ]
    shell = [line.partition("#")[0] + (" --seconds 0.2" if " walk " in line else "") for line in shell]
    found = re.search(r"The same from Python:\n\n```python\n(.*?)```", readme, re.DOTALL)
    assert found
    lines = COMMANDS.format(lines=shell) + found[1].replace('"photos"', '"photos", "runs/python"').replace(
        'budget="20m"', 'budget="32img", recipe="mlp", evaluate=False, report=False'
    )
    lines += "\nprint(organza.__file__, images.shape, chances.shape)\n"
    python = tmp_path / "env" / ("Scripts" if os.name == "nt" else "bin") / "python"
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    ended = subprocess.run(
        [python, "-I", "-c", lines], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300, env=kept
    )
    assert ended.returncode == 0, ended.stderr
    assert (tmp_path / "runs" / "photos" / "generated" / "seed-7" / "00063.png").is_file()
    assert len(list((tmp_path / "runs" / "photos" / "walks").iterdir())) == 1
    where, _, rest = ended.stdout.strip().splitlines()[-1].rpartition(".py ")
    assert Path(where).is_relative_to(home)
    assert rest == "(64, 32, 32, 3) (64,)"
    assert (tmp_path / "out" / "grid.png").is_file()
