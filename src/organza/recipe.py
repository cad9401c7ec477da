"""A recipe: everything that decides what a run learns, as one value.

Derive a recipe from another by replacing fields: `dataclasses.replace(dcgan(), batch=32)` or `organza train ... --set batch=32`.
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from organza import losses, networks, penalties
from organza.augment import Augment
from organza.data.batches import Batches, Images
from organza.errors import UserError, nearest
from organza.game import Game
from organza.losses import Adversarial, nonsaturating
from organza.optimizers import Adam, Optimizer
from organza.part import Part, decode, describe, encode, own_modules, settings_of, walk
from organza.penalties import Penalty
from organza.stop import Plateau, Rule

LARGEST = 65_536
"""Of a batch, and of any whole number that shapes a network: more is a slip of the keyboard, and would take for ever."""


@dataclass(frozen=True)
class Recipe:
    """How a GAN is trained.

    Args:
        name: what it is called on the command line.
        source: where it comes from: paper and what differs.
        expect: what it should reach, on which data, in which time.
        game: the GAN variant, a part that takes (G, D, adversarial, penalties).
        generator, discriminator: the players, parts that take `shape` (and what else their game needs).
        data: how the data is laid out, a part that takes a Source: single images, labelled ones, pairs, volumes, ...
        adversarial: the pair of losses.
        penalties: on the discriminator.
        augment: how pictures are changed before the discriminator sees them; None leaves them.
        generator_optimizer, discriminator_optimizer: one for each player.
        batch: images in a step of D.
        discriminator_turns, generator_turns: turns of each player in a step.
        discriminator_limit: D sits its turn out while it tells more than this share of the batch apart.
        generator_warmup: images that G sees, alone and with its own terms, before the game begins.
        warmup: images that D sees after that, alone, before G's first turn in the game.
        average: longest half-life of the generator's moving average, in images; 0 samples the last weights instead.
        stop: rules that end a run before its budget does.
    """

    name: str
    source: str
    expect: str
    game: Part
    generator: Part
    discriminator: Part
    data: Part = field(default_factory=lambda: Part(Images))
    adversarial: Adversarial = nonsaturating
    penalties: tuple[Penalty, ...] = ()
    augment: Augment | None = None
    generator_optimizer: Optimizer = field(default_factory=Adam)
    discriminator_optimizer: Optimizer = field(default_factory=Adam)
    batch: int = 64
    discriminator_turns: int = 1
    generator_turns: int = 1
    discriminator_limit: float = 1.0
    generator_warmup: int = 0
    warmup: int = 0
    average: int = 10_000
    stop: tuple[Rule, ...] = (Plateau(),)

    def __post_init__(self) -> None:
        least_of = {"batch": 1, "discriminator_turns": 1, "generator_turns": 1, "discriminator_limit": 0.0}
        for name, least in (least_of | {"generator_warmup": 0, "warmup": 0, "average": 0}).items():
            if not isinstance(value := getattr(self, name), int | float) or not value >= least:
                raise UserError(f"{name} is {value}; it must be at least {least}.")
        for name, most in {"batch": LARGEST, "discriminator_turns": 1000, "generator_turns": 1000}.items():
            if getattr(self, name) > most:
                raise UserError(f"{name} is {getattr(self, name):,}; it can be {most:,} at most.")

    @property
    def optimizers(self) -> tuple[Optimizer, Optimizer]:
        """Of the generator and of the discriminator."""
        return self.generator_optimizer, self.discriminator_optimizer

    def turns(self, images: int) -> tuple[int, int]:
        """The turns of D and of G in the step that begins at so many images seen: one of them may train alone at first."""
        if images < self.generator_warmup:
            return 0, self.generator_turns
        if images < self.generator_warmup + self.warmup:
            return self.discriminator_turns, 0
        return self.discriminator_turns, self.generator_turns

    @property
    def last_rehearsal(self) -> int:
        """The images seen when G's last step alone begins; 0 where there is none."""
        return max(0, self.generator_warmup - 1) // self.batch * self.batch

    def players(self, data: Any) -> tuple[Part, Part]:
        """The two players with all that they need from the data: parts that can be called with no argument."""
        return self.game.make.players(self.generator, self.discriminator, data)

    def build(self, data: Any) -> Game:
        """The game with fresh networks, for data of a `shape`."""
        G, D = self.players(data)
        return self.played_by(G(), D())

    def played_by(self, G: nn.Module, D: nn.Module) -> Game:
        """The game of two networks that are there."""
        game = self.game(G, D, self.adversarial, self.penalties)
        game.augment = self.augment
        return game


def apply(recipe: Recipe, settings: Iterable[str]) -> Recipe:
    """The recipe with `field=value` settings applied; a field may be a path such as generator.width or penalties.0.weight.

    Raises:
        UserError: for a field that does not exist (with the nearest) or a value of the wrong kind.
    """
    for setting in settings:
        path, equals, text = setting.partition("=")
        if not equals or not path:
            raise UserError(
                f"--set {setting} is not of the form field=value, for example batch=32 or generator.width=48."
            )
        recipe = _replace(recipe, path.strip().split("."), text.strip(), path.strip())
    return recipe


def _replace(value: Any, path: list[str], text: str, whole: str) -> Any:
    name, rest = path[0], path[1:]
    if isinstance(value, tuple):
        if name not in map(str, range(len(value))):
            raise UserError(f"--set {whole}: {name} should be a number from 0 to {len(value) - 1}.")
        position = int(name)
        new = _replace(value[position], rest, text, whole) if rest else _parse(text, value[position], whole)
        return (*value[:position], new, *value[position + 1 :])
    fields = settings_of(value)
    if fields is None:
        raise UserError(f"--set {whole}: {describe(value)} has no fields to set.")
    if name not in fields:
        raise UserError(
            f"--set {whole}: there is no field {name}; there are {', '.join(fields)}.{nearest(name, fields)}"
        )
    new = _replace(fields[name], rest, text, whole) if rest else _parse(text, fields[name], whole)
    if isinstance(value, Part) and isinstance(new, int) and abs(new) > LARGEST:
        raise UserError(f"--set {whole}={text}: it can be {LARGEST:,} at most.")
    return value.given(**{name: new}) if isinstance(value, Part) else dataclasses.replace(value, **{name: new})


def _parse(text: str, old: Any, whole: str) -> Any:
    """Text as a value of the same kind as the old one: a plain value, or the name of a function, loss or part."""
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
        and not isinstance(old, Part | Adversarial)
    ):
        return value  # a number in the place of a schedule
    fits = isinstance(value, kind) and isinstance(value, bool) == isinstance(old, bool)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        value, fits = float(value), True
    if not plain or not fits or (isinstance(value, float) and not abs(value) < float("inf")):
        raise UserError(
            f"--set {whole}={text}: it is {describe(old)} now, so the new value must be of the same kind ({kind.__name__})."
        )
    return value


def _named(text: str, old: Any, whole: str) -> Any:
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
            f"--set {whole}={text}: allowed are {', '.join(choices) or 'plain values'}.{nearest(text, choices)}"
        )
    return choices[text]


def _same_form(candidate: Any, old: Any, module: Any) -> bool:
    if not (inspect.isfunction(candidate) and inspect.isfunction(old)) or candidate.__module__ != module.__name__:
        return False
    mine, theirs = inspect.signature(candidate), inspect.signature(old)
    return (
        mine.return_annotation == theirs.return_annotation and list(mine.parameters)[:1] == list(theirs.parameters)[:1]
    )


def find(name: str) -> Recipe:
    """The recipe of a name: one of organza's, or `my_package.my_module:my_recipe`, a function of yours that returns one.

    Raises:
        UserError: for an unknown name, with the nearest.
    """
    if ":" in name:
        return _foreign(name)
    known = everything()
    if name not in known:
        raise UserError(f"There is no recipe {name}; there are {', '.join(known)}.{nearest(name, known)}")
    return known[name]()


def recorded(form: Any, own: Collection[str] = ()) -> Recipe:
    """Return the recipe that a file holds, perhaps a stranger's.

    Args:
        form: JSON, as `part.encode` wrote it.
        own: names of the user's own modules that it may name.

    Raises:
        UserError: it holds no recipe.
    """
    recipe = decode(form, own)
    if not isinstance(recipe, Recipe):
        raise UserError("it does not hold a recipe")
    kinds = {"game": Game, "generator": nn.Module, "discriminator": nn.Module, "data": Batches}
    for name, kind in kinds.items():
        made = getattr(recipe, name).make
        if isinstance(made, type) and (not issubclass(made, kind) or inspect.isabstract(made)):
            raise UserError(f"its {name} is {made.__qualname__}, which is no {kind.__name__} that can be made")
    return recipe


def modules_of(recipe: Recipe | str | None) -> frozenset[str]:
    """Return the names of the user's own modules that a recipe's values are defined in; a name imports the module that it names.

    >>> modules_of("dcgan"), modules_of(None)
    (frozenset(), frozenset())

    Args:
        recipe: recipe that the user trusts, or its name; None for none.
    """
    if not (recipe is None or isinstance(recipe, str | Recipe)):
        raise UserError(f"recipe is {repr(recipe)[:60]}; it must be a name, such as 'dcgan-r1', or a Recipe.")
    if recipe is None or (isinstance(recipe, str) and ":" not in recipe):
        return frozenset()
    named = frozenset({recipe.partition(":")[0]}) if isinstance(recipe, str) else frozenset()
    return named | own_modules(encode(find(recipe) if isinstance(recipe, str) else recipe))


def everything() -> dict[str, Callable[[], Recipe]]:
    """Every recipe of organza by its name: the functions of `organza.recipes` that return one."""
    from organza import recipes

    found = {}
    for module in walk(recipes):
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
    recipe = imported(name, "--recipe")()
    if not isinstance(recipe, Recipe):
        raise UserError(f"--recipe {name}: it returned {type(recipe).__name__}, not an organza.Recipe.")
    return recipe


def imported(name: str, option: str) -> Callable[..., Any]:
    """The function that the user's `my_module:my_function` names.

    Args:
        name: of module and function.
        option: of the command line, for what is said where there is none.

    Raises:
        UserError: no such module, nothing of that name in it, or no function that can be called without an argument.
    """
    import importlib
    import sys

    module_name, _, function = name.partition(":")
    if not all(part.isidentifier() for part in (*module_name.split("."), function)):
        raise UserError(f"{option} {name} is not of the form my_module:my_function.")
    sys.path.insert(0, "")  # a module in the current directory counts, as it does for `python -m`
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        raise UserError(
            f"{option} {name}: there is no module {error.name} here or among the installed packages."
        ) from None
    finally:
        sys.path.pop(0)
    if not hasattr(module, function):
        raise UserError(f"{option} {name}: {module_name} has no function {function}.{nearest(function, vars(module))}")
    if not callable(found := getattr(module, function)):
        raise UserError(f"{option} {name}: it is a {type(found).__name__}, and should be a function.")
    try:
        inspect.signature(found).bind()
    except ValueError:  # a function of C without a signature; what it needs it says itself
        return found
    except TypeError as error:
        raise UserError(f"{option} {name}: it should be a function that needs no argument ({error}).") from None
    return found
