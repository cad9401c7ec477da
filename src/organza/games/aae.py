"""Adversarial autoencoder: a reconstruction term makes the code complete, and an adversary gives the codes the shape of a prior.

Makhzani et al. 2015, Adversarial Autoencoders, arXiv:1511.05644, section 2:
    min_{G,E} max_D  E_z log D(z) + E_x log(1 - D(E(x))) + reconstruction * E_x |x - G(E(x))|^2 / dim x
The paper takes the two parts in two phases of a step, each with its own rate; here they are terms of one turn, with a weight between them.
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
    """D judges latents: those of the prior are the real ones, those of images the fakes.

    Args:
        G, D, adversarial, penalties: see `Game`.
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
        """Original, reconstruction, and a sample of the prior; the sheet of real images stays as it is."""
        real = batch["image"]
        return [output] if output is real else [real, self.play(batch)["image"], output]
