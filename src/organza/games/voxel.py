"""The game of the first paper on volumes: a latent z becomes a shape in space, and one discriminator tells it from real ones.

Wu et al. 2016, 3D-GAN, arXiv:1610.07584, eq. 1: the same minimax value, log D(x) + log(1 - D(G(z))), with x a volume. The paper's rule that
D is trained only where it was right on at most 80 % of the last batch is `recipe.discriminator_limit`.
"""

from __future__ import annotations

from organza.game import Batch, Duel
from organza.games.unconditional import Unconditional


class Voxel(Unconditional):
    """Noise to volumes: G(z) faces the batch's volumes before D."""

    output = "volume"

    def play(self, batch: Batch) -> Batch:
        return {"volume": self.G(batch["z"])}

    def duels(self, batch: Batch, made: Batch) -> list[Duel]:
        return [Duel(self.D, batch["volume"], made["volume"])]
