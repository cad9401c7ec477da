"""One import for authors of losses, penalties, networks, games and recipes.

>>> from organza.gan import Adam, Adversarial, Duel, Game, Partial, Penalty, Recipe

A loss is an `Adversarial`; a penalty, a function (duel, real logits, fake logits) of a `Penalty`; a
network, a subclass of `Generator` or `Discriminator`; a game, a subclass of `Game` or
`Unconditional`; a recipe, a function that returns a `Recipe` of these. Each is defined at the top
level of a module of yours: `organza train DATA --recipe my_gan:my_recipe`.
"""

from typing import TYPE_CHECKING

from organza.augment import Augment as Augment
from organza.config import Partial as Partial
from organza.data.batches import Batches as Batches
from organza.data.batches import Images as Images
from organza.data.labels import Labelled as Labelled
from organza.data.pairs import Pairs as Pairs
from organza.data.pairs import Unpaired as Unpaired
from organza.data.volumes import Volumes as Volumes
from organza.deprecated import forwarding
from organza.game import Batch as Batch
from organza.game import Duel as Duel
from organza.game import Game as Game
from organza.games.conditional import Conditional as Conditional
from organza.games.unconditional import Unconditional as Unconditional
from organza.losses import Adversarial as Adversarial
from organza.networks.layers import Discriminator as Discriminator
from organza.networks.layers import Encoder as Encoder
from organza.networks.layers import Generator as Generator
from organza.networks.layers import NetworkDict as NetworkDict
from organza.networks.layers import Shape as Shape
from organza.networks.layers import Translator as Translator
from organza.optimizers import SGD as SGD
from organza.optimizers import Adam as Adam
from organza.optimizers import RMSprop as RMSprop
from organza.penalties import Judged as Judged
from organza.penalties import Penalty as Penalty
from organza.penalties import gradient as gradient
from organza.penalties import squared_norm as squared_norm
from organza.recipe import Recipe as Recipe
from organza.schedule import Cosine as Cosine
from organza.schedule import Linear as Linear
from organza.stop import Equilibrium as Equilibrium
from organza.stop import Plateau as Plateau

if not TYPE_CHECKING:  # a type checker reports names that do not exist
    __getattr__ = forwarding("organza.gan", {"Several": "organza.networks.layers:NetworkDict"})
