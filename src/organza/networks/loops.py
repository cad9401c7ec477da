"""Loops of equal steps: plain ones in Python, and one loop in an exported file, where a hundred copies of a step take minutes to write."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


def repeated(step: Callable[[Tensor, Tensor], Tensor], x: Tensor, values: Tensor) -> Tensor:
    """Return x after step(x, value) for each value, in order.

    Args:
        step: function of x and a value, whose result has the shape of x.
        x: start, [...].
        values: value of each step, [K, ...].

    >>> repeated(lambda x, value: 2 * x + value, torch.zeros(1), torch.tensor([1.0, 3.0]))
    tensor([5.])
    """
    if not torch.compiler.is_exporting():
        for value in values:
            x = step(x, value)
        return x
    from torch._higher_order_ops.scan import scan

    def once(carry: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        return step(carry, value).clone(memory_format=torch.contiguous_format), torch.zeros(())

    return scan(once, x.clone(memory_format=torch.contiguous_format), values)[0]
