"""The run directory: what the trainer writes, and what the command line, the report and the studio read."""

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
from organza.run.forms import duration, named, natural, positive, require_form, sides
from organza.run.lock import Held, locked
from organza.run.unsupported import refusal
from organza.shell import quoted
from organza.untrusted import (
    JSON_BYTES,
    Refused,
    printable_form,
    read_bytes,
    read_json,
    read_lines,
    require_few,
    require_inside,
)

RECIPE_BYTES = 2**24
"""Bytes of recipe.json: with a table of labels of 100,000 classes it has the half of it."""
PLAN: dict[str, Any] = {
    "budget": str, "images": natural, "seconds": duration,
    "stats_every": positive, "sample_every": positive, "evaluate_every": positive, "save_every": positive,
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
        "scale?": dict[str, tuple[float, float]],
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
"""What recipe.json must hold."""


class RunFolder:
    """The files of one run under one folder.

    Args:
        path: the folder; made when the run begins.
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
        self._held: tuple[int, int] | None = None  # the folder's identity while this process trains it
        self._content: str | None = None  # of recipe.json then

    @property
    def exists(self) -> bool:
        """Has a run begun here? Where its recipe.json is a link or a device, `read` says so, and nothing is begun in its place."""
        return os.path.lexists(self.recipe)

    @property
    def is_free(self) -> bool:
        """True if a run can begin here: nothing is there, or what a run that was killed at its beginning left."""
        return not (self.path.exists() and not self.path.is_dir()) and not self.remains()

    def remains(self) -> str:
        """Return the name of something in the folder that a run which is killed at its beginning does not leave; "" for nothing.

        recipe.json counts like the rest: a run whose recipe.json comes and goes, or is no file, is still a run.
        """
        if not self.path.is_dir():
            return ""
        own = ("lock", "samples", *(("checkpoints",) if not _holds_something(self.checkpoints) else ()))
        return next((p.name for p in self.path.iterdir() if p.name not in own and not p.name.startswith(".")), "")

    def require_free(self) -> None:
        """Check that a run can begin here.

        Raises:
            UserError: the folder holds a run, or something else.
        """
        if self.path.exists() and not self.path.is_dir():
            raise UserError(f"{self.path} is a file; --run needs a folder for the run.")
        if not (name := self.remains()):
            return
        if self.exists:
            raise UserError(
                f"{self.path} was begun by another process just now; run the same command again to go on with it."
            )
        if name == "checkpoints" or any(os.path.lexists(one) for one in (self.stats, self.events)):
            raise UserError(
                f"{self.path} holds {name} of a run and no recipe.json; restore that, or name a new folder with --run."
            )
        raise UserError(f"{self.path} holds {name} and is not a run of organza; name a new folder with --run.")

    def begin(self, anew: bool = True) -> None:
        """Make the folder.

        Args:
            anew: there is no run in it, and a new one begins.

        Raises:
            UserError: where it cannot be made, or holds something that is not a run, or a run where a new one should begin.
        """
        if anew:
            self.require_free()
        try:
            make_folder(self.path)
            for part in (self.samples, self.checkpoints):
                require_inside(part, self.path)  # a foreign run folder must not make this one write elsewhere
            make_folder(self.samples)
        except OSError as error:
            raise UserError(cannot_write(self.path, error)) from error

    def place(self, name: str) -> Path:
        """Return a folder of this run to write to, which need not exist yet.

        Args:
            name: folder relative to the run, such as generated/seed-0.

        Raises:
            UserError: it is a link that leads out of the run.
        """
        try:
            require_inside(self.path / name, self.path)
        except OSError as error:
            raise UserError(
                f"{self.path / name} is not written to: {error.strerror}; name a place with --out."
            ) from None
        return self.path / name

    def read(self) -> dict[str, Any]:
        """What recipe.json says.

        Raises:
            UserError: where there is no run, or its recipe.json is not readable.
        """
        self.require_there()
        if self.path.is_file():
            raise UserError(refusal(self.path))
        if not self.exists:
            hint = " It has no recipe.json." if self.path.is_dir() else ""
            raise UserError(
                f"{self.path} is not a run of organza.{hint} Train one with: organza train DATA --run {quoted(self.path)}"
            )
        try:
            content = read_json(self.recipe, inside=self.path, most=RECIPE_BYTES)
            require_form(content, FORM)
            if strange := content["plan"].keys() - FORM["plan"].keys():
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
        """Add one line to a .jsonl file, in one write, so that a kill leaves a whole line or none that is read.

        Raises:
            UserError: where the disk is full or the file cannot be written; what was written of the line is taken back.
        """
        self.require_there()
        try:
            with open_to_append(file) as stream:
                length = stream.tell()
                begin = "" if not length or _ends_whole(file) else "\n"
                try:
                    write_all(stream.fileno(), (begin + json.dumps(line) + "\n").encode())
                except OSError:
                    with suppress(OSError):  # what went wrong first is what is told
                        stream.truncate(length)
                    raise
        except OSError as error:
            raise UserError(cannot_write(file, error)) from error

    def event(self, name: str, text: str, /, **facts: Any) -> None:
        """Add a line to events.jsonl: what happened, in words. The time is for people; nothing is ever ordered by it."""
        self.append(self.events, {"event": name, "text": text, "time": time.strftime("%Y-%m-%dT%H:%M:%S%z"), **facts})

    def rewind(self, images: int) -> None:
        """Forget the stats and evaluations of what will be trained again: lines past a checkpoint."""
        for file in (self.stats, self.evaluations):
            lines = list(lines_of(file))
            kept = [line for line in lines if natural(line.get("images", 0)) and line.get("images", 0) <= images]
            if len(kept) < len(lines):
                write_whole(file, "".join(json.dumps(line) + "\n" for line in kept))

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Hold the run while this process trains it. The lock belongs to the process and dies with it.

        Raises:
            UserError: where another process holds it, with its number; where the folder cannot be written.
        """
        path = self.path / "lock"
        with ExitStack() as stack:
            try:
                stack.enter_context(locked(path))
            except Held as held:
                raise UserError(
                    f"{self.path} is being trained by {held.owner}; wait for it, stop it, or name another --run."
                ) from None
            except Refused as refused:
                raise UserError(
                    f"{path} cannot be used as a lock: {refused.strerror}. Remove it, or name another --run."
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

    def require_there(self) -> None:
        """Check that a run that is held is where it was; a recipe.json that was removed meanwhile is written again.

        Raises:
            UserError: its folder was removed or renamed. Nothing is written in its place.
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
            f"{self.path} was removed or renamed while it was trained, so the training ends here. What it holds elsewhere is untouched: "
            "the same command with its new name in --run goes on from its last checkpoint."
        )

    def _remember(self) -> None:
        """Keep the text of recipe.json, which a run that is trained cannot do without."""
        if self._held is not None and self.exists:
            with suppress(OSError):
                self._content = read_bytes(self.recipe, JSON_BYTES, inside=self.path).decode(errors="replace")


def _printable(content: dict[str, Any]) -> dict[str, Any]:
    """Return recipe.json with all that is ever shown made `printable`; places stay as they are, since they are looked up."""
    shown = printable_form(content)
    for table, name in (("data", "source"), ("asked", "labels")):
        shown[table][name] = content[table][name]
    return shown


def lines_of(file: Path, most: int | None = None) -> Iterator[dict[str, Any]]:
    """Yield the lines of a .jsonl file of a run; a last line that a kill cut short is left out.

    Args:
        file: file to read.
        most: lines that are read: see `read_lines`.

    Raises:
        UserError: it is not a regular file, a link out of the run, or cannot be read.
    """
    try:
        yield from read_lines(file, inside=file.parent, most=most)
    except OSError as error:
        raise UserError(f"{file} cannot be read: {error.strerror}; restore it, or remove it.") from None


def _holds_something(folder: Path) -> bool:
    """Return True if a folder holds a file or folder that is not hidden, or if it is no folder."""
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
