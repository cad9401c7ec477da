"""Environment that a launcher such as torchrun gives its processes. Does not import torch."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

LOST = 75
"""Exit code of a process that lost another rank: a launcher may start all of them again (EX_TEMPFAIL of sysexits.h)."""
CODE_FILE = "ORGANZA_CODE_FILE"
"""Environment variable with the file in which a command that ends by itself leaves its exit code: see `agent`."""
RESTARTS = 3
"""Restarts of all processes after one was killed."""

if TYPE_CHECKING:
    from organza.distributed.world import World


def size() -> int:
    """Return the number of processes that the launcher started; 1 without a launcher."""
    told = os.environ
    here = all(name in told for name in ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"))
    return int(told["WORLD_SIZE"]) if here and told["WORLD_SIZE"].isdigit() else 1


def speaks() -> bool:
    """Return True if this process prints for all: rank 0, or a process without a launcher."""
    return size() == 1 or os.environ["RANK"] == "0"


def local_rank() -> int:
    """Return the number of this process on its machine, which is that of its GPU."""
    return int(os.environ.get("LOCAL_RANK", "0")) if size() > 1 else 0


def restarted() -> int:
    """Return how many times the launcher has started these processes again."""
    told = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
    return int(told) if size() > 1 and told.isdigit() else 0


def watched() -> bool:
    """Return True if the launcher starts all processes again after the loss of one."""
    return CODE_FILE in os.environ and restarted() < RESTARTS


def exit_code(code: int) -> int:
    """Return the code to exit with: 0 under a launcher that reads the command's own code from a file, unless it should restart."""
    if size() == 1 or CODE_FILE not in os.environ or code == LOST:
        return code
    if speaks():
        with open(os.environ[CODE_FILE], "w", encoding="ascii", newline="\n") as file:  # noqa: PTH123 (pathlib is not needed for it)
            file.write(str(code))
    return 0


@contextmanager
def joined(users: Callable[[Exception], str] = lambda error: "") -> Iterator[World]:
    """Join the ranks that the launcher started, for the block; without a launcher, yield a world of one.

    Args:
        users: function that says in a sentence what the user's own code raised; "" if it raised nothing.

    Raises:
        RankFailed: if another rank fails, or the program has joined them by itself.
    """
    if size() == 1:
        from organza.distributed.world import ALONE

        yield ALONE
        return
    from organza.distributed.group import gathering

    with gathering(users) as world:
        yield world
