"""Faults of runs on several ranks: each rank is a child, as a launcher starts it; the trial does what the launcher would."""

from __future__ import annotations

import os
import random
import shutil
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from organza import cli
from organza.distributed.launched import LOST
from organza.training.trainer import Trainer
from tests.contracts.material import Material
from tests.faults.ground import Child, Course, Ended, Row, looked, newest_is_whole, weights

SIZE = 2
PATIENCE = 300.0
"""Seconds in which all ranks must have ended after a fault."""
TIMEOUT = 60.0
"""Seconds that a rank waits for the others: a rank that is killed before it has joined them leaves no connection that breaks."""


def started(
    course: Course, run: Path, before: Callable[[int], None] = lambda rank: None, timeout: float = TIMEOUT
) -> list[Child]:
    """The ranks of a run."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    arguments = ["train", str(course.data), "--run", str(run), "--no-evaluate"]

    def child(rank: int) -> Child:
        def be() -> None:
            os.environ |= {
                "RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(SIZE), "GROUP_RANK": "0",
                "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "GLOO_SOCKET_IFNAME": "lo",
                "ORGANZA_TIMEOUT": str(timeout),
            }  # fmt: skip
            before(rank)

        return Child(lambda: cli.main(arguments), run.with_name(f"log-{rank}"), be)

    return [child(rank) for rank in range(SIZE)]


def ended(ranks: list[Child]) -> list[Ended]:
    """How all ranks ended."""
    return [child.wait(PATIENCE) for child in ranks]


class Shared(Course):
    """A course whose end is that of several ranks."""

    def finish(self) -> None:
        """Run it once without a fault."""
        run, began = self.new(), time.monotonic()
        for one in ended(started(self, run)):
            assert one.code == 0, one.told
        self.seconds = time.monotonic() - began
        self.final, self.looked = weights(run), looked(run)


def alike(course: Course, run: Path) -> bool:
    """Does a run, resumed until its end, have the bytes of the one without a fault?"""
    codes = ended(started(course, run))
    same = all(one.code == 0 for one in codes) and weights(run) == course.final and looked(run) == course.looked
    if not same:
        print(f"{course.name}: {codes}", file=sys.stderr, flush=True)
    return same


def kills(courses: list[Shared], times: int, chance: random.Random) -> Row:
    """SIGKILL of a rank at a random instant: the others end by themselves; then the same command again, to the end."""
    kept = landed = 0
    for trial in range(times):
        course = courses[trial % len(courses)]
        run = course.new()
        ranks = started(course, run)
        landed += ranks[chance.randrange(SIZE)].signal(signal.SIGKILL, chance.uniform(0, course.seconds))
        kept += ended_by_themselves(ranks) and newest_is_whole(run) and alike(course, run)
        shutil.rmtree(run.parent)
    return Row("SIGKILL of one of two ranks", times, kept, f"{landed} landed")


def ended_by_themselves(ranks: list[Child]) -> bool:
    """True if no rank hangs; standard error says which does."""
    codes = [one.code for one in ended(ranks)]
    if -99 in codes:
        print(f"after {PATIENCE:.0f} s a rank hung: {codes}", file=sys.stderr, flush=True)
    return -99 not in codes


def absences(courses: list[Shared]) -> Row:
    """SIGKILL of each rank in turn before it joins: the other asks for a new start, and if it is rank 0, which speaks for all, says why;
    then the same command again, to the end.
    """
    kept = 0
    for absent in range(SIZE):
        course = courses[0]
        run = course.new()

        def leave(rank: int, absent: int = absent) -> None:
            if rank == absent:
                os.kill(os.getpid(), signal.SIGKILL)

        there = ended(started(course, run, leave, timeout=2))[1 - absent]
        said = (absent == 0 or "Not all ranks joined within 2 s" in there.told) and "Traceback" not in there.told
        if not (there.code == LOST and said):
            print(f"without rank {absent}: {there}", file=sys.stderr, flush=True)
        kept += there.code == LOST and said and alike(course, run)
        shutil.rmtree(run.parent)
    return Row("SIGKILL of one of two ranks before it joins", SIZE, kept)


def signals(courses: list[Shared], times: int, chance: random.Random) -> Row:
    """A signal to one rank: both save after the same step and leave with its code; then the same command again."""
    codes_of = {signal.SIGTERM: 143, signal.SIGINT: 130}
    kept = heard = 0
    for trial in range(times):
        course, number = courses[trial % len(courses)], list(codes_of)[trial % 2]
        run = course.new()
        ranks = started(course, run)
        ranks[chance.randrange(SIZE)].signal(number, chance.uniform(0.3, 1) * course.seconds)
        codes = [one.code for one in ended(ranks)]
        heard += codes == [codes_of[number]] * SIZE
        kept += -99 not in codes and newest_is_whole(run) and alike(course, run)
        shutil.rmtree(run.parent)
    return Row("SIGTERM, SIGINT to one of two ranks", times, kept, f"{heard} left together with its exit code")


def raising(rank: int, users: bool) -> Callable[[int], None]:
    """A fault of one rank in its third step: in code that is not the library's, and so the user's; or in the library."""

    def before(number: int) -> None:
        genuine, steps = Trainer._tick, []

        def tick(self: Trainer, numbers: dict[str, float]) -> object:
            steps.append(1)
            if number == rank and len(steps) == 3:
                raise ValueError("a fault of this rank")
            if number == rank and len(steps) == 2 and not users:
                Trainer._tick = None  # type: ignore[assignment, method-assign] (the library's next call fails)
            return genuine(self, numbers)  # type: ignore[arg-type]

        Trainer._tick = tick  # type: ignore[method-assign]

    return before


def exceptions(courses: list[Shared], times: int) -> Row:
    """An exception on each rank in turn: both end with 1, or 2 if the user's code raises it; rank 0 says which failed, once."""
    kept = 0
    trials = [(1, True), (0, False), (1, False), (0, True)][:times]
    for rank, users in trials:
        course = courses[0]
        run = course.new()
        first, other = ended(started(course, run, raising(rank, users)))
        if users:
            code, said, whose = (
                2,
                "raises ValueError: a fault of this rank.",
                "Rank 1: tests/faults/lost_ranks.py, line ",
            )
        else:
            code, said, whose = 1, "TypeError: 'NoneType' object is not callable", "Rank 1 failed (TypeError: "
        named = first.told.count(said) == 1 and first.told.count(whose) == rank
        right = first.code == other.code == code and named and alike(course, run)
        if not right:
            print(f"rank {rank}, {users=}: {first} {other}", file=sys.stderr, flush=True)
        kept += right
        shutil.rmtree(run.parent)
    return Row("an exception on one of two ranks", len(trials), kept)


def everything(root: Path, material: Material, times: int, chance: random.Random) -> Iterator[Row]:
    """All trials of ranks, on a recipe with penalties, one with batch norm and one with an image pool."""
    courses = [Shared(name, root / "ranks", material) for name in ("dcgan-r1", "dcgan", "cyclegan")]
    for course in courses:
        course.finish()
    yield kills(courses, times, chance)
    yield signals(courses, max(2, times // 5), chance)
    yield absences(courses)
    yield exceptions(courses, 4)
