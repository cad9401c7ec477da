"""A run's text files, read without loading a network: the plan, the history, and the events."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

from organza.errors import UserError
from organza.metrics.kernels import Estimate
from organza.report.lines import evaluation_lines, event_lines, number, stats_lines
from organza.run.folder import RunFolder
from organza.run.health import Vitals
from organza.stop import Check, best
from organza.untrusted import printable, printable_form, require_inside

Points = list[tuple[float, float]]


@dataclass(frozen=True)
class Record:
    """Text files of a run.

    Args:
        path: run folder.
        content: recipe.json, with its texts made printable.
        stats, evaluations, events: valid lines of these files: see `report.lines`.
    """

    path: Path
    content: dict[str, Any]
    stats: tuple[dict[str, Any], ...]
    evaluations: tuple[dict[str, Any], ...]
    events: tuple[dict[str, Any], ...]

    @classmethod
    def of(cls, path: str | Path) -> Record:
        """Read a run folder.

        Raises:
            UserError: if there is no run, or its recipe.json cannot be read.
        """
        folder = RunFolder(path)
        try:
            content = printable_form(folder.read())
        except ValueError as error:
            raise UserError(f"{folder.recipe} cannot be read ({error}); restore it.") from None
        lines = stats_lines(folder.stats), evaluation_lines(folder.evaluations), event_lines(folder.events)
        return cls(folder.path, content, *lines)

    @property
    def name(self) -> str:
        """Name of the run."""
        return printable(self.path.resolve().name)

    @property
    def recipe(self) -> str:
        """Name of the recipe."""
        return str(self.content["recipe"].get("name", ""))

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of a generated item, channels first."""
        return tuple(self.content["data"]["shape"])

    @property
    def size(self) -> str:
        """Width x height (x depth); the number of columns of vectors."""
        if len(self.shape) == 1:
            return f"{self.shape[0]} columns"
        return "x".join(map(str, reversed(self.shape[1:])))

    @property
    def translates(self) -> bool:
        """True if the run translates images to images."""
        return "source_shape" in self.content["data"]

    @property
    def unit(self) -> str:
        """Plural name of the items: images, volumes or vectors."""
        return {1: "vectors", 4: "volumes"}.get(len(self.shape), "images")

    @property
    def trained_on(self) -> int:
        """Number of training items."""
        return max(int(self.content["data"]["count"]) - self.held_out, 0)

    @property
    def held_out(self) -> int:
        """Number of held-out items."""
        return int(number(self.content["data"].get("held_out")) or 0)

    @property
    def images(self) -> int:
        """Images seen, according to the files."""
        return max((int(line.get("images", 0)) for line in (*self.stats, *self.evaluations, *self.events)), default=0)

    @property
    def seconds(self) -> float:
        """Seconds of training."""
        return max((float(line.get("seconds", 0)) for line in (*self.stats, *self.evaluations)), default=0.0)

    @cached_property
    def checks(self) -> tuple[Check, ...]:
        """Evaluations, as the stopping rules receive them."""
        found = (
            (line["images"], estimate_of(line, "mmd"), estimate_of(line, "D accuracy")) for line in self.evaluations
        )
        return tuple(Check(images, *mmd, *right) for images, mmd, right in found if mmd and right)

    @cached_property
    def vitals(self) -> tuple[Vitals, ...]:
        """Diagnostics at each evaluation; for runs of earlier versions, those that the files
        contain.
        """
        found = []
        for check in self.checks:
            line = next(line for line in self.evaluations if line["images"] == check.images)
            variety = estimate_of(line, "variety")
            told: dict[str, Any] = {"accuracy": check.accuracy, "variety": variety.value if variety else None}
            told |= {name: value for name, value in line["health"].items() if name in Vitals._fields[3:]}
            found.append(Vitals(check.images, check.distance, check.error, **told))
        return tuple(found)

    @property
    def chosen(self) -> dict[str, Any] | None:
        """Evaluation of the best checkpoint."""
        if not self.checks:
            return None
        least = best(self.checks)
        return next(line for line in self.evaluations if line["images"] == least.images)

    @property
    def ended(self) -> dict[str, Any] | None:
        """Event that ended the run; None while it runs, or if it was killed."""
        told = [line for line in self.events if line.get("event") in ("started", "resumed", "stopped")]
        return told[-1] if told and told[-1]["event"] == "stopped" else None

    @cached_property
    def sheets(self) -> list[Path]:
        """Sample grids in chronological order."""
        folder = self.path / "samples"
        try:
            require_inside(folder, self.path)
            with os.scandir(folder) as items:  # a hundred thousand names in a fifth of a second
                return sorted(Path(item.path) for item in items if re.fullmatch(r"[0-9]{1,15}\.png", item.name))
        except OSError:
            return []

    def card(self) -> dict[str, Any]:
        """Return the conditions of the run's numbers, with the data and the image size: see
        `metrics.suite.unlike`.
        """
        last = self.evaluations[-1]["card"] if self.evaluations else {}
        return last | {
            "data": self.content["data"].get("fingerprint", ""),
            "real_size": self.size,
            "fake_size": self.size,
        }

    def curve(self, name: str) -> Points:
        """Return a number of stats.jsonl over images seen."""
        return [
            (line["images"], line[name]["mean"])
            for line in self.stats
            if isinstance(line.get(name), Mapping) and number(line[name].get("mean")) is not None
        ]

    def measured(self, name: str) -> list[tuple[float, float, float]]:
        """Return a number of evaluations.jsonl over images seen: (images, value, standard error)."""
        found = ((line["images"], estimate_of(line, name)) for line in self.evaluations)
        return [(images, estimate.value, estimate.error) for images, estimate in found if estimate]

    def clock(self) -> Points:
        """Return seconds over images seen."""
        return [(0.0, 0.0), *((line["images"], line["seconds"]) for line in self.stats if "seconds" in line)]

    @property
    def terms(self) -> list[str]:
        """Return the names of loss terms in stats.jsonl, without the readings of D."""
        names = dict.fromkeys(name for line in self.stats for name, value in line.items() if isinstance(value, Mapping))
        return [name for name in names if name not in ("D(x)", "D(G(z))", "D accuracy")]


def estimate_of(line: Mapping[str, Any], name: str) -> Estimate | None:
    """Return a number of an evaluation with its error; None if it was not measured.

    >>> estimate_of({"mmd": {"value": 0.5, "error": 0.1}}, "mmd"), estimate_of({}, "mmd")
    (Estimate(value=0.5, error=0.1), None)
    """
    found = line.get(name)
    if not isinstance(found, Mapping):
        return None
    value, error = number(found.get("value")), number(found.get("error"))
    return None if value is None or error is None or error < 0 else Estimate(float(value), float(error))


def thinned(points: Points, most: int = 160) -> Points:
    """Reduce a curve to at most so many points, as means over neighbours.

    >>> thinned([(1, 2.0), (2, 4.0), (3, 6.0), (4, 8.0)], 2)
    [(1.5, 3.0), (3.5, 7.0)]
    """
    if len(points) <= most:
        return points
    edges = [round(index * len(points) / most) for index in range(most + 1)]
    parts: Sequence[Points] = [points[first:last] for first, last in pairwise(edges)]
    return [(sum(x for x, _ in part) / len(part), sum(y for _, y in part) / len(part)) for part in parts]


def as_text(value: Any) -> str:
    """Return a value of recipe.json as short text in one line."""
    return value if isinstance(value, str) else json.dumps(value)
