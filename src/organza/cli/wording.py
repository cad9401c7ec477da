"""Wording of the command line: the library's messages name arguments as Python does, and this table gives their options."""

from __future__ import annotations

import ast
import re

from organza.shell import quoted

TRACEBACK = "--traceback"
"""Option of every command: show errors of the user's code with all their frames."""
OPTIONS = {
    "extractors": "--extractor",
    "files": "--weights",
    "licence": "--license",
    "modules": "--import",
    "of_class": "--class",
    "parts": "--part",
    "settings": "--set",
    "start": "--from",
    "which": "--checkpoint",
}
"""Options whose names are not those of the arguments in Python."""
SAME = frozenset((
    "against", "between", "budget", "channels", "checkpoint", "count", "data", "device", "download", "follow_links", "format", "labels",
    "log", "mask", "metadata", "on_collapse", "out", "overwrite", "pages", "precision", "public", "recipe", "run", "seed", "shard_size",
    "size", "source", "split", "stop", "to",
))  # fmt: skip
"""Arguments whose options have their names."""
QUOTED = re.compile(r"`([^`\n]{1,400})`")


def in_options(message: str) -> str:
    """Return a message of the library with its arguments and calls, which stand between backquotes,
    as options and commands.

    >>> in_options("`size` is 4; choose another `run`, or `pages='all'` with `settings=['batch=8']`.")
    '--size is 4; choose another --run, or --pages all with --set batch=8.'
    >>> in_options("Train one with: `organza.train(data, run='runs/my faces')`, in `file`")
    "Train one with: organza train DATA --run 'runs/my faces', in `file`"
    >>> in_options("Give age as `labels={field: value}`, as in `labels={'age': '30', 'hair': 'dark brown'}`.")
    "Give age as --label field=value, as in --label age=30 'hair=dark brown'."
    """
    return QUOTED.sub(lambda found: _told(found[1]) or found[0], message)


def _told(code: str) -> str:
    """Return an argument, an argument with its value, or a call as typed; "" for anything else."""
    tree = _parsed(code)
    if isinstance(tree, ast.Name):
        return _option(tree.id)
    if (
        isinstance(tree, ast.Call)
        and isinstance(tree.func, ast.Attribute)
        and ast.unparse(tree.func.value) == "organza"
    ):
        return " ".join(["organza", tree.func.attr, *map(_value, tree.args), *_given(tree.keywords)])
    tree = _parsed(f"_({code})")
    if (
        isinstance(tree, ast.Call)
        and tree.keywords
        and not tree.args
        and all(_option(k.arg or "") for k in tree.keywords)
    ):
        return " ".join(_given(tree.keywords))
    return ""


def _parsed(code: str) -> ast.expr | None:
    try:
        return ast.parse(code, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _option(name: str) -> str:
    return OPTIONS.get(name) or (f"--{name.replace('_', '-')}" if name in SAME else "")


def _given(keywords: list[ast.keyword]) -> list[str]:
    """Return the options that stand for the keyword arguments of a call."""
    return [
        f"--label {_pairs(k.value)}"
        if k.arg == "labels" and isinstance(k.value, ast.Dict)
        else f"{_option(k.arg or '') or f'--{k.arg}'} {_value(k.value)}".rstrip()
        for k in keywords
    ]


def _pairs(labels: ast.Dict) -> str:
    """Return labels by field as typed after --label; names stand for themselves."""

    def word(node: ast.expr | None) -> str:
        return str(node.value) if isinstance(node, ast.Constant) else ast.unparse(node) if node else ""

    return " ".join(
        quoted(f"{word(field)}={word(value)}") for field, value in zip(labels.keys, labels.values, strict=True)
    )


def _value(node: ast.expr) -> str:
    """Return a value as typed in a shell: names in capitals stand for what the user fills in."""
    if isinstance(node, ast.List | ast.Tuple):
        return " ".join(map(_value, node.elts))
    if isinstance(node, ast.Constant):
        return "" if node.value is True else quoted(str(node.value))
    return ast.unparse(node).upper()
