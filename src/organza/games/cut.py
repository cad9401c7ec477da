"""CUT, contrastive unpaired translation: one translator in one direction. Park et al. 2020,
arXiv:2007.15651.

Symbols: a, b images of the two domains; G: a -> b with encoder features f_l of layer l; H_l a small
MLP; v = H_l(f_l) at a position of the image, of length 1. Each patch of G(a) should resemble the
patch of a at the same position more than other patches of a (eqs. 3 and 5):

    L_patch(a, G(a)) = mean over l, s of -log [ exp(q_s . k_s / tau) / sum_t exp(q_s . k_t / tau) ],  q of G(a), k of a, at positions s, t
    L_G = adversarial + nce L_patch(a, G(a)) + identity L_patch(b, G(b))        eq. 8
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from organza.config import Partial
from organza.config.outline import outlined
from organza.errors import UserError
from organza.game import Batch, Duel, Game
from organza.networks.layers import NetworkDict
from organza.networks.projection import Projections


class CUT(Game):
    """A game of a translator with its MLPs, as one player, and one discriminator.

    Args:
        G: networks: G["b"] translates and has `features`, G["heads"] are the MLPs.
        D: discriminator of domain b.
        adversarial: objectives of both players.
        penalties: penalties on the discriminator.
        nce: weight of L_patch on a.
        identity: weight of L_patch on b, which G should not change; 0 for none.
        tau: temperature.
        patches: positions of each layer to compare.
        flip: probability that a is mirrored before G, and the features of G(a) mirrored back:
            FastCUT has 0.5.

    Raises:
        UserError: if the domains differ in channels, as one encoder processes both.
    """

    G: Any
    output = "b"

    def __init__(
        self,
        G: Any,
        D: Any,
        adversarial: Any,
        penalties: Any = (),
        *,
        nce: float = 1.0,
        identity: float = 1.0,
        tau: float = 0.07,
        patches: int = 256,
        flip: float = 0.0,
    ):
        super().__init__(G, D, adversarial, penalties)
        self.nce, self.identity, self.tau, self.patches, self.flip = nce, identity, tau, patches, flip
        a, b = G["b"].feature_maps[0], G["b"].shape[0]
        if a != b:
            raise UserError(
                f"The images in a have {a} channels and those in b {b}; CUT encodes both with one encoder: "
                "make them alike with `channels=3`."
            )

    @classmethod
    def players(cls, generator: Partial, discriminator: Partial, data: Any) -> tuple[Partial, Partial]:
        translator = generator.given(shape=tuple(data.shape), source=data.source_shape[0])
        with outlined():  # determines the feature maps without creating weights
            maps = translator().feature_maps
        judge = discriminator.given(shape=tuple(data.shape))
        return Partial(NetworkDict, b=translator, heads=Partial(Projections, maps=maps)), judge

    def play(self, batch: Batch) -> Batch:
        turned = self.training and self.flip > 0 and bool(torch.rand(()) < self.flip)
        return {"b": self.G["b"](batch["a"].flip(-1) if turned else batch["a"]), "turned": torch.tensor(turned)}

    def make(self, batch: Batch) -> Tensor:
        return self.G["b"](batch["a"])

    def shown(self, batch: Batch, output: Tensor) -> list[Tensor]:
        return [batch["a"], output]

    def duels(self, batch: Batch, made: Batch) -> list[Duel]:
        return [Duel(self.D, batch["b"], made["b"])]

    def extra_generator_terms(self, batch: Batch, made: Batch) -> dict[str, Tensor]:
        terms = {"patches": self.nce * self.patch_loss(batch["a"], made["b"], turned=bool(made["turned"]))}
        if self.identity:
            terms["identity patches"] = self.identity * self.patch_loss(batch["b"], self.G["b"](batch["b"]))
        return terms

    def patch_loss(self, given: Tensor, made: Tensor, turned: bool = False) -> Tensor:
        """Compute L_patch between inputs and outputs of G, a scalar. No gradient reaches the
        features of the inputs.
        """
        G, heads = self.G["b"], self.G["heads"]
        with torch.no_grad():
            keys = G.features(given)
        places = [torch.randperm(key[0, 0].numel(), device=key.device)[: self.patches] for key in keys]
        queries = [query.flip(-1) if turned else query for query in G.features(made)]
        with torch.no_grad():
            k = heads(_at(keys, places))
        losses = [contrast(q, key, self.tau) for q, key in zip(heads(_at(queries, places)), k, strict=True)]
        return torch.stack(losses).mean()


def contrast(query: Tensor, key: Tensor, tau: float) -> Tensor:
    """Compute the mean of -log of the probability that each query selects its own key among all
    keys of its image: [N, S, D] twice.

    >>> one = torch.eye(4)[None]; round(contrast(one, one, 1.0).item(), 4)      # log(1 + 3 / e)
    0.7437
    """
    logits = query @ key.transpose(1, 2) / tau  # [N, S, S]
    own = torch.arange(logits.shape[1], device=logits.device).expand(len(logits), -1)
    return cross_entropy(logits.flatten(0, 1), own.flatten())


def _at(features: Sequence[Tensor], places: Sequence[Tensor]) -> list[Tensor]:
    """Return the features at some positions, [N, C, H, W] to [N, S, C] each."""
    return [feature.flatten(2)[:, :, place].transpose(1, 2) for feature, place in zip(features, places, strict=True)]
