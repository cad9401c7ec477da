"""Reference pages: one for each file and package at the root of organza, generated from its docstrings."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "organza"
INTERNAL = ("deprecated", "__main__")
"""Names of earlier versions, and the entry point of `python -m organza`."""


def modules() -> list[str]:
    """Return the dotted names of all public modules, a package before its contents."""
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        parts = parts[:-1] if parts[-1] == "__init__" else parts
        if not any(part in INTERNAL or part.startswith("_") for part in parts):
            found.append(".".join(("organza", *parts)))
    return sorted(found, key=lambda name: name.split("."))


def path_of(module: str) -> Path:
    """Return the file of a module."""
    base = ROOT / "src" / Path(*module.split("."))
    return base / "__init__.py" if base.is_dir() else base.with_suffix(".py")


def page_of(module: str) -> str:
    """Return the page that documents a module.

    >>> page_of("organza.losses"), page_of("organza.data.builtin.faces"), page_of("organza")
    ('reference/losses.md', 'reference/data.md', 'reference/index.md')
    """
    return f"reference/{module.split('.')[1]}.md" if "." in module else "reference/index.md"


@cache
def tree(module: str) -> ast.Module:
    """Return the syntax tree of a module."""
    return ast.parse(path_of(module).read_text(encoding="utf-8"))


def summary(module: str) -> str:
    """Return the first sentence of a module's docstring.

    >>> summary("organza.games")
    'GAN variants, one in each file.'
    """
    text = " ".join((ast.get_docstring(tree(module)) or "").partition("\n\n")[0].split())
    return text if text.endswith(".") or not text else text + "."


def public(module: str) -> list[str]:
    """Return the names that a module defines at its top level and that do not begin with an underscore.

    >>> [name for name in public("organza.losses") if name.startswith("h")]
    ['hinge']
    """
    names: list[str] = []
    for node in tree(module).body:
        match node:
            case ast.FunctionDef() | ast.ClassDef() | ast.AsyncFunctionDef():
                names.append(node.name)
            case ast.Assign():
                names += [target.id for target in node.targets if isinstance(target, ast.Name)]
            case ast.AnnAssign(target=ast.Name()):
                names.append(node.target.id)
    return list(dict.fromkeys(name for name in names if not name.startswith("_")))


def pages() -> dict[str, str]:
    """Return the Markdown of each reference page by its path."""
    groups: dict[str, list[str]] = {}
    for module in modules():
        groups.setdefault(page_of(module), []).append(module)
    texts = {page: _page(group) for page, group in groups.items() if page != "reference/index.md"}
    return {"reference/index.md": _index(sorted(texts))} | texts


def _page(group: list[str]) -> str:
    head, *rest = group
    text = [f"::: {head}", "    options:", "      heading_level: 1", ""]
    if rest:
        text += ["| module | contents |", "| --- | --- |"]
        text += [f"| [`{name.removeprefix('organza.')}`](#{name}) | {summary(name)} |" for name in rest]
    for name in rest:
        text += ["", f"::: {name}"]
    return "\n".join(text) + "\n"


def _index(others: list[str]) -> str:
    rows = [
        f"| [`{Path(page).stem}`]({Path(page).name}) | {summary(f'organza.{Path(page).stem}')} |" for page in others
    ]
    return "\n".join(
        [
            "# Reference",
            "",
            "Generated from the docstrings. Names that begin with an underscore are internal. These are the",
            "names of `import organza` itself; each is described where it is defined:",
            "",
            *_exported(),
            "",
            "| file or package | contents |",
            "| --- | --- |",
            *rows,
            "",
        ]
    )


def _exported() -> list[str]:
    homes = {}
    for node in ast.walk(tree("organza")):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("organza."):
            homes |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    shown = next(
        ast.literal_eval(node.value)
        for node in tree("organza").body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
    )
    return [f"- [`organza.{name}`][{homes[name]}]" for name in shown if name in homes]
