"""The world of a rank: which rows of a batch are its own, and what a sum over all ranks is.

Rank r of N has the rows r, r + N, r + 2 N ... of every batch, so a share of the batch, such as its
first quarter, is the same share of the rows of each rank. The gradient of the batch is then the
mean of the ranks' gradients:

    grad 1/B sum_i l(x_i) = 1/N sum_r grad 1/(B/N) sum_{i in r} l(x_i)

What is random for an item is drawn for the whole batch on each rank, from the generator that the
step seeds, and each rank keeps its own rows: the numbers do not depend on N. One process is the
world of size 1, in which every method returns its argument.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor

T = TypeVar("T")


class First(NamedTuple):
    """A rank's part of the first items of a batch.

    Args:
        items: its own rows among them; at least one.
        whole: number of these items in the whole batch.
        weight: factor of the mean over its rows, for which the mean over the ranks is the mean over
            all the items.
    """

    items: slice
    whole: int
    weight: float


class World:
    """One process alone, rank 0 of 1.

    >>> x = torch.arange(4.0); world = World()
    >>> world.share(range(4)), world.rows(x) is x, world.sum(x) is x
    (range(0, 4), True, True)
    """

    rank, size = 0, 1
    counted: First | None = None
    """Part of the batch that passes through the networks; None for all of it: see `counting`."""

    @property
    def leads(self) -> bool:
        """True for rank 0, which alone writes the run and speaks to the user."""
        return self.rank == 0

    # ---- shares of a batch ----------------------------------------------------------------------------------------------------

    def share(self, positions: range) -> range:
        """Return this rank's positions among those of a batch."""
        return positions[self.rank :: self.size]

    def whole(self, count: int) -> int:
        """Return the number of items of the whole batch for the number of this rank's own."""
        return count * self.size

    def passing(self, count: int) -> int:
        """Return the number of items that the ranks pass through a network together, for the number of this rank's rows.

        >>> numbered(1, 2).passing(8)
        16
        """
        return count * self.size if self.counted is None else count * self.counted.whole // self.counted.items.stop

    def portions(self) -> list[float]:
        """Return each rank's share of the items that pass through a network, known without asking the others.

        >>> numbered(0, 2).portions()
        [0.5, 0.5]
        """
        if self.counted is None:
            return [1 / self.size] * self.size
        whole = self.counted.whole
        return [len(range(rank, whole, self.size)) / whole for rank in range(self.size)]

    def rows(self, whole: Tensor) -> Tensor:
        """Return this rank's rows of a tensor of the whole batch, [B, ...] to [B / N, ...]; one row if it has none."""
        return whole if self.size == 1 else whole[self.rank % len(whole) :: self.size]

    def items(self, own: slice) -> slice:
        """Return the items of the whole batch for some of this rank's rows.

        >>> numbered(1, 2).items(slice(None)), numbered(1, 2).items(slice(0, 2))
        (slice(1, None, 2), slice(1, 5, 2))
        """
        if self.size == 1:
            return own
        stop = None if own.stop is None else self.rank + own.stop * self.size
        return slice(self.rank + (own.start or 0) * self.size, stop, self.size)

    def first(self, count: int, share: float) -> First:
        """Return this rank's part of the first `share` of the batch; at least one item of the batch.

        Args:
            count: number of this rank's rows.
            share: share of the whole batch.

        >>> numbered(1, 2).first(8, 0.25), numbered(1, 2).first(1, 0.25)
        (First(items=slice(0, 2, None), whole=4, weight=1.0), First(items=slice(0, 1, None), whole=1, weight=0.0))
        """
        whole = max(1, round(share * self.whole(count)))
        own = len(range(self.rank, whole, self.size))
        return First(slice(0, max(1, own)), whole, own * self.size / whole)

    @contextmanager
    def counting(self, first: First) -> Iterator[None]:
        """Count in the statistics of a batch norm inside the block only rows that stand for an item.

        Args:
            first: part of the batch that passes through the networks.
        """
        self.counted = first
        try:
            yield
        finally:
            self.counted = None

    def random_like(self, draw: Callable[[Tensor], Tensor], x: Tensor, whole: int | None = None) -> Tensor:
        """Draw for the whole batch, in the memory layout of this rank's rows x, [n, ...], and return this rank's rows.

        Args:
            draw: function such as torch.randn_like.
            x: tensor of the rows' shape.
            whole: number of rows of all ranks; None for equal shares.
        """
        return draw(x) if self.size == 1 else self.rows(draw(torch.cat([x.detach()] * self.size)[:whole]))

    # ---- sums over the ranks --------------------------------------------------------------------------------------------------

    def sum(self, x: Tensor) -> Tensor:
        """Return the sum of x over the ranks, differentiable any number of times."""
        return x

    def gather(self, x: Tensor) -> Tensor:
        """Return the rows of all ranks in the order of the batch, [n, ...] to [N n, ...], differentiable."""
        return x

    def mean(self, x: Tensor) -> Tensor:
        """Return the mean of x over the ranks, without a gradient."""
        return x

    def deviation(self, x: Tensor) -> Tensor:
        """Return the standard deviation of all values of the whole batch, as `Tensor.std` does; without a gradient."""
        return x.std()

    def variances(self, *batches: Tensor) -> list[Tensor]:
        """Return the variance of each column of batches over all ranks, [n, d] to [d] each, as `Tensor.var` does; no gradient."""
        return [x.var(0) for x in batches]

    def pooled(self, mean: Tensor, variance: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and variance over the items of all ranks, for those over this rank's own, [C] each; differentiable.

        m = sum s_r m_r,  v = sum s_r (v_r + (m_r - m)^2),  s_r the share of rank r: the pairwise algorithm of Chan et al. 1983,
        which cancels as little as two passes do and needs one exchange.
        """
        every = self.gather(torch.cat([mean, variance])[None])
        share = every.new_tensor(self.portions())[:, None]
        means, variances = every.split(len(mean), 1)
        whole = (share * means).sum(0)
        return whole, (share * (variances + (means - whole).square())).sum(0)

    def average(self, gradients: Sequence[Tensor]) -> None:
        """Replace the gradients by their means over the ranks, in place."""

    # ---- one decision for all -------------------------------------------------------------------------------------------------

    def agreed(self, seconds: float, signal: str | None = None) -> tuple[float, str | None]:
        """Return rank 0's clock, and the name of a signal that any rank has received."""
        return seconds, signal

    def clock(self, seconds: float) -> float:
        """Return rank 0's reading of a clock, on which loops may depend."""
        return self.agreed(seconds)[0]

    def decide(self, decision: Callable[[], T]) -> T:
        """Return the result of a function, a JSON value, that rank 0 alone calls."""
        return decision()

    def after_first(self, work: Callable[[], T]) -> T:
        """Return the result of a function, which the first rank of each machine calls before the others, as it may fill a cache."""
        return work()

    def map(self, work: Callable[[Any], Tensor], parts: Sequence[Any]) -> list[Tensor]:
        """Return work(part) for each part, shared out over the ranks; the tensors are of equal shape, on the CPU."""
        return [work(part) for part in parts]

    def spread(self, tensors: Sequence[Tensor]) -> None:
        """Replace tensors by those of rank 0, in place."""

    def hand_out(self, files: dict[str, dict[str, Tensor]]) -> dict[str, dict[str, Tensor]]:
        """Return rank 0's named tensors, on the CPU."""
        return files

    def require_equal(self, digest: str, what: str) -> None:
        """Check that all ranks hold the same.

        Args:
            digest: digest of this rank's.
            what: name of the compared thing, for the error.

        Raises:
            RuntimeError: if a rank's differs; names it.
        """


ALONE = World()


def numbered(rank: int, size: int) -> World:
    """Return a world with the shares of a rank but without a group, for tests of the shares."""
    world = World()
    world.rank, world.size = rank, size
    return world
