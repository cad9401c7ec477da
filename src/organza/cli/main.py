"""Entry point of the command line: exit codes, signals and error messages. Imports nothing heavy,
so that signals are handled early.

The commands are in the other files of this package; `parsing` selects one.
"""

from __future__ import annotations

import _thread
import errno
import os
import signal
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from organza.cli.wording import TRACEBACK, in_options
from organza.display.streams import OutputLost, drop_output, flush_output, prepare_streams, say
from organza.distributed.failure import RankFailed
from organza.distributed.launched import LOST, exit_code, size, speaks, watched
from organza.errors import UserError, lacks_memory, users_place, users_sentence
from organza.run.events import EXIT_CODES, OUTPUT_CLOSED
from organza.training.signals import Interrupted, handling

SHARED = ("train", "sample", "evaluate")
"""Commands of which each process of a launcher does its share."""
DISKS = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO}
"""System errors that concern a disk."""
PLACES = DISKS | {
    errno.EACCES, errno.EPERM, errno.ENAMETOOLONG, errno.ELOOP,
    errno.ENOTDIR, errno.EISDIR, errno.ENOENT, errno.EEXIST,
}  # fmt: skip
"""System errors that concern a disk or a file name; none of them is a bug of Organza."""


def main(arguments: list[str] | None = None) -> None:
    """Run a command and exit: 0 for success, 2 for a user's mistake, 1 for a bug or a lack of
    memory.

    A signal that ends a command gives 128 plus its number (130 after Ctrl-C); a closed output pipe
    gives 141.

    Args:
        arguments: words of the command; those of this process by default.
    """
    shown = prepare_streams()
    interruption = Interruption()
    try:
        # From here on the interpreter shuts down, and a signal could no longer be reported.
        after = signal.SIG_IGN if arguments is None else None
        with handling(interruption, after=after), warnings.catch_warnings(), interruption.seen_everywhere():
            warnings.showwarning = _noted
            given = sys.argv[1:] if arguments is None else arguments
            code = _code(lambda: _run(given), TRACEBACK in given)
    except BaseException:
        if interruption.name:  # a signal can surface as any other error
            say("Interrupted.")
            code = EXIT_CODES[interruption.name]
        elif size() > 1:  # a bug is no reason for the launcher to start again
            traceback.print_exc()
            code = 1
        else:
            raise
    if not shown and not code and (arguments or sys.argv[1:])[:1] != ["train"]:
        say("Standard output is closed, so the answer could not be shown.")
        code = 1
    drop_output()
    sys.exit(exit_code(code))


class Interruption:
    """Signal handler while a command runs: the first signal ends the command, later ones are
    ignored while it cleans up.
    """

    name = ""
    count = 0

    def __call__(self, number: int, frame: Any) -> None:
        self.count += 1
        self.name = self.name or signal.Signals(number).name
        if self.count != 2:
            raise Interrupted(self.name)

    @contextmanager
    def seen_everywhere(self) -> Iterator[None]:
        """Re-raise an interruption that Python would only print, such as one during an object's
        finalization.
        """
        before = sys.unraisablehook

        def hook(unraisable: sys.UnraisableHookArgs) -> None:
            if isinstance(unraisable.exc_value, Interrupted):
                self.count -= 1
                _thread.interrupt_main()
            else:
                before(unraisable)

        sys.unraisablehook = hook
        try:
            yield
        finally:
            sys.unraisablehook = before


def _run(arguments: list[str]) -> int:
    """Run the command that the arguments name, in several processes if asked for; return its exit code."""
    try:
        os.getcwd()  # noqa: PTH109 (pathlib is not needed for it)
    except FileNotFoundError:
        raise UserError("The current working directory no longer exists; change to another one.") from None
    from organza.cli.parsing import parsed

    try:
        command = parsed(arguments)
    except SystemExit:  # raised by the parser after its help
        flush_output()
        raise
    processes = command.keywords.get("processes")
    if not speaks() and command.func.__name__ not in SHARED:
        return 0
    if processes is not None and size() == 1:
        from organza.cli.options import processes_asked
        from organza.distributed.agent import run

        if (count := processes_asked(processes)) > 1:
            return run(arguments, count)
    if arguments[:1] != ["data"] and "torch" not in sys.modules and sys.stderr.isatty():
        say("organza: loading torch, which takes some seconds")
    code = command()
    flush_output()
    return code


def _code(run: Callable[[], int], whole: bool = False) -> int:
    """Run a command, print its error, if any, in one sentence, and return its exit code.

    Args:
        run: command.
        whole: True to print the traceback of an error of the user's code as well.
    """
    try:
        return run()
    except UserError as error:
        return _users(error, in_options(str(error)), whole)
    except RankFailed as failed:
        return _failed(failed)
    except OutputLost as lost:
        if lost.reader_gone:  # as `head` does, on purpose
            return EXIT_CODES[OUTPUT_CLOSED]
        say(f"The output could not be written: {lost}.")
        return 1
    except BrokenPipeError:
        return EXIT_CODES[OUTPUT_CLOSED]
    except MemoryError as error:
        return _no_memory(error)
    except RuntimeError as error:
        if lacks_memory(error):
            return _no_memory(error)
        if not (sentence := users_sentence(error)):
            raise
        return _users(error, sentence, whole)
    except OSError as error:
        if error.errno not in PLACES or (error.filename is None and error.errno not in DISKS):
            raise
        if error.filename is None:
            say(f"Writing failed: {error.strerror}; free disk space, or name another location. Saved files are intact.")
            return 2
        say(
            f"{error.filename} cannot be written or read: {error.strerror}; free disk space, fix its permissions, or name another location."
        )
        return 2
    except Exception as error:
        if not (sentence := users_sentence(error)):
            raise
        return _users(error, sentence, whole)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 0


def _users(error: Exception, sentence: str, whole: bool) -> int:
    """Print a user's mistake, and the traceback of their code that raised it if they asked for it. Return 2."""
    cause = error if error.__cause__ is None else error.__cause__
    if whole:
        for line in "".join(traceback.format_exception(cause)).rstrip().split("\n"):
            say(line)
    elif users_place(cause):
        sentence += f" Add {TRACEBACK} to see all its frames."
    say(sentence)
    return 2


def _failed(failed: RankFailed) -> int:
    """Print why another process ended this one, and return the exit code of that reason."""
    if failed.kind == "signal":
        say("Interrupted.")
        return EXIT_CODES[failed.text]
    if failed.kind == "user":
        say(f"Rank {failed.rank}: {in_options(failed.text)}")
        return 2
    lost = failed.kind == "lost"
    what = f"{failed.text[:1].upper()}{failed.text[1:]}" if lost else f"Rank {failed.rank} failed ({failed.text})"
    then = (
        "all processes start again from the newest"
        if lost and watched()
        else "run the same command again to resume from the newest"
    )
    say(f"{what}; {then} checkpoint.")
    return LOST if lost else 1


def _no_memory(error: Exception) -> int:
    """Print that memory ran out, with what to do; return the exit code."""
    reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
    say(
        f"There is not enough memory ({reason}); choose a smaller --size, --count or --set batch=..., or close other programs. "
        "Saved files are intact."
    )
    return 1


def _noted(message: Warning | str, *_: Any, **__: Any) -> None:
    say(f"note: {message}")
