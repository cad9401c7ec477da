"""Differentiable augmentation of the discriminator's input, real and generated alike, with gradients through it to G.

With little data, D overfits and G stops learning; random augmentation shows D no image twice. Since fakes are augmented in the
same way, G does not learn to generate augmented images.
Zhao et al. 2020, Differentiable Augmentation, arXiv:2006.10738; Karras et al. 2020, arXiv:2006.06676 (with a probability).

A kind of change is a function: it draws random numbers for the items of a batch and returns a `Change`, which applies the same change
to any images that stand for these items, such as real images, fakes, and the perturbed images of a finite-difference penalty.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from organza.errors import UserError
from organza.schedule import Number, at

Change = Callable[[Tensor, slice], Tensor]
"""Function of images [n, C, H, W] and the items of the batch that they stand for; returns changed images."""
Kind = Callable[[Tensor], Change]
"""Function that draws a change for each item of a batch shaped like its argument, [N, C, H, W]."""


def colour(like: Tensor, brightness: float = 0.5, saturation: float = 1.0, contrast: float = 0.5) -> Change:
    """Draw changes of brightness (x + b), saturation and contrast, which scale the distance from the pixel's grey and the image's mean.

    b ~ U(-brightness, brightness); the factors are 1 + U(-saturation, saturation) and 1 + U(-contrast, contrast).  Zhao et al. 2020.
    """
    added, vivid, strong = (
        reach * (2 * torch.rand(len(like), 1, 1, 1, device=like.device) - 1)
        for reach in (brightness, saturation, contrast)
    )

    def change(x: Tensor, items: slice) -> Tensor:
        x = x + added[items]
        x = x + vivid[items] * (x - x.mean(1, keepdim=True))
        return x + strong[items] * (x - x.mean((1, 2, 3), keepdim=True))

    return change


def translation(like: Tensor, share: float = 0.125) -> Change:
    """Draw a shift by up to a share of each side, with 0 outside, as in Zhao et al. 2020.

    >>> x = torch.ones(64, 1, 8, 8)
    >>> translation(x)(x, slice(None)).sum() < x.sum()
    tensor(True)
    """
    most = [round(share * side) for side in like.shape[2:]]
    return _shift(like, [torch.randint(2 * far + 1, (len(like), 1), device=like.device) for far in most], most)


def jitter(like: Tensor, reach: int = 2) -> Change:
    """Draw a shift by (heads of 2 `reach` coins) - `reach` pixels along each side, with the edge repeated outside.

    D's gradient, averaged over the draws, is thereby smoothed by a binomial kernel. Without it, each stride of D's convolutions leaves
    a grid in that gradient, which G copies into plain areas: docs/lab-log.md, 46.

    >>> x = torch.arange(64.0).reshape(1, 1, 8, 8)
    >>> moved = jitter(x)(x, slice(None)) - x
    >>> bool((moved[..., 2:-2, 2:-2] == moved[0, 0, 4, 4]).all())  # all pixels alike
    True
    """
    coins = [torch.randint(2, (len(like), 2 * reach), device=like.device).sum(1, keepdim=True) for _ in like.shape[2:]]
    return _shift(like, coins, [reach, reach], "replicate")


def _shift(like: Tensor, starts: list[Tensor], framed: list[int], frame: str = "constant") -> Change:
    """Pad images by so many pixels, and crop them with their first row and column at these positions, [N, 1] each."""
    (height, width), (down, across) = like.shape[2:], framed
    rows, columns = (
        start + torch.arange(side, device=like.device) for start, side in zip(starts, (height, width), strict=True)
    )

    def change(x: Tensor, items: slice) -> Tensor:
        wide = torch.nn.functional.pad(x, (across, across, down, down), frame)
        moved = wide.gather(2, rows[items, None, :, None].expand(-1, x.shape[1], -1, wide.shape[3]))
        return moved.gather(3, columns[items, None, None].expand(-1, x.shape[1], height, -1))

    return change


def cutout(like: Tensor, share: float = 0.5) -> Change:
    """Draw a grey (0) rectangle of a share of each side, centred anywhere in the image. DeVries and Taylor 2017, arXiv:1708.04552."""
    inside = []
    for side in like.shape[2:]:
        middle = torch.rand(len(like), 1, device=like.device) * side
        inside.append((torch.arange(side, device=like.device) + 0.5 - middle).abs() < share * side / 2)
    kept = ~(inside[0][:, None, :, None] & inside[1][:, None, None, :])

    def change(x: Tensor, items: slice) -> Tensor:
        return x * kept[items]

    return change


@dataclass(frozen=True)
class Augment:
    """Kinds of changes, and their probability, in a recipe.

    Args:
        chance: probability that a kind of change is applied to an item; a number or a schedule.
        kinds: functions of this module, or your own of the same form, in order of application.
        always: kinds that are applied first to every item, whatever the chance: `jitter`.
    """

    chance: Number = 1.0
    kinds: tuple[Kind, ...] = (colour, translation, cutout)
    always: tuple[Kind, ...] = ()

    def drawn(self, like: Tensor, images: int, planned: int) -> Change:
        """Draw a change for a batch, at this point of the run.

        Raises:
            UserError: if the batch does not hold images.
        """
        if like.ndim != 4:
            raise UserError(
                f"Augmentation is for images [N, C, H, W]; this game judges {list(like.shape)}. Remove augment from the recipe."
            )
        chance = at(self.chance, images, planned)
        every = [kind(like) for kind in self.always]
        kinds = self.kinds if chance > 0 else ()
        drawn = [(torch.rand(len(like), 1, 1, 1, device=like.device) < chance, kind(like)) for kind in kinds]

        def change(x: Tensor, items: slice) -> Tensor:
            for of_kind in every:
                x = of_kind(x, items)
            for chosen, of_kind in drawn:
                x = torch.where(chosen[items], of_kind(x, items), x)
            return x

        return change
