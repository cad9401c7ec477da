"""The types that a user's module sees: pyright checks tests/users_module.py in `make test`, mypy here if it is installed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests import platform_types

ROOT = Path(__file__).parent.parent


def test_few_errors_of_types_are_ignored():
    ignored = [
        path for path in (ROOT / "src").rglob("*.py") if re.search(r"# (type|pyright): ignore", path.read_text("utf-8"))
    ]
    assert len(ignored) < 10, ignored


def test_pyright_checks_a_users_module():
    """`make test` runs it over these files, once for each system."""
    assert re.search(
        r'^include = \[.*"tests/users_module.py"', (ROOT / "pyproject.toml").read_text("utf-8"), re.MULTILINE
    )
    assert (ROOT / "src" / "organza" / "py.typed").is_file()


def test_files_that_another_system_can_change_are_found():
    names, members = platform_types.differing(platform_types.stubs())
    assert {"fork", "O_NOFOLLOW"} <= names["os"]
    assert {"owner", "st_blocks"} <= members
    for source, found in {
        "import os\nos.fork()": True,
        "from signal import SIGHUP": True,
        "import fcntl as f\nf.flock(1, 2)": True,
        "import os\nflags = getattr(os, 'O_NOFOLLOW', 0) | os.O_BINARY": True,
        "def who(path): return path.owner()": True,
        "def size(path): return path.stat().st_blocks": True,
        "import sys\nmine = sys.platform == 'win32'": True,
        "import os\nmine = os.name == 'nt'": True,
        "import filelock": True,
        "import os\nos.replace('a', 'b')": False,
        "def fork(x): return x.fork()": False,
    }.items():
        assert platform_types.differs(source, names, members) == found, source
    files = list((ROOT / "src").rglob("*.py"))
    kept = [path.name for path in files if platform_types.differs(path.read_text("utf-8"), names, members)]
    assert {"disk.py", "lock.py", "untrusted.py", "processes.py"} <= set(kept)
    assert len(kept) < len(files) / 4  # the others cost pyright as much time again


@pytest.mark.slow
@pytest.mark.skipif(find_spec("mypy") is None, reason="mypy is not installed: pip install mypy")
def test_mypy_sees_the_same_types(tmp_path: Path):
    command = [
        sys.executable,
        "-m",
        "mypy",
        "--follow-imports",
        "silent",
        "--warn-unused-ignores",
        "--cache-dir",
        str(tmp_path),
    ]
    env = {**os.environ, "MYPYPATH": str(ROOT / "src")}
    ended = subprocess.run(
        [*command, "tests/users_module.py"], cwd=ROOT, env=env, capture_output=True, text=True, check=False, timeout=600
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
