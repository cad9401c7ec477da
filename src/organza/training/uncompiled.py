"""Optimizers of torch that leave torch's compiler where it is: they import it otherwise, some 800 modules, when the first is
built, and 1.6 CPU seconds of each start of a training went there (lab log, entry 91).
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from inspect import isfunction, unwrap
from types import MethodType

import torch
from torch import nn

from organza.optimizers import Optimizer

COMPILER = "torch._dynamo"


def built(optimizer: Optimizer, weights: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
    """Build an optimizer of a recipe without torch's compiler; as torch builds it if the compiler is
    loaded already, or if its class is not torch's own.

    >>> from organza.optimizers import SGD
    >>> weight = nn.Parameter(torch.ones(1))
    >>> weight.grad = torch.ones(1)
    >>> built(SGD(0.25), [weight]).step()
    >>> weight.item()
    0.75

    Args:
        optimizer: optimizer of a recipe.
        weights: weights that it updates.
    """
    if COMPILER in sys.modules:
        return optimizer.build(weights)
    _leave_methods_alone()
    made = optimizer.build(weights)
    kind = type(made)
    if kind.__module__.startswith("torch.optim.") and not made.defaults.get("differentiable"):
        # The step's wrapper asks the compiler not to look into it and turns gradients off; the second remains.
        step = torch.no_grad()(unwrap(kind.step))
        made.step = MethodType(torch.optim.Optimizer.profile_hook_step(step), made)
    return made


def _leave_methods_alone() -> None:
    """Put methods of optimizers where torch looks for the same as changed by its compiler: see
    torch/_compile.py. Nothing happens if it looks elsewhere.
    """
    for method in filter(isfunction, vars(torch.optim.Optimizer).values()):
        if method.__globals__["__name__"] == "torch._compile":
            plain = unwrap(method)
            vars(plain).setdefault("__dynamo_disable", plain)
