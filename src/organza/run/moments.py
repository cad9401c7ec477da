"""Moments of an optimizer as the tensors of a checkpoint, and back."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn

from organza.run.checkpoint import Damaged


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Return an optimizer's moments as named tensors: index of the weight, then the moment's name."""
    return {
        f"{position}.{key}": value
        for position, weight in enumerate(_weights(optimizer))
        for key, value in optimizer.state.get(weight, {}).items()
        if isinstance(value, Tensor)
    }


def restore_optimizer(
    optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor], source: str = "optimizer"
) -> None:
    """Restore an optimizer from `optimizer_tensors`; moments get the device and memory layout of
    their weight, like new ones.

    Raises:
        Damaged: as in `check_optimizer`.
    """
    check_optimizer(optimizer, tensors, source)
    fused = {weight for group in optimizer.param_groups if group.get("fused") for weight in group["params"]}
    weights = list(_weights(optimizer))
    optimizer.state.clear()
    for name, value in tensors.items():
        position, _, key = name.partition(".")
        weight = weights[int(position)]
        like = weight if value.shape == weight.shape else value
        # Only a fused optimizer counts its steps on the device; others would wait for it.
        device = torch.device("cpu") if key == "step" and weight not in fused else weight.device
        moment = torch.empty_like(like, dtype=value.dtype, device=device)
        optimizer.state[weight][key] = moment.copy_(value)


def check_optimizer(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor], source: str) -> None:
    """Check that moments match this optimizer, before any change.

    A fused step trusts their shapes and types: with wrong ones it writes to memory outside of them.

    Raises:
        Damaged: if one belongs to no weight, is unknown or missing, has a wrong shape or type, is
            not finite, or is negative although it cannot be.
    """
    weights, usual = list(_weights(optimizer)), _usual_moments(optimizer)
    moments: dict[int, set[str]] = {}
    for name, value in tensors.items():
        position, _, key = name.partition(".")
        if not re.fullmatch(r"[0-9]{1,9}", position) or int(position) >= len(weights):
            raise Damaged(f"{source} does not fit its recipe: there is no weight {position[:40]}")
        moments.setdefault(int(position), set()).add(key)
        weight = weights[int(position)]
        known = usual.get(key, value) if usual else value
        kind = weight.dtype if known.ndim else known.dtype
        shapes = (weight.shape, ()) if not usual else (weight.shape,) if known.ndim else ((),)
        if (
            (usual and key not in usual)
            or value.shape not in shapes
            or not value.is_floating_point()
            or value.dtype != kind
        ):
            raise Damaged(f"{source} does not fit its recipe: {name[:80]} is {value.dtype} {list(value.shape)}")
        if not torch.isfinite(value).all():
            raise Damaged(f"{source}: {name} holds values that are not finite")
        if key in ("step", "exp_avg_sq", "square_avg") and (value < 0).any():
            raise Damaged(f"{source}: {name} is negative")
    for position, keys in moments.items():
        if usual and keys != usual.keys():
            raise Damaged(f"{source} does not fit its recipe: weight {position} lacks {min(usual.keys() - keys)}")


def _usual_moments(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Return the moments that an optimizer of this kind keeps for a weight with two values; empty
    if this cannot be determined.
    """
    weight = nn.Parameter(torch.zeros(2))
    try:
        probe = type(optimizer)([weight], **optimizer.defaults)
        weight.grad = torch.zeros(2)
        # A run's optimizer has a step of its own, without torch's compiler, whose import takes a second of each resume.
        step = getattr(optimizer.step, "__func__", type(optimizer).step)
        step(probe)
    except Exception:  # a user's own optimizer, which needs more
        return {}
    return {key: value for key, value in probe.state[weight].items() if isinstance(value, Tensor)}


def _weights(optimizer: torch.optim.Optimizer) -> Iterator[Tensor]:
    for group in optimizer.param_groups:
        yield from group["params"]
