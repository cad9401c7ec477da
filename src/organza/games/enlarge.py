"""Enlarge: images f times as large, with the detail that a small image leaves out. Ledig et al. 2017, SRGAN, arXiv:1609.04802.

Symbols: b a large image, a its small copy, u(a) the copy enlarged by a cubic filter, d_l D's features of layer l.

    warm-up   min_G  |G(a) - b|_1
    game      min_G max_D  V(D; b | u(a), G(a) | u(a)) + l1 |G(a) - b|_1
                           + features mean_l |d_l(G(a)) - d_l(b)|_1 / |d_l(b)|_1 + texture |s(G(a)) - s(b)|_1

s(x) is the logarithm of the local contrast of x's details. The absolute error alone gives the median of all that a could have
been, which is smooth. s asks for as much detail as b has, wherever it lies exactly: energies of wavelets describe a texture
(Portilla and Simoncelli 2000, IJCV 40(1)). D asks for detail that looks authentic: it compares b and G(a) beside the same u(a),
relativistically (Wang et al. 2018, ESRGAN, arXiv:1809.00219). Matching D's features (Salimans et al. 2016, arXiv:1606.03498;
Wang et al. 2018, pix2pixHD, arXiv:1711.11585, eq. 4) asks for detail in its place. Both need no network trained on photographs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
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
        texture: weight of the distance of local contrasts in the game: see `contrasts`.
        squared: True for the squared error in the warm-up: by the absolute one, pixel art stays at repeated pixels, the median.

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
        texture: float = 0.0,
        squared: bool = False,
    ):
        super().__init__(G, D, adversarial, penalties, l1=l1, features=features)
        require_factor(factor)
        self.factor, self.texture, self.squared = factor, texture, squared

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

    def extra_generator_terms(self, batch: Batch, made: Batch) -> dict[str, Tensor]:
        terms = super().extra_generator_terms(batch, made)
        if self.texture:
            terms["texture"] = self.texture * F.l1_loss(contrasts(made["b"]), contrasts(batch["b"]))
        return terms

    def beside(self, batch: Batch) -> tuple[Tensor, ...]:
        return (self.cubic(batch["a"]),)

    def warm_up_terms(self, batch: Batch, made: Batch) -> dict[str, Tensor]:
        if self.squared:
            return {"squared": self.l1 * F.mse_loss(made["b"], batch["b"])}
        return {"l1": self.l1 * self.distance(batch, made)}

    def cubic(self, a: Tensor) -> Tensor:
        """Return u(a), [N, C, H, W] to [N, C, f H, f W]."""
        return F.interpolate(a, scale_factor=float(self.factor), mode="bicubic").clamp(-1, 1)


def contrasts(x: Tensor, least: float = 0.002) -> Tensor:
    """Return the logarithm of the local contrast of details of one and of two pixels, across, down and crosswise.

    log sqrt(mean h^2 + least^2), h the differences of neighbours, the mean over windows of 4x4 pixels, every second one; then the
    same of x at half the size.  Energies of Haar wavelets: small windows, as in large ones dots beside an edge count as the edge.

    Args:
        x: images, [N, C, H, W], at least 16x16 pixels.
        least: contrast that counts as none; a quarter of a level of 255.

    Returns:
        [N, n], all contrasts of an image.

    >>> contrasts(torch.zeros(1, 3, 16, 16)).shape
    torch.Size([1, 360])
    """
    made = []
    for _ in range(2):
        down, across = x[..., 1:, :] - x[..., :-1, :], x[..., 1:] - x[..., :-1]
        details = torch.cat([down[..., 1:], across[..., 1:, :], down[..., 1:] - down[..., :-1]], 1)
        made.append((F.avg_pool2d(details.square(), 4, 2) + least**2).log().flatten(1) / 2)
        x = F.avg_pool2d(x, 2)
    return torch.cat(made, 1)
