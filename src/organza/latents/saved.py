"""directions.json: the directions of a generator, beside its run or in an exported folder.

    {"format": 1, "sha256": digest of the generator's weights, "directions": [{"name", "source", "axis", "strength", "scores"}]}

It is read as a stranger's file. Directions of other weights are left out, as training goes on.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from organza.errors import UserError
from organza.latents.directions import Direction, Scores
from organza.latents.source import Source
from organza.media.images import write_aside
from organza.run.forms import require_form
from organza.untrusted import printable, read_json

FILE = "directions.json"
FORMAT = 1
SOURCES = "axis", "code", "label", "marks"
MOST = 200
"""Largest number of directions in a file."""
SCORES = {"correlation": float, "rising": float, "monotone": float, "leakage": float, "leaks_to": str}
ONE = {"name": str, "source": str, "axis": tuple[float, ...], "strength": float, "scores": dict | None}


def contents(directions: Sequence[Direction], digest: str) -> str:
    """Return the file as text.

    Args:
        directions: directions to keep.
        digest: sha256 of the generator's weights.
    """
    entries = [
        {
            "name": one.name,
            "source": one.source,
            "axis": [round(value, 5) for value in one.axis.tolist()],
            "strength": round(one.strength, 3),
            "scores": None if one.scores is None else _rounded(one.scores),
        }
        for one in directions
    ]
    return json.dumps({"format": FORMAT, "sha256": digest, "directions": entries}, indent=1) + "\n"


def _rounded(scores: Scores) -> dict[str, Any]:
    return {name: round(value, 4) if isinstance(value, float) else value for name, value in asdict(scores).items()}


def save(source: Source, directions: Sequence[Direction]) -> Path:
    """Write the directions of a run.

    Raises:
        UserError: if the file cannot be written.
    """
    path = source.folder.place(FILE)
    write_aside(path, contents(directions, _digest(source)).encode())
    return path


def load(source: Source) -> tuple[Direction, ...]:
    """Return the directions that were kept for these weights; () if there are none, or only those of other weights.

    Raises:
        UserError: if the file is damaged or of a newer version.
    """
    # A generator of this package or of the hub comes with directions, and keeps one's own in another folder.
    paths = [path for path in (source.folder.place(FILE), source.path / FILE) if os.path.lexists(path)]
    if not paths:
        return ()
    path = paths[0]
    try:
        content = read_json(path, inside=path.parent)
        if isinstance(content, dict) and isinstance(content.get("format"), int) and content["format"] > FORMAT:
            raise ValueError("a newer organza wrote it")
        require_form(content, {"format": int, "sha256": str, "directions": tuple[dict, ...]})
        if len(content["directions"]) > MOST:
            raise ValueError(f"more than {MOST} directions")
        found = tuple(_direction(entry) for entry in content["directions"])
    except (OSError, ValueError, TypeError) as error:
        raise UserError(
            f"{path} cannot be read ({error}); remove it, and run: organza directions {source.path}"
        ) from None
    if content["sha256"] != _digest(source):
        return ()
    size = source.latent(0, 0).shape[0]
    return tuple(one for one in found if len(one.axis) == size)


def _direction(entry: dict[str, Any]) -> Direction:
    """Return a direction from its JSON form. Raises ValueError if it is no unit vector."""
    require_form(entry, ONE)
    axis = torch.tensor(entry["axis"], dtype=torch.float32)
    if not bool(axis.isfinite().all()) or not 0.5 < axis.norm().item() < 2 or entry["source"] not in SOURCES:
        raise ValueError("one of its directions is no unit vector, or of another source")
    scores = None
    if entry["scores"] is not None:
        require_form(entry["scores"], SCORES)
        scores = Scores(**{**entry["scores"], "leaks_to": printable(entry["scores"]["leaks_to"])[:80]})
    name = printable(entry["name"])[:80] or "direction"
    return Direction(axis / axis.norm(), float(entry["strength"]), name, entry["source"], scores)


def _digest(source: Source) -> str:
    return source.saved.digests["generator.safetensors"]
