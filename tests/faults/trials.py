"""The trials: each puts a promise to the test so many times, with real kills and real files, and says how often it was kept."""

from __future__ import annotations

import ctypes
import errno
import os
import random
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import torch

from organza import cli
from organza.errors import UserError
from organza.run import checkpoint
from organza.run.folder import RunFolder
from tests.contracts.material import Material
from tests.faults import configurations, illness, lost_ranks
from tests.faults.ground import Child, Course, Row, ends_alike, newest_is_whole
from tests.faults.operations import after_power_loss, recorded, watched

EXITS = {signal.SIGTERM: 143, signal.SIGINT: 130, signal.SIGHUP: 129}
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EIO)


def kills(courses: list[Course], times: int, chance: random.Random) -> Row:
    """SIGKILL at random instants, once or twice; then the same command again, to the end."""
    kept = landed = unreadable = 0
    for trial in range(times):
        course = courses[trial % len(courses)]
        run = course.new()
        for _ in range(chance.randint(1, 2)):
            child = course.child(run)
            landed += child.signal(signal.SIGKILL, chance.uniform(0, course.seconds))
            child.wait()
            unreadable += not newest_is_whole(run)
        kept += ends_alike(course, run)
        shutil.rmtree(run.parent)
    return Row(
        "SIGKILL at a random instant",
        times,
        kept if not unreadable else 0,
        f"{landed} landed, {unreadable} newest unreadable",
    )


def signals(courses: list[Course], times: int, chance: random.Random) -> Row:
    """A signal that asks at random instants: saved within a step, the exit code of its kind, and the same end."""
    kept = heard = 0
    for trial in range(times):
        course, number = courses[trial % len(courses)], list(EXITS)[trial % 3]
        run = course.new()
        child = course.child(run)
        landed = child.signal(number, chance.uniform(0, course.seconds))
        ended = child.wait()
        heard += ended.code == EXITS[number]
        # Before the run begins there is nothing to save: the signal then ends the process as it ends any other.
        expected = (0, EXITS[number], -number) if landed else (0,)
        if ended.code not in expected:
            print(
                f"{course.name}: {number.name} ended it with {ended.code}: {ended.told[-2000:]}",
                file=sys.stderr,
                flush=True,
            )
        kept += ended.code in expected and newest_is_whole(run) and ends_alike(course, run)
        shutil.rmtree(run.parent)
    return Row(
        "SIGTERM, SIGINT, SIGHUP at a random instant", times, kept, f"{heard} saved and left with their exit code"
    )


class Saves:
    """A folder with a whole checkpoint, and a save that goes wrong beside it.

    Args:
        root: an empty folder.
        again: write the next checkpoint over a damaged one of its name.
    """

    def __init__(self, root: Path, again: bool = False):
        self.root = root
        draw = torch.Generator().manual_seed(0)
        self.tensors = {name: {"w": torch.randn(40, 40, generator=draw)} for name in ("generator", "discriminator")}
        self.before = root / "before" / "checkpoints"
        for images in (8, 16):
            checkpoint.save(self.before, images, self._at(images), {"images": images})
        if again:
            checkpoint.save(self.before, 24, self._at(24), {"images": 24})
            (self.before / "00000024" / "generator.safetensors").write_bytes(b"damaged")

    def _at(self, images: int) -> dict[str, dict[str, torch.Tensor]]:
        return {name: {key: value + images for key, value in some.items()} for name, some in self.tensors.items()}

    def place(self) -> Path:
        """The folder with the whole checkpoint, anew."""
        place = Path(tempfile.mkdtemp(dir=self.root)) / "checkpoints"
        shutil.copytree(self.before, place)
        return place

    def save(self, place: Path) -> None:
        """Write the next one, and remove the oldest, as a run does."""
        checkpoint.save(place, 24, self._at(24), {"images": 24})
        checkpoint.retain(place, set())

    def holds(self, place: Path, finished: bool = False, old_only: bool = False) -> bool:
        """Is the newest good checkpoint the new one, or unless it was finished the one before, with the values that were saved?"""
        found, _ = checkpoint.newest_good(place)
        allowed = (24,) if finished else (16,) if old_only else (16, 24)
        if found is None or found.facts["images"] not in allowed:
            return False
        wanted = self._at(found.facts["images"])
        return all(torch.equal(found.tensors[name]["w"], wanted[name]["w"]) for name in wanted)

    def names_are_good(self, place: Path) -> bool:
        """Does every folder under a checkpoint's name verify?"""
        return all(
            checkpoint.verify(folder)
            for folder in checkpoint.existing(place)
            if folder.name != "00000024" or self.new(folder)
        )

    @staticmethod
    def new(folder: Path) -> bool:
        return (folder / "generator.safetensors").read_bytes() != b"damaged"


def _calls(saves: Saves) -> int:
    count = 0

    def each(number: int, name: str, genuine: Callable, arguments: tuple) -> object:
        nonlocal count
        count = number + 1
        return genuine()

    place = saves.place()
    with watched(each):
        saves.save(place)
    return count


def killed_saves(root: Path, share: float) -> Row:
    """SIGKILL before, in the middle of and after every call to the system of a save and of what it removes."""
    tried = kept = 0
    for again in (False, True):
        saves = Saves(root / f"killed-{again}", again)
        places = [(k, moment) for k in range(_calls(saves)) for moment in ("before", "within", "after")]
        for k, moment in places[:: max(1, round(1 / share))]:
            place = saves.place()

            def die_at(
                number: int, name: str, genuine: Callable, arguments: tuple, k: int = k, moment: str = moment
            ) -> object:
                if number == k:
                    if moment == "within" and name == "write":
                        genuine(arguments[0], bytes(arguments[1])[: len(arguments[1]) // 2])
                    elif moment == "after":
                        with suppress(FileNotFoundError):  # what is unlinked before it is written need not be there
                            genuine()
                    os.kill(os.getpid(), signal.SIGKILL)
                return genuine()

            def work(place: Path = place, die_at: Callable = die_at, saves: Saves = saves) -> None:
                with watched(die_at):
                    saves.save(place)

            code = Child(work, place.parent / "log").wait().code
            tried += 1
            whole = code == -9 and saves.holds(place) and saves.names_are_good(place)
            saves.save(place)  # whatever was left does not disturb the next one
            kept += whole and saves.holds(place, finished=True) and not list(place.glob(".*"))
            shutil.rmtree(place.parent)
    return Row("SIGKILL at every system call of a save", tried, kept)


def failed_saves(root: Path, share: float) -> Row:
    """Every call of a save fails in turn: full disk, quota, I/O error; once, and for ever; a part of what is written may be taken."""
    tried = kept = 0
    for again in (False, True):
        saves = Saves(root / f"failed-{again}", again)
        cases = [(k, code, lasting) for k in range(_calls(saves)) for code in FULL for lasting in (False, True)]
        for k, code, lasting in cases[:: max(1, round(1 / share))]:
            place = saves.place()

            def fail_at(
                n: int, name: str, genuine: Callable, arguments: tuple, k=k, code=code, lasting=lasting
            ) -> object:
                if n == k or (lasting and n > k and name not in ("unlink", "rmdir")):
                    if name == "write" and n == k:
                        genuine(arguments[0], bytes(arguments[1])[: len(arguments[1]) // 2])
                    raise OSError(code, os.strerror(code), "a file")
                return genuine()

            told = ""
            try:
                with watched(fail_at):
                    saves.save(place)
            except UserError as error:
                told = str(error)
            except OSError as error:  # what is removed, not what is saved
                told = f"{error} while removing"
            tried += 1
            said = not told or str(place) in told or "removing" in told
            kept += said and saves.holds(place, finished=not told) and saves.names_are_good(place)
            shutil.rmtree(place.parent)
    return Row("full disk, quota, I/O error at every call of a save", tried, kept)


def lost_power(root: Path, patterns: int, share: float, chance: random.Random) -> Row:
    """Power is lost after each call of a recorded save: what was not flushed is lost or torn, in random patterns."""
    tried = kept = 0
    for again in (False, True):
        saves = Saves(root / f"power-{again}", again)
        now = saves.place()
        calls = recorded(lambda now=now, saves=saves: saves.save(now))
        finished = next(n for n in reversed(range(len(calls))) if calls[n].name == "flush") + 1
        steps = list(range(len(calls) + 1))[:: max(1, round(1 / share))]
        for done in steps:
            for _ in range(max(1, patterns // len(steps) // 2)):
                place = Path(tempfile.mkdtemp(dir=root)) / "checkpoints"
                after_power_loss(calls, done, saves.before, now, place, chance)
                tried += 1
                kept += saves.holds(place, finished=done >= finished)
                shutil.rmtree(place.parent)
    return Row(
        "loss of power after each call of a save", tried, kept, f"{len(calls)} calls, unflushed data lost or torn"
    )


def damages(course: Course, times: int, chance: random.Random) -> Row:
    """A bit flipped, a sector of zeros, a file cut short: noticed, the file named, and the checkpoint before is gone on from."""
    tried = kept = 0
    parent = RunFolder(course.whole).checkpoints
    newest, older = checkpoint.existing(parent)[-1], checkpoint.existing(parent)[-2]
    files = sorted(newest.iterdir())
    while tried < times:
        file = chance.choice(files)
        whole = file.read_bytes()
        content, spot = bytearray(whole), chance.randrange(len(whole))
        if tried % 3 == 0:
            content[spot] ^= 1 << chance.randrange(8)
        elif tried % 3 == 1:
            spot -= spot % 512
            content[spot : spot + 512] = bytes(len(content[spot : spot + 512]))
        else:
            del content[spot:]
        if bytes(content) == whole:  # a sector that was zero before
            continue
        file.write_bytes(content)
        found, wrong = checkpoint.newest_good(parent)
        file.write_bytes(whole)
        tried += 1
        kept += found is not None and found.directory == older and len(wrong) == 1 and str(file) in wrong[0]
    checkpoint.load(newest)
    return Row("a bit flipped, a sector zeroed, a file cut", tried, kept, "noticed, file named, the one before taken")


def clocks(courses: list[Course], times: int, chance: random.Random) -> Row:
    """The clock jumps ten years either way, and files bear any date: the order is that of images seen."""
    kept = 0
    for trial in range(times):
        course = courses[trial % len(courses)]
        run = course.new()
        child = course.child(run)
        child.signal(signal.SIGKILL, chance.uniform(0.3, 0.9) * course.seconds)
        child.wait()
        for path in run.rglob("*"):
            os.utime(path, (chance.uniform(0, 2**31),) * 2)

        def jump(by: float = chance.choice((-1, 1)) * 10 * 365 * 86_400.0) -> None:
            import time

            genuine, monotonic = time.time, time.perf_counter
            time.time = lambda: genuine() + by  # type: ignore[assignment]
            time.perf_counter = lambda: monotonic() + abs(by)  # type: ignore[assignment]

        before = checkpoint.existing(RunFolder(run).checkpoints)
        ended = course.child(run, jump).wait()
        told = [
            line
            for line in (run / "events.jsonl").read_text().splitlines()
            if '"resumed"' in line or '"started"' in line
        ][-1]
        place = int(before[-1].name) if before else 0
        right = f'"images": {place}' in told or place == course.looked[-1]
        kept += ended.code == 0 and right and ends_alike(course, run)
        shutil.rmtree(run.parent)
    return Row("clocks that jump, dates that lie", times, kept)


def doubles(courses: list[Course], times: int) -> Row:
    """Two processes start in one folder: one trains; the other says who does, or finds the run ended."""
    kept = refused = 0
    for trial in range(times):
        course = courses[trial % len(courses)]
        run = course.new()
        one, two = course.child(run), Child(_again(course, run), run.with_name("log two"))
        ended = [one.wait(), two.wait()]
        losers = [end for end in ended if end.code == 2]
        refused += len(losers)
        named = all(
            f"process {pid}" in end.told for end, pid in zip(ended, (two.pid, one.pid), strict=True) if end.code == 2
        )
        kept += len(losers) < 2 and all(end.code in (0, 2) for end in ended) and named and ends_alike(course, run)
        shutil.rmtree(run.parent)
    return Row("two processes start in one folder", times, kept, f"{refused} refused with the other's number")


def _again(course: Course, run: Path) -> Callable[[], object]:
    return lambda: cli.main(["train", str(course.data), "--run", str(run), "--no-evaluate"])


def full_disks(course: Course, root: Path, times: int) -> Row | None:
    """A small file system fills up: what was there is whole, and with room the run ends alike. None where none can be made."""
    size = sum(file.stat().st_size for file in course.whole.rglob("*") if file.is_file())
    one = sum(file.stat().st_size for file in checkpoint.existing(RunFolder(course.whole).checkpoints)[-1].iterdir())
    tried = kept = filled = 0
    for trial in range(times):
        room = 65_536 + (size + 3 * one) * (trial + 1) // times
        run, disk = course.new(), Path(tempfile.mkdtemp(dir=root))
        saved = course.root / "begun"
        if not saved.exists():
            _begun(course, saved)

        def work(disk: Path = disk, run: Path = run, room: int = room, saved: Path = saved) -> None:
            mounted(disk, f"size={room}")
            shutil.copytree(saved, disk / "run")
            try:
                cli.main(["train", str(course.data), "--run", str(disk / "run"), "--no-evaluate"])
            finally:
                shutil.rmtree(run)
                shutil.copytree(disk / "run", run)

        ended = Child(work, run.with_name("log")).wait()
        if ended.code == 1 and "PermissionError" in ended.told:
            return None
        if ended.code == 1 and "copytree" in ended.told:
            continue  # too small for what was there before
        tried += 1
        filled += ended.code == 2
        words = ended.code == 0 or ("Nothing older was lost" in ended.told or "free disk space" in ended.told)
        kept += words and "Traceback" not in ended.told and newest_is_whole(run) and ends_alike(course, run)
        shutil.rmtree(run.parent)
    return Row("a real file system that fills up", tried, kept, f"{filled} filled")


def _begun(course: Course, place: Path) -> None:
    """A run with one checkpoint."""
    run = course.new()
    child = course.child(run)
    while not checkpoint.existing(RunFolder(run).checkpoints):
        if child.signal(0, 0.005) is False:
            break
    child.signal(signal.SIGTERM, 0)
    child.wait()
    shutil.copytree(run, place)


def mounted(place: Path, options: str) -> None:
    """Mount an empty file system that this process alone sees.

    Raises:
        PermissionError: where the system allows nobody to.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    user, mounts = 0x10000000, 0x00020000
    flags = mounts if os.geteuid() == 0 else mounts | user
    private = b"none", b"/", None, 0x44000, None  # MS_REC | MS_PRIVATE: nobody else sees it
    if (
        libc.unshare(flags)
        or libc.mount(*private)
        or libc.mount(b"tmpfs", os.fsencode(place), b"tmpfs", 0, options.encode())
    ):
        raise PermissionError(ctypes.get_errno(), "no file system can be mounted")


def read_only(course: Course, root: Path) -> Row | None:
    """Data that cannot be written is trained on; a run's folder that cannot is told in a sentence, at once."""
    disk, run = Path(tempfile.mkdtemp(dir=root)), course.new()

    def sealed(inner: Path) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.mount(b"none", os.fsencode(inner), None, 0x21, None):  # MS_REMOUNT | MS_RDONLY
            raise PermissionError(ctypes.get_errno(), "no file system can be sealed")

    def data() -> None:
        mounted(disk, "size=50m")
        shutil.copytree(course.data, disk / "data")
        sealed(disk)
        cli.main(["train", str(disk / "data"), "--run", str(run), "--no-evaluate"])

    def folder() -> None:
        mounted(disk, "size=50m")
        shutil.copytree(course.fresh, disk / "run")
        sealed(disk)
        cli.main(["train", str(course.data), "--run", str(disk / "run"), "--no-evaluate"])

    one, two = Child(data, run.with_name("log")).wait(), Child(folder, run.with_name("log")).wait()
    if "PermissionError" in one.told:
        return None
    kept = (one.code == 0) + (two.code == 2 and "Read-only" in two.told and "Traceback" not in two.told)
    return Row("data, and a run's folder, that cannot be written", 2, kept, two.told.strip()[:60] if kept < 2 else "")


def dead_workers(times: int) -> Row:
    """A worker process that renders faces is killed: said within seconds, no hang, and the folder is not left looking whole."""
    from organza.data.builtin import faces

    kept = 0
    for _ in range(times):
        place = Path(tempfile.mkdtemp()) / "faces"

        def work(place: Path = place) -> None:
            genuine = faces._worker

            def doomed(order, lines):
                process = genuine(order, lines)
                if order["first"] == 0:
                    os.kill(process.pid, signal.SIGKILL)
                return process

            faces._worker = doomed  # type: ignore[assignment]
            cli.main(["data", "faces", str(place), "--count", "400", "--size", "32"])

        ended = Child(work, place.with_name("log")).wait(60)
        kept += ended.code == 2 and "Traceback" not in ended.told
        shutil.rmtree(place.parent)
    return Row("a worker process is killed", times, kept)


def everything(courses: list[Course], material: Material, root: Path, share: float) -> Iterator[Row]:
    """All trials, at a share of their full number."""
    chance = random.Random(7)

    def of(number: int) -> int:
        return max(2, round(number * share))

    yield kills(courses, of(500), chance)
    yield signals(courses, of(200), chance)
    yield killed_saves(root, share)
    yield failed_saves(root, share)
    yield lost_power(root, of(4000), max(share, 0.2), chance)
    yield damages(courses[0], of(3000), chance)
    yield clocks(courses, of(100), chance)
    yield doubles(courses, of(100))
    for row in (full_disks(courses[0], root, of(60)), read_only(courses[0], root)):
        if row is not None:
            yield row
    yield from lost_ranks.everything(root, material, of(100), chance)
    yield dead_workers(1 if share < 1 else 5)
    run = courses[0].new()
    shutil.copytree(courses[0].whole, run, dirs_exist_ok=True)
    yield from configurations.everything(of(10_000), material, run, chance)
    patients = illness.Patients(root / "patients")
    yield illness.left_alone(patients, of(5))
    yield illness.noticed(patients, of(20))
    yield from illness.cured(patients, of(20))
