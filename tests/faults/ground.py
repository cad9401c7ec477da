"""The ground of the trials: tiny runs that are ready to start, children that are forked after the imports, and how they end."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import torch

import tests.forks  # noqa: F401  (with all that a command imports late)
from organza import cli
from organza.recipe import Recipe
from organza.run import checkpoint
from organza.run.folder import RunFolder
from organza.training.accelerator import CPU
from organza.training.plan import Plan
from organza.training.preparation import open_data
from organza.training.recipe_json import content
from organza.training.request import TrainArgs
from tests.contracts.discovery import RECIPES, small
from tests.contracts.material import Material

IMAGES, SAVE_EVERY = 64, 16
PLAN = {
    "budget": f"{IMAGES}img", "images": IMAGES, "seconds": None,
    "stats_every": 8, "sample_every": 1000, "evaluate_every": 1000, "save_every": SAVE_EVERY,
}  # fmt: skip


class Row(NamedTuple):
    """A line of the table: what was tried, how often, and how often it came out as promised."""

    name: str
    tried: int
    kept: int
    note: str = ""


class Course:
    """A tiny run of one recipe: its data, its folder before the first step, and the weights that it ends with when nothing happens.

    Args:
        name: of the recipe.
        root: an empty folder.
        material: the data.
    """

    def __init__(self, name: str, root: Path, material: Material):
        recipe: Recipe = replace(small(RECIPES[name](), width=4), stop=())
        self.name, self.data, self.root = name, material(recipe), root / name
        self.fresh = self.root / "fresh"
        asked = TrainArgs(self.data, self.fresh, recipe, PLAN["budget"], size=32, evaluate=False)
        data = open_data(asked, recipe, None)
        folder = asked.folder
        folder.begin()
        folder.write(content(asked, recipe, data, Plan(**PLAN), CPU) | {"chosen": []})
        whole = self.new()
        began = time.monotonic()
        ended = self.child(whole).wait()
        self.seconds = time.monotonic() - began
        assert ended.code == 0, ended.told
        self.final, self.looked = weights(whole), looked(whole)
        self.whole = whole

    def new(self) -> Path:
        """A copy of the run's folder as it is before the first step."""
        place = Path(tempfile.mkdtemp(dir=self.root)) / "run"
        shutil.copytree(self.fresh, place)
        return place

    def child(self, run: Path, before: Callable[[], None] | None = None) -> Child:
        """A child that goes on with a run, as `organza train` does."""
        arguments = ["train", str(self.data), "--run", str(run), "--no-evaluate"]
        return Child(lambda: cli.main(arguments), run.with_name("log"), before)


class Ended(NamedTuple):
    """How a child ended: its exit code, or minus the signal; and what it said."""

    code: int
    told: str


class Child:
    """A process forked after the imports, so that a trial takes a fraction of a second.

    Args:
        work: what it does.
        log: the file for what it says.
        before: what it does first.
    """

    def __init__(self, work: Callable[[], object], log: Path, before: Callable[[], None] | None = None):
        self.log = log
        sys.stdout.flush()
        sys.stderr.flush()
        self.pid = os.fork()
        if self.pid == 0:
            self._be(work, before)

    def _be(self, work: Callable[[], object], before: Callable[[], None] | None) -> None:
        code = 1
        # Python turns an early Ctrl-C into an exception in the middle of anything; outside of the work it ends this process as any other.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        try:
            descriptor = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            for stream in (1, 2):
                os.dup2(descriptor, stream)
            sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w", buffering=1)
            torch.set_num_threads(1)
            if before:
                before()
            signal.signal(signal.SIGINT, signal.default_int_handler)
            work()
            code = 0
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 1
        except BaseException:
            import traceback

            traceback.print_exc()
        finally:
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)

    def signal(self, number: int, delay: float) -> bool:
        """Send a signal after a delay; whether the child was still there."""
        end = time.monotonic() + delay
        while (left := end - time.monotonic()) > 0:
            if os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
                return False
            time.sleep(min(left, 0.002))
        os.kill(self.pid, number)
        return True

    def wait(self, seconds: float = 600.0) -> Ended:
        """Wait for its end; a child that hangs is killed and told as such."""
        end = time.monotonic() + seconds
        while True:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                return Ended(
                    os.waitstatus_to_exitcode(status),
                    self.log.read_text(errors="replace") if self.log.is_file() else "",
                )
            if time.monotonic() > end:
                os.kill(self.pid, 9)
                os.waitpid(self.pid, 0)
                return Ended(-99, "it hung")
            time.sleep(0.002)


def weights(run: Path) -> dict[str, bytes]:
    """The files of the last checkpoint, byte for byte."""
    newest = checkpoint.existing(RunFolder(run).checkpoints)[-1]
    return {file.name: file.read_bytes() for file in sorted(newest.glob("*.safetensors"))}


def looked(run: Path) -> list[int]:
    """The images seen at each line of statistics, all of which must be whole."""
    return [json.loads(line)["images"] for line in (run / "stats.jsonl").read_text().splitlines()]


def ends_alike(course: Course, run: Path) -> bool:
    """Does a run, gone on with until its end, have the weights of the uninterrupted one, and whole lines in its log?

    Where it does not, standard error says in what.
    """
    ended = course.child(run).wait()
    if ended.code != 0 or "Traceback" in ended.told:
        unlike = f"it ended with {ended.code}: {ended.told[-2000:]}"
    elif looked(run) != course.looked:
        unlike = f"its lines are of {looked(run)} images"
    elif (found := weights(run)) != course.final:
        unlike = f"other bytes in {', '.join(name for name in course.final if found.get(name) != course.final[name])}"
    elif left := list((run / "checkpoints").glob(".*")):
        unlike = f"{left[0].name} was left"
    else:
        return True
    print(f"{course.name}: {unlike}", file=sys.stderr, flush=True)
    return False


def newest_is_whole(run: Path) -> bool:
    """Does the newest checkpoint under a good name verify? True where there is none yet."""
    found = checkpoint.existing(RunFolder(run).checkpoints)
    try:
        return not found or bool(checkpoint.verify(found[-1]))
    except checkpoint.Damaged:
        return False
