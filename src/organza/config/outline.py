"""Networks in outline: built without memory for their weights, and abandoned if they grow beyond a
limit.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

DRAWS = {
    "normal_",
    "uniform_",
    "kaiming_normal_",
    "kaiming_uniform_",
    "xavier_normal_",
    "xavier_uniform_",
    "orthogonal_",
}
"""Functions that initialise weights in place, of tensors and of torch.nn.init."""
SCALED = (Tensor.mul, Tensor.div, Tensor.__truediv__)
"""Functions that keep the shape of their first argument if the second is a number."""


class _Undrawn(TorchFunctionMode):
    """A mode that skips the initialisation of weights: there is no memory for it, and an attempt
    imports a compiler (1 s), as torch's own outline of some other functions does.
    """

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if getattr(func, "__name__", "") in DRAWS:
            return args[0] if args else kwargs["tensor"]
        if func in (torch.randn, torch.rand):
            return torch.empty(*args, **{name: value for name, value in kwargs.items() if name != "generator"})
        if func is F.normalize or (func in SCALED and (isinstance(args[1], int | float) or args[1].ndim == 0)):
            return args[0]
        if func in (torch.mv, torch.vdot):
            return torch.empty(args[0].shape[:-1])
        return func(*args, **kwargs)


class TooLarge(Exception):
    """A network with more weights or modules than the limit."""


@contextmanager
def outlined(most: int = 20_000) -> Iterator[None]:
    """Build networks on torch's meta device inside the block: names and shapes are right, and no
    memory is used.

    Building takes time, which the author of a file could waste with a network of millions of
    layers; it is abandoned beyond a limit.

    Args:
        most: largest number of weight tensors; of modules, ten times as many.

    Raises:
        TooLarge: if the network has more.

    >>> with outlined(): network = nn.Linear(1_000_000, 1_000_000)
    >>> network.weight.shape, network.weight.device.type
    (torch.Size([1000000, 1000000]), 'meta')
    >>> with outlined(most=2): nn.Sequential(*(nn.Linear(1, 1) for _ in range(9)))
    Traceback (most recent call last):
    ...
    organza.config.outline.TooLarge: it has more than 2 weight tensors
    """
    weights = modules = 0

    def count(module: nn.Module, name: str, value: Any) -> None:
        nonlocal weights, modules
        weights, modules = weights + isinstance(value, Tensor), modules + isinstance(value, nn.Module)
        if weights > most or modules > 10 * most:
            raise TooLarge(f"it has more than {most:,} weight tensors")

    hooks = [
        nn.modules.module.register_module_parameter_registration_hook(count),
        nn.modules.module.register_module_module_registration_hook(count),
    ]
    try:
        with torch.device("meta"), _Undrawn():
            yield
    finally:
        for hook in hooks:
            hook.remove()
