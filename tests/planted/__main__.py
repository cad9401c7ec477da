"""Plant each fault in a copy of the source, run the tests that must notice it, and print which were caught.

python -m tests.planted                    # all faults, after the same tests on the source as it is
python -m tests.planted fsync "a sign"     # those whose kind holds one of these texts
python -m tests.planted --root ../before   # the sources and tests of another checkout

Tests that only `make test-long` runs are left out. The working tree is never changed. Each trial is a process forked after
torch is imported, so it costs little more than its tests.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

import organza.training.launch  # noqa: F401  # with all that it imports of others, once for all trials
from tests.contracts import discovery  # noqa: F401
from tests.planted.faults import FAULTS, Fault

ROOT = Path(__file__).parents[2]


class Trial(NamedTuple):
    """Result of one run of tests.

    Args:
        code: exit code of pytest: 0 if all passed, 1 if one failed.
        seconds: wall clock.
        told: the tests that failed, or the end of the output.
    """

    code: int
    seconds: float
    told: str


def planted(text: str, fault: Fault) -> str:
    """Return a source text with a fault in it.

    Raises:
        ValueError: if the text to replace does not occur exactly once.
    """
    if (count := text.count(fault.old)) != 1:
        raise ValueError(f"{fault.file} has {count} times, not once: {fault.old}")
    return text.replace(fault.old, fault.new)


def tried(root: Path, fault: Fault | None, tests: Sequence[str]) -> Trial:
    """Run tests of a checkout on a copy of its source, with a fault if one is given."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="planted-") as folder:
        source, log = Path(folder) / "src", Path(folder) / "log"
        shutil.copytree(root / "src", source)  # with its times, so that what Python has compiled stays valid
        if fault:
            place = source / "organza" / fault.file
            place.write_text(planted(place.read_text(), fault))
        sys.stdout.flush()
        if (child := os.fork()) == 0:
            _run_tests(root, source, log, [f"tests/{test}" for test in tests])
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        lines = log.read_text(errors="replace").splitlines()
        failed = [line.split(" - ")[0].split()[-1] for line in lines if line.startswith(("FAILED", "ERROR "))]
        return Trial(code, time.monotonic() - began, ", ".join(failed) or "\n".join(lines[-15:]))


def _run_tests(root: Path, source: Path, log: Path, tests: list[str]) -> None:
    """Run pytest in this process, which is a fork, and end it."""
    code = 3
    try:
        descriptor = os.open(log, os.O_WRONLY | os.O_CREAT)
        for stream in (1, 2):
            os.dup2(descriptor, stream)
        for name in [name for name in sys.modules if name.partition(".")[0] in ("organza", "tests")]:
            del sys.modules[name]
        os.chdir(root)
        sys.path[:0] = [str(source), str(root)]
        os.environ["PYTHONPATH"] = str(source)  # of the processes that tests start
        sys.dont_write_bytecode = True
        options = [
            "-x",
            "-q",
            "-m",
            "not long",
            "-p",
            "no:cacheprovider",
            "-p",
            "no:xdist",
            f"--basetemp={source.parent / 'pytest'}",
        ]
        code = int(pytest.main([*options, *tests]))
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def main() -> int:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("kinds", nargs="*", help="texts in the kinds of the faults to plant; all by default")
    asked.add_argument("--root", type=Path, default=ROOT, help="checkout with src/ and tests/")
    given = asked.parse_args()
    faults = [fault for fault in FAULTS if not given.kinds or any(text in fault.kind for text in given.kinds)]
    root = given.root.resolve()

    tests = sorted({test for fault in faults for test in fault.tests.split()})
    sound = tried(root, None, tests)
    print(f"{'as it is':10} {sound.seconds:5.0f} s  {len(tests)} files of tests", flush=True)
    if sound.code != 0:
        print(f"The tests fail without any fault, so they prove nothing: {sound.told}")
        return 1
    missed = 0
    for fault in faults:
        if (root / "src" / "organza" / fault.file).read_text().count(fault.old) != 1:
            missed += 1
            print(f"{'STALE':20}{fault.file}: {fault.kind}", flush=True)
            continue
        trial = tried(root, fault, fault.tests.split())
        missed += trial.code != 1
        verdict = "caught" if trial.code == 1 else "NOT CAUGHT"
        print(f"{verdict:10} {trial.seconds:5.0f} s  {fault.file}: {fault.kind}", flush=True)
        print(f"{'':20}{trial.told if trial.code == 1 else fault.tests}", flush=True)
    print(f"{len(faults) - missed} of {len(faults)} planted faults are caught.")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
