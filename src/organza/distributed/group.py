"""Ranks that a launcher such as torchrun started, joined by `torch.distributed`.

Sums go through gloo on a CPU and through NCCL between GPUs. Decisions go through the key-value
store of the group, where a rank can wait for rank 0 as long as its work takes. A rank that fails
leaves its reason there; the others find it as soon as one of their collectives fails. No
collective waits longer than the timeout, and the ranks that did not come are named.
"""

from __future__ import annotations

import itertools
import json
import os
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as Late
from contextlib import contextmanager, suppress
from datetime import timedelta
from functools import cache
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

from organza.distributed.failure import RankFailed
from organza.distributed.world import World

T = TypeVar("T")

BUCKET = 2**21
"""Numbers in one all-reduce: more in one buffer cost copies, fewer cost latency (docs/scaling.md)."""
TIMEOUT = 600.0
"""Seconds that joining and a collective wait for all ranks, unless $ORGANZA_TIMEOUT gives another number: the
longest work of rank 0 alone, a checkpoint on a slow disk, is far shorter."""
SMALL = 2**14
"""Most numbers of all ranks that are gathered and added up by each, which waits for half as many messages as an all-reduce."""
GRACE = 3.0
"""Seconds in which ranks that see a failure say so; those that do not are the missing ones."""
POLL = 0.05
"""Longest pause in seconds between two looks at the store."""
SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK", "SIGPIPE")
"""Names of stop requests, which `run.events.EXIT_CODES` gives exit codes."""


class Group(World):
    """A rank among several.

    Args:
        rank, size: number of this rank, and of all.
        local: number of this rank on its machine.
        store: key-value store of the group.
        timeout: seconds that a collective may wait.
    """

    def __init__(self, rank: int, size: int, local: int, store: Any, timeout: float):
        self.rank, self.size, self.local, self.store, self.timeout = rank, size, local, store, timeout
        self.decisions = 0
        self._asking = ThreadPoolExecutor(1, thread_name_prefix="store")

    # ---- sums -----------------------------------------------------------------------------------------------------------------

    def sum(self, x: Tensor) -> Tensor:
        return _Sum.apply(x, self)

    def gather(self, x: Tensor) -> Tensor:
        return _Gather.apply(x, self)

    @torch.no_grad()
    def mean(self, x: Tensor) -> Tensor:
        return self.reduced(x) / self.size

    @torch.no_grad()
    def deviation(self, x: Tensor) -> Tensor:
        away = x - self.mean(x.mean())
        return (self.reduced(away.square().sum()) / (self.size * x.numel() - 1)).sqrt()

    @torch.no_grad()
    def variances(self, *batches: Tensor) -> list[Tensor]:
        means, spreads = (torch.cat([x.mean(0) for x in batches]), torch.cat([x.var(0, correction=0) for x in batches]))
        _, variances = self.pooled(means, spreads)
        counts = [self.whole(len(x)) for x in batches]
        parts = variances.split([x.shape[1] for x in batches])
        return [part * (count / (count - 1)) for part, count in zip(parts, counts, strict=True)]

    @torch.no_grad()
    def average(self, gradients: Sequence[Tensor]) -> None:
        """Replace gradients by their means over the ranks, in sums of a few megabytes."""
        buckets = _buckets(gradients)
        flat = [torch.cat([one.reshape(-1) for one in bucket]) for bucket in buckets]
        with self.met():
            for work in [dist.all_reduce(one, async_op=True) for one in flat]:
                if work is not None:
                    work.wait()
        for bucket, whole in zip(buckets, flat, strict=True):
            parts = whole.div_(self.size).split([one.numel() for one in bucket])
            torch._foreach_copy_(bucket, [part.view(one.shape) for part, one in zip(parts, bucket, strict=True)])

    def reduced(self, x: Tensor) -> Tensor:
        """Return the sum of x over the ranks, without a gradient."""
        if self.size * x.numel() <= SMALL:
            return self._stacked(x).sum(0)
        total = x.detach().clone(memory_format=torch.contiguous_format)
        with self.met():
            dist.all_reduce(total)
        return total

    def gathered(self, x: Tensor) -> list[Tensor]:
        """Return x of each rank, equal in shape, without a gradient."""
        return list(self._stacked(x).unbind())

    def _stacked(self, x: Tensor) -> Tensor:
        """Return x of each rank, [...] to [N, ...], without a gradient."""
        own = x.detach().contiguous()
        every = own.new_empty(self.size, *own.shape)
        with self.met():
            dist.all_gather(list(every.unbind()), own)
        return every

    # ---- decisions ------------------------------------------------------------------------------------------------------------

    def agreed(self, seconds: float, signal: str | None = None) -> tuple[float, str | None]:
        told = [seconds if self.leads else 0.0, *(float(name == signal) for name in SIGNALS)]
        seconds, *heard = self.reduced(torch.tensor(told, dtype=torch.float64)).tolist()
        return seconds, next((name for name, count in zip(SIGNALS, heard, strict=True) if count), None)

    def decide(self, decision: Callable[[], T]) -> T:
        """Return rank 0's decision on every rank, as JSON through the store."""
        self.decisions += 1
        key = f"decision/{self.decisions}"
        if self.leads:
            value = decision()
            self.ask(self.store.set, key, json.dumps(value))
            return value
        self.await_key(key)
        return json.loads(self.ask(self.store.get, key))

    def after_first(self, work: Callable[[], T]) -> T:
        """Return the result of work that the first rank of a machine does before its others."""
        self.decisions += 1
        key = f"first/{self.decisions}/{os.environ.get('GROUP_RANK') or socket.gethostname()}"
        if self.local:
            self.await_key(key)
            return work()
        result = work()
        self.ask(self.store.set, key, "done")
        return result

    def map(self, work: Callable[[Any], Tensor], parts: Sequence[Any]) -> list[Tensor]:
        own = [work(part) for part in parts[self.rank :: self.size] or parts[:1]]
        rounds = -(-len(parts) // self.size)
        own += [own[0]] * (rounds - len(own))
        every = self.gathered(torch.stack(own))
        return [every[number % self.size][number // self.size] for number in range(len(parts))]

    @torch.no_grad()
    def spread(self, tensors: Sequence[Tensor]) -> None:
        """Copy rank 0's tensors to all ranks, in place."""
        for one in tensors:
            whole = one.detach().contiguous()
            with self.met():
                dist.broadcast(whole, 0)
            if not self.leads:
                one.copy_(whole)

    def hand_out(self, files: dict[str, dict[str, Tensor]]) -> dict[str, dict[str, Tensor]]:
        """Return rank 0's tensors of files on every rank; the others pass {}."""
        outline = self.decide(
            lambda: {
                file: {name: [str(one.dtype).removeprefix("torch."), list(one.shape)] for name, one in some.items()}
                for file, some in files.items()
            }
        )
        whole = files or {
            file: {name: torch.empty(shape, dtype=getattr(torch, kind)) for name, (kind, shape) in some.items()}
            for file, some in outline.items()
        }
        self.spread([one for some in whole.values() for one in some.values()])
        return whole

    def require_equal(self, digest: str, what: str) -> None:
        """Check that all ranks have one digest. Raises RuntimeError with the ranks that differ."""
        own = torch.frombuffer(bytearray(digest.encode()), dtype=torch.uint8)
        first, *others = self.gathered(own)
        unlike = [str(rank) for rank, other in enumerate(others, 1) if not torch.equal(first, other)]
        if unlike:
            raise RuntimeError(
                f"{what} of rank {', '.join(unlike)} differ from those of rank 0: do all machines have the same torch?"
            )

    # ---- the store ------------------------------------------------------------------------------------------------------------

    def ask(self, question: Callable[..., T], *arguments: Any) -> T:
        """Return the answer of the store, which rank 0 holds.

        Raises:
            RankFailed: if it does not answer in time.
        """
        try:
            return self._asking.submit(question, *arguments).result(self.timeout)
        except Late:
            raise RankFailed("lost", 0, "rank 0 does not answer") from None
        except RuntimeError as error:  # torch's own errors of a lost connection
            raise RankFailed("lost", 0, "rank 0 has ended") from error

    def await_key(self, key: str) -> None:
        """Wait until rank 0 has set a key, for as long as its work takes.

        Raises:
            RankFailed: if a rank has failed in the meantime.
        """
        pause = 0.001
        while not self.ask(self.store.check, [key]):  # not `wait`, which warns each time that its own timeout is over
            if reason := self.reason():
                raise reason
            time.sleep(pause)
            pause = min(2 * pause, POLL)

    # ---- failures -------------------------------------------------------------------------------------------------------------

    @contextmanager
    def met(self) -> Iterator[None]:
        """Turn the failure of a collective into the reason for it."""
        try:
            yield
        except RuntimeError as error:
            raise self.lost(error) from error

    def reason(self) -> RankFailed | None:
        """Return the failure that a rank has reported, or None."""
        if not self.ask(self.store.check, ["failed"]):
            return None
        told = json.loads(self.ask(self.store.get, "failed"))
        if self.leads:
            self.ask(self.store.set, "seen", "yes")
        else:
            self.ask(self.store.add, "heard", 1)
        return RankFailed(told["kind"], told["rank"], told["text"])

    def lost(self, error: Exception) -> RankFailed:
        """Return the reason why a collective failed: the failure that a rank reported, or else the ranks that are missing."""
        until = time.monotonic() + GRACE
        try:
            self.ask(self.store.set, f"here/{self.rank}", "yes")
            while time.monotonic() < until:
                if reason := self.reason():
                    return reason
                time.sleep(0.05)
            missing = [rank for rank in range(self.size) if not self.ask(self.store.check, [f"here/{rank}"])]
        except RankFailed as gone:
            return gone
        if not missing:
            return RankFailed("lost", self.rank, f"the connection between the ranks broke ({_first_line(error)})")
        ranks = f"rank{'s' * (len(missing) > 1)} {', '.join(map(str, missing))}"
        waited = f" within {self.timeout:.0f} s" if "tim" in str(error).lower() else ""
        return RankFailed("lost", missing[0], f"{ranks} ended or did not answer{waited}")

    def report(self, error: BaseException, users: Callable[[Exception], str]) -> None:
        """Tell the other ranks why this one fails, and end their collectives with it.

        Args:
            error: this rank's.
            users: function that says in a sentence what the user's own code raised; "" if it raised nothing.
        """
        if isinstance(error, RankFailed):
            return
        name = getattr(error, "name", "")
        kind = "signal" if name in SIGNALS else getattr(error, "kind", "bug")
        text = {"user": str(error), "signal": name}.get(kind) or f"{type(error).__name__}: {_first_line(error)}"
        if kind == "bug" and isinstance(error, Exception) and (sentence := users(error)):
            kind, text = "user", sentence  # so that every process exits with the code of the one that fails
        told = json.dumps({"kind": kind, "rank": self.rank, "text": text})
        with suppress(RankFailed):
            self.ask(self.store.compare_set, "failed", "", told)
            if not self.leads:
                self.ask(self.store.add, "heard", 1)
        dist.destroy_process_group()
        until = time.monotonic() + GRACE
        with suppress(RankFailed):
            while time.monotonic() < until and not self._known():
                time.sleep(0.05)

    def _known(self) -> bool:
        """Return True if those who need the failure have read it: rank 0 before the launcher, which
        sees this process end, stops all; the others before rank 0 ends, and its store with it.
        """
        if self.leads:
            return self.ask(self.store.add, "heard", 0) >= self.size - 1
        return self.ask(self.store.check, ["seen"])

    def leave(self) -> None:
        """Wait until rank 0 has finished; rank 0 waits until the others know, as it holds the store."""
        if not self.leads:
            self.await_key("done")
            self.ask(self.store.add, "left", 1)
            return
        self.ask(self.store.set, "done", "yes")
        until = time.monotonic() + GRACE
        while time.monotonic() < until and self.ask(self.store.add, "left", 0) < self.size - 1:
            time.sleep(0.02)


class _Sum(torch.autograd.Function):
    """The sum over the ranks. Each rank's loss depends on every rank's x, so the gradient is a sum as well."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, group: Group) -> Tensor:
        ctx.group = group
        return group.reduced(x)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        return _Sum.apply(gradients[0], ctx.group), None


class _Gather(torch.autograd.Function):
    """The rows of all ranks in the order of the batch; the gradient of the own ones is summed over the ranks' losses."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, group: Group) -> Tensor:
        ctx.group = group
        return torch.stack(group.gathered(x), 1).flatten(0, 1)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        return ctx.group.rows(_Sum.apply(gradients[0], ctx.group)), None


def _buckets(gradients: Sequence[Tensor]) -> list[list[Tensor]]:
    """Return the gradients in groups of one type, of about `BUCKET` numbers each."""
    buckets: list[list[Tensor]] = []
    filled = 0
    for one in gradients:
        if not buckets or filled >= BUCKET or buckets[-1][0].dtype != one.dtype:
            buckets.append([])
            filled = 0
        buckets[-1].append(one)
        filled += one.numel()
    return buckets


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [""])[0][:200]


@cache
def _rendezvous(timeout: float) -> tuple[Any, int, int, Iterator[int]]:
    """Return the launcher's store, this process's rank, the world size, and numbers for groups. Once for each process."""
    return (*next(iter(dist.rendezvous("env://", timeout=timedelta(seconds=timeout)))), itertools.count())


def _joined(timeout: float) -> Group:
    """Return this rank of the launcher's, joined with the others.

    Raises:
        RankFailed: if one does not come.
    """
    try:
        store, rank, size, numbers = _rendezvous(timeout)
        restarts = os.environ.get(
            "TORCHELASTIC_RESTART_COUNT", "0"
        )  # the launcher's store keeps keys of dead processes
        store = dist.PrefixStore(f"organza/{restarts}/{next(numbers)}", store)
        backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
        dist.init_process_group(backend, store=store, rank=rank, world_size=size, timeout=timedelta(seconds=timeout))
    except RuntimeError as error:  # torch's own, of a store or a rank that is not there
        first = _first_line(error)
        why = f"not all ranks joined within {timeout:.0f} s" if "tim" in first.lower() else "the ranks could not join"
        raise RankFailed("lost", 0, f"{why} ({first})") from error
    return Group(rank, size, int(os.environ.get("LOCAL_RANK", rank)), store, timeout)


@contextmanager
def gathering(users: Callable[[Exception], str]) -> Iterator[World]:
    """Join the ranks that the launcher started, for the block.

    Args:
        users: see `Group.report`.

    Raises:
        RankFailed: if another rank fails, or the program has joined them by itself.
    """
    if dist.is_initialized():
        text = "this program has called torch.distributed.init_process_group; organza joins the ranks by itself: leave the call out"
        raise RankFailed("bug", dist.get_rank(), text)
    world = _joined(float(os.environ.get("ORGANZA_TIMEOUT", TIMEOUT)))
    try:
        yield world
        world.leave()
    except BaseException as error:
        world.report(error, users)
        raise
    finally:
        if dist.is_initialized():
            dist.destroy_process_group()
