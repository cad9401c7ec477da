"""SimGAN: a refiner R makes synthetic images a look like real ones b, and keeps their annotation
valid.

Shrivastava et al. 2017, Learning from Simulated and Unsupervised Images through Adversarial
Training, arXiv:1612.07828.

    L_R = -log D(R(a)) + lambda |R(a) - a|_1                  eq. 4: realism and self-regularisation
    L_D = -log D(b) - log(1 - D(R(a) or an earlier R(a)))     eq. 2: half of D's fakes come from a pool (section 2.3)

D returns a map of logits, one for each patch (section 2.2). The paper's D gives the probability of
being refined, here it is that of being real. Its sums over pixels and patches are means here:
lambda = (the paper's) x pixels / patches.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from organza.game import Batch, Duel, Game
from organza.games.image_pool import Pool
from organza.losses import Adversarial
from organza.penalties import Penalty


class SimGAN(Game):
    """A game from synthetic images a to refined ones: R(a) faces the real images b before a local
    D.

    Args:
        G: refiner R.
        D: discriminator that returns a map of logits.
        adversarial: objectives of both players.
        penalties: penalties on the discriminator.
        fidelity: lambda, the weight of |R(a) - a|, a mean over the pixels.
        pool: number of earlier fakes kept for D.
    """

    output = "b"

    def __init__(
        self,
        G: nn.Module,
        D: nn.Module,
        adversarial: Adversarial,
        penalties: Sequence[Penalty] = (),
        *,
        fidelity: float = 1.0,
        pool: int = 1024,
    ):
        super().__init__(G, D, adversarial, penalties)
        generator: Any = G  # a translator
        self.fidelity, self.pool = fidelity, Pool(pool, generator.shape)

    def play(self, batch: Batch) -> Batch:
        return {"b": self.G(batch["a"])}

    def shown(self, batch: Batch, output: Tensor) -> list[Tensor]:
        return [batch["a"], output]

    def duels(self, batch: Batch, made: Batch) -> list[Duel]:
        return [Duel(self.D, batch["b"], made["b"], replay=self.pool.half_of)]

    def extra_generator_terms(self, batch: Batch, made: Batch) -> dict[str, Tensor]:
        return {"self-regularisation": self.fidelity * (made["b"] - batch["a"]).abs().mean()}
