"""Recipes: functions that return a `Recipe`, in the files of this package, and their catalogue: all
of them, and one by its name.
"""

from __future__ import annotations

import importlib
import inspect
import re
import sys
from collections.abc import Callable, Iterable
from types import ModuleType
from typing import Any

from organza.config import encode, own_modules, walk
from organza.errors import UserError, nearest, reason_of, told, users_place
from organza.recipe import Recipe

RENAMED = {"coded": "latent"} | {
    f"{name}-light": name
    for name in (
        "aae",
        "acgan",
        "bigan",
        "cgan",
        "cgan-projection",
        "cut",
        "cyclegan",
        "gan3d",
        "infogan",
        "pix2pix",
        "simgan",
    )
}
"""Names of recipes in earlier versions, and the names now. Files are read for ever, so no line is removed."""


def names() -> list[str]:
    """Return the names of organza's recipes.

    >>> "dcgan" in names()
    True
    """
    return list(everything())


def list_recipes(paper: bool = False) -> list[str]:
    """Return the names of organza's recipes that were trained and measured here.

    Args:
        paper: True for those with the numbers of their papers instead, which were not: NAME-paper.

    >>> "cyclegan" in list_recipes(), "cyclegan-paper" in list_recipes(paper=True)
    (True, True)
    """
    return [name for name in names() if is_paper(name) == paper]


def is_paper(name: str) -> bool:
    """Return True for the name of a recipe with a paper's numbers, which was not trained here."""
    return name.endswith("-paper")


def grouped() -> dict[str, list[str]]:
    """Return the names of organza's recipes by what they are for: the beginnings of the texts that
    describe their files. Those with the numbers of their papers come last.

    >>> grouped()["Volumes"]
    ['gan3d']
    """
    groups: dict[str, list[str]] = {}
    for name, make in everything().items():
        about = "With the numbers of their papers, not trained here" if is_paper(name) else _heading(make.__module__)
        groups.setdefault(about, []).append(name)
    return dict(sorted(groups.items(), key=lambda group: (is_paper(group[1][0]), group[0])))


def _heading(module: str) -> str:
    """Return the beginning of a module's text, up to the first colon or full stop."""
    text = " ".join((sys.modules[module].__doc__ or module).split())
    return re.split(r"[:.](?: |$)", text)[0]


def get_recipe(name: str) -> Recipe:
    """Return a recipe by its name, as a value to change with `dataclasses.replace`: see `get`.

    Args:
        name: name, as in `list_recipes`, or my_module:my_recipe.

    Raises:
        UserError: if the name is unknown (names the nearest).

    >>> get_recipe("dcgan").batch
    128
    """
    return get(name)


def current(name: str) -> str:
    """Return the name that a recipe has now; files and commands may still give the name of an earlier version.

    >>> current("coded"), current("dcgan")
    ('latent', 'dcgan')
    """
    return RENAMED.get(name, name)


def get(name: str) -> Recipe:
    """Return a recipe by its name: one of organza's, or the result of your function
    `my_package.my_module:my_recipe`.

    >>> get("coded") == get("latent")
    True

    Raises:
        UserError: if the name is unknown (names the nearest).
    """
    if ":" in name:
        return _foreign(name)
    known, name = everything(), current(name)
    if name not in known:
        raise UserError(f"There is no recipe {name}; choose from {', '.join(known)}.{nearest(name, known)}")
    return known[name]()


def modules_of(recipe: Recipe | str | None) -> frozenset[str]:
    """Return the names of the user's own modules that define a recipe's values; a name imports its
    module.

    >>> modules_of("dcgan"), modules_of(None)
    (frozenset(), frozenset())

    Args:
        recipe: recipe that the user trusts, or its name, or names of modules alone: "my_gan:" or
            "my_gan:,my_losses:"; None for none.
    """
    if not (recipe is None or isinstance(recipe, str | Recipe)):
        raise UserError(f"recipe is {repr(recipe)[:60]}; it must be a name, such as 'dcgan-r1', or a Recipe.")
    if recipe is None or (isinstance(recipe, str) and ":" not in recipe):
        return frozenset()
    if isinstance(recipe, str) and recipe.endswith(":"):
        return trusted(name.strip().rstrip(":") for name in recipe.split(","))
    named = frozenset({recipe.partition(":")[0]}) if isinstance(recipe, str) else frozenset()
    return named | own_modules(encode(get(recipe) if isinstance(recipe, str) else recipe))


def trusted(modules: Iterable[str]) -> frozenset[str]:
    """Import modules of the user's own, and return their names: a run's files may name their values.

    Args:
        modules: names of modules, in the current folder or among the installed packages.

    Raises:
        UserError: if there is no such module.
    """
    if isinstance(modules, str):
        modules = [modules]
    for name in (modules := list(modules)):
        user_module(name, "modules")
    return frozenset(modules)


def everything() -> dict[str, Callable[[], Recipe]]:
    """Return every recipe of organza by its name: the functions of `organza.recipes` that return
    one.
    """
    found = {}
    for module in walk(sys.modules[__name__]):
        for name, candidate in vars(module).items():
            here = inspect.isfunction(candidate) and candidate.__module__ == module.__name__
            if (
                here
                and not name.startswith("_")
                and inspect.signature(candidate).return_annotation in (Recipe, "Recipe")
            ):
                found[name.replace("_", "-")] = candidate
    return found


def _foreign(name: str) -> Recipe:
    """Return the recipe of a user's `my_module:my_recipe`."""
    make = imported(name, "recipe")
    with told(f"The function {name} cannot make a recipe"):
        recipe = make()
    if not isinstance(recipe, Recipe):
        raise UserError(f"`recipe={name!r}` returned {type(recipe).__name__}; it must return an organza.Recipe.")
    return recipe


def imported(name: str, option: str) -> Callable[..., Any]:
    """Return the function that a user's `my_module:my_function` names.

    Args:
        name: names of module and function.
        option: argument that names it, for errors.

    Raises:
        UserError: if there is no such module or name, or no function that can be called without
            arguments.
    """
    module_name, _, function = name.partition(":")
    if not function.isidentifier():
        raise UserError(f"`{option}={name!r}` is not of the form my_module:my_function.")
    module = user_module(module_name, option)
    if not hasattr(module, function):
        raise UserError(
            f"`{option}={name!r}`: {module_name} has no function {function}.{nearest(function, vars(module))}"
        )
    if not callable(found := getattr(module, function)):
        raise UserError(f"`{option}={name!r}` is a {type(found).__name__}; it must be a function.")
    try:
        inspect.signature(found).bind()
    except ValueError:  # a C function without a signature; a call reports missing arguments
        return found
    except TypeError as error:
        raise UserError(
            f"`{option}={name!r}` needs arguments ({error}); it must be a function without required ones."
        ) from None
    return found


def user_module(name: str, option: str) -> ModuleType:
    """Import a module of the user's.

    Args:
        name: name of the module.
        option: argument that names it, for errors.

    Raises:
        UserError: if there is no such module.
    """
    if not all(part.isidentifier() for part in name.split(".")):
        raise UserError(f"`{option}={name!r}` is not the name of a module.")
    sys.path.insert(0, "")  # find modules in the current directory, like `python -m`
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise UserError(
            f"`{option}={name!r}`: there is no module {error.name} here or among the installed packages."
        ) from None
    except UserError:
        raise
    except Exception as error:  # a module of the user's can fail with any error
        place = users_place(error) or f"The module {name}"
        raise UserError(f"{place} raises {reason_of(error)}.") from error
    finally:
        sys.path.pop(0)
