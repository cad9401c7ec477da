"""The worker process: answers calls that come through its standard input, one after the other.

    {"call": "images", "number": 3, "given": {...}, "blob": 0}\\n           a call, then `blob` bytes
    {"number": 3, "progress": ["looking at images", 10, 200]}\\n            any number of these
    {"number": 3, "ok": {...}, "blob": 9120}\\n  or  {"number": 3, "error": "..."}\\n

It reads only what the studio sends, and the studio has checked all paths.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from organza.errors import UserError
from organza.progress import Progress

Call = Callable[[dict[str, Any], bytes, Progress], tuple[Any, bytes]]


def check(given: dict[str, Any], blob: bytes, progress: Progress) -> tuple[Any, bytes]:
    """Check data: see `organza.data.check` and `organza.data.vector_check`."""
    from organza.data import check as look
    from organza.data.vector_files import is_vectors
    from organza.untrusted import printable

    if is_vectors(given["place"]):
        return check_table(given["place"]), b""
    found = look(given["place"], progress=progress)
    small, _, large = found.sizes
    some = [name for name, _ in found.usable]
    return {
        "usable": len(found.usable), "broken": [list(one) for one in found.broken[:50]], "broken_count": len(found.broken),
        "copies": [list(map(printable, group))[:6] for group in found.copies[:20]], "copies_count": len(found.copies),
        "alike_count": len(found.alike), "classes": [list(one) for one in found.classes[:60]],
        "size": str(found.size), "channels": found.channels, "smallest": str(small), "largest": str(large),
        "formats": dict(found.formats), "enlarged": found.enlarged, "budget": found.budget,
        "passed_over": [list(one) for one in found.passed_over[:20]], "notes": list(found.told),
        "labels": columns(Path(given["place"])),
        "shown": [printable(name) for name in some[:: max(1, len(some) // 24)][:24]],
    }, b""  # fmt: skip


def check_table(place: str) -> dict[str, Any]:
    """Return the check of a table of vectors: its rows, the range of each column, problems and notes."""
    import numpy as np

    from organza.data.vector_check import SHOWN, check_vectors, notes
    from organza.data.vector_files import shown

    checked = check_vectors(place)
    values = checked.found.values
    ranges = []
    for name, column in zip(checked.found.names[:SHOWN], values.T, strict=False):
        known = column[np.isfinite(column)]
        least, greatest = (f"{known.min():.4g}", f"{known.max():.4g}") if len(known) else ("none", "none")
        ranges.append([shown(name), least, greatest])
    return {
        "usable": len(values) if checked.usable else 0, "rows": len(values), "size": f"{values.shape[1]} columns",
        "columns": ranges, "problems": [str(one) for one in checked.found.problems[:SHOWN]], "notes": notes(checked),
        "duplicates": checked.duplicates, "classes": [], "labels": [],
    }  # fmt: skip


def columns(place: Path) -> list[str]:
    """Return the names of the columns of a folder's labels.csv, without that of the files."""
    import csv

    from organza.untrusted import printable, read_bytes

    table = place / "labels.csv"
    if not table.is_file():
        return []
    try:
        first = read_bytes(table, 2**28, inside=place).decode("utf-8-sig").splitlines()[0]
        return [
            printable(name.strip())
            for name in next(csv.reader([first]))
            if name.strip().lower() not in ("file", "filename", "image")
        ][:40]
    except (OSError, ValueError, IndexError, StopIteration, csv.Error):
        return []


def image_problems(given: dict[str, Any], blob: bytes, progress: Progress) -> tuple[Any, bytes]:
    """Return the reason why each of several images cannot be trained on, or None; they follow one another in the blob."""
    from organza.data.decode import Unreadable, glance

    problems: list[str | None] = []
    at = 0
    for size in given["sizes"]:
        try:
            glance(blob[at : at + size])
            problems.append(None)
        except Unreadable as reason:
            problems.append(f"This is not a usable image: {reason}.")
        at += size
    return problems, b""


def thumbnail(given: dict[str, Any], blob: bytes, progress: Progress) -> tuple[Any, bytes]:
    """Return an image, cropped to a square and shrunk, as WebP."""
    import io

    from organza.data.decode import Unreadable, decode
    from organza.data.size import Size
    from organza.media.images import to_image

    try:
        picture = decode(blob, Size(given["side"], given["side"]), 3)
    except Unreadable as reason:
        raise UserError(f"This is not a usable image: {reason}.") from None
    out = io.BytesIO()
    to_image(picture).save(out, "webp", quality=85)
    return {}, out.getvalue()


def recipes(given: dict[str, Any], blob: bytes, progress: Progress) -> tuple[Any, bytes]:
    """Return the recipes, by what they are for, with their sources and expected results."""
    from organza.recipes import get, grouped

    made = [(group, name, get(name)) for group, names in grouped().items() for name in names]
    return [
        {"name": name, "group": group, "source": one.source, "expect": one.expect} for group, name, one in made
    ], b""


def play(name: str) -> Call:
    """Return a function of `studio.play_calls`, which is imported at the first call."""

    def call(given: dict[str, Any], blob: bytes, progress: Progress) -> tuple[Any, bytes]:
        from organza.studio.play_calls import CALLS as calls
        from organza.studio.player import opened

        return calls[name](opened(given), given, blob, progress)

    return call


CALLS: dict[str, Call] = {
    "check": check, "image_problems": image_problems, "thumbnail": thumbnail, "recipes": recipes,
    **{name: play(name) for name in ("describe", "directions", "images", "clip", "invert", "translate", "judge", "encode")},
}  # fmt: skip


def serve(source: BinaryIO, sink: BinaryIO, calls: Mapping[str, Call]) -> None:
    """Answer calls until the input ends."""
    while header := source.readline():
        call = json.loads(header)
        blob = source.read(call["blob"])

        def send(answer: dict[str, Any], content: bytes = b"", number: int = call["number"]) -> None:
            sink.write(json.dumps({"number": number, **answer, "blob": len(content)}).encode() + b"\n" + content)
            sink.flush()

        def progress(task: str, done: int, total: int, send: Callable[..., None] = send) -> None:
            if done == total or done % max(1, total // 50) == 0:
                send({"progress": [task, done, total]})

        try:
            answer, content = calls[call["call"]](call["given"], blob, progress)
            send({"ok": answer}, content)
        except UserError as error:
            send({"error": str(error)})
        except MemoryError:
            send({"error": "There is not enough memory for this; try something smaller."})
        except Exception as error:  # a bug of ours, or of a network: the page must go on
            traceback.print_exc()
            send({"error": f"This failed ({type(error).__name__}: {str(error)[:200]})."})


def main(calls: Mapping[str, Call] = CALLS) -> None:
    """Serve the studio. Standard output is the studio's; what libraries print goes to standard error."""
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the studio ends it
    sink = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    serve(sys.stdin.buffer, sink, calls)


if __name__ == "__main__":
    main()
