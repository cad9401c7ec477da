"""CycleGAN: two domains without pairs, translated in both directions. Zhu et al. 2017,
arXiv:1703.10593.

Symbols: a, b images of the two domains; G_b: a -> b and G_a: b -> a; D_a, D_b. A translation there
and back should return the input:

    L_cycle = |G_a(G_b(a)) - a| + |G_b(G_a(b)) - b|        eq. 2
    L_identity = |G_b(b) - b| + |G_a(a) - a|               section 5.2, which keeps colours
    L_G = adversarial(b) + adversarial(a) + cycle (L_cycle + identity L_identity)

|.| is the mean absolute difference. Each D is shown fakes from a pool, not only the latest ones
(section 4).
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torch.nn.functional import l1_loss

from organza.config import Partial
from organza.errors import UserError
from organza.game import Batch, Duel, Game
from organza.games.image_pool import Pool
from organza.networks.layers import NetworkDict


class CycleGAN(Game):
    """A game of two translators and two discriminators. G["b"] maps a to b, and is the main one.

    Args:
        G: translators, named after the domain of their outputs.
        D: discriminators, named after the domain that they judge.
        adversarial: objectives of both players.
        penalties: penalties on the discriminators.
        cycle: weight of L_cycle.
        identity: weight of L_identity, relative to the weight of L_cycle; 0 for none.
        pool: number of earlier fakes kept for each domain.

    Raises:
        UserError: if there is an identity loss and the domains differ in channels.
    """

    G: Any
    D: Any
    pools: Any
    output = "b"

    def __init__(
        self,
        G: Any,
        D: Any,
        adversarial: Any,
        penalties: Any = (),
        *,
        cycle: float = 10.0,
        identity: float = 0.5,
        pool: int = 50,
    ):
        super().__init__(G, D, adversarial, penalties)
        self.cycle, self.identity = cycle, identity
        self.pools = nn.ModuleDict({name: Pool(pool, network.shape) for name, network in G.items()})
        a, b = (G[name].shape[0] for name in "ab")
        if identity and a != b:
            raise UserError(
                f"The images in a have {a} channels and those in b {b}; an identity loss needs equal numbers: "
                "make them equal with `channels=3`, or leave the loss out with `settings=['game.identity=0']`."
            )

    @classmethod
    def players(cls, generator: Partial, discriminator: Partial, data: Any) -> tuple[Partial, Partial]:
        a, b = tuple(data.source_shape), tuple(data.shape)
        return (
            Partial(NetworkDict, b=generator.given(shape=b, source=a[0]), a=generator.given(shape=a, source=b[0])),
            Partial(NetworkDict, b=discriminator.given(shape=b), a=discriminator.given(shape=a)),
        )

    def play(self, batch: Batch) -> Batch:
        return {"b": self.G["b"](batch["a"]), "a": self.G["a"](batch["b"])}

    def make(self, batch: Batch) -> Tensor:
        return self.G["b"](batch["a"])

    def shown(self, batch: Batch, output: Tensor) -> list[Tensor]:
        return [batch["a"], output]

    def duels(self, batch: Batch, made: Batch) -> list[Duel]:
        return [Duel(self.D[name], batch[name], made[name], replay=self.pools[name].exchange) for name in "ba"]

    def extra_generator_terms(self, batch: Batch, made: Batch) -> dict[str, Tensor]:
        cycle = l1_loss(self.G["a"](made["b"]), batch["a"]) + l1_loss(self.G["b"](made["a"]), batch["b"])
        terms = {"cycle": self.cycle * cycle}
        if self.identity:
            same = l1_loss(self.G["b"](batch["b"]), batch["b"]) + l1_loss(self.G["a"](batch["a"]), batch["a"])
            terms["identity"] = self.cycle * self.identity * same
        return terms
