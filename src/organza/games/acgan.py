"""AC-GAN: D does not receive the label but classifies it, and G has to generate images of the right
class.

L_S = E log P(real | x) + E log P(fake | G(z, y)),   L_C = E log P(y | x) + E log P(y | G(z, y)):
D maximises L_S + L_C, G maximises L_C - L_S.  Odena, Olah and Shlens 2017, arXiv:1610.09585, eqs. 2 and 3.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, mse_loss

from organza.game import Batch, Duel
from organza.games.conditional import Conditional
from organza.losses import Adversarial
from organza.penalties import Penalty


class AuxiliaryClassifier(Conditional):
    """A game with an auxiliary classifier: noise and a label to data; D sees no label, and its
    classification counts on both sides.

    Args:
        G: generator of noise and a label.
        D: discriminator with a classifier `guesses`.
        adversarial: objectives of both players.
        penalties: penalties on the discriminator.
        weight: weight of L_C relative to L_S, which is 1 in the paper.
    """

    def __init__(
        self,
        G: nn.Module,
        D: nn.Module,
        adversarial: Adversarial,
        penalties: Sequence[Penalty] = (),
        *,
        weight: float = 1.0,
    ):
        super().__init__(G, D, adversarial, penalties)
        self.weight = weight

    @classmethod
    def players(cls, generator: Any, discriminator: Any, data: Any) -> tuple[Any, Any]:
        shape = tuple(data.shape)
        return generator.given(shape=shape, labels=data.labels.width), discriminator.given(
            shape=shape, fields=data.labels
        )

    def duels(self, batch: Batch, made: Batch) -> list[Duel]:
        return [Duel(self.D, batch["image"], made["image"])]

    def extra_discriminator_terms(self, batch: Batch, made: Batch) -> dict[str, Tensor]:
        return {
            "label of x": self._misread(batch["image"], batch),
            "label of G(z)": self._misread(made["image"], batch),
        }

    def extra_generator_terms(self, batch: Batch, made: Batch) -> dict[str, Tensor]:
        return {"label": self._misread(made["image"], batch)}

    def _misread(self, image: Tensor, batch: Batch) -> Tensor:
        return self.weight * misread(self.D.fields, self.D.guesses(image), batch["label"])


def misread(labels: Any, guesses: Tensor, rows: Tensor) -> Tensor:
    """Compute the classification loss: -log P(y | x), summed over the fields, mean over the batch.

    Cross entropy for a class, binary cross entropy for each tag of several, half the squared error
    for a number (a Gaussian's).

    Args:
        labels: label fields, a `Labels`.
        guesses: logits of classes and tags, values of numbers, [N, width].
        rows: true labels, [N, width].

    >>> import torch; from organza.data.labels import Field, Labels
    >>> misread(Labels((Field("class", ("cat", "dog"), (0.5, 0.5)),)), torch.zeros(3, 2), torch.eye(2)[[0, 1, 1]])  # log 2
    tensor(0.6931)
    """
    places = labels.slices()
    terms = [_misread(field, guesses[:, places[field.name]], rows[:, places[field.name]]) for field in labels.fields]
    return reduce(torch.add, terms)


def _misread(field: Any, guesses: Tensor, rows: Tensor) -> Tensor:
    if not field.values:
        return mse_loss(guesses, rows) / 2
    if field.several:
        return binary_cross_entropy_with_logits(guesses, rows) * field.width
    return cross_entropy(guesses, rows)
