"""Module names of the previous version, kept for one more version: each forwards what moved, with a
DeprecationWarning.

`organza.__path__` ends with this folder, so that `organza.infer` is found here. The next version
removes it.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def forwarding(old: str, names: Mapping[str, str], rest: str = "", calls: int = 1) -> Callable[[str], Any]:
    """Return the `__getattr__` of a module whose names moved.

    Args:
        old: name of the module.
        names: new locations of single names, as module:name.
        rest: module that now has all other names; "" for none.
        calls: number of calls between the returned function and the code that asks for a name.
    """

    def get(name: str) -> Any:
        """Return the value of a moved name, with a warning."""
        if name.startswith("__") or not (name in names or rest):
            raise AttributeError(f"module {old} has no attribute {name}")
        module, _, attribute = names.get(name, f"{rest}:{name}").partition(":")
        value = getattr(import_module(module), attribute)
        text = f"{old}.{name} is now {module}.{attribute}; the old name works for one more version."
        warnings.warn(text, DeprecationWarning, stacklevel=1 + calls)
        return value

    return get
