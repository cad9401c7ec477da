"""Devices of this machine, by their names."""

from __future__ import annotations

import re

import torch

from organza.errors import UserError, nearest

AUTO = "auto"


def device_of(asked: str | torch.device = AUTO) -> torch.device:
    """Return the device of a name.

    Args:
        asked: auto (CUDA if there is any, else MPS, else the CPU), cpu, cuda, cuda:1 or mps.

    Raises:
        UserError: if the name is unknown, or the device is missing.

    >>> device_of("cpu")
    device(type='cpu')
    """
    asked = str(asked)
    here = _devices()
    if asked == AUTO:
        return torch.device(here[0])
    if not re.fullmatch(r"cpu|mps|cuda(:\d+)?", asked):
        names = [AUTO, "cpu", "cuda", "cuda:1", "mps"]
        raise UserError(f"`device` is {asked}; it must be auto, cpu, cuda, cuda:1 or mps.{nearest(asked, names)}")
    name = "cuda:0" if asked == "cuda" else asked
    if name not in here:
        remedy = "leave `device` out to use the best available"
        if name.startswith("cuda") and not torch.cuda.is_available():
            remedy += ", or install a torch that is built for your GPU"
        raise UserError(f"`device` is {asked}; torch {torch.__version__} finds {', '.join(here)} here: {remedy}.")
    return torch.device(name)


def _devices() -> list[str]:
    """Return the device names available here, the best first."""
    cuda = [f"cuda:{index}" for index in range(torch.cuda.device_count())] if torch.cuda.is_available() else []
    return [*cuda, *(["mps"] if torch.backends.mps.is_available() else []), "cpu"]
