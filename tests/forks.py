"""The command line in processes forked from this one: a start of Python and of torch takes two or three seconds of CPU, a fork none.

What Python does before `organza` begins (its arguments, the streams, the signals) is done here as Python does it; the process ends
without Python's own end. Tests of these two, and of what is imported when, start a process: `python -m organza`.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import traceback
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import IO, NoReturn

from PIL import Image

import organza.cli.parsing  # what commands import late is imported here once, and not in each fork
import organza.report.at_end
import organza.report.build
import organza.training.launch  # noqa: F401
from organza import cli

Image.init()
PIPE = subprocess.PIPE
Output = int | Path | None
"""A pipe (`PIPE`), a file to write, or None for an output that is closed from the beginning."""


class Forked:
    """The command `organza` in a forked process, used as a `subprocess.Popen`.

    Args:
        arguments: words of the command.
        stdout: standard output.
        stderr: standard error.
        encoding: encoding and error handler, as in $PYTHONIOENCODING.
        before: function that the process calls first.
    """

    def __init__(
        self,
        *arguments: object,
        stdout: Output = PIPE,
        stderr: Output = PIPE,
        encoding: str = "utf-8:strict",
        before: Callable[[], object] = lambda: None,
    ):
        ends = {number: _opened(output) for number, output in ((1, stdout), (2, stderr))}
        sys.stdout.flush()
        sys.stderr.flush()
        self.returncode: int | None = None
        self.pid = os.fork()
        if self.pid == 0:
            _be([str(word) for word in arguments], ends, encoding, before)
        for _, writing in ends.values():
            if writing is not None:
                os.close(writing)
        self.stdout, self.stderr = (
            None if reading is None else os.fdopen(reading, "rb") for reading, _ in ends.values()
        )

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def poll(self) -> int | None:
        """Return the exit code, or minus the signal; None while it runs."""
        if self.returncode is None:
            ended, status = os.waitpid(self.pid, os.WNOHANG)
            self.returncode = os.waitstatus_to_exitcode(status) if ended else None
        return self.returncode

    def wait(self, timeout: float = 120.0) -> int:
        """Return the exit code, or minus the signal; kill what hangs, and fail."""
        end = time.monotonic() + timeout
        while (code := self.poll()) is None:
            if time.monotonic() > end:
                os.kill(self.pid, signal.SIGKILL)
                raise AssertionError(f"the process did not end within {timeout:g} s")
            time.sleep(0.005)
        return code

    def communicate(self, timeout: float = 120.0) -> tuple[bytes, bytes]:
        """Return all that it prints, until it ends."""

        def read(stream: IO[bytes] | None) -> bytes:
            return b"" if stream is None or stream.closed else stream.read()

        with ThreadPoolExecutor(2) as readers:
            told = [readers.submit(read, stream) for stream in (self.stdout, self.stderr)]
            self.wait(timeout)
        return told[0].result(), told[1].result()


def forked(*arguments: object, **options: object) -> subprocess.CompletedProcess[bytes]:
    """Run a command in a forked process and return its exit code and what it printed. Where no process can be forked, it is started."""
    if not hasattr(os, "fork"):
        env = os.environ | {"PYTHONIOENCODING": str(options.get("encoding", "utf-8:strict"))}
        command = [sys.executable, "-m", "organza", *map(str, arguments)]
        return subprocess.run(command, env=env, capture_output=True, check=False, timeout=120)
    process = Forked(*arguments, **options)  # type: ignore[arg-type]
    out, error = process.communicate()
    return subprocess.CompletedProcess(arguments, process.wait(), out, error)


def _opened(output: Output) -> tuple[int | None, int | None]:
    """Return the reading and the writing end of an output."""
    if output == PIPE:
        return os.pipe()
    return None, None if output is None else os.open(str(output), os.O_WRONLY | os.O_CREAT)


def _be(
    arguments: list[str], ends: dict[int, tuple[int | None, int | None]], encoding: str, before: Callable
) -> NoReturn:
    """Be the command in this process, which is a fork, and end it."""
    code = 1
    try:
        os.setsid()
        for number, (reading, writing) in ends.items():
            os.close(number) if writing is None else os.dup2(writing, number)
            for end in (reading, writing):  # a reader that goes away must be the only one
                if end is not None:
                    os.close(end)
        name, _, errors = encoding.partition(":")
        sys.stdout, sys.stderr = _stream(1, name, errors), _stream(2, name, "backslashreplace")  # type: ignore[assignment]
        sys.__stdout__, sys.__stderr__ = sys.stdout, sys.stderr  # type: ignore[misc]
        warnings.resetwarnings()  # pytest makes errors of some
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        before()
        sys.argv = ["organza", *arguments]
        cli.main()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 0
    except BaseException:
        traceback.print_exc()
    finally:
        with suppress(Exception):  # this process must not go on with the tests
            for stream in (sys.stdout, sys.stderr):
                if stream is not None:
                    stream.flush()
        os._exit(code)


def _stream(number: int, encoding: str, errors: str) -> IO[str] | None:
    """Return a standard stream as Python opens it; None if it is closed."""
    try:
        os.fstat(number)
    except OSError:
        return None
    return open(number, "w", encoding=encoding, errors=errors, buffering=1 if number == 2 else -1, closefd=False)
