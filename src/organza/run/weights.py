"""Weights of a network from the tensors of a checkpoint: checked before anything changes."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from organza.config import Partial
from organza.config.outline import TooLarge, outlined
from organza.errors import is_bug
from organza.run.checkpoint import Damaged


def restore_network(network: nn.Module, tensors: Mapping[str, Tensor], source: str) -> None:
    """Load a network's weights.

    Raises:
        Damaged: as in `check_tensors`.
    """
    check_tensors(network.state_dict(), tensors, source)
    network.load_state_dict(dict(tensors))


def fitting_network(part: Partial, tensors: Mapping[str, Tensor], source: str) -> nn.Module:
    """Build the network of a checkpoint and load its weights, with no more memory than the file's
    tensors need.

    Args:
        part: network, which can be called without arguments.
        tensors: weights and buffers by name.
        source: name of the file, for errors.

    Raises:
        Damaged: as in `check_tensors`, before any memory is allocated.
    """
    try:
        with outlined(2 * len(tensors) + 100):  # some weights are registered twice, in another form
            outline = part()
    except TooLarge as error:
        raise Damaged(
            f"{source} does not fit its recipe: {len(tensors)} tensors are too few for this network"
        ) from error
    except Exception as error:  # networks reject settings with many kinds of errors
        if is_bug(error):
            raise
        raise Damaged(f"{source} does not fit its recipe: {type(error).__name__}: {str(error)[:200]}") from error
    if not isinstance(outline, nn.Module):
        raise Damaged(f"{source} does not fit its recipe, which builds no network")
    check_tensors(outline.state_dict(), tensors, source)
    network = part()
    network.load_state_dict(dict(tensors))
    return network


def check_tensors(own: Mapping[str, Tensor], tensors: Mapping[str, Tensor], source: str) -> None:
    """Check that tensors match those of a network, before any change.

    Raises:
        Damaged: if names, shapes or types differ from `own`, or a value is not finite.
    """
    if strange := sorted(own.keys() ^ tensors.keys()):
        what = "missing" if strange[0] in own else "not known"
        raise Damaged(f"{source} does not fit its recipe: {strange[0]} is {what}")
    for name, value in tensors.items():
        if (value.shape, value.dtype) != (own[name].shape, own[name].dtype):
            wanted = f"{own[name].dtype} {list(own[name].shape)}"
            raise Damaged(
                f"{source} does not fit its recipe: {name} is {value.dtype} {list(value.shape)}, not {wanted}"
            )
    if sick := not_finite({"": tensors}):
        raise Damaged(f"{source}: {sick.removeprefix('.')} holds values that are not finite")


def not_finite(tensors: Mapping[str, Mapping[str, Tensor]]) -> str | None:
    """Return the first tensor with a value that is not finite, as file.name.

    >>> not_finite({"generator": {"w": torch.tensor([1.0, torch.nan])}})
    'generator.w'
    """
    for file, values in tensors.items():
        for name, value in values.items():
            if value.is_floating_point() and not torch.isfinite(value).all():
                return f"{file}.{name}"
    return None
