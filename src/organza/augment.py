"""Differentiable augmentation of what the discriminator sees, real and generated alike, with gradients through it to G.

Where data is few, D learns it by heart and G learns nothing more; D never sees the same picture twice when each is changed at random
before it looks. Since fakes are changed in the same way, G is not taught to make changed pictures.
Zhao et al. 2020, Differentiable Augmentation, arXiv:2006.10738; Karras et al. 2020, arXiv:2006.06676 (with a probability).

A kind of change is a function: it draws for the items of a batch and returns a `Change`, which does the same to any pictures that stand for
the same items. Real, fake and the moved pictures of a finite-difference penalty are so compared like with like.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from organza.errors import UserError
from organza.schedule import Number, at

Change = Callable[[Tensor, slice], Tensor]
"""Pictures [n, C, H, W] that stand for these items of the batch, to changed ones."""
Kind = Callable[[Tensor], Change]
"""Draws for each item of a batch shaped like this one, [N, C, H, W]."""


def colour(like: Tensor, brightness: float = 0.5, saturation: float = 1.0, contrast: float = 0.5) -> Change:
    """Brightness x + b, then saturation and contrast, which scale the distance from the pixel's grey and from the picture's mean.

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
    """A shift by up to a share of each side; what comes in from outside is 0, as in Zhao et al. 2020.

    >>> x = torch.ones(64, 1, 8, 8)
    >>> translation(x)(x, slice(None)).sum() < x.sum()
    tensor(True)
    """
    most = [round(share * side) for side in like.shape[2:]]
    return _shift(like, [torch.randint(2 * far + 1, (len(like), 1), device=like.device) for far in most], most)


def jitter(like: Tensor, reach: int = 2) -> Change:
    """A shift by (heads of 2 `reach` coins) - `reach` pixels along each side; the edge is repeated where something comes in.

    D's gradient, averaged over the draws, is so blurred by a binomial kernel. Without it every stride of D's convolutions leaves its
    grid in that gradient, and G weaves it into what should be plain: docs/lab-log.md, 46.

    >>> x = torch.arange(64.0).reshape(1, 1, 8, 8)
    >>> moved = jitter(x)(x, slice(None)) - x
    >>> bool((moved[..., 2:-2, 2:-2] == moved[0, 0, 4, 4]).all())  # all pixels alike
    True
    """
    coins = [torch.randint(2, (len(like), 2 * reach), device=like.device).sum(1, keepdim=True) for _ in like.shape[2:]]
    return _shift(like, coins, [reach, reach], "replicate")


def _shift(like: Tensor, starts: list[Tensor], framed: list[int], frame: str = "constant") -> Change:
    """Pictures are framed by so many pixels, and cut out again with their first row and column at these places, [N, 1] each."""
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
    """A rectangle of a share of each side is grey (0), its middle anywhere in the picture. DeVries and Taylor 2017, arXiv:1708.04552."""
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
    """Which changes, and how often, as a recipe says it.

    Args:
        chance: that a kind of change is applied to an item; a number or a schedule.
        kinds: functions of this module, or your own of the same form, in the order of their application.
        always: kinds that every item goes through first, whatever the chance: `jitter`.
    """

    chance: Number = 1.0
    kinds: tuple[Kind, ...] = (colour, translation, cutout)
    always: tuple[Kind, ...] = ()

    def drawn(self, like: Tensor, images: int, planned: int) -> Change:
        """One draw for a batch, at this point of the run.

        Raises:
            UserError: the batch does not hold pictures.
        """
        if like.ndim != 4:
            raise UserError(
                f"Augmentation is for pictures [N, C, H, W]; this game judges {list(like.shape)}. Leave it out of the recipe."
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
