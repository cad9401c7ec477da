"""Adversarial autoencoder: a reconstruction term makes the code complete, and a discriminator shapes the codes like a prior.

Makhzani et al. 2015, Adversarial Autoencoders, arXiv:1511.05644, section 2:
    min_{G,E} max_D  E_z log D(z) + E_x log(1 - D(E(x))) + reconstruction * E_x |x - G(E(x))|^2 / dim x
The paper takes two phases in a step, each with its own learning rate; here both are terms of one turn, with a weight between them.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn.functional import mse_loss

from organza.game import Batch, Duel
from organza.games.encoding import Encoding
from organza.losses import Adversarial
from organza.penalties import Penalty


class AAE(Encoding):
    """A game in which D judges latents: those of the prior are real, those of images are fakes.

    Args:
        G: networks `generator` and `encoder`.
        D: discriminator of latents.
        adversarial: objectives of both players.
        penalties: penalties on the discriminator.
        reconstruction: weight of the mean squared error of reconstructions, pixels in [-1, 1].
    """

    def __init__(
        self,
        G: nn.Module,
        D: nn.Module,
        adversarial: Adversarial,
        penalties: Sequence[Penalty] = (),
        reconstruction: float = 100.0,
    ):
        super().__init__(G, D, adversarial, penalties)
        self.reconstruction = reconstruction

    def play(self, batch: Batch) -> Batch:
        z = self.encode(batch["image"])
        return {"z": z, "image": self.decode(z)}

    def duels(self, batch: Batch, made: Batch) -> list[Duel]:
        return [Duel(self.D, batch["z"], made["z"])]

    def extra_generator_terms(self, batch: Batch, made: Batch) -> dict[str, Tensor]:
        return {"reconstruction": self.reconstruction * mse_loss(made["image"], batch["image"])}

    def shown(self, batch: Batch, output: Tensor) -> list[Tensor]:
        """Return the original, its reconstruction, and a sample of the prior; in the grid of real images, the original only."""
        real = batch["image"]
        return [output] if output is real else [real, self.play(batch)["image"], output]
