"""Work on many items with several threads: results in order, few in flight."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")
CHUNK = 16  # items for one call of a thread: a call costs as much as a small image


def in_order(
    work: Callable[[Item], Result], items: Iterable[Item], workers: int | None = None, chunk: int = CHUNK
) -> Iterator[tuple[Item, Result]]:
    """Yield each item with its result. Memory stays constant for any number of items.

    Uses threads, since Pillow decodes without the interpreter lock; unlike processes they need no guard in the caller's script, start
    at once and copy nothing.

    >>> list(in_order(abs, [-1, 2, -3], workers=2))
    [(-1, 1), (2, 2), (-3, 3)]
    """
    threads = workers or os.cpu_count() or 1
    rest = iter(items)
    flying: deque[tuple[list[Item], Future[list[Result]]]] = deque()
    pool = ThreadPoolExecutor(threads, "organza")
    try:
        while True:
            while len(flying) < 3 * threads and (some := list(islice(rest, chunk))):
                flying.append((some, pool.submit(lambda part: [work(item) for item in part], some)))
            if not flying:
                return
            some, future = flying.popleft()
            yield from zip(some, future.result(), strict=True)
    finally:
        pool.shutdown(cancel_futures=True)  # after Ctrl-C too: waits for at most a chunk for each thread
