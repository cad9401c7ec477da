"""Two network namespaces of this machine as two hosts: one run of two torchrun nodes, each with a rank and a cache of its own.

    python -m tests.hosts DATA RUN [options of organza train]

Needs root and `ip netns`. The second host has no run folder: its rank never reads or writes one.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

NAMES, CARDS = ("organza-a", "organza-b"), ("organza-v0", "organza-v1")
ADDRESSES = ("10.77.0.1", "10.77.0.2")


def ip(*words: str) -> None:
    """Run ip; a failure raises."""
    subprocess.run(["ip", *words], check=True, capture_output=True)


def connect() -> None:
    """Make two namespaces with a cable between them."""
    for name in NAMES:
        ip("netns", "add", name)
    ip("link", "add", CARDS[0], "type", "veth", "peer", "name", CARDS[1])
    for name, card, address in zip(NAMES, CARDS, ADDRESSES, strict=True):
        ip("link", "set", card, "netns", name)
        ip("-n", name, "addr", "add", f"{address}/24", "dev", card)
        ip("-n", name, "link", "set", card, "up")
        ip("-n", name, "link", "set", "lo", "up")


def disconnect() -> None:
    """Remove the namespaces, and the cable with them."""
    for name in NAMES:
        subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)


def together(arguments: list[str], cache: Path) -> list[int]:
    """Run a command of organza on both hosts, and return torchrun's exit codes."""
    nodes = []
    for name, card, address in zip(NAMES, CARDS, ADDRESSES, strict=True):
        torchrun = [
            sys.executable, "-m", "torch.distributed.run", "--nnodes", "2", "--nproc-per-node", "1",
            "--rdzv-backend", "c10d", "--rdzv-id", "hosts", "--rdzv-endpoint", f"{ADDRESSES[0]}:29400",
            "--rdzv-conf", f"is_host={int(address == ADDRESSES[0])}", "--local-addr", address, "-m", "organza", "--", *arguments,
        ]  # fmt: skip
        environment = os.environ | {
            "GLOO_SOCKET_IFNAME": card, "OMP_NUM_THREADS": "1", "TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1",
            "ORGANZA_CACHE": str(cache / name),
        }  # fmt: skip
        nodes.append(subprocess.Popen(["ip", "netns", "exec", name, *torchrun], env=environment))
    return [node.wait() for node in nodes]


def main() -> int:
    """Train on both hosts."""
    data, run, *options = sys.argv[1:]
    disconnect()
    connect()
    try:
        with tempfile.TemporaryDirectory() as cache:
            codes = together(["train", data, "--run", run, *options], Path(cache))
    finally:
        disconnect()
    print(f"exit codes {codes}")
    return max(codes)


if __name__ == "__main__":
    sys.exit(main())
