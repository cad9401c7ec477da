"""`--processes`: a command of organza on several processes of this machine, started and watched by torchrun's agent.

The agent stops all processes if one is killed, and starts them again; a run then resumes from its
newest checkpoint. A command that ends by itself, with any exit code, leaves that code in a file.
"""

from __future__ import annotations

import logging
import os
import sys
import tempfile
from pathlib import Path

from organza.distributed.launched import CODE_FILE, RESTARTS

SHUTDOWN = 600
"""Seconds in which the processes may save before the agent kills them."""


def devices() -> int:
    """Return the number of processes for this machine: of its GPUs, or else a power of two of its CPU cores."""
    import torch

    if torch.cuda.is_available():
        return torch.cuda.device_count()
    return 1 << (_cores().bit_length() - 1)  # batches are multiples of powers of two


def _cores() -> int:
    """Return the number of CPU cores that this process may use."""
    import psutil

    usable = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    return max(1, min(usable, psutil.cpu_count(logical=False) or usable))


def run(arguments: list[str], processes: int) -> int:
    """Run a command in several processes and return its exit code.

    Args:
        arguments: words of the command, as for `organza`.
        processes: number of processes.
    """
    logging.disable(logging.CRITICAL)  # the agent's log repeats what the command says
    # Restarted processes must not find the addresses of dead ones in a store that the agent keeps: without this, every third
    # restart after a kill fails.
    os.environ["TORCH_DISABLE_SHARE_RDZV_TCP_STORE"] = "1"
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")  # or a lost connection is told with a trace of C++, too
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, _cores() // processes)))
    if sys.platform == "linux":
        os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    from torch.distributed.elastic.multiprocessing import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    with tempfile.TemporaryDirectory(prefix="organza-") as folder:
        file = Path(folder) / "code"
        os.environ[CODE_FILE] = str(file)
        config = LaunchConfig(
            min_nodes=1, max_nodes=1, nproc_per_node=processes, run_id=Path(folder).name, rdzv_backend="c10d",
            rdzv_endpoint="localhost:0", local_addr="127.0.0.1", max_restarts=RESTARTS, shutdown_timeout=SHUTDOWN,
        )  # fmt: skip
        try:
            elastic_launch(config, sys.executable)("-m", "organza", *arguments)
        except SignalException as signal:
            return _code(file, 128 + signal.sigval)
        except ChildFailedError as failed:
            rank, failure = failed.get_first_failure()
            print(
                f"Rank {rank} ended {RESTARTS + 1} times, the last time with exit code {failure.exitcode}; saved checkpoints are intact: "
                "run the same command again to resume.",
                file=sys.stderr,
            )
            return 1
        return _code(file, 1)


def _code(file: Path, otherwise: int) -> int:
    try:
        return int(file.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return otherwise
