"""Parts: a constructor together with its settings, not yet called; and the JSON form of any recipe value.

A recipe is made of numbers, functions, dataclasses and parts, so that it can be printed, compared, changed field by field and written
down. In JSON a name stands for an object only at the edge: `{"part": "organza.networks.dcgan:Generator", "width": 64}`.
Reading never runs a name from a foreign package unless it was imported by the user before.
"""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import pkgutil
import sys
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

from organza.errors import UserError, nearest


class Part:
    """`make(*arguments, **settings)`, waiting for its arguments.

    >>> Part(round, ndigits=2)(3.14159)
    3.14

    Args:
        make: a class or function of a module, never a lambda.
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

    def given(self, **more: Any) -> Part:
        """The same part with more, or other, settings."""
        return Part(self.make, **{**self.settings, **more})

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Part) and (self.make, self.settings) == (other.make, other.settings)

    def __hash__(self) -> int:
        return hash((self.make, tuple(sorted(self.settings))))

    def __repr__(self) -> str:
        return f"{self.make.__qualname__}({', '.join(f'{k}={describe(v)}' for k, v in self.settings.items())})"


def describe(value: Any) -> str:
    """A value as a person would write it: objects of modules by their names."""
    if isinstance(value, tuple | list) and not hasattr(value, "_fields"):
        return "(" + ", ".join(describe(item) for item in value) + ")"
    if value is None or isinstance(value, bool | int | float | str | Part) or dataclasses.is_dataclass(value):
        return repr(value)
    return reference(value).partition(":")[2]


def settings_of(value: Any) -> dict[str, Any] | None:
    """The named fields of a part or dataclass, a part's unset defaults included; None for values without any."""
    if isinstance(value, Part):
        parameters = inspect.signature(value.make).parameters.values()
        return {p.name: p.default for p in parameters if p.default is not p.empty} | value.settings
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    return None


def reference(value: Any) -> str:
    """The name of a function, class or module-level value, as module:name.

    >>> from organza import losses; reference(losses.hinge)
    'organza.losses:hinge'
    """
    if inspect.isfunction(value) or inspect.isclass(value) or inspect.isbuiltin(value):
        if "<" not in value.__qualname__:
            return f"{value.__module__}:{value.__qualname__}"
    else:
        for module in _known_modules():
            for name, candidate in vars(module).items():
                if candidate is value:
                    return f"{module.__name__}:{name}"
    raise UserError(
        f"{value!r} has no name to be written down by: define it at the top level of a module instead of inside a function."
    )


def _known_modules() -> list[ModuleType]:
    own = [m for name, m in sorted(sys.modules.items()) if name.partition(".")[0] == "organza" and m is not None]
    return own + [m for m in list(sys.modules.values()) if isinstance(m, ModuleType) and _is_users(m.__name__)]


def _is_users(module: str) -> bool:
    """Is it a module that the user imported, neither Python's own nor a library's that could be misused by a recipe file?"""
    top = module.partition(".")[0]
    if top in sys.stdlib_module_names and top != "__main__":
        return False
    place = getattr(sys.modules.get(module), "__file__", None) or ""
    return top in sys.modules and "site-packages" not in place and "dist-packages" not in place and place != ""


def resolve(name: str) -> Any:
    """The object that module:name names: anything of organza's, and what the user's own imported modules define.

    Raises:
        UserError: for other modules (nothing is imported because a file says so) and for names that do not exist.
    """
    module_name, _, path = name.partition(":")
    if module_name.partition(".")[0] == "organza":
        try:
            module = importlib.import_module(module_name)
        except ImportError:
            raise UserError(
                f"There is no module {module_name}; this recipe may come from another version of organza."
            ) from None
    elif module_name in sys.modules and (_is_users(module_name) or _is_users(module_name.partition(".")[0])):
        module = sys.modules[module_name]
    else:
        raise UserError(
            f"This recipe uses {name}, which is not part of organza: import {module_name} yourself first (--recipe {module_name}:..., "
            "or `import` in Python), if you trust it."
        )
    found: Any = module
    for piece in path.split("."):
        if not hasattr(found, piece):
            raise UserError(f"{module_name} has no {path}.{nearest(path, vars(module))}")
        found = getattr(found, piece)
    return found


def encode(value: Any) -> Any:
    """A recipe value as JSON: parts, dataclasses, functions and plain values."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Part):
        return {"part": reference(value.make), **{name: encode(item) for name, item in value.settings.items()}}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            "value": reference(type(value)),
            **{name: encode(item) for name, item in (settings_of(value) or {}).items()},
        }
    if isinstance(value, tuple | list) and not hasattr(value, "_fields"):
        return [encode(item) for item in value]
    return {"the": reference(value)}


def decode(form: Any) -> Any:
    """The recipe value that `encode` wrote. Lists become tuples."""
    if isinstance(form, list):
        return tuple(decode(item) for item in form)
    if not isinstance(form, Mapping):
        return form
    kinds = [kind for kind in ("part", "value", "the") if kind in form]
    if len(kinds) != 1:
        raise UserError(
            f"A recipe value must have exactly one of part, value, the; this has {', '.join(form) or 'nothing'}."
        )
    target = resolve(str(form[kinds[0]]))
    settings = {name: decode(item) for name, item in form.items() if name != kinds[0]}
    if kinds[0] == "the":
        return target
    if kinds[0] == "part":
        return Part(target, **settings)
    if not (isinstance(target, type) and dataclasses.is_dataclass(target)):
        raise UserError(f"{form['value']} is not a recipe value.")
    known = [field.name for field in dataclasses.fields(target)]
    for name in settings:
        if name not in known:
            raise UserError(f"{target.__name__} has no field {name}; it has {', '.join(known)}.{nearest(name, known)}")
    return target(**settings)


def walk(package: ModuleType) -> list[ModuleType]:
    """A package's modules, imported, in the order of their names."""
    names = sorted(info.name for info in pkgutil.iter_modules(package.__path__, package.__name__ + "."))
    return [importlib.import_module(name) for name in names]
