"""The direction of imports, by walking the syntax trees: who may know whom."""

from __future__ import annotations

import ast
import subprocess
import sys
import time
from pathlib import Path

import pytest

import organza

ROOT = Path(organza.__file__).parent
LEAVES = {"losses", "augment", "schedule", "ema", "optimizers", "errors", "seeding", "untrusted"}
FORBIDDEN = {  # (who, must not import)
    "networks": {"trainer", "start", "infer", "data", "metrics", "cli", "recipes", "game"},
    "losses": {"trainer", "game", "networks"},
    "penalties": {"trainer", "game", "networks"},
    "metrics": {"trainer", "start", "game", "infer", "networks", "cli", "recipes"},
    "infer": {"trainer", "start", "games", "recipes", "cli"},
    "game": {"trainer", "start", "data", "metrics", "networks", "recipes", "games", "infer", "cli"},
    "games": {"trainer", "start", "data", "metrics", "recipes", "infer", "cli"},
    "data": {"trainer", "start", "game", "games", "networks", "recipes", "infer", "metrics", "cli"},
    "trainer": {"cli", "display", "recipes", "start", "infer"},
    "report": {"trainer", "start", "cli", "recipes"},
    "stop": {"trainer", "start"},
    "checkpoint": {"trainer", "start", "game", "games", "recipes"},
}
NOBODY_IMPORTS = {"cli", "commands", "studio"}  # but the entry points


def imports(path: Path) -> set[str]:
    """The organza modules that a file imports, by their first name, at any depth but under TYPE_CHECKING."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.partition(".")[0] == "organza":
            rest = node.module.split(".")[1:]
            found |= {rest[0]} if rest else {alias.name for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {alias.name.split(".")[1] for alias in node.names if alias.name.startswith("organza.")}
    return found


FILES = sorted(ROOT.rglob("*.py"))


def owner(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_point_one_way(path: Path):
    who, whom = owner(path), imports(path) - {owner(path)}
    if path.name == "__init__.py" and path.parent == ROOT:
        return
    assert not whom & FORBIDDEN.get(who, set())
    if who not in NOBODY_IMPORTS | {"__main__"}:
        assert not whom & NOBODY_IMPORTS
    if who in LEAVES:
        assert whom <= LEAVES


def test_the_guard_sees_an_import(tmp_path: Path):
    (tmp_path / "x.py").write_text("from organza.cli import main\nimport organza.trainer\nfrom organza import data\n")
    assert imports(tmp_path / "x.py") == {"cli", "trainer", "data"}


def test_help_answers_without_importing_torch():
    code = "\n".join(
        [
            "import sys, organza.cli",
            "try: organza.cli.main(['--help'])",
            "except SystemExit: pass",
            "assert 'torch' not in sys.modules",
        ]
    )
    started = time.perf_counter()
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert "train" in result.stdout
    assert time.perf_counter() - started < 5  # half a second on a quiet machine; here two test processes share it
