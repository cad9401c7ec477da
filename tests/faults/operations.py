"""Every call to the system that writing makes, watched: to be killed at, to fail, or to be recorded and replayed after a loss of power."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

CALLS = ("open", "write", "fsync", "replace", "mkdir", "unlink", "rmdir")


class Call(NamedTuple):
    """A call that changes the disk, or asks for it to be flushed."""

    name: str
    path: Path
    target: Path | None = None
    content: bytes = b""


@contextmanager
def watched(each: Callable[[int, str, Callable[..., Any], tuple[Any, ...]], Any]) -> Iterator[None]:
    """Inside, `each(number, name, genuine, arguments)` stands for every call of the system that writing makes; reading is let through."""
    genuine = {name: getattr(os, name) for name in CALLS}
    count = -1

    def stand_in(name: str) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            nonlocal count
            if name == "open" and not (arguments[1] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)):
                return genuine[name](*arguments, **options)
            count += 1
            return each(count, name, lambda *changed: genuine[name](*(changed or arguments), **options), arguments)

        return call

    for name in CALLS:
        setattr(os, name, stand_in(name))
    try:
        yield
    finally:
        for name, function in genuine.items():
            setattr(os, name, function)


def recorded(work: Callable[[], object]) -> list[Call]:
    """The calls that a piece of work makes on the disk, in their order, with the files that they are about."""
    calls: list[Call] = []
    paths: dict[int, Path] = {}
    opened = os.open

    def open_too(path: Any, flags: int, *rest: Any, **options: Any) -> int:
        descriptor = opened(path, flags, *rest, **options)
        if isinstance(path, str | Path):
            paths[descriptor] = Path(path)
        return descriptor

    def each(number: int, name: str, genuine: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
        if name == "open":
            calls.append(Call("create", Path(arguments[0])))
        elif name == "write":
            calls.append(Call("write", paths[arguments[0]], content=bytes(arguments[1])))
        elif name == "fsync":
            calls.append(Call("flush", paths[arguments[0]]))
        elif name == "replace":
            calls.append(Call("rename", Path(arguments[0]), Path(arguments[1])))
        elif name in ("mkdir", "unlink", "rmdir"):
            calls.append(Call(name, Path(arguments[0])))
        return genuine()

    os.open = open_too  # type: ignore[assignment]
    by_descriptor, shutil._use_fd_functions = shutil._use_fd_functions, False  # type: ignore[attr-defined]
    try:
        with watched(each):
            work()
    finally:
        os.open, shutil._use_fd_functions = opened, by_descriptor  # type: ignore[attr-defined]
    return calls


def after_power_loss(calls: list[Call], done: int, before: Path, now: Path, place: Path, chance: random.Random) -> None:
    """The disk as a loss of power may leave it when `done` of the calls were made: what was not flushed may be lost, or torn.

    Names are lost one by one, as a disk may write the pages of folders in any order; data is lost, cut short or full of zeros.

    Args:
        calls: as they were recorded.
        done: how many were made.
        before: the folder as it was, flushed.
        now: where the calls were recorded.
        place: where the folder is made anew.
        chance: what is lost.
    """
    shutil.copytree(before, place, symlinks=True)
    mood = chance.choice(("keeps all", "loses all", "loses data", "loses some"))
    for number, call in enumerate(calls[:done]):
        if call.name == "flush":
            continue
        own = call.path if call.name == "write" else call.path.parent
        safe = any(
            later.name == "flush" and later.path == _later_name(calls[number:done], own, later)
            for later in calls[number + 1 : done]
        )
        lost = (
            not safe
            and {
                "keeps all": False,
                "loses all": True,
                "loses data": call.name == "write",
                "loses some": chance.random() < 0.5,
            }[mood]
        )
        _apply(call, place / call.path.relative_to(now), place, now, lost, chance)


def _later_name(calls: list[Call], path: Path, flush: Call) -> Path:
    """What a file or folder is called when a flush comes, after the renames between."""
    for call in calls:
        if call is flush:
            break
        if call.name == "rename" and call.target is not None and (call.path == path or call.path in path.parents):
            path = call.target / path.relative_to(call.path)
    return path


def _apply(call: Call, path: Path, root: Path, now: Path, lost: bool, chance: random.Random) -> None:
    try:
        if call.name == "write":
            content = call.content
            if lost:
                cut = chance.randrange(len(content) + 1)
                content = chance.choice(
                    (b"", content[:cut], content[:cut] + bytes(len(content) - cut), bytes(len(content)))
                )
            with path.open("ab") as file:
                file.write(content)
        elif lost:
            return
        elif call.name == "create":
            path.touch()
        elif call.name == "mkdir":
            path.mkdir()
        elif call.name == "rename":
            assert call.target is not None
            path.replace(root / call.target.relative_to(now))
        elif call.name == "unlink":
            path.unlink()
        else:
            path.rmdir()
    except OSError:
        pass  # about something whose name was lost before
