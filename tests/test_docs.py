"""The docs keep their word: included code equals the source, examples in docstrings and pages run, commands exist."""

from __future__ import annotations

import ast
import doctest
import importlib
import inspect
import io
import pkgutil
import re
import runpy
import shlex
import textwrap
from contextlib import redirect_stdout
from functools import cache
from pathlib import Path

import pytest

import organza
from organza import cli

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
MODULES = [info.name for info in pkgutil.walk_packages(organza.__path__, "organza.")]
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def examples_of(name: str) -> list[doctest.DocTest]:
    """The examples of a module: in the docstrings that Python keeps, and in those below values and fields, which it drops."""
    module = importlib.import_module(name)
    found = [test for test in doctest.DocTestFinder().find(module) if test.examples]
    known = {example.source for test in found for example in test.examples}
    text = Path(module.__file__ or "").read_text(encoding="utf-8")
    for node in ast.walk(ast.parse(text)):
        match node:
            case ast.Expr(value=ast.Constant(value=str(docstring))) if ">>> " in docstring:
                test = doctest.DocTestParser().get_doctest(docstring, vars(module), name, module.__file__, node.lineno)
                if any(example.source not in known for example in test.examples):
                    found.append(test)
    return found


def test_every_module_imports_and_its_examples_run():
    runner = doctest.DocTestRunner(optionflags=FLAGS)  # it prints each example that fails, with its file and line
    for name in ("organza", *MODULES):
        tests = examples_of(name)
        text = Path(importlib.import_module(name).__file__ or "").read_text(encoding="utf-8")
        examples = sum(len(test.examples) for test in tests)
        assert examples >= len(re.findall(r"^ *>>> ", text, re.M)), f"some examples of {name} would never run"
        for test in tests:
            runner.run(test)
    assert runner.tries > 200
    assert runner.summarize(verbose=False).failed == 0


def test_examples_below_a_value_are_found_and_can_fail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    assert len(examples_of("organza.losses")) >= 7
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "wrong_sum.py").write_text('x = 1\n"""One.\n\n>>> x + 1\n3\n"""\n')
    (test,) = examples_of("wrong_sum")
    assert doctest.DocTestRunner(verbose=False).run(test, out=lambda _: None).failed == 1


def test_included_code_is_the_source():
    filled = runpy.run_path(str(ROOT / "docs" / "include.py"))["filled"]
    for page in PAGES:
        assert filled(page.read_text()) == page.read_text(), f"{page.name}: run python docs/include.py"


def blocks(page: Path) -> list[str]:
    """The blocks of Python on a page that are neither from the source nor sessions."""
    found = re.findall(
        r"(<!-- from .*? -->\n)?^( *)```python\n(.*?)^\2```", page.read_text(encoding="utf-8"), re.S | re.M
    )
    return [textwrap.dedent(code) for included, _, code in found if not included and ">>> " not in code]


@pytest.mark.parametrize(
    "page", [page for page in PAGES if ">>> " in page.read_text(encoding="utf-8")], ids=lambda p: p.name
)
def test_the_sessions_of_a_page_run_as_they_stand(page: Path):
    failed, tried = doctest.testfile(
        str(page), module_relative=False, optionflags=FLAGS, globs={"__name__": "__main__"}, encoding="utf-8"
    )
    assert tried > 0
    assert failed == 0


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page)], ids=lambda p: p.name)
def test_other_python_on_a_page_compiles_and_what_it_imports_is_there(page: Path):
    for block in blocks(page):
        tree = ast.parse(block)
        imports = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
        namespace: dict = {}
        for node in imports:
            exec(compile(ast.Module([node], []), page.name, "exec"), namespace)
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("organza."):
                signature = inspect.signature(eval(ast.unparse(node.func), {"organza": organza}))
                signature.bind(*node.args, **{word.arg: word.value for word in node.keywords if word.arg})


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


@cache
def help_of(*verb: str) -> str:
    """The help page of a verb, in this process: a new one for each documented command would import for two minutes."""
    with redirect_stdout(io.StringIO()) as shown, pytest.raises(SystemExit) as end:
        cli.main([*verb, "--help"])
    assert not end.value.code, shown.getvalue()
    return shown.getvalue()


def test_every_documented_command_exists_with_its_options():
    assert len(commands()) > 50
    for command in commands():
        words = shlex.split(command)
        shown = help_of(*(words[1:3] if words[1] == "data" else words[1:2]))
        for option in (word.partition("=")[0] for word in words if word.startswith("--")):
            assert option in shown, f"{command}: {option} is not in the help"


def test_links_lead_somewhere():
    for page in PAGES:
        text = page.read_text()
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text):
            if "://" not in target:
                assert (page.parent / target).exists(), f"{page.name} links to {target}"
        headings = {
            re.sub(r"[^\w\- ]", "", h.strip().lower()).replace(" ", "-") for h in re.findall(r"^#+ (.*)$", text, re.M)
        }
        for anchor in re.findall(r"\]\(#([^)]+)\)", text):
            assert anchor in headings, f"{page.name} links to #{anchor}"
