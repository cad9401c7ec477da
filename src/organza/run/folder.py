"""The run folder: the files that the trainer writes, and that the command line, the report and the
studio read.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from organza.disk import cannot_write, make_folder, open_to_append, write_all, write_json, write_whole
from organza.errors import UserError
from organza.run.forms import duration, named, natural, positive, ratio, require_form, sides
from organza.run.lock import Held, locked
from organza.run.unsupported import refusal
from organza.untrusted import (
    JSON_BYTES,
    Refused,
    printable,
    printable_form,
    read_bytes,
    read_json,
    read_lines,
    require_few,
    require_inside,
)

RECIPE_BYTES = 2**24
"""Largest recipe.json in bytes: with a table of labels of 100,000 classes it has half of it."""
PLAN: dict[str, Any] = {
    "budget": str, "images": natural, "seconds": duration,
    "stats_every": positive, "sample_every": positive, "evaluate_every": positive, "save_every": positive,
    "pace?": ratio,
}  # fmt: skip
ROLLBACK = {"to": natural, "at": natural, "why": str, "stricter?": bool, "recipe?": str}


def _rollbacks(value: Any) -> bool:
    """Return True for rollbacks by the names of their fields, or as the rows of earlier versions."""
    try:
        for one in value:
            require_form(named(one, [name.removesuffix("?") for name in ROLLBACK]), ROLLBACK)
    except (TypeError, ValueError):
        return False
    return True


FORM: dict[str, Any] = {
    "recipe": {"name": str},
    "players": {"generator": dict, "discriminator": dict},
    "data": {
        "source": str, "count": natural, "shape": sides, "fingerprint": str,
        "held_out?": natural, "source_shape?": sides, "source_count?": natural, "labels?": tuple[dict, ...],
        "scale?": dict[str, tuple[float, float]], "columns?": tuple[dict, ...],
    },
    "asked": {
        "size": str | None, "channels": int | None, "labels": str | None, "seed": int | None,
        "pages?": str | None, "follow_links?": bool | None,
    },
    "plan": PLAN,
    "versions": dict[str, str | bool | int | float | None],
    "rollbacks?": _rollbacks,
    "chosen?": tuple[str, ...],
}  # fmt: skip
"""Form of recipe.json."""


class RunFolder:
    """The files of one run in one folder.

    Args:
        path: folder; created when the run begins.
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)
        self.recipe, self.checkpoints, self.samples = (
            self.path / "recipe.json",
            self.path / "checkpoints",
            self.path / "samples",
        )
        self.stats, self.evaluations, self.events = (
            self.path / f"{name}.jsonl" for name in ("stats", "evaluations", "events")
        )
        self.best, self.latest = self.path / "best.json", self.path / "latest.json"
        self.report, self.quiz = self.path / "report.html", self.path / "quiz.html"
        self.copies = self.path / "copies.json"
        self._held: tuple[int, int] | None = None  # identity of the folder while this process trains it
        self._content: str | None = None  # content of recipe.json at that time

    @property
    def exists(self) -> bool:
        """True if a run has begun here, even if its recipe.json is a link or a device, which `read`
        reports.
        """
        return os.path.lexists(self.recipe)

    @property
    def is_free(self) -> bool:
        """True if a run can begin here: the folder is absent, or holds only traces of a run that
        was killed at its start.
        """
        return not (self.path.exists() and not self.path.is_dir()) and not self.remains()

    def remains(self) -> str:
        """Return the name of a file that a run killed at its start would not leave in the folder;
        "" if there is none.

        recipe.json counts as well: a folder is still a run if its recipe.json comes and goes, or is
        not a file.
        """
        if not self.path.is_dir():
            return ""
        own = ("lock", "samples", *(("checkpoints",) if not _holds_something(self.checkpoints) else ()))
        return next((p.name for p in self.path.iterdir() if p.name not in own and not p.name.startswith(".")), "")

    def require_free(self) -> None:
        """Check that a run can begin here.

        Raises:
            UserError: if the folder holds a run, or other files.
        """
        if self.path.exists() and not self.path.is_dir():
            raise UserError(f"{self.path} is a file; `run` must name a folder.")
        if not (name := self.remains()):
            return
        if self.exists:
            raise UserError(f"{self.path} was just begun by another process; run the same command again to resume it.")
        if name == "checkpoints" or any(os.path.lexists(one) for one in (self.stats, self.events)):
            raise UserError(
                f"{self.path} holds {name} of a run but no recipe.json; restore it, or name a new folder with `run`."
            )
        raise UserError(f"{self.path} holds {name} and is not a run; name a new folder with `run`.")

    def begin(self, anew: bool = True) -> None:
        """Create the folder.

        Args:
            anew: True if a new run begins in it.

        Raises:
            UserError: if it cannot be created, is not a run, or is a run although a new one should
                begin.
        """
        if anew:
            self.require_free()
        try:
            make_folder(self.path)
            for part in (self.samples, self.checkpoints):
                require_inside(part, self.path)  # a stranger's run folder must not redirect writes
            make_folder(self.samples)
        except OSError as error:
            raise UserError(cannot_write(self.path, error)) from error

    def place(self, name: str) -> Path:
        """Return a folder of this run for writing, which need not exist yet.

        Args:
            name: folder relative to the run, such as generated/seed-0.

        Raises:
            UserError: if it is a link that leads out of the run.
        """
        try:
            require_inside(self.path / name, self.path)
        except OSError as error:
            raise UserError(
                f"{self.path / name} is not written to: {error.strerror}; name an output folder with `out`."
            ) from None
        return self.path / name

    def read(self) -> dict[str, Any]:
        """Return the content of recipe.json.

        Raises:
            UserError: if there is no run, or its recipe.json cannot be read.
        """
        self.require_there()
        if self.path.is_file():
            raise UserError(refusal(self.path))
        if not self.exists:
            hint = " It has no recipe.json." if self.path.is_dir() else ""
            raise UserError(
                f"{self.path} is not a run.{hint} Train one with: `organza.train(data, run={str(self.path)!r})`"
            )
        try:
            content = read_json(self.recipe, inside=self.path, most=RECIPE_BYTES)
            require_form(content, FORM)
            if strange := content["plan"].keys() - {name.removesuffix("?") for name in FORM["plan"]}:
                raise ValueError(f"plan holds {min(strange)}")
            require_few(content)
            content = _printable(content)
        except (OSError, ValueError) as error:
            raise UserError(
                f"{self.recipe} cannot be read ({error}); restore it, or train into another folder."
            ) from error
        return content

    def write(self, content: Mapping[str, Any]) -> None:
        """Write recipe.json."""
        self.require_there()
        write_json(self.recipe, content)
        self._remember()

    def append(self, file: Path, line: Mapping[str, Any]) -> None:
        """Append one line to a .jsonl file in one write, so that a kill leaves a complete line or
        an ignored fragment.

        Raises:
            UserError: if the disk is full or the file cannot be written; a partial line is removed.
        """
        self.require_there()
        try:
            with open_to_append(file) as stream:
                length = stream.tell()
                begin = "" if not length or _ends_whole(file) else "\n"
                try:
                    write_all(stream.fileno(), (begin + json.dumps(line) + "\n").encode())
                except OSError:
                    with suppress(OSError):  # the first error is the one to report
                        stream.truncate(length)
                    raise
        except OSError as error:
            raise UserError(cannot_write(file, error)) from error

    def event(self, name: str, text: str, /, **facts: Any) -> None:
        """Append an event to events.jsonl. Its time is for people; nothing is ordered by it."""
        self.append(self.events, {"event": name, "text": text, "time": time.strftime("%Y-%m-%dT%H:%M:%S%z"), **facts})

    def rewind(self, images: int) -> None:
        """Remove the stats and evaluations past a checkpoint, as training will repeat them."""
        for file in (self.stats, self.evaluations):
            lines = list(lines_of(file))
            kept = [line for line in lines if natural(line.get("images", 0)) and line.get("images", 0) <= images]
            if len(kept) < len(lines):
                write_whole(file, "".join(json.dumps(line) + "\n" for line in kept))

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Lock the run while this process trains it. The lock ends with the process.

        Raises:
            UserError: if another process holds it (gives its number), or the folder cannot be
                written.
        """
        path = self.path / "lock"
        with ExitStack() as stack:
            try:
                stack.enter_context(locked(path))
            except Held as held:
                raise UserError(
                    f"{self.path} is being trained by {held.owner}; wait for it, stop it, or name another `run`."
                ) from None
            except Refused as refused:
                raise UserError(
                    f"{path} cannot be used as a lock: {refused.strerror}. Remove it, or name another `run`."
                ) from None
            except OSError as error:
                raise UserError(cannot_write(path, error)) from error
            status = self.path.stat()
            self._held = status.st_dev, status.st_ino
            self._remember()
            try:
                yield
            finally:
                self._held = self._content = None

    def audited(self, images: int, outcome: str) -> None:
        """Record the outcome of a search for copies of training images among the samples of a checkpoint.

        Args:
            images: images seen at the checkpoint.
            outcome: outcome in words.
        """
        write_json(self.copies, {"images": images, "outcome": outcome})

    def audit(self, images: int) -> str:
        """Return the recorded outcome for a checkpoint; "" if its samples were not searched."""
        try:
            found = read_json(self.copies, inside=self.path, most=RECIPE_BYTES)
            return printable(found["outcome"]) if found["images"] == images else ""
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            return ""

    def require_there(self) -> None:
        """Check that a locked run is still in its place; rewrite recipe.json if it was removed.

        Raises:
            UserError: if its folder was removed or renamed. Nothing is written in its place.
        """
        if self._held is None:
            return
        with suppress(OSError):
            status = self.path.stat()
            if (status.st_dev, status.st_ino) == self._held:
                if self._content is not None and not os.path.lexists(self.recipe):
                    write_whole(self.recipe, self._content)
                return
        raise UserError(
            f"{self.path} was removed or renamed during training, so training ends here. If it was renamed, nothing is lost: "
            "run the same command again with its new name in `run` to resume from its last checkpoint."
        )

    def _remember(self) -> None:
        """Keep the text of recipe.json, in case it is removed during training."""
        if self._held is not None and self.exists:
            with suppress(OSError):
                self._content = read_bytes(self.recipe, JSON_BYTES, inside=self.path).decode(errors="replace")


class Unwritten(RunFolder):
    """The run folder for a rank other than 0, which may be on a machine without it: nothing is read or written."""

    def begin(self, anew: bool = True) -> None:
        """Leave the folder to rank 0."""

    def require_free(self) -> None:
        """Leave the check to rank 0."""

    def require_there(self) -> None:
        """Leave the check to rank 0."""

    def read(self) -> dict[str, Any]:
        """Return nothing."""
        return {}

    def write(self, content: Mapping[str, Any]) -> None:
        """Leave recipe.json to rank 0."""

    def append(self, file: Path, line: Mapping[str, Any]) -> None:
        """Leave the line to rank 0."""

    def rewind(self, images: int) -> None:
        """Leave the lines to rank 0."""

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Leave the lock to rank 0."""
        yield


def _printable(content: dict[str, Any]) -> dict[str, Any]:
    """Return recipe.json with all displayed texts made `printable`; paths stay unchanged, since
    they are used.
    """
    shown = printable_form(content)
    for table, name in (("data", "source"), ("asked", "labels")):
        shown[table][name] = content[table][name]
    return shown


def lines_of(file: Path, most: int | None = None) -> Iterator[dict[str, Any]]:
    """Yield the lines of a .jsonl file of a run, without a last line that a kill cut short.

    Args:
        file: file to read.
        most: largest number of lines to read: see `read_lines`.

    Raises:
        UserError: if it is not a regular file, is a link out of the run, or cannot be read.
    """
    try:
        yield from read_lines(file, inside=file.parent, most=most)
    except OSError as error:
        raise UserError(f"{file} cannot be read: {error.strerror}; restore it, or remove it.") from None


def _holds_something(folder: Path) -> bool:
    """Return True if a folder contains anything that is not hidden, or is not a folder."""
    try:
        return any(not place.name.startswith(".") for place in folder.iterdir())
    except FileNotFoundError:
        return False
    except OSError:
        return True


def _ends_whole(file: Path) -> bool:
    with file.open("rb") as stream:
        stream.seek(-1, os.SEEK_END)
        return stream.read(1) == b"\n"
