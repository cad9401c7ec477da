"""InfoGAN: a generator with interpretable codes, learned without labels. Chen et al. 2016,
arXiv:1606.03657.

The latent is noise and codes, z = [noise, c]. Left alone, G may ignore c; so G and the recogniser Q
also maximise a lower bound of the mutual information between the codes and the image (eq. 5): L_I =
E[log Q(c | G(z))] + H(c) <= I(c; G(z)), and the game (eq. 6) is

    min over G, Q  max over D   V(D, G) - lambda L_I(G, Q).

For a categorical code -log Q is the cross entropy; for a continuous one Q is a Gaussian of variance
1, so that -log Q = (c - mu)^2 / 2 and a constant. Q is a second head on D's layers and learns in
D's turn, on fakes only, as only their codes are known.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from organza.config import settings_of
from organza.game import Batch, Duel
from organza.games.unconditional import Unconditional
from organza.losses import Adversarial
from organza.penalties import Penalty


class InfoGAN(Unconditional):
    """A game from noise and codes to data, in which Q recovers the codes.

    Args:
        G: generator with `codes`.
        D: discriminator with a `recogniser`.
        adversarial: objectives of both players.
        penalties: penalties on the discriminator.
        categorical: lambda of categorical codes.
        continuous: lambda of continuous codes.
    """

    def __init__(
        self,
        G: nn.Module,
        D: nn.Module,
        adversarial: Adversarial,
        penalties: Sequence[Penalty] = (),
        *,
        categorical: float = 1.0,
        continuous: float = 1.0,
    ):
        super().__init__(G, D, adversarial, penalties)
        self.categorical, self.continuous = categorical, continuous
        self._judged: tuple[Tensor, Tensor] | None = None  # D's last input, and its features

    @classmethod
    def players(cls, generator: Any, discriminator: Any, data: Any) -> tuple[Any, Any]:
        generator, discriminator = super().players(generator, discriminator, data)
        return generator, discriminator.given(codes=(settings_of(generator) or {})["codes"])

    def duels(self, batch: Batch, made: Batch) -> list[Duel]:
        return [Duel(self.judge, batch["image"], made["image"])]

    def judge(self, x: Tensor) -> Tensor:
        """Compute D's logits, and keep the features for Q, which mostly needs those of the same
        fakes next: saves a third of the time.
        """
        features = self.D.trunk(x)
        self._judged = x, features
        return self.D.decide(features)

    def recognise(self, x: Tensor) -> Tensor:
        """Compute Q's output for x, from the features that D just computed if possible."""
        judged, self._judged = self._judged, None
        features = judged[1] if judged and judged[0] is x else self.D.trunk(x)
        return self.D.recogniser(features)

    def unread(self, batch: Batch, made: Batch) -> dict[str, Tensor]:
        """Compute -lambda log Q(c | x), the information about each kind of code that Q does not
        find in x: nats, up to a constant.
        """
        codes = self.G.codes
        guesses, means = codes.split(self.recognise(made["image"]))
        chosen, values = codes.split(codes.of(batch["z"]))
        terms: dict[str, Tensor] = {}
        if guesses:
            missed = [cross_entropy(guess, truth) for guess, truth in zip(guesses, chosen, strict=True)]
            terms["categorical code"] = self.categorical * torch.stack(missed).sum()
        if values.shape[1]:
            terms["continuous code"] = self.continuous * (values - means).square().sum(1).mean() / 2
        return terms

    def extra_generator_terms(self, batch: Batch, made: Batch) -> dict[str, Tensor]:
        return self.unread(batch, made)

    def extra_discriminator_terms(self, batch: Batch, made: Batch) -> dict[str, Tensor]:
        return self.unread(batch, made)
