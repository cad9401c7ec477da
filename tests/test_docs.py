"""The docs keep their word: included code equals the source, examples in docstrings and pages run, commands exist."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
import re
import runpy
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import organza

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
MODULES = [info.name for info in pkgutil.walk_packages(organza.__path__, "organza.")]
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


@pytest.mark.parametrize("name", ["organza", *MODULES])
def test_every_module_imports_and_its_examples_run(name: str):
    failed, _ = doctest.testmod(importlib.import_module(name), optionflags=FLAGS)
    assert failed == 0


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_included_code_is_the_source(page: Path):
    filled = runpy.run_path(str(ROOT / "docs" / "include.py"))["filled"]
    assert filled(page.read_text()) == page.read_text(), "run python docs/include.py"


def test_building_blocks_runs_as_it_stands():
    failed, tried = doctest.testfile(
        str(ROOT / "docs" / "building-blocks.md"),
        module_relative=False,
        optionflags=FLAGS,
        globs={"__name__": "__main__"},
    )
    assert tried > 5
    assert failed == 0


def commands() -> list[str]:
    """Every `organza ...` line in a shell block of README and docs."""
    found = []
    for page in PAGES:
        for block in re.findall(r"```(?:sh|bash|console)\n(.*?)```", page.read_text(), re.S):
            found += [
                line.split("#")[0].strip("$ ").strip()
                for line in block.splitlines()
                if line.strip("$ ").startswith("organza ")
            ]
    return sorted(set(found))


@pytest.mark.parametrize("command", commands())
def test_every_documented_command_exists_with_its_options(command: str):
    words = shlex.split(command)
    verb = words[1:3] if words[1] == "data" else words[1:2]
    shown = subprocess.run(
        [sys.executable, "-m", "organza.cli", *verb, "--help"], capture_output=True, text=True, check=False
    )
    assert shown.returncode == 0, shown.stdout + shown.stderr
    for option in (word.partition("=")[0] for word in words if word.startswith("--")):
        assert option in shown.stdout, f"{command}: {option} is not in the help"


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_lead_somewhere(page: Path):
    text = page.read_text()
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name} links to {target}"
    for anchor in re.findall(r"\]\(#([^)]+)\)", text):
        headings = {
            re.sub(r"[^\w\- ]", "", h.strip().lower()).replace(" ", "-") for h in re.findall(r"^#+ (.*)$", text, re.M)
        }
        assert anchor in headings
