"""Difference between the data that a run began with and the current data, in words, if the cache still holds the former."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from organza.data.batches import Batches
from organza.data.cache import Damage, load
from organza.untrusted import printable, read_json

NAMED = 3
MANY = 1000  # largest number of packs to search
MOST = 2**30  # bytes of images to compare: a second or two


def difference(known: Mapping[str, Any], now: Batches) -> str:
    """Describe the items that were added to data, removed from it or changed, as a part of a sentence.

    Args:
        known: facts on the data in recipe.json.
        now: the current data.
    """
    parts: list[str] = []
    for before in _packs(now.directory.parent, known["fingerprint"]):
        try:
            parts = _parts(before, now.directory)
        except Damage:
            continue
        break
    counts = f"it had {known['count']:,} {now.unit} and has {now.count:,} now"
    return f"{counts}: {', '.join(parts)}" if parts else f"{counts}, or some of them changed"


def _packs(packs: Path, fingerprint: str) -> Iterator[Path]:
    """Yield the packs that may hold data of this fingerprint: that of its name, and others with the same images."""
    yield packs / fingerprint[:24]
    for manifest in islice(packs.glob("*/manifest.json"), MANY):
        try:
            if read_json(manifest).get("fingerprint") == fingerprint:
                yield manifest.parent
        except (OSError, ValueError, AttributeError):
            continue


def _parts(before: Path, after: Path) -> list[str]:
    """Return the differences of two packs. Raises one of `Damage` if one of them is missing."""
    (old, old_facts), (new, new_facts) = load(before), load(after)
    rows, places = ({name: row for row, name in enumerate(facts["names"])} for facts in (old_facts, new_facts))
    added = [name for name in places if name not in rows]
    removed = [name for name in rows if name not in places]
    changed = []
    if old.shape[1:] == new.shape[1:] and old.nbytes <= MOST:
        changed = [
            name for name, row in rows.items() if name in places and not np.array_equal(old[row], new[places[name]])
        ]
    told = ((added, "added"), (removed, "removed"), (changed, "changed"))
    return [f"{len(names):,} {what} ({_listed(names)})" for names, what in told if names]


def _listed(names: Sequence[str]) -> str:
    more = ", ..." if len(names) > NAMED else ""
    return ", ".join(printable(name) for name in names[:NAMED]) + more
