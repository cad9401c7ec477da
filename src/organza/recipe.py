"""A recipe: everything that decides what a run learns, as one value.

Derive a recipe from another by replacing fields: `dataclasses.replace(dcgan(), batch=32)` or `organza train ... --set batch=32`.
"""

from __future__ import annotations

import inspect
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from organza.augment import Augment
from organza.config import Partial, decode
from organza.data.batches import Batches, Images
from organza.deprecated import forwarding
from organza.errors import UserError
from organza.game import Game
from organza.losses import Adversarial, nonsaturating
from organza.optimizers import Adam, Optimizer
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

    def players(self, data: Any) -> tuple[Partial, Partial]:
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


__getattr__ = forwarding(
    __name__,
    {"find": "organza.recipes:get", "everything": "organza.recipes:everything", "apply": "organza.overrides:apply"},
)
