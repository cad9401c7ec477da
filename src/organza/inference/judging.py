"""Judging: the probability that an image is authentic, by the discriminator."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from organza.config.arguments import as_bytes, as_labels, as_latents
from organza.data.batches import to_float
from organza.errors import UserError
from organza.inference.networks import Networks
from organza.losses import probability
from organza.seeding import MICROBATCH

LARGE = 2**24
"""Values of an image above which it is first tried without memory, since recipe.json may give any
size."""


class Judging(Networks):
    """A trained run whose discriminator scores images."""

    def judge(self, pictures: np.ndarray, labels: Mapping[str, str] | None = None) -> NDArray[np.float32]:
        """Return the probability that each image is authentic (1 = real, 0 = fake), float [N].

        sigmoid(D(x) - c), where c is the logit of an even chance: the loss's own, or for losses
        that only compare (relativistic, Wasserstein) the middle between held-out real and generated
        images, measured when the checkpoint was saved. A discriminator of pairs judges (x, E(x));
        one of latents or codes judges E(x), against the prior or the codes of G.

        A conditional discriminator judges whether an image is authentic for its label. If a class
        is not given, each class is tried and the highest probability is returned. As a maximum it
        is biased towards 1; compare it only with others of its kind.

        Args:
            pictures: uint8 [N, H, W, C], or volumes [N, D, H, W, C], of the training size.
            labels: labels of all images, by field: {"class": "dress"}; for conditional
                discriminators.

        Raises:
            UserError: if size or channels are different, labels are unknown, or numbers or tags
                that D needs are missing.
        """
        return self.verdicts(pictures, labels)[0]

    @torch.no_grad()
    def verdicts(
        self, pictures: np.ndarray, labels: Mapping[str, str] | None = None
    ) -> tuple[NDArray[np.float32], list[str]]:
        """Return the probabilities of `judge`, and for each image the classes with the highest
        probability, "" if they were given.

        Raises:
            UserError: as in `judge`, or if D judges pairs.
        """
        if self.content["players"]["discriminator"].get("condition"):
            raise UserError(
                f"The discriminator of {self.path} judges a translation together with its input, and no image alone; "
                "compare translations with their targets by the l1, psnr and ssim of evaluations.jsonl."
            )
        rows, names = self._fitting(as_labels(labels))
        each = [self._each(partial(self._authentic, row), pictures, "judge") for row in rows]
        chances, chosen = torch.stack(each).max(0)
        return chances.numpy(), [names[choice] for choice in chosen]

    @torch.no_grad()
    def judge_labelled(self, pictures: np.ndarray, rows: np.ndarray | Tensor) -> NDArray[np.float32]:
        """Judge images of a conditional run, each with its own label row: uint8 [N, H, W, C],
        [N, width] to float [N].
        """
        pictures = as_bytes(pictures, (*self.shape[1:], self.channels), "judge_labelled")
        width = getattr(self.discriminator, "labels", 0)
        if not width:
            raise UserError(
                f"The discriminator of {self.path} judges images without labels; call judge without labels."
            )
        rows = as_latents(rows, (width,), self.device, "labels")
        if len(rows) != len(pictures):
            raise UserError(
                f"judge_labelled was given {len(pictures)} images and {len(rows)} label rows; it needs equal numbers."
            )
        found = []
        for start in range(0, len(pictures), MICROBATCH):
            some = slice(start, start + MICROBATCH)
            with self._fitted():
                found.append(self._authentic((rows[some],), to_float(pictures[some]).to(self.device)))
        return torch.cat(found).cpu().numpy()

    def _authentic(self, row: tuple[Tensor, ...], x: Tensor) -> Tensor:
        coder = getattr(self.generator, "encoder", None)  # for codes that are not latents
        judge: Any = self.discriminator
        evidence = judge.evidence(x, lambda x: (coder or self.encoder)(x))
        logits = self.discriminator(evidence, *(part.to(self.device) for part in row))
        return probability(logits, self.saved.facts["neutral"])

    @torch.no_grad()
    def require_judging(self, labels: Mapping[str, str] | None = None) -> None:
        """Check that the discriminator can judge images as recipe.json describes them, before any
        is read.

        Args:
            labels: labels that the images should show.

        Raises:
            UserError: as in `judge`.
        """
        rows, _ = self._fitting(as_labels(labels))
        row = tuple(part[:1] for part in rows[0])
        with self._fitted():
            if math.prod(self.shape) > LARGE:
                outline: Any = _outline(self.discriminator)
                coder = getattr(self.generator, "encoder", None)
                picture = torch.empty(1, *self.shape, device="meta")
                evidence = outline.evidence(picture, lambda x: _outline(coder or self.encoder)(x))
                outline(evidence, *(part.to("meta") for part in row))
                return
            self._authentic(row, torch.zeros(1, *self.shape, device=self.device))  # a single image is cheap

    def _fitting(self, labels: Mapping[str, str] | None) -> tuple[list[tuple[Tensor, ...]], list[str]]:
        """Return the possible label inputs of the discriminator, and their names."""
        if getattr(self.discriminator, "labels", 0) and self.labels is not None:
            rows, names = self.labels.fitting(labels)
            return [(row.expand(MICROBATCH, -1),) for row in rows], names
        if labels:
            raise UserError(f"The discriminator of {self.path} judges images without labels; leave the labels out.")
        return [()], [""]


def _outline(network: nn.Module) -> nn.Module:
    """Return a copy of a network on torch's meta device, which accepts images of any size without
    memory.
    """
    parts = (*network.parameters(), *network.buffers())
    return copy.deepcopy(network, {id(part): torch.empty_like(part, device="meta") for part in parts})
