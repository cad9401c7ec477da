"""Ranks in processes of their own: one group of gloo for many trials, as starting processes costs more than the trials."""

from __future__ import annotations

import os
import socket
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.multiprocessing as mp

from organza.distributed.launched import joined
from organza.distributed.world import World

Work = Callable[..., Any]
"""A function of a module, called with the world and the arguments; its result is sent back."""


def _serve(rank: int, size: int, port: int, timeout: float, asked: Any, answers: Any) -> None:
    torch.set_num_threads(1)
    os.environ |= {
        "RANK": str(rank), "WORLD_SIZE": str(size), "LOCAL_RANK": str(rank),
        "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "ORGANZA_TIMEOUT": str(timeout),
    }  # fmt: skip
    with joined() as world:
        while (job := asked.get()) is not None:
            work, arguments = job
            try:
                answers.put((rank, work(world, *arguments), None))
            except Exception:
                answers.put((rank, None, traceback.format_exc()))


class Ranks:
    """A number of ranks that do the same work.

    Args:
        size: their number.
        timeout: seconds that a sum may wait.
    """

    def __init__(self, size: int, timeout: float = 60):
        context = mp.get_context("fork" if "fork" in mp.get_all_start_methods() else "spawn")  # a start takes seconds
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.size, self.answers = size, context.Queue()
        self.asked = [context.Queue() for _ in range(size)]
        self.processes = [
            context.Process(
                target=_serve, args=(rank, size, port, timeout, self.asked[rank], self.answers), daemon=True
            )
            for rank in range(size)
        ]
        for process in self.processes:
            process.start()

    def __call__(self, work: Work, *arguments: Any) -> list[Any]:
        """What the work returns on each rank."""
        for queue in self.asked:
            queue.put((work, arguments))
        results: dict[int, Any] = {}
        for _ in range(self.size):
            rank, result, trouble = self.answers.get(timeout=600)  # a busy machine takes minutes to start them
            assert trouble is None, f"rank {rank}: {trouble}"
            results[rank] = result
        return [results[rank] for rank in range(self.size)]

    def end(self) -> None:
        """Let the ranks leave."""
        for queue in self.asked:
            queue.put(None)
        for process in self.processes:
            process.join(20)
            process.kill()


@contextmanager
def ranks(size: int) -> Iterator[Ranks]:
    """Ranks for the block."""
    some = Ranks(size)
    try:
        yield some
    finally:
        some.end()


def alone(work: Work, *arguments: Any) -> Any:
    """What the work returns in this process, which has no group."""
    return work(World(), *arguments)
