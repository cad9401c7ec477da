"""A run as the studio shows it, read from its folder without torch: a summary in milliseconds, and its
curves, thinned."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from organza.errors import UserError
from organza.report.lines import evaluation_lines, event_lines, number, stats_lines
from organza.run.folder import RECIPE_BYTES, RunFolder
from organza.run.lock import holder
from organza.studio.roots import kind_of
from organza.untrusted import LINE_BYTES, parse_json, printable, printable_form, read_json, require_inside

CONFIG = "config.json"  # of an exported folder
POINTS = 1_500
"""Largest number of points of a curve, several for each pixel of a screen."""
TAIL = 2**16
"""Bytes read from the end of a file for its last line."""
ENDED = {"budget": "finished", "plateau": "finished", "equilibrium": "finished", "faded": "finished"}
EARLY = ("collapse", "non-finite")
READINGS = ("D(x)", "D(G(z))", "D accuracy")


def last_line(file: Path) -> dict[str, Any]:
    """Return the last complete line of a .jsonl file, {} if there is none."""
    try:
        require_inside(file, file.parent)
        size = file.stat().st_size
        with file.open("rb") as stream:
            stream.seek(max(0, size - TAIL))
            lines = stream.read(min(TAIL, LINE_BYTES)).split(b"\n")
    except OSError:
        return {}
    for line in reversed(lines[:-1]):
        with suppress(ValueError):
            found = printable_form(parse_json(line))
            if isinstance(found, dict):
                return found
    return {}


def samples(run: Path) -> list[str]:
    """Return the names of a run's sample grids in chronological order."""
    folder = run / "samples"
    try:
        require_inside(folder, run)
        with os.scandir(folder) as items:
            return sorted(item.name for item in items if re.fullmatch(r"[0-9]{1,15}\.png", item.name))
    except OSError:
        return []


def content_of(run: Path) -> dict[str, Any]:
    """Return recipe.json, or an exported folder's config.json, with printable texts.

    Raises:
        UserError: if it cannot be read.
    """
    if kind_of(run) == "run":
        return printable_form(RunFolder(run).read())
    try:
        found = read_json(run / CONFIG, inside=run, most=RECIPE_BYTES)
        shape = found["data"]["shape"]
        if not (
            isinstance(shape, list) and len(shape) in (1, 3, 4) and all(type(n) is int and 0 < n < 2**16 for n in shape)
        ):
            raise ValueError("it gives no shape")
        return printable_form(found)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{run / CONFIG} cannot be read ({error}); export the run once more.") from None


def facts_of(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the page shows of recipe.json."""
    data, plan, shape = content["data"], content.get("plan") or {}, list(content["data"]["shape"])
    labels = data.get("labels")
    return {
        "recipe": str(content["recipe"].get("name", "")),
        "source": str(content["recipe"].get("source", "")),
        "shape": shape,
        "size": "x".join(map(str, reversed(shape[1:]))) if shape[1:] else f"{shape[0]} columns",
        "unit": {1: "vectors", 4: "volumes"}.get(len(shape), "images"),
        "translates": "source_shape" in data,
        "data": str(data.get("source", "")),
        "count": number(data.get("count")) or 0,
        "held_out": number(data.get("held_out")) or 0,
        "budget": str(plan.get("budget", "")),
        "planned": number(plan.get("images")) or 0,
        "seconds_planned": number(plan.get("seconds")),
        "labels": [str(one.get("name", "")) for one in labels if isinstance(one, Mapping)] if labels else [],
        "reasons": [str(one) for one in content.get("chosen") or ()],
        "seed": number((content.get("asked") or {}).get("seed")) or 0,
    }


def summary(run: Path) -> dict[str, Any]:
    """Return the state of a run in words and numbers. Reads the ends of its files only.

    Raises:
        UserError: if its recipe.json cannot be read.
    """
    kind = kind_of(run)
    facts = facts_of(content_of(run))
    if kind == "export":
        return {
            "name": run.name,
            "kind": kind,
            **facts,
            "state": "exported",
            "why": "",
            "images": 0,
            "samples": 0,
            "playable": True,
        }
    folder = RunFolder(run)
    stats, checks = last_line(folder.stats), last_line(folder.evaluations)
    events, drawn = recent_events(folder), samples(run)
    images = max([number(line.get("images")) or 0 for line in (stats, checks, *events)] + [0])
    seconds = max((number(line.get("seconds")) or 0 for line in (stats, checks)), default=0)
    state, why = state_of(events, owner := holder(run / "lock"))
    rate = number(stats.get("rate")) or 0
    return {
        "name": run.name, "kind": kind, **facts, "state": state, "why": why, "process": owner,
        "images": images, "seconds": seconds, "rate": rate,
        "left": _left(facts, images, seconds, rate),
        "sample": drawn[-1] if drawn else None, "samples": len(drawn), "real": (run / "samples" / "real.png").is_file(),
        "playable": folder.latest.is_file(), "best": best_of(folder), "health": health_of(checks),
        "report": folder.report.is_file(), "quiz": folder.quiz.is_file(), "changed": _changed(folder),
    }  # fmt: skip


def recent_events(folder: RunFolder) -> list[dict[str, Any]]:
    """Return the last few events of a run."""
    try:
        return list(event_lines(folder.events))[-50:]
    except UserError:
        return []


def state_of(events: Sequence[Mapping[str, Any]], owner: int | None) -> tuple[str, str]:
    """Return a run's state and the reason in words.

    >>> state_of([{"event": "stopped", "kind": "SIGINT", "text": "asked to stop (SIGINT)"}], None)
    ('paused', 'asked to stop (SIGINT)')
    >>> state_of([{"event": "started"}], None)[0], state_of([], 7)[0]
    ('interrupted', 'training')
    """
    if owner is not None:
        return "training", ""
    marks = [line for line in events if line.get("event") in ("started", "resumed", "stopped")]
    if not marks or marks[-1]["event"] != "stopped":
        return "interrupted", "the training process is gone; the run resumes from its last checkpoint"
    kind, why = str(marks[-1].get("kind", "")), str(marks[-1].get("text", ""))
    return ENDED.get(kind) or ("ended early" if kind in EARLY else "paused"), why


def _left(facts: Mapping[str, Any], images: float, seconds: float, rate: float) -> float | None:
    """Return the estimated seconds to the end of the budget."""
    if facts["seconds_planned"]:
        return max(0.0, facts["seconds_planned"] - seconds)
    return max(0.0, facts["planned"] - images) / rate if rate else None


def best_of(folder: RunFolder) -> dict[str, Any] | None:
    """Return the best checkpoint as best.json names it."""
    try:
        found = printable_form(read_json(folder.best, inside=folder.path, most=2**16))
        return {name: found[name] for name in ("checkpoint", "images", "why") if name in found}
    except (OSError, ValueError, TypeError):
        return None


def health_of(line: Mapping[str, Any]) -> dict[str, Any]:
    """Return the findings of an evaluation, in words."""
    health = line.get("health")
    if not isinstance(health, Mapping):
        return {"text": "", "findings": []}
    found = health.get("findings")
    named = [one for one in found if isinstance(one, Mapping)] if isinstance(found, list) else []
    findings = [
        {key: str(one.get(key, "")) for key in ("name", "text", "advice")} | {"grave": one.get("grave") is True}
        for one in named
    ]
    return {"text": str(health.get("text", "")), "findings": findings}


def _changed(folder: RunFolder) -> float:
    for file in (folder.stats, folder.events, folder.recipe):
        with suppress(OSError):
            return file.stat().st_mtime
    return 0.0


def history(run: Path, most: int = POINTS) -> dict[str, Any]:
    """Return the curves and events of a run.

    Args:
        run: run folder.
        most: largest number of points.

    Raises:
        UserError: if its files cannot be read.
    """
    folder = RunFolder(run)
    at = position(folder.stats)
    lines = stats_lines(folder.stats, most)
    return {
        "at": at,
        "points": [point(line) for line in lines],
        "checks": [check(line) for line in evaluation_lines(folder.evaluations)],
        "events": list(event_lines(folder.events))[-500:],
        "samples": samples(run),
    }


def point(line: Mapping[str, Any]) -> dict[str, float]:
    """Return a line of stats.jsonl as one table of numbers: the means of its terms.

    >>> point({"images": 8, "seconds": 2.0, "rate": 4.0, "D(x)": {"mean": 0.7, "std": 0.1}})
    {'images': 8, 'seconds': 2.0, 'rate': 4.0, 'D(x)': 0.7}
    """
    found: dict[str, float] = {}
    for name, value in line.items():
        mean = number(value.get("mean")) if isinstance(value, Mapping) else number(value)
        if mean is not None:
            found[printable(name)[:60]] = mean
    return found


def check(line: Mapping[str, Any]) -> dict[str, Any]:
    """Return an evaluation as the page draws it: values with their standard errors, and health in words."""
    found: dict[str, Any] = {"images": line["images"], "health": health_of(line)}
    for name, value in line.items():
        if isinstance(value, Mapping) and (mean := number(value.get("value"))) is not None:
            found[printable(name)[:60]] = [mean, number(value.get("error")) or 0.0]
    return found


def position(file: Path) -> int:
    """Return the position after the last complete line of a file."""
    try:
        size = file.stat().st_size
        with file.open("rb") as stream:
            stream.seek(max(0, size - TAIL))
            return max(0, size - TAIL) + stream.read(TAIL).rfind(b"\n") + 1
    except OSError:
        return 0


def added(file: Path, after: int) -> tuple[list[dict[str, Any]], int]:
    """Return the complete lines of a .jsonl file after a position, and the position after them.

    Args:
        file: file to read.
        after: position in bytes. If the file is shorter, it was rewritten; then the position is -1.
    """
    try:
        require_inside(file, file.parent)
        with file.open("rb") as stream:
            size = os.fstat(stream.fileno()).st_size
            if size < after:
                return [], -1
            stream.seek(after)
            content = stream.read(min(size - after, 2**20))
    except OSError:
        return [], after if after == 0 else -1
    whole = content[: content.rfind(b"\n") + 1]
    lines = []
    for line in whole.splitlines():
        with suppress(ValueError):
            found = printable_form(parse_json(line))
            if isinstance(found, dict) and number(found.get("images", 0)) is not None:
                lines.append(found)
    return lines, after + len(whole)
