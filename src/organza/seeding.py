"""Randomness as a function of position: a stream is identified by its purpose and the position in
the run, never by history.

No random state is saved. The k-th latent, the k-th training image and the dropout of the step that
begins at image k are the same in an interrupted run, in an uninterrupted one, and for any batch
size.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from torch import Tensor


def seed_of(*position: int | str) -> int:
    """Return a 63-bit seed for a position such as (seed, purpose, index): equal for equal
    positions, unrelated otherwise.

    >>> seed_of(7, "latent", 0) == seed_of(7, "latent", 0) != seed_of(7, "latent", 1)
    True
    """
    text = "\x1f".join(f"{type(part).__name__}:{part}" for part in position)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 1


def stream(*position: int | str) -> torch.Generator:
    """Return a CPU random generator for a position. CPU, since a GPU's streams differ from one
    model to the next.
    """
    import torch  # late: data can be listed without it

    return torch.Generator().manual_seed(seed_of(*position))


def seed_torch(seed: int, device: torch.device) -> None:
    """Seed torch's own random numbers, of the CPU and of a device.

    `torch.manual_seed` seeds accelerators of every kind, present or not, and notes for an absent
    one where it was called: 0.3 ms of each step on a CPU, more below a debugger or a test.

    >>> import torch
    >>> seed_torch(3, torch.device("cpu"))
    >>> drawn = torch.rand(2)
    >>> _ = torch.manual_seed(3)
    >>> torch.equal(drawn, torch.rand(2))
    True
    """
    import torch

    if device.type == "cpu":
        torch.default_generator.manual_seed(seed)
    else:
        torch.manual_seed(seed)


def permutation(length: int, *position: int | str) -> Tensor:
    """Return a shuffle of range(length) for a position, as int64 [length]."""
    import torch

    return torch.randperm(length, generator=stream(*position))


MICROBATCH = 16
"""Number of items sampled or judged in one pass. Constant, since the last bits of a convolution
depend on the batch size."""
