"""Bidirectional GAN: an encoder learns the generator's inverse without ever seeing a pair of both.

Donahue, Krähenbühl and Darrell 2017, Adversarial Feature Learning, arXiv:1605.09782, eq. 3;
independently Dumoulin et al. 2017, Adversarially Learned Inference, arXiv:1606.00704, eq. 4:
    min_{G,E} max_D  E_x log D(x, E(x)) + E_z log(1 - D(G(z), z))
At the optimum the two joint distributions are one, and E inverts G almost everywhere (theorem 2 of
the first).
"""

from __future__ import annotations

import torch
from torch import Tensor

from organza.game import Batch, Duel
from organza.games.encoding import Encoding
from organza.losses import Adversarial
from organza.networks.bigan import pair


class BiGAN(Encoding):
    """A game in which D judges pairs: a real image with its latent E(x) against a generated image
    G(z) with its latent.
    """

    def play(self, batch: Batch) -> Batch:
        return {"image": self.decode(batch["z"]), "z": self.encode(batch["image"])}

    def duels(self, batch: Batch, made: Batch) -> list[Duel]:
        return [Duel(self.D, pair(batch["image"], made["z"]), pair(made["image"], batch["z"]))]

    def extra_generator_terms(self, batch: Batch, made: Batch) -> dict[str, Tensor]:
        """Return E's term: it makes the pairs on the real side, and should have them judged as
        fakes, as G wants the converse.
        """
        (duel,) = self.duels(batch, made)
        real = fake = duel.judge(duel.real)
        if self.adversarial.generator_sees_real:
            with torch.no_grad():  # a constant for E, as the real is for G
                fake = duel.judge(duel.fake)
        return {"encoder": exchanged(self.adversarial, *self.compared(real, fake)).mean()}


def exchanged(adversarial: Adversarial, real: Tensor, fake: Tensor) -> Tensor:
    """Compute the generator's objective for a player on the real side: logits mirrored at an even
    chance, [N, ...] each.

    >>> from organza.losses import lsgan, nonsaturating
    >>> round(exchanged(nonsaturating, torch.tensor(2.0), torch.tensor(0.0)).item(), 4)  # -log(1 - sigmoid(2))
    2.1269
    >>> exchanged(lsgan, torch.tensor(3.0), torch.tensor(0.0))  # towards the target 0 of fakes: 3^2 / 2
    tensor(4.5000)
    """
    both = 2 * (adversarial.neutral or 0.0)
    return adversarial.generator(both - fake, both - real)
