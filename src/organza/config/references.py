"""Names of recipe values: `module:name` for an object, and the object for its name.

A recipe file names classes, functions and losses. It may come from a stranger, so a name is looked
up, never followed: it stands for a value of the types in a recipe, defined under this name in one
of the modules for such values, or in a module of the user's that the user named in this call.
Nothing else is imported, and nothing is reached through another object.
"""

from __future__ import annotations

import ast
import dataclasses
import importlib
import inspect
import re
import sys
from collections.abc import Callable, Collection
from functools import cache
from types import FunctionType, ModuleType
from typing import Any

from organza.errors import UserError, nearest

OWN = "organza"
Kind = Callable[[Any], bool]


def _is_network(value: Any) -> bool:
    from torch import nn  # late: a run's files can be read without torch

    return isinstance(value, type) and issubclass(value, nn.Module)


def _is_function(value: Any) -> bool:
    return type(value) is FunctionType


def _is_dataclass(value: Any) -> bool:
    return isinstance(value, type) and dataclasses.is_dataclass(value)


def _is_adversarial(value: Any) -> bool:
    from organza.losses import Adversarial

    return isinstance(value, Adversarial)


def _is_layout(value: Any) -> bool:
    """Return True for a data layout, by the names of its bases, as layouts are not imported here."""
    return isinstance(value, type) and any(
        f"{b.__module__}:{b.__name__}" == f"{OWN}.data.batches:Batches" for b in value.__mro__
    )


MODULES: dict[str, tuple[Kind, ...]] = {
    "organza.losses": (_is_adversarial,),
    "organza.penalties": (_is_function, _is_dataclass),
    "organza.augment": (_is_function, _is_dataclass),
    "organza.optimizers": (_is_dataclass,),
    "organza.schedule": (_is_dataclass,),
    "organza.stop": (_is_dataclass,),
    "organza.recipe": (_is_dataclass,),
    "organza.data.batches": (_is_layout,),
    "organza.data.labels": (_is_layout, _is_dataclass),
    "organza.data.pairs": (_is_layout,),
    "organza.data.volumes": (_is_layout,),
    "organza.data.vectors": (_is_layout,),
    "organza.data.patches": (_is_layout,),
    "organza.data.degradation": (_is_dataclass,),
    "organza.data.masks": (_is_dataclass,),
}
"""Modules that define recipe values, with the types of their values. Their functions are pure
mathematics on tensors."""
PACKAGES: dict[str, tuple[Kind, ...]] = {
    "organza.networks": (_is_network, _is_function, _is_dataclass),
    "organza.games": (_is_network, _is_function, _is_adversarial),
    "organza.recipes": (_is_adversarial,),
}
"""The same for every module of a package."""
MOVED: dict[str, str] = {
    "organza.games.pix2pix:nonsaturating": "organza.losses:nonsaturating",  # the name that the first runs recorded
    "organza.games.coded:Coded": "organza.games.latent:LatentGAN",
    "organza.networks.coded": "organza.networks.latent",
    "organza.networks.latent:Conditional": "organza.networks.latent:Generator",
    "organza.networks.layers:Several": "organza.networks.layers:NetworkDict",
}
"""Names of earlier versions with their current ones, as module:name or as modules. Old files must
always load, so no line is removed."""


def reference(value: Any) -> str:
    """Return the name of a function, class or module-level value as module:name: that of its
    definition, whatever is imported.

    >>> from organza import losses; reference(losses.hinge)
    'organza.losses:hinge'

    Raises:
        UserError: if it is not defined at the top level of a module.
    """
    if inspect.isfunction(value) or inspect.isclass(value) or inspect.isbuiltin(value):
        if value.__qualname__.isidentifier():
            return f"{value.__module__}:{value.__qualname__}"
    elif found := _places(value):
        module, name = min(found, key=lambda place: not _defines(*place))
        return f"{module.__name__}:{name}"
    raise UserError(
        f"{value!r} cannot be stored by name: define it at the top level of a module instead of inside a function."
    )


def resolve(name: str, own: Collection[str] = ()) -> Any:
    """Return the object for a name module:name.

    Args:
        name: name as returned by `reference`.
        own: names of the user's own modules that may be named; they are already imported.

    Raises:
        UserError: if there is no such object, or it is not a recipe value.
    """
    name = MOVED.get(name, name)
    if (before := name.partition(":")[0]) in MOVED:
        name = MOVED[before] + name.removeprefix(before)
    found = re.fullmatch(r"([A-Za-z_][\w.]{0,200}):([A-Za-z_]\w{0,200})", name, re.ASCII)
    module_name, attribute = found.groups() if found else (name.partition(":")[0], "")
    if module_name in own and module_name in sys.modules and attribute:
        return _attribute(sys.modules[module_name], attribute)
    if module_name.partition(".")[0] != OWN:
        known = module_name if all(part.isidentifier() for part in module_name.split(".")) else "my_module"
        raise UserError(
            f"This recipe uses {name}, which is not part of organza. If you trust it, name its module: `modules=['{known}']`."
        )
    kinds = MODULES.get(module_name) or PACKAGES.get(module_name.rpartition(".")[0])
    if kinds is None or not attribute or attribute.startswith("_"):
        raise UserError(
            f"{name} is not a value that a recipe may hold; this file was changed, or comes from another version of organza."
        )
    try:
        module = importlib.import_module(module_name)
    except ImportError:
        raise UserError(
            f"There is no module {module_name}; this recipe may come from another version of organza."
        ) from None
    value = _attribute(module, attribute)
    suits = any(kind(value) for kind in kinds)
    if not suits or not (_is_adversarial(value) or (value.__module__, value.__name__) == (module_name, attribute)):
        raise UserError(
            f"{name} is not a value that a recipe may hold; it must be a network, a game, a loss or the like, defined there."
        )
    return value


def _attribute(module: ModuleType, name: str) -> Any:
    if name not in vars(module):
        raise UserError(f"{module.__name__} has no {name}.{nearest(name, vars(module))}")
    return vars(module)[name]


def _places(value: Any) -> list[tuple[ModuleType, str]]:
    """Return the modules that hold a value, with its name there, by their names: those of organza if
    one of them defines it, otherwise also the user's, which are found among thousands.
    """
    found: list[tuple[ModuleType, str]] = []
    for belongs in (_is_own, _is_users):
        names = sorted(name for name in list(sys.modules) if belongs(name))
        modules = [module for name in names if isinstance(module := sys.modules.get(name), ModuleType)]
        found += [(module, name) for module in modules for name, held in vars(module).items() if held is value]
        if any(_defines(*place) for place in found):
            break
    return found


def _is_own(name: str) -> bool:
    """Return True for a module of organza."""
    return name.partition(".")[0] == OWN


def _defines(module: ModuleType, name: str) -> bool:
    """Return True if a module's source defines a name, rather than importing it; False if there is
    no source to read.
    """
    return name in _assigned(module)


@cache
def _assigned(module: ModuleType) -> frozenset[str]:
    """Return the names that a module assigns at its top level."""
    try:
        tree = ast.parse(inspect.getsource(module))
    except (OSError, TypeError, SyntaxError):
        return frozenset()
    targets = [
        target
        for node in tree.body
        for target in (node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)])
    ]
    return frozenset(node.id for target in targets if target for node in ast.walk(target) if isinstance(node, ast.Name))


def _is_users(name: str) -> bool:
    """Return True for a module of the user's: neither Python's own nor installed."""
    top = name.partition(".")[0]
    if top == OWN or (top in sys.stdlib_module_names and top != "__main__"):
        return False
    place = getattr(sys.modules.get(name), "__file__", None) or ""
    return "site-packages" not in place and "dist-packages" not in place and (place != "" or top == "__main__")
