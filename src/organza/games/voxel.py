"""The original game on volumes: a generator maps a latent z to a shape, and one discriminator distinguishes it from real ones.

Wu et al. 2016, 3D-GAN, arXiv:1610.07584, eq. 1: the same minimax value, log D(x) + log(1 - D(G(z))), with x a volume. The paper's rule that
D is trained only if it was right on at most 80 % of the last batch is `recipe.discriminator_limit`.
"""

from __future__ import annotations

from organza.game import Batch, Duel
from organza.games.unconditional import Unconditional


class Voxel(Unconditional):
    """A game from noise to volumes: G(z) faces the batch's volumes before D."""

    output = "volume"

    def play(self, batch: Batch) -> Batch:
        return {"volume": self.G(batch["z"])}

    def duels(self, batch: Batch, made: Batch) -> list[Duel]:
        return [Duel(self.D, batch["volume"], made["volume"])]
