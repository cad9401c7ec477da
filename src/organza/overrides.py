"""Overrides: `field=value` changes to a recipe, as `--set` takes them."""

from __future__ import annotations

import ast
import dataclasses
import inspect
from collections.abc import Iterable
from typing import Any

from organza import losses, networks, penalties
from organza.config import Partial, describe, settings_of, walk
from organza.errors import UserError, nearest
from organza.losses import Adversarial
from organza.recipe import LARGEST, Recipe


def apply(recipe: Recipe, settings: Iterable[str]) -> Recipe:
    """Return the recipe with `field=value` settings applied; a field may be a path such as
    generator.width or penalties.0.weight.

    Raises:
        UserError: if a field does not exist (names the nearest) or a value is of the wrong kind.
    """
    for setting in settings:
        path, equals, text = setting.partition("=")
        if not equals or not path:
            raise UserError(
                f"`settings` has {setting!r}, which is not of the form field=value, for example batch=32 or generator.width=48."
            )
        recipe = _replace(recipe, path.strip().split("."), text.strip(), path.strip())
    return recipe


def _replace(value: Any, path: list[str], text: str, whole: str) -> Any:
    """Return a value with the field at a path replaced."""
    name, rest = path[0], path[1:]
    if isinstance(value, tuple):
        if name not in map(str, range(len(value))):
            raise UserError(f"`settings` {whole}: {name} must be a number from 0 to {len(value) - 1}.")
        position = int(name)
        new = _replace(value[position], rest, text, whole) if rest else _parse(text, value[position], whole)
        return (*value[:position], new, *value[position + 1 :])
    fields = settings_of(value)
    if fields is None:
        raise UserError(f"`settings` {whole}: {describe(value)} has no fields to set.")
    if name not in fields:
        raise UserError(
            f"`settings` {whole}: there is no field {name}; choose from {', '.join(fields)}.{nearest(name, fields)}"
        )
    new = _replace(fields[name], rest, text, whole) if rest else _parse(text, fields[name], whole)
    if isinstance(value, Partial) and isinstance(new, int) and abs(new) > LARGEST:
        raise UserError(f"`settings` {whole}={text}: it must be at most {LARGEST:,}.")
    return value.given(**{name: new}) if isinstance(value, Partial) else dataclasses.replace(value, **{name: new})


def _parse(text: str, old: Any, whole: str) -> Any:
    """Return text as a value of the same kind as the old one: a plain value, or the name of a
    function, loss or partial.
    """
    if isinstance(old, str):
        return text
    try:
        value = ast.literal_eval({"true": "True", "false": "False", "none": "None"}.get(text.lower(), text))
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return _named(text, old, whole)
    kind = type(old)
    plain = isinstance(old, bool | int | float)
    if (
        not plain
        and callable(old)
        and isinstance(value, bool | int | float)
        and not isinstance(old, Partial | Adversarial)
    ):
        return value  # a number instead of a schedule
    fits = isinstance(value, kind) and isinstance(value, bool) == isinstance(old, bool)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        value, fits = float(value), True
    if not plain or not fits or (isinstance(value, float) and not abs(value) < float("inf")):
        raise UserError(
            f"`settings` {whole}={text}: the current value is {describe(old)}; the new value must be of the same kind ({kind.__name__})."
        )
    return value


def _named(text: str, old: Any, whole: str) -> Any:
    """Return the loss, penalty or part of a network of this name that can take the place of another."""
    choices: dict[str, Any] = {}
    for module in (losses, penalties, *walk(networks)):
        for name, candidate in vars(module).items():
            alike = (
                isinstance(candidate, Adversarial)
                if isinstance(old, Adversarial)
                else _same_form(candidate, old, module)
            )
            if alike and not name.startswith("_"):
                choices[name] = candidate
    if text not in choices:
        raise UserError(
            f"`settings` {whole}={text}: choose from {', '.join(choices) or 'plain values'}.{nearest(text, choices)}"
        )
    return choices[text]


def _same_form(candidate: Any, old: Any, module: Any) -> bool:
    """Return True if a function has the result and the first parameter of another."""
    if not (inspect.isfunction(candidate) and inspect.isfunction(old)) or candidate.__module__ != module.__name__:
        return False
    mine, theirs = inspect.signature(candidate), inspect.signature(old)
    return (
        mine.return_annotation == theirs.return_annotation and list(mine.parameters)[:1] == list(theirs.parameters)[:1]
    )
