"""Types of settings: checks of values against the annotations of a signature.

Settings from a file are checked before they are used: a network given a list for its width fails with one sentence, and one
given a huge number is not built at all.
"""

from __future__ import annotations

import collections.abc
import inspect
import math
import types
import typing
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from organza.errors import UserError

LARGEST = 2**31
"""Upper limit of a whole number without a narrower one: the images of a schedule are the largest."""
LARGEST_SETTING = 65_536
"""Upper limit of a whole number that shapes a network; a larger one is a mistake or an attack."""


def require_kinds(make: Callable[..., Any], settings: Mapping[str, Any]) -> None:
    """Check that settings have the types in the signature of a class or function.

    >>> def network(*, width: int, shape: tuple[int, ...] = (1,)): ...
    >>> require_kinds(network, {"width": 64, "shape": (3, 64, 64)})
    >>> require_kinds(network, {"width": "64"})
    Traceback (most recent call last):
    ...
    organza.errors.UserError: width of network is '64'; it must be int.

    Raises:
        UserError: if one does not.
    """
    hints, rest = _hints(make)
    most = LARGEST if _is_dataclass(make) else LARGEST_SETTING
    for name, value in settings.items():
        hint = hints.get(name, rest)
        if not fits(value, hint):
            shown = hint.__name__ if isinstance(hint, type) else str(hint).replace("typing.", "")
            raise UserError(f"{name} of {make.__qualname__} is {repr(value)[:60]}; it must be {shown[:80]}.")
        if any(isinstance(n, int) and abs(n) > most for n in (value if isinstance(value, tuple) else (value,))):
            raise UserError(f"{name} of {make.__qualname__} is {repr(value)[:60]}; it must be at most {most:,}.")


def fits(value: Any, hint: Any) -> bool:
    """Return True if a value has the type of an annotation; annotations of unknown forms are not checked.

    >>> fits((3, 64, 64), tuple[int, ...]), fits(True, int), fits(1, float), fits("b", typing.Literal["a"])
    (True, False, True, False)
    """
    if hint is Any or isinstance(hint, typing.TypeVar):
        return True
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return any(fits(value, one) for one in arguments)
    if origin is typing.Literal:
        return value in arguments
    if origin is typing.Annotated:
        return fits(value, arguments[0])
    if hint is None or hint is type(None):
        return value is None
    if hint is bool:
        return isinstance(value, bool)
    if hint is int:
        return type(value) is int
    if hint is float:
        return type(value) in (int, float) and math.isfinite(value)
    if hint in (tuple, list, collections.abc.Sequence) or origin in (tuple, list, collections.abc.Sequence):
        return isinstance(value, tuple) and _each_fits(value, origin or hint, arguments)
    if origin is dict:
        keys, values = arguments
        return isinstance(value, dict) and all(fits(k, keys) and fits(v, values) for k, v in value.items())
    if hint is Callable or origin is collections.abc.Callable:
        return callable(value)
    if isinstance(hint, type) and getattr(hint, "_is_protocol", False):
        return all(hasattr(value, name) for name in vars(hint) if not name.startswith("_")) and (
            callable(value) or "__call__" not in vars(hint)
        )
    return isinstance(value, hint) if isinstance(hint, type) and origin is None else True


def _each_fits(values: tuple[Any, ...], origin: Any, arguments: tuple[Any, ...]) -> bool:
    if not arguments:
        return True
    if origin is tuple and arguments[-1] is not Ellipsis:
        return len(values) == len(arguments) and all(map(fits, values, arguments))
    return all(fits(value, arguments[0]) for value in values)


def _is_dataclass(make: Any) -> bool:
    return hasattr(make, "__dataclass_fields__")


@cache
def _hints(make: Callable[..., Any]) -> tuple[dict[str, Any], Any]:
    """Return the annotations of a signature, and that of its `**settings`; none if an import for type checkers is missing."""
    try:
        hints = typing.get_type_hints(make.__init__ if inspect.isclass(make) else make)
        named = inspect.signature(make).parameters.values()
    except (NameError, TypeError, ValueError, AttributeError):
        return {}, Any
    return hints, next((hints.get(p.name, Any) for p in named if p.kind is p.VAR_KEYWORD), Any)
