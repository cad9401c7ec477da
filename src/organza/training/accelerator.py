"""The accelerator of a run: device, precision, and compiled or plain networks.

Data and latents are drawn on the CPU, from streams that are the same everywhere, and copied to the
device; images for display and evaluation are returned as bytes. So only the players' arithmetic
depends on the machine.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from organza.inference.device import AUTO as AUTO
from organza.inference.device import device_of
from organza.version import __version__

R = TypeVar("R")


@dataclass(frozen=True)
class Accelerator:
    """Device and precision of the players' computation.

    Args:
        device: device of their weights.
        precision: type of convolutions and matrix products in forward passes, torch.float32 or
            torch.bfloat16; weights are float32.
        compiled: True if the networks' forward passes are compiled.

    >>> print(Accelerator(torch.device("cuda:1"), torch.bfloat16, compiled=True))
    cuda:1 in bfloat16, compiled
    """

    device: torch.device
    precision: torch.dtype = torch.float32
    compiled: bool = False

    def __str__(self) -> str:
        return f"{self.device} in {self.facts()['precision']}{', compiled' if self.compiled else ''}"

    def facts(self) -> dict[str, Any]:
        """Return the facts for recipe.json. JSON.

        >>> Accelerator(torch.device("cpu")).facts()
        {'device': 'cpu', 'precision': 'float32', 'compiled': False}
        """
        precision = str(self.precision).removeprefix("torch.")
        return {"device": str(self.device), "precision": precision, "compiled": self.compiled}

    @property
    def exact(self) -> Accelerator:
        """The same accelerator in float32, for a turn with a penalty, which may be a difference of
        two nearly equal logits.
        """
        # A finite difference divides D(x + sigma n) - D(x) by sigma = 0.01. bfloat16 rounds the inputs and the output of each layer
        # to 8 bits: the error is as large as the difference, and one layer in float32 at the end does not undo it. So all of D is in
        # float32 then, and its backward pass too. TF32 keeps 11 bits, and its error is small beside the variance of n. docs/lab-log.md
        # has the numbers. In G's turn, and in D's without a penalty, similar logits are not subtracted, and 8 bits suffice.
        return replace(self, precision=torch.float32)

    def forward(self, function: Callable[..., R], *arguments: Any) -> R:
        """Call function(*arguments), with its convolutions and matrix products in this
        accelerator's precision.
        """
        if self.precision is torch.float32:
            return function(*arguments)
        with torch.autocast(self.device.type, self.precision):
            return function(*arguments)

    def take(self, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Copy a batch from the CPU to the device, without waiting for the copies.

        >>> x = torch.zeros(1); CPU.take({"image": x})["image"] is x
        True
        """
        if self.device.type == "cuda":  # only copies from pinned memory run in parallel with the computation
            batch = {name: value.pin_memory() for name, value in batch.items()}
        return {name: value.to(self.device, non_blocking=True) for name, value in batch.items()}

    def settle(self, game: nn.Module) -> None:
        """Move a game's weights and memory to the device, in place, and configure torch for it."""
        if self.device.type == "cuda":
            torch.cuda.set_device(self.device)  # device of pinned memory and compiled kernels
            torch.set_float32_matmul_precision("high")  # TF32; see `exact`
            torch.backends.cudnn.allow_tf32 = True
            torch.backends.cudnn.benchmark = True  # a run has few shapes, each used many times
        game.to(self.device)

    def compile(self, *networks: nn.Module) -> None:
        """Compile the forward passes of networks, in place, if this accelerator does; names in the
        state do not change.
        """
        if self.compiled:
            for network in networks:
                network.compile()


CPU = Accelerator(torch.device("cpu"))
"""The CPU in float32, which is always available."""


def choose(asked: str = AUTO, local_rank: int | None = None) -> Accelerator:
    """Return the requested accelerator, in its fast precision, not compiled.

    Args:
        asked: auto (CUDA if there is any, else MPS, else the CPU), cpu, cuda, cuda:1 or mps.
        local_rank: number of this process among those of this machine, which is that of its GPU;
            None for a process alone.

    Raises:
        UserError: if the name is unknown, or the device is missing.

    >>> str(choose("cpu").device)
    'cpu'
    """
    device = device_of(asked)
    if local_rank is not None and device.type == "cuda" and asked in (AUTO, "cuda"):
        device = device_of(f"cuda:{local_rank}")  # one GPU for each process
    return Accelerator(device, torch.bfloat16 if halves(device) else torch.float32)


def halves(device: torch.device) -> bool:
    """Return True if the device trains in bfloat16: GPUs with instructions for it; elsewhere it is
    emulated, and slower than float32.

    False for CPUs, although some have them: they make thick networks twice as fast and thin ones no
    faster, and a small SimGAN that learns in float32 turned black with two seeds of three
    (docs/lab-log.md, 33 and 38).

    >>> halves(torch.device("mps")), halves(torch.device("cpu"))
    (False, False)
    """
    if device.type != "cuda":
        return False
    capable = torch.cuda.get_device_capability(device)[0] >= 8
    return capable and torch.cuda.is_bf16_supported(including_emulation=False)


def versions(accelerator: Accelerator = CPU, processes: int = 1) -> dict[str, Any]:
    """Return the conditions of bit-for-bit reproducibility. On a GPU they do not guarantee it."""
    return {
        "organza": __version__,
        "torch": torch.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
        "threads": torch.get_num_threads(),
        "processes": processes,
        "machine": platform.machine(),
        "cpu": _cpu(),
        **accelerator.facts(),
    }


def _cpu() -> str:
    """Return the processor's name, and the instructions that torch uses on it: other processors may
    round differently.
    """
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines() if cpuinfo.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{(names or [platform.processor()])[0]} ({torch.backends.cpu.get_cpu_capability()})"
