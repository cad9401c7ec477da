"""Fill the code blocks of the docs from the source, so that they cannot drift: `python docs/include.py` rewrites, the tests compare.

A block that follows `<!-- from src/organza/losses.py: nonsaturating, hinge -->` holds those definitions, docstrings left out.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
BLOCK = re.compile(r"(<!-- from (?P<file>\S+): (?P<names>[\w., ]+) -->\n)```python\n.*?```", re.S)


def definition(file: Path, name: str) -> str:
    """The source of a top-level function, class, value, or a method given as Class.method, without its docstring."""
    text = file.read_text()
    body: list[ast.stmt] = ast.parse(text).body
    *owners, last = name.split(".")
    for owner in owners:
        body = next(node.body for node in body if isinstance(node, ast.ClassDef) and node.name == owner)
    node = next(node for node in body if last in _names(node))
    lines = text.splitlines()
    decorators = getattr(node, "decorator_list", [])
    first = min([node.lineno, *(decorator.lineno for decorator in decorators)])
    dropped: set[int] = set()
    for inner in ast.walk(node):
        if isinstance(inner, ast.FunctionDef | ast.ClassDef) and ast.get_docstring(inner) is not None:
            docstring = inner.body[0]
            dropped |= set(range(docstring.lineno, (docstring.end_lineno or docstring.lineno) + 1))
            if len(inner.body) > 1 and not lines[docstring.end_lineno or 0].strip():
                dropped.add((docstring.end_lineno or 0) + 1)
    kept = [
        line
        for number, line in enumerate(lines, 1)
        if first <= number <= (node.end_lineno or 0) and number not in dropped
    ]
    indent = len(kept[0]) - len(kept[0].lstrip())
    return "\n".join(line[indent:] for line in kept)


def _names(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.Assign):
        return [target.id for target in node.targets if isinstance(target, ast.Name)]
    return [getattr(node, "name", "")]


def filled(page: str) -> str:
    """A page with all its blocks as the source has them now."""

    def fill(found: re.Match[str]) -> str:
        parts = [definition(ROOT / found["file"], name.strip()) for name in found["names"].split(",")]
        return f"{found[1]}```python\n" + "\n\n".join(parts) + "\n```"

    return BLOCK.sub(fill, page)


if __name__ == "__main__":
    for path in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]:
        path.write_text(filled(path.read_text()))
