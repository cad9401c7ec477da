"""Time of one image of a run, by one thread and by all, beside processes that keep the cores busy.

python benchmarks/studio_threads.py RUN [BUSY]
"""

from __future__ import annotations

import multiprocessing
import os
import statistics
import subprocess
import sys
import time


def measure(run: str) -> None:
    """Print the median and the ninetieth percentile of ten images, in milliseconds."""
    import torch

    import organza

    opened = organza.load(run)
    z, times = opened.latent(0, 0)[None], []
    for _ in range(11):
        began = time.perf_counter()
        opened.generate(z, None)
        times.append(1000 * (time.perf_counter() - began))
        time.sleep(0.02)
    times = sorted(times[1:])
    print(
        f"threads {torch.get_num_threads()}: median {statistics.median(times):.1f} ms, p90 {times[8]:.1f} ms",
        flush=True,
    )


def busy() -> None:
    """Multiply matrices until the process is ended."""
    import torch

    torch.set_num_threads(1)
    a = torch.rand(512, 512)
    while True:
        a = (a @ a).clamp(0, 1)


def main(run: str, others: int) -> None:
    """Measure in processes of their own, since the number of threads is read at the start of one."""
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=busy, daemon=True) for _ in range(others)]
    for worker in workers:
        worker.start()
    time.sleep(5 if others else 0)
    for count in (1, os.cpu_count() or 1):
        given = os.environ | {"OMP_NUM_THREADS": str(count)}
        subprocess.run([sys.executable, __file__, "--measure", run], env=given, check=True)
    for worker in workers:
        worker.terminate()


if __name__ == "__main__":
    if sys.argv[1] == "--measure":
        measure(sys.argv[2])
    else:
        main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 0)
