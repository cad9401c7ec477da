"""Pix2Pix: images translated from pairs of examples. Isola et al. 2017, Image-to-Image Translation with Conditional Adversarial
Networks, arXiv:1611.07004.

    L_cGAN(G, D) = E log D(a, b) + E log(1 - D(a, G(a)))      eq. 1: D sees the image a beside the true or the made b
    L_L1(G)      = E |b - G(a)|                               eq. 3
    G*           = arg min_G max_D L_cGAN(G, D) + 100 L_L1(G)   eq. 4
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn
from torch.nn.functional import l1_loss

from organza.game import Batch, Duel, Game
from organza.losses import Adversarial, nonsaturating
from organza.penalties import Penalty

halved = nonsaturating._replace(discriminator=lambda real, fake: nonsaturating.discriminator(real, fake) / 2)
"""Nonsaturating game with D's objective divided by two, "which slows down the rate at which D learns" (section 3.3).

With Adam, whose steps do not depend on the scale of a loss, this has little effect: use discriminator_optimizer.rate to slow D down.
"""


class Pix2Pix(Game):
    """A game in which G(a) should equal b, and be taken for b by a discriminator that also sees a.

    Args:
        G: generator.
        D: discriminator of b, given a.
        adversarial: objectives of both players.
        penalties: penalties on the discriminator.
        l1: weight of the distance to the true b.
    """

    output = "b"
    paired = True

    def __init__(
        self,
        G: nn.Module,
        D: nn.Module,
        adversarial: Adversarial,
        penalties: Sequence[Penalty] = (),
        *,
        l1: float = 100.0,
    ):
        super().__init__(G, D, adversarial, penalties)
        self.l1 = l1

    @classmethod
    def players(cls, generator: Any, discriminator: Any, data: Any) -> tuple[Any, Any]:
        shape, source = tuple(data.shape), data.source_shape[0]
        return generator.given(shape=shape, source=source), discriminator.given(shape=shape, condition=source)

    def play(self, batch: Batch) -> Batch:
        return {"b": self.G(batch["a"])}

    def shown(self, batch: Batch, output: Tensor) -> list[Tensor]:
        """Return three columns: the input, its translation, and its target."""
        return [batch["a"], output, batch["b"]]

    def duels(self, batch: Batch, made: Batch) -> list[Duel]:
        return [Duel(self.D, batch["b"], made["b"], condition=batch["a"])]

    def extra_generator_terms(self, batch: Batch, made: Batch) -> dict[str, Tensor]:
        return {"l1": self.l1 * l1_loss(made["b"], batch["b"])}
