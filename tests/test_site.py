"""The documentation site: built strictly, every page and every public name in it, and nothing loaded from elsewhere."""

from __future__ import annotations

import doctest
import importlib.util
import re
import sys
import zlib
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parent.parent
TOOLS = ROOT / "docs" / "site"


def tool(name: str) -> ModuleType:
    """A module of docs/site, which is no package."""
    spec = importlib.util.spec_from_file_location(f"site_{name}", TOOLS / f"{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def site() -> Path:
    """The built site; built anew only if something that it shows changed."""
    tool("build").build(search=False)
    return ROOT / "site"


@pytest.mark.parametrize("name", ["navigation", "docstrings", "reference", "notebooks", "code_map"])
def test_the_tools_examples_run(name: str):
    module = tool(name)
    failed, tried = doctest.testmod(module)
    assert failed == 0
    assert tried > 0 or ">>> " not in (TOOLS / f"{name}.py").read_text()


def test_every_page_has_a_place_and_one_that_nobody_named_is_a_guide():
    navigation = tool("navigation")
    written = [path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")]
    sections = {
        name: items
        for section in navigation.navigation(["index.md", *written, "new.md"])
        for name, items in section.items()
    }
    assert sorted(page for name, items in sections.items() if name != "Home" for page in items) == sorted(
        [*written, "new.md"]
    )
    assert sections["Guides"][-1] == "new.md"


def test_a_reference_page_documents_each_module_once():
    reference = tool("reference")
    named = re.findall(r"^::: (\S+)$", "\n".join(reference.pages().values()), re.M)
    assert sorted(named) == sorted(set(reference.modules()) - {"organza"})
    assert all(reference.summary(module) for module in named)


def test_the_map_names_every_file_and_package_once():
    code_map = tool("code_map")
    names = [name for layer in code_map.layers() for name in layer if name != "deprecated"]
    table, picture = code_map.table(), code_map.picture()
    assert len(names) > 20
    for name in names:
        assert len(re.findall(rf"\[`{name}(?:/|\.py)`\]", table)) == 1
        boxes = re.findall(
            rf'<text x="[^>]*>{name}</text>', picture
        )  # not the titles of layers, which may be the same word
        assert len(boxes) == 1


@pytest.mark.slow
def test_the_notebooks_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """In reading order and in one folder, with budgets of seconds: the last one opens the run of the one before."""
    monkeypatch.chdir(tmp_path)
    notebooks, short = tool("notebooks"), {"STEPS": "4", "BUDGET": "'64img'"}
    names = [Path(page).stem for page in tool("navigation").SECTIONS["Learn"] if page.startswith("notebooks/")]
    assert len(names) == len(list((ROOT / "docs" / "notebooks").glob("*.ipynb"))) == 3
    for name in names:
        notebook = notebooks.read(ROOT / "docs" / "notebooks" / f"{name}.ipynb")
        done = notebooks.executed(notebook, short)
        assert (
            sum("image/png" in output.get("data", {}) for cell in done["cells"] for output in cell.get("outputs", []))
            >= 2
        )


@pytest.mark.slow
def test_every_public_name_is_in_the_reference(site: Path):
    reference = tool("reference")
    packed = (site / "objects.inv").read_bytes().split(b"\n", 4)[4]
    anchors = {line.split(" ")[0] for line in zlib.decompress(packed).decode().splitlines()}
    wanted = {
        f"{module}.{name}" for module in reference.modules() if module != "organza" for name in reference.public(module)
    }
    assert len(wanted) > 500
    assert not wanted - anchors


@pytest.mark.slow
def test_pages_load_nothing_from_elsewhere(site: Path):
    pages = list(site.rglob("*.html"))
    assert len(pages) > 50
    for page in pages:
        loaded = re.findall(
            r"<(?:script|img|link|iframe)\b[^>]*\b(?:src|href)=\"?(https?:[^\s\">]+)", page.read_text(encoding="utf-8")
        )
        assert not loaded, page


@pytest.mark.slow
def test_links_to_files_of_the_repository_lead_to_pages(site: Path):
    home = (site / "index.html").read_text(encoding="utf-8")
    for target in (
        "source/examples/first_gan.py.html",
        "reference/losses.html#organza.losses",
        "decisions/index.html",
        "training.html",
    ):
        assert target in home
        assert (site / target.partition("#")[0]).is_file()
