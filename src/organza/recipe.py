"""Recipes: everything that determines what a run learns, as one value.

Derive a recipe from another by replacing fields: `dataclasses.replace(dcgan(), batch=32)` or
`organza train ... --set batch=32`.
"""

from __future__ import annotations

import inspect
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from organza.augment import Augment
from organza.config import Partial, decode, settings_of
from organza.data.batches import Batches, Images
from organza.data.source import Source
from organza.deprecated import forwarding
from organza.errors import UserError
from organza.game import Game
from organza.losses import Adversarial, nonsaturating
from organza.optimizers import Adam, Optimizer
from organza.penalties import Penalty
from organza.schedule import Number, at
from organza.stop import Plateau, Rule

LARGEST = 65_536
"""Upper limit of a batch, and of any whole number that shapes a network; a larger number is a
typing error."""


@dataclass(frozen=True)
class Recipe:
    """Specification of a GAN and its training.

    Args:
        name: name on the command line.
        source: origin of the recipe: paper and differences.
        expect: expected result, with data and time.
        game: GAN variant, a partial that takes (G, D, adversarial, penalties).
        generator, discriminator: the players, partials that take `shape` (and whatever else their
            game needs).
        data: layout of the data, a partial that takes a Source: single images, labelled images,
            pairs, volumes, ...
        adversarial: the pair of losses.
        penalties: penalties on the discriminator.
        augment: augmentation of the discriminator's input; None for no augmentation.
        generator_optimizer, discriminator_optimizer: optimizer of each player.
        batch: images in a step of D.
        discriminator_turns, generator_turns: turns of each player in a step.
        discriminator_limit: batch accuracy of D above which it skips its turn.
        generator_warmup: images of the generator's warm-up, on its own terms, before the game
            begins; or a `Share` of the budget.
        warmup: images that D is then trained on alone, before G's first turn in the game.
        average: longest half-life of the generator's moving average, in images; 0 samples the
            latest weights instead.
        stop: rules that may end a run before its budget is spent.
    """

    name: str
    source: str
    expect: str
    game: Partial
    generator: Partial
    discriminator: Partial
    data: Partial = field(default_factory=lambda: Partial(Images))
    adversarial: Adversarial = nonsaturating
    penalties: tuple[Penalty, ...] = ()
    augment: Augment | None = None
    generator_optimizer: Optimizer = field(default_factory=Adam)
    discriminator_optimizer: Optimizer = field(default_factory=Adam)
    batch: int = 64
    discriminator_turns: int = 1
    generator_turns: int = 1
    discriminator_limit: float = 1.0
    generator_warmup: Number = 0
    warmup: int = 0
    average: int = 10_000
    stop: tuple[Rule, ...] = (Plateau(),)

    def __post_init__(self) -> None:
        least_of = {"batch": 1, "discriminator_turns": 1, "generator_turns": 1, "discriminator_limit": 0.0}
        alone = {"generator_warmup": 0} if not callable(self.generator_warmup) else {}
        for name, least in (least_of | alone | {"warmup": 0, "average": 0}).items():
            if not isinstance(value := getattr(self, name), int | float) or not value >= least:
                raise UserError(f"{name} is {value}; it must be at least {least}.")
        for name, most in {"batch": LARGEST, "discriminator_turns": 1000, "generator_turns": 1000}.items():
            if getattr(self, name) > most:
                raise UserError(f"{name} is {getattr(self, name):,}; it can be {most:,} at most.")

    @property
    def optimizers(self) -> tuple[Optimizer, Optimizer]:
        """Optimizers of the generator and of the discriminator."""
        return self.generator_optimizer, self.discriminator_optimizer

    def alone(self, planned: int) -> int:
        """Return the images of the generator's warm-up in a run of so many."""
        return round(at(self.generator_warmup, 0, planned))

    def turns(self, images: int, alone: int) -> tuple[int, int]:
        """Return the turns of D and of G in the step that begins at so many images seen; during a
        warm-up, one player has none.

        Args:
            images: images seen.
            alone: images of the generator's warm-up.
        """
        if images < alone:
            return 0, self.generator_turns
        if images < alone + self.warmup:
            return self.discriminator_turns, 0
        return self.discriminator_turns, self.generator_turns

    def opened(self, source: Source) -> Batches:
        """Open data in the layout that the game needs."""
        game: Any = self.game.make  # a class of games
        return game.layout(self.data, settings_of(self.game) or {})(source)

    def players(self, data: Any) -> tuple[Partial, Partial]:
        """Return both players with all that they need from the data: partials that can be called
        without arguments.
        """
        game: Any = self.game.make  # a class
        return game.players(self.generator, self.discriminator, data)

    def build(self, data: Any) -> Game:
        """Build the game with new networks, for data with a `shape`."""
        G, D = self.players(data)
        return self.played_by(G(), D())

    def played_by(self, G: nn.Module, D: nn.Module) -> Game:
        """Build the game of two existing networks."""
        game = self.game(G, D, self.adversarial, self.penalties)
        game.augment = self.augment
        return game


def recorded(form: Any, own: Collection[str] = ()) -> Recipe:
    """Return the recipe in a file, which may be a stranger's.

    Args:
        form: JSON, as written by `config.encode`.
        own: names of the user's own modules that it may name.

    Raises:
        UserError: if it holds no recipe.
    """
    recipe = decode(form, own)
    if not isinstance(recipe, Recipe):
        raise UserError("it does not hold a recipe")
    kinds = {"game": Game, "generator": nn.Module, "discriminator": nn.Module, "data": Batches}
    for name, kind in kinds.items():
        made = getattr(recipe, name).make
        if isinstance(made, type) and (not issubclass(made, kind) or inspect.isabstract(made)):
            raise UserError(f"its {name} is {made.__qualname__}, which is not a concrete {kind.__name__}")
    return recipe


__getattr__ = forwarding(
    __name__,
    {"find": "organza.recipes:get", "everything": "organza.recipes:everything", "apply": "organza.overrides:apply"},
)
