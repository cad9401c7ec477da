"""Fill: the pixels of a hole, from those around it. Pathak et al. 2016, Context Encoders, arXiv:1604.07379; Suvorov et al. 2021, LaMa,
arXiv:2109.07161.

Symbols: b an image, m a mask, 1 in the hole; a = ((1 - m) b, m); G(a) = b outside of the hole; d_l D's features of layer l.

    warm-up   min_G  |m (G(a) - b)|_1 / |m|_1
    game      min_G max_D  V(D; b, G(a)) over the patches that touch the hole + l1 |m (G(a) - b)|_1 / |m|_1
                           + features mean_l |d_l(G(a)) - d_l(b)|_1 / |d_l(b)|_1

D returns a logit for each patch. A patch that does not touch the hole is the same in b and G(a), so it is no fake, and counts
for nothing (LaMa, section 2.2).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from organza.game import Batch, Duel
from organza.games.restoration import Restoration
from organza.losses import Adversarial
from organza.penalties import Penalty


class Fill(Restoration):
    """A game in which an image with its hole filled should be taken for the whole one, patch by patch.

    Args:
        G: generator, from an image with a hole and its mask to the whole image.
        D: discriminator of patches, with `features` and `touched`.
        adversarial: objectives of both players.
        penalties: penalties on the discriminator.
        l1: weight of the distance to b in the hole, in the game.
        features: weight of the distance of D's features, in the game.
    """

    def __init__(
        self,
        G: nn.Module,
        D: nn.Module,
        adversarial: Adversarial,
        penalties: Sequence[Penalty] = (),
        *,
        l1: float = 1.0,
        features: float = 4.0,
    ):
        super().__init__(G, D, adversarial, penalties, l1=l1, features=features)

    def shown(self, batch: Batch, output: Tensor) -> list[Tensor]:
        """Return three columns: the image with its hole, the filled one, and the original."""
        return [batch["a"][:, :-1], output, batch["b"]]

    def duels(self, batch: Batch, made: Batch) -> list[Duel]:
        touched = self.D.touched(hole_of(batch["a"]))
        return [Duel(self.D, batch["b"], made["b"], weight=touched)]

    def distance(self, batch: Batch, made: Batch) -> Tensor:
        """Return the mean absolute difference in the hole, a scalar."""
        hole = hole_of(batch["a"])
        return ((made["b"] - batch["b"]).abs() * hole).mean() / self.world.mean(hole.mean()).clamp_min(1e-6)


def hole_of(a: Any) -> Tensor:
    """Return the mask of the hole, 1 or 0: [N, C + 1, H, W] to [N, 1, H, W]."""
    return (a[:, -1:] > 0).to(a.dtype)
