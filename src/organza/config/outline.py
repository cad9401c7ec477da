"""Networks in outline: built without memory for their weights, and given up where they grow beyond what can be meant."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
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
"""Functions that draw weights in place, of tensors and of torch.nn.init."""


class _Undrawn(TorchFunctionMode):
    """Leaves weights as they are where they would be drawn: there is no memory to draw into, and trying imports a compiler (1 s)."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if getattr(func, "__name__", "") in DRAWS:
            return args[0] if args else kwargs["tensor"]
        if func in (torch.randn, torch.rand):
            return torch.empty(*args, **{name: value for name, value in kwargs.items() if name != "generator"})
        if func is Tensor.mul and isinstance(args[1], int | float):
            return args[0]
        return func(*args, **kwargs)


class TooLarge(Exception):
    """A network of more weights or modules than it may have."""


@contextmanager
def outlined(most: int = 20_000) -> Iterator[None]:
    """Inside, networks are built on torch's meta device: names and shapes are right, and no memory is taken.

    Building itself takes time, which a file's author could waste with a network of millions of layers: it is given up.

    Args:
        most: weight tensors that may be registered; of modules, ten times as many.

    Raises:
        TooLarge: more are registered.

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
