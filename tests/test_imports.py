"""The direction of imports, by walking the syntax trees: an ordered list of layers, no arrow upwards, no circle."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

import organza

ROOT = Path(organza.__file__).parent
LAYERS = """
version errors seeding progress schedule shell untrusted memory disk deprecated
distributed
losses penalties augment optimizers stop config
networks game games media run
data metrics
recipe overrides recipes gan
latents export inference evaluation
report
display
training
studio
classroom widgets
cli
__main__
"""
"""Files and packages of the root, lowest first: each imports only what stands before it. Whoever adds one gives it a place here."""
ORDER = LAYERS.split()
DEEPEST = 10
"""Levels of import, the entry point `python -m organza` left out."""


def module_of(path: Path) -> str:
    """The dotted name of a file's module."""
    return ".".join(path.relative_to(ROOT.parent).with_suffix("").parts).removesuffix(".__init__")


MODULES = {module_of(path): path for path in sorted(ROOT.rglob("*.py"))}


@cache
def imports(path: Path) -> frozenset[str]:
    """The modules of organza that a file imports, at any depth, those under TYPE_CHECKING included."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.partition(".")[0] == "organza":
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                found.add(inner if inner in MODULES else node.module)
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names if alias.name.partition(".")[0] == "organza"}
    return frozenset(found)


def owner(module: str) -> str:
    """The file or package of the root that a module belongs to; "" for the root itself."""
    return module.partition(".")[2].partition(".")[0]


def levels(arrows: dict[str, set[str]]) -> dict[str, int]:
    """The level of each name: 1 for one that imports nothing, else one more than the highest that it imports.

    Raises:
        ValueError: some import each other in a circle, which is named.
    """
    found: dict[str, int] = {}

    def level(name: str, above: tuple[str, ...]) -> int:
        if name in above:
            raise ValueError(" -> ".join([*above[above.index(name) :], name]))
        if name not in found:
            found[name] = 1 + max((level(other, (*above, name)) for other in arrows[name]), default=0)
        return found[name]

    for name in arrows:
        level(name, ())
    return found


FILES = [module for module in MODULES if module != "organza"]


def test_imports_point_downwards():
    for module in FILES:
        below = ORDER[: ORDER.index(owner(module))]
        assert {owner(other) for other in imports(MODULES[module])} - {owner(module)} <= set(below), module


def test_there_is_a_place_for_every_file_and_package_and_no_more():
    assert sorted({owner(module) for module in FILES}) == sorted(ORDER)
    assert len(list(ROOT.glob("*.py"))) <= 20


def test_levels_are_few():
    arrows = {name: set[str]() for name in ORDER}
    for module in FILES:
        arrows[owner(module)] |= {owner(other) for other in imports(MODULES[module])} - {owner(module)}
    found = levels(arrows)
    assert max(level for name, level in found.items() if name != "__main__") <= DEEPEST


def test_no_files_import_each_other_in_a_circle():
    levels({module: set(imports(MODULES[module]) & set(FILES)) - {module} for module in FILES})


def test_only_its_own_file_assigns_the_state_of_training():
    for path in (ROOT / "training").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            changed = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
            for target in [inner for one in changed if one is not None for inner in ast.walk(one)]:
                owner_name = ast.unparse(target.value) if isinstance(target, ast.Attribute) else ""
                assert path.name == "state.py" or owner_name not in ("state", "self.state"), ast.unparse(node)


def test_the_guard_sees_an_import_and_a_circle(tmp_path: Path):
    (tmp_path / "x.py").write_text(
        "from typing import TYPE_CHECKING\nfrom organza.cli import main\nimport organza.recipe\nfrom organza import data\n"
        "if TYPE_CHECKING:\n    from organza.training import trainer\n"
    )
    assert imports(tmp_path / "x.py") == {
        "organza.cli.main", "organza.recipe", "organza.data", "organza.training.trainer",
    }  # fmt: skip
    assert levels({"a": {"b"}, "b": set()}) == {"a": 2, "b": 1}
    with pytest.raises(ValueError, match="a -> b -> a"):
        levels({"a": {"b"}, "b": {"a"}})


def test_help_answers_without_importing_torch():
    code = "\n".join(
        [
            "import sys, organza.cli",
            "try: organza.cli.main(['--help'])",
            "except SystemExit: pass",
            "assert 'torch' not in sys.modules",
        ]
    )
    before = os.times()
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert "train" in result.stdout
    spent = (
        os.times().children_user - before.children_user
    )  # not the wall clock, which also measures what else runs here
    assert spent < 2  # half a second; with torch it would be four
