"""Enlarge: images f times as large, with the detail that a small image leaves out. Ledig et al. 2017, SRGAN, arXiv:1609.04802.

Symbols: b a large image, a its small copy, u(a) the copy enlarged by a cubic filter, d_l D's features of layer l.

    warm-up   min_G  |G(a) - b|_1
    game      min_G max_D  V(D; b | u(a), G(a) | u(a)) + l1 |G(a) - b|_1
                           + features mean_l |d_l(G(a)) - d_l(b)|_1 / |d_l(b)|_1

The absolute error alone gives the median of all that a could have been, which is smooth; D asks for one of them. D compares b
and G(a) beside the same u(a), relativistically: Wang et al. 2018, ESRGAN, arXiv:1809.00219. Matching D's features
(Salimans et al. 2016, arXiv:1606.03498; Wang et al. 2018, pix2pixHD, arXiv:1711.11585, eq. 4) takes the place of a network
trained on photographs, and suits every kind of image.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F

from organza.config import Partial
from organza.game import Batch, Duel
from organza.games.restoration import Restoration
from organza.losses import Adversarial
from organza.networks.enlarger import require_factor
from organza.penalties import Penalty


class Enlarge(Restoration):
    """A game in which G(a) should be near b, and be taken for b by a discriminator that also sees a.

    Args:
        G: generator, from a to an image `factor` times as large.
        D: discriminator of b, given u(a), with `features`.
        adversarial: objectives of both players.
        penalties: penalties on the discriminator.
        factor: 2 or 4.
        l1: weight of the distance to b in the game.
        features: weight of the distance of D's features in the game.

    Raises:
        UserError: if the factor is another.
    """

    def __init__(
        self,
        G: nn.Module,
        D: nn.Module,
        adversarial: Adversarial,
        penalties: Sequence[Penalty] = (),
        *,
        factor: int = 4,
        l1: float = 10.0,
        features: float = 1.0,
    ):
        super().__init__(G, D, adversarial, penalties, l1=l1, features=features)
        require_factor(factor)
        self.factor = factor

    @classmethod
    def layout(cls, data: Partial, settings: Mapping[str, Any]) -> Partial:
        require_factor(settings["factor"])
        return data.given(factor=settings["factor"])

    @classmethod
    def players(cls, generator: Any, discriminator: Any, data: Any) -> tuple[Any, Any]:
        shape = tuple(data.shape)
        return generator.given(shape=shape, factor=data.factor), discriminator.given(shape=shape, condition=shape[0])

    def shown(self, batch: Batch, output: Tensor) -> list[Tensor]:
        """Return three columns: the small image with its pixels repeated, its enlargement, and the original."""
        return [F.interpolate(batch["a"], scale_factor=float(self.factor)), output, batch["b"]]

    def duels(self, batch: Batch, made: Batch) -> list[Duel]:
        return [Duel(self.D, batch["b"], made["b"], condition=self.cubic(batch["a"]))]

    def distance(self, batch: Batch, made: Batch) -> Tensor:
        return F.l1_loss(made["b"], batch["b"])

    def beside(self, batch: Batch) -> tuple[Tensor, ...]:
        return (self.cubic(batch["a"]),)

    def warm_up_terms(self, batch: Batch, made: Batch) -> dict[str, Tensor]:
        return {"l1": self.l1 * self.distance(batch, made)}

    def cubic(self, a: Tensor) -> Tensor:
        """Return u(a), [N, C, H, W] to [N, C, f H, f W]."""
        return F.interpolate(a, scale_factor=float(self.factor), mode="bicubic").clamp(-1, 1)
