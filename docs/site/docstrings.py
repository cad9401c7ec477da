"""Docstrings as Markdown: examples that begin with `>>>` become blocks of code."""

from __future__ import annotations

from typing import Any

from griffe import Extension, Object


def fenced(text: str) -> str:
    """Return a docstring with its examples as fenced blocks: from `>>>` to the next empty line.

    >>> fenced("Add.\\n>>> 1 + 1\\n2").splitlines()
    ['Add.', '', '```pycon', '>>> 1 + 1', '2', '```']
    """
    lines: list[str] = []
    inside = ""
    for line in [*text.splitlines(), ""]:
        margin = line[: len(line) - len(line.lstrip())]
        if not inside and line.lstrip().startswith(">>> "):
            lines += [*([""] if lines and lines[-1].strip() else []), margin + "```pycon"]
            inside = margin + "```"
        if inside and not line.strip():
            lines.append(inside)
            inside = ""
        lines.append(line)
    return "\n".join(lines[:-1])


class Examples(Extension):
    """Extension of griffe: applies `fenced` to every docstring of a package."""

    def on_object(self, *, obj: Object, **kwargs: Any) -> None:
        """Rewrite the docstring of an object that was just read."""
        if obj.docstring and ">>> " in obj.docstring.value:
            obj.docstring.value = fenced(obj.docstring.value)
