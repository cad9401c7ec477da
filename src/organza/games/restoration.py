"""Restoration: the image b from what is left of it, a, by its distance to b and by D's features. The base of enlarging and filling.

    game      min_G max_D  V(D; b, G(a)) + l1 |G(a) - b|_1 + features mean_l |d_l(G(a)) - d_l(b)|_1 / |d_l(b)|_1

d_l are D's features of layer l. Matching them (Salimans et al. 2016, arXiv:1606.03498; Wang et al. 2018, pix2pixHD,
arXiv:1711.11585, eq. 4) takes the place of a network trained on photographs, and suits every kind of image.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from organza.distributed.world import ALONE, World
from organza.game import Batch, Game
from organza.losses import Adversarial
from organza.penalties import Penalty


class Restoration(Game):
    """A game in which G(a) should be near b, and be taken for b.

    Args:
        G: generator, from a to b.
        D: discriminator of b, with `features`.
        adversarial: objectives of both players.
        penalties: penalties on the discriminator.
        l1: weight of the distance to b in the game.
        features: weight of the distance of D's features in the game.
    """

    output = "b"
    paired = True

    def __init__(
        self,
        G: Any,
        D: Any,
        adversarial: Adversarial,
        penalties: Sequence[Penalty] = (),
        *,
        l1: float = 10.0,
        features: float = 1.0,
    ):
        super().__init__(G, D, adversarial, penalties)
        self.l1, self.features = l1, features

    def play(self, batch: Batch) -> Batch:
        return {"b": self.G(batch["a"])}

    @abstractmethod
    def distance(self, batch: Batch, made: Batch) -> Tensor:
        """Return the mean absolute difference of G(a) and b, a scalar."""

    def beside(self, batch: Batch) -> tuple[Tensor, ...]:
        """Return the further inputs of D, [N, ...] each."""
        return ()

    def extra_generator_terms(self, batch: Batch, made: Batch) -> dict[str, Tensor]:
        terms = {"l1": self.l1 * self.distance(batch, made)}
        if self.features:
            beside = self.beside(batch)
            with torch.no_grad():
                wanted = self.D.features(batch["b"], *beside)
            terms["features"] = self.features * unlike(self.D.features(made["b"], *beside), wanted, self.world)
        return terms

    def warm_up_terms(self, batch: Batch, made: Batch) -> dict[str, Tensor]:
        return {"l1": self.distance(batch, made)}


def unlike(made: Sequence[Tensor], wanted: Sequence[Tensor], world: World = ALONE) -> Tensor:
    """Return the mean over layers of the absolute difference of features, relative to the size of the wanted ones
    in the whole batch.

    >>> unlike([torch.zeros(1, 2)], [torch.ones(1, 2)])
    tensor(1.)
    """
    parts = [
        F.l1_loss(one, other) / world.mean(other.abs().mean()).clamp_min(1e-6)
        for one, other in zip(made, wanted, strict=True)
    ]
    return torch.stack(parts).mean()
