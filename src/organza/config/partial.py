"""Partials: a constructor with its settings, not yet called; and the JSON form of recipe values.

A recipe consists of numbers, functions, dataclasses and partials, so that it can be printed,
compared, changed field by field and stored. In JSON a name stands for an object only at the edge:
`{"part": "organza.networks.dcgan:Generator", "width": 64}`. Reading runs nothing that a file names:
see `references`.
"""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import pkgutil
from collections.abc import Callable, Collection, Mapping
from types import ModuleType
from typing import Any

from organza.config.kinds import require_kinds
from organza.config.references import reference, resolve
from organza.errors import UserError, nearest, told

DEEPEST, MOST, TABLES, LONGEST = 32, 200_000, 2_000, 10_000
"""Limits of a recipe file: levels, values, tables, and letters of a string; the classes of a data
set are the most that one has."""


class Partial:
    """A deferred call `make(*arguments, **settings)`, without its arguments.

    >>> Partial(round, ndigits=2)(3.14159)
    3.14

    Args:
        make: class or function of a module, never a lambda.
        settings: its keyword arguments.
    """

    def __init__(self, make: Callable[..., Any], /, **settings: Any):
        self.make, self.settings = make, settings
        known = inspect.signature(make).parameters
        if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in known.values()):
            for name in settings:
                if name not in known:
                    allowed = [n for n in known if n != "self"]
                    raise UserError(
                        f"{make.__qualname__} has no setting {name}; it has {', '.join(allowed)}.{nearest(name, allowed)}"
                    )

    def __call__(self, *arguments: Any, **more: Any) -> Any:
        return self.make(*arguments, **{**self.settings, **more})

    def given(self, **more: Any) -> Partial:
        """Return the same partial with more, or other, settings."""
        return Partial(self.make, **{**self.settings, **more})

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Partial) and (self.make, self.settings) == (other.make, other.settings)

    def __hash__(self) -> int:
        return hash((self.make, tuple(sorted(self.settings))))

    def __repr__(self) -> str:
        return f"{self.make.__qualname__}({', '.join(f'{k}={describe(v)}' for k, v in self.settings.items())})"


def describe(value: Any) -> str:
    """Return a value as a person would write it, with objects of modules by their names."""
    if isinstance(value, tuple | list) and not hasattr(value, "_fields"):
        return "(" + ", ".join(describe(item) for item in value) + ")"
    if value is None or isinstance(value, bool | int | float | str | Partial) or dataclasses.is_dataclass(value):
        return repr(value)
    return reference(value).partition(":")[2]


def settings_of(value: Any) -> dict[str, Any] | None:
    """Return the named fields of a partial or dataclass, with a partial's unset defaults; None for
    values without any.
    """
    if isinstance(value, Partial):
        parameters = inspect.signature(value.make).parameters.values()
        return {p.name: p.default for p in parameters if p.default is not p.empty} | value.settings
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    return None


def encode(value: Any) -> Any:
    """Return a recipe value as JSON: partials, dataclasses, functions and plain values."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Partial):
        return {"part": reference(value.make), **{name: encode(item) for name, item in value.settings.items()}}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            "value": reference(type(value)),
            **{name: encode(item) for name, item in (settings_of(value) or {}).items()},
        }
    if isinstance(value, tuple | list) and not hasattr(value, "_fields"):
        return [encode(item) for item in value]
    return {"the": reference(value)}


def decode(form: Any, own: Collection[str] = ()) -> Any:
    """Return the recipe value of a form written by `encode`. Lists become tuples; only recipe
    values are called.

    Args:
        form: JSON, perhaps a stranger's.
        own: names of the user's own modules that it may name: see `references.resolve`.

    Raises:
        UserError: if it is not a recipe value, or its settings do not have the types of its
            signature.
    """
    _require_bounded(form)
    return _decoded(form, own)


def _decoded(form: Any, own: Collection[str]) -> Any:
    """Return the value for a JSON form, its parts decoded first."""
    if isinstance(form, list):
        return tuple(_decoded(item, own) for item in form)
    if not isinstance(form, Mapping):
        return form
    kinds = [kind for kind in ("part", "value", "the") if kind in form]
    if len(kinds) != 1:
        raise UserError(
            f"A recipe value must have exactly one of part, value, the; this has {', '.join(form)[:100] or 'nothing'}."
        )
    name = str(form[kinds[0]])
    target = resolve(name, own)
    settings = {name: _decoded(item, own) for name, item in form.items() if name != kinds[0]}
    if kinds[0] == "the":
        return target
    if kinds[0] == "part":
        if not callable(target):
            raise UserError(f"{name} is not a recipe part: it builds nothing.")
        made = Partial(target, **settings)
    elif not (isinstance(target, type) and dataclasses.is_dataclass(target)):
        raise UserError(f"{name} is not a recipe value.")
    else:
        known = [field.name for field in dataclasses.fields(target)]
        for given in settings:
            if given not in known:
                raise UserError(
                    f"{target.__name__} has no field {given}; it has {', '.join(known)}.{nearest(given, known)}"
                )
        made = None
    if name.partition(":")[0] not in own:
        require_kinds(target, settings)
    with told(f"{name} cannot be made with these settings"):
        return target(**settings) if made is None else made


def own_modules(form: Any) -> frozenset[str]:
    """Return the names of the modules outside organza that an encoded recipe names.

    >>> own_modules({"the": "my_losses:mine", "settings": [{"part": "organza.networks.mlp:Generator"}]})
    frozenset({'my_losses'})
    """
    if isinstance(form, list):
        return frozenset().union(*map(own_modules, form))
    if not isinstance(form, Mapping):
        return frozenset()
    named = {str(form[kind]).partition(":")[0] for kind in ("part", "value", "the") if kind in form}
    return frozenset(name for name in named if name.partition(".")[0] != "organza").union(
        *map(own_modules, form.values())
    )


def trust_hint(content: Mapping[str, Any]) -> str:
    """Return the option that a command on a run needs: --import with the modules to trust, if the
    run's are not organza's own.

    Args:
        content: contents of recipe.json.

    >>> trust_hint({"recipe": {"game": {"part": "mine:Game"}}, "players": {}})
    ' --import mine'
    """
    own = own_modules([content["recipe"], content["players"]])
    named = sorted(
        name for name in own if all(part.isidentifier() for part in name.split("."))
    )  # text from a file, for the user to type
    return f" --import {','.join(named)}" if named else ""


def _require_bounded(form: Any) -> None:
    """Check depth, count and length of JSON before decoding it. Raises UserError."""
    waiting, seen, tables = [(form, 0)], 0, 0
    while waiting:
        item, depth = waiting.pop()
        seen, tables = seen + 1, tables + isinstance(item, Mapping)
        inner = list(item.values()) if isinstance(item, Mapping) else item if isinstance(item, list) else []
        texts = [item, *(item if isinstance(item, Mapping) else [])]
        long = any(isinstance(text, str) and len(text) > LONGEST for text in texts)
        if depth > DEEPEST or seen + len(inner) > MOST or tables > TABLES or long:
            raise UserError("This is not a recipe: it is nested too deeply, or holds too much.")
        waiting += [(value, depth + 1) for value in inner]


def walk(package: ModuleType) -> list[ModuleType]:
    """Import the modules of a package, and return them in the order of their names."""
    names = sorted(info.name for info in pkgutil.iter_modules(package.__path__, package.__name__ + "."))
    return [importlib.import_module(name) for name in names]
