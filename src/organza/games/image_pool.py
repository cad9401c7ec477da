"""A pool of earlier fakes: D also meets what G made some time ago, so that neither forgets how it was fooled.

Shrivastava et al. 2017, arXiv:1612.07828, section 2.3 (SimGAN); with 50 fakes for CycleGAN, Zhu et al. 2017, arXiv:1703.10593, section 4.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn


class Pool(nn.Module):
    """Room for `size` earlier fakes. Its content is made of buffers: what holds a pool is saved, and resumed, with it.

    Args:
        size: how many fakes it keeps; 0 keeps none, so that each fake is returned as it came.
        shape: of one fake, channels first.

    >>> pool = Pool(2, (1,)); _ = torch.manual_seed(2)
    >>> pool.exchange(torch.tensor([[1.0], [2.0]])).tolist()     # an empty pool keeps a copy of each
    [[1.0], [2.0]]
    >>> pool.exchange(torch.tensor([[3.0], [4.0]])).tolist()     # a full one gives an old one in the place of every second
    [[3.0], [2.0]]
    """

    def __init__(self, size: int, shape: tuple[int, ...]):
        super().__init__()
        self.register_buffer("items", torch.zeros(size, *shape))
        self.register_buffer("filled", torch.zeros((), dtype=torch.int64))

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Pool:
        """What moves the fakes to a device leaves their count on the CPU, where it is asked for: a GPU would be waited for each time."""
        filled = self.get_buffer("filled")
        super()._apply(fn, recurse)
        self.register_buffer("filled", filled)
        return self

    @torch.no_grad()
    def exchange(self, fakes: Tensor) -> Tensor:
        """The fakes, [N, *shape], each replaced with a chance of one half by an earlier one, whose room it takes.

        While there is room, a fake is kept and returned as well. Chance comes from torch's global generator, which the trainer seeds for
        each step. The result has no gradient: it is meant for D's turn.
        """
        items, shown = self.get_buffer("items"), fakes.detach().clone()
        filled = int(self.get_buffer("filled"))
        # The draws are on the CPU whatever the fakes are on: they decide what is done, and are the same everywhere.
        for row, fake in enumerate(fakes.detach()):
            if filled < len(items):
                items[filled] = fake
                filled += 1
            elif len(items) and torch.rand(()) < 0.5:
                place = int(torch.randint(len(items), ()))
                shown[row] = items[place]
                items[place] = fake
        self.get_buffer("filled").fill_(filled)
        return shown

    @torch.no_grad()
    def half(self, fakes: Tensor) -> Tensor:
        """The first half of the fakes, [N, *shape], and earlier ones in the place of the others, as soon as there are any.

        Then N / 2 of the new ones take the room that is left, or that of earlier ones at random. The result has no gradient.
        """
        items, filled = self.get_buffer("items"), int(self.get_buffer("filled"))
        some = len(fakes) // 2
        drawn = torch.randperm(filled)[:some].to(items.device)  # from the CPU's stream, as in `exchange`
        shown = torch.cat([fakes.detach()[: len(fakes) - len(drawn)], items[drawn]])
        room = torch.arange(filled, min(filled + some, len(items)))
        places = torch.cat([room, torch.randperm(filled)[: some - len(room)]]).to(items.device)
        items[places] = fakes.detach()[: len(places)]
        self.get_buffer("filled").fill_(filled + len(room))
        return shown
