"""Notebooks: run without Jupyter, and shown as pages of the site.

`python docs/site/notebooks.py docs/notebooks/NAME.ipynb ...` runs notebooks in the current folder and stores their outputs in them.
"""

from __future__ import annotations

import ast
import base64
import contextlib
import io
import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

Notebook = dict[str, Any]


def read(path: Path) -> Notebook:
    """Return a notebook, nbformat 4."""
    return json.loads(path.read_text(encoding="utf-8"))


def executed(notebook: Notebook, constants: Mapping[str, str] | None = None) -> Notebook:
    """Run the cells of a notebook in one namespace, and return it with their outputs.

    Args:
        notebook: notebook to run.
        constants: other values of assigned names, as source: {"STEPS": "3"}.

    >>> cell = {"cell_type": "code", "source": ["STEPS = 9\\n", "print(STEPS)\\n", "STEPS + 1"]}
    >>> [part.get("text", part.get("data")) for part in executed({"cells": [cell]}, {"STEPS": "2"})["cells"][0]["outputs"]]
    [['2\\n'], {'text/plain': ['3']}]
    """
    namespace: dict[str, Any] = {"__name__": "__main__"}
    cells = []
    for number, cell in enumerate(notebook["cells"], 1):
        if cell["cell_type"] == "code":
            source = _replaced("".join(cell["source"]), constants or {})
            cell = cell | {"execution_count": number, "outputs": _run(source, namespace, number)}
        cells.append(cell)
    return notebook | {"cells": cells}


def _replaced(source: str, constants: Mapping[str, str]) -> str:
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if not isinstance(node, ast.Assign):
            continue
        names, values = [node.targets[0]], [node.value]
        if isinstance(node.targets[0], ast.Tuple) and isinstance(node.value, ast.Tuple):
            names, values = node.targets[0].elts, node.value.elts
        for place, name in enumerate(names):
            if isinstance(name, ast.Name) and name.id in constants:
                values[place] = ast.parse(constants[name.id], mode="eval").body
        node.value = values[0] if names == [node.targets[0]] else ast.Tuple(values, ast.Load())
    return ast.unparse(tree) if constants else source


def _run(source: str, namespace: dict[str, Any], number: int) -> list[dict[str, Any]]:
    tree = ast.parse(source)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    printed = io.StringIO()
    value = None
    with contextlib.redirect_stdout(printed):
        exec(compile(tree, f"cell {number}", "exec"), namespace)
        if isinstance(last, ast.Expr):
            value = eval(compile(ast.Expression(last.value), f"cell {number}", "eval"), namespace)
    outputs = []
    if printed.getvalue():
        outputs.append(
            {"output_type": "stream", "name": "stdout", "text": printed.getvalue().splitlines(keepends=True)}
        )
    if value is not None:
        outputs.append(
            {"output_type": "execute_result", "execution_count": number, "metadata": {}, "data": _shown(value)}
        )
    return outputs


def _shown(value: Any) -> dict[str, Any]:
    if hasattr(value, "_repr_png_"):
        return {"image/png": base64.b64encode(value._repr_png_()).decode()}
    if hasattr(value, "_repr_html_"):
        return {"text/html": value._repr_html_().splitlines(keepends=True), "text/plain": [repr(value)]}
    return {"text/plain": repr(value).splitlines(keepends=True)}


def markdown(path: Path) -> str:
    """Return a notebook as Markdown.

    Args:
        path: notebook, nbformat 4.
    """
    return "\n\n".join(part for cell in read(path)["cells"] for part in _cell(cell)) + "\n"


def _cell(cell: dict[str, Any]) -> list[str]:
    text = "".join(cell["source"])
    if cell["cell_type"] == "markdown":
        return [text]
    return [f"```python\n{text}\n```", *(shown for output in cell.get("outputs", []) if (shown := _output(output)))]


def _output(output: dict[str, Any]) -> str:
    data = output.get("data", {})
    if "image/png" in data:
        return f'<img alt="output of the cell above" src="data:image/png;base64,{"".join(data["image/png"]).strip()}">'
    if "text/html" in data:
        return re.sub(r"\s*\n\s*", " ", "".join(data["text/html"]))
    text = "".join(output.get("text", data.get("text/plain", "")))
    return f"```text\n{text.rstrip()}\n```" if text.strip() else ""


if __name__ == "__main__":
    for name in sys.argv[1:]:
        done = executed(read(Path(name).resolve()))
        Path(name).write_text(json.dumps(done, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
