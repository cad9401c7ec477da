"""The original game on vectors: a generator maps a latent z to a row of numbers, and one discriminator distinguishes it from real ones.

Goodfellow et al. 2014, arXiv:1406.2661, eq. 1, with x a vector of standardised columns, as in the mixtures of Gaussians on which the
field studies mode collapse: Metz et al. 2017, Unrolled GANs, arXiv:1611.02163, section 3.1.
"""

from __future__ import annotations

from organza.game import Batch, Duel
from organza.games.unconditional import Unconditional


class Vector(Unconditional):
    """A game from noise to vectors: G(z) faces the batch's vectors before D."""

    output = "vector"

    def play(self, batch: Batch) -> Batch:
        return {"vector": self.G(batch["z"])}

    def duels(self, batch: Batch, made: Batch) -> list[Duel]:
        return [Duel(self.D, batch["vector"], made["vector"])]
