"""Tables of numbers: each row is a vector."""

from __future__ import annotations

from organza.config import Partial
from organza.data.vectors import Vectors
from organza.games.vector import Vector
from organza.losses import relativistic
from organza.networks import vector
from organza.optimizers import Adam
from organza.penalties import Penalty, r1_finite, r2_finite
from organza.recipe import Recipe
from organza.schedule import Cosine


def vectors() -> Recipe:
    """Return the recipe for tables of numbers: fully connected players with the loss and penalties of 2024."""
    falling = Adam(Cosine(1e-3, 1e-4, begin=0.3), 0.0, 0.99)
    return Recipe(
        name="vectors",
        source="Goodfellow et al. 2014, arXiv:1406.2661, on vectors; perceptrons of three layers of 128 as in Gulrajani et al. 2017, "
        "arXiv:1704.00028, appendix F; relativistic loss with R1 and R2 (Huang et al. 2024, arXiv:2501.05441), which keeps all modes of "
        "the mixtures of Metz et al. 2017, arXiv:1611.02163; Adam 1e-3 falling to 1e-4 (0, 0.99), batch 128.",
        expect="A ring of eight Gaussians: all eight, in half a minute of one core; ten columns in two minutes.",
        game=Partial(Vector),
        generator=Partial(vector.Generator),
        discriminator=Partial(vector.Discriminator),
        data=Partial(Vectors),
        adversarial=relativistic,
        penalties=(Penalty(r1_finite, weight=0.1), Penalty(r2_finite, weight=0.1)),
        generator_optimizer=falling,
        discriminator_optimizer=falling,
        batch=128,
        average=20_000,
        stop=(),  # modes become sharp while the learning rate falls; the whole budget takes a minute
    )
