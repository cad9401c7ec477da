"""Points in the space of latents, as an address names them: an image of a series or a kept latent, steps
toward others, moves along directions, truncation, labels and codes.

    {"seed": 7, "index": 3, "toward": [[9, 0, 0.3]], "moves": [1.5, 0, -2], "psi": 0.8, "labels": {"hair": "long"}}
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any
from urllib.parse import parse_qsl, unquote

from organza.errors import UserError

MOST_MOVES, MOST_STEPS = 24, 8
REACH = 8.0


@dataclass(frozen=True)
class Point:
    """A checked point.

    Args:
        seed: seed of the series.
        index: index in the series.
        kept: name of a kept latent instead; "" for none.
        toward: (seed, index, share): steps to other latents.
        moves: steps along the directions, in deviations.
        psi: truncation; 1 for none.
        labels: labels by field.
        codes: values of an InfoGAN's codes, by their places in the latent.
        mix: (seed, index, level): latent whose levels from this number on are taken; () for none.
    """

    seed: int = 0
    index: int = 0
    kept: str = ""
    toward: tuple[tuple[int, int, float], ...] = ()
    moves: tuple[float, ...] = ()
    psi: float = 1.0
    labels: Mapping[str, str] = field(default_factory=dict)
    codes: Mapping[str, float] = field(default_factory=dict)
    mix: tuple[int, ...] = ()

    @classmethod
    def of(cls, given: Any) -> Point:
        """Return the point that a page sent.

        Raises:
            UserError: if a field is unknown or has an invalid value.
        """
        if not isinstance(given, Mapping) or given.keys() - {one.name for one in fields(cls)}:
            raise UserError("A point is a table with seed, index, kept, toward, moves, psi, labels, codes, mix.")
        kept = given.get("kept", "")
        if not isinstance(kept, str) or (kept and not (len(kept) == 16 and set(kept) <= set("0123456789abcdef"))):
            raise UserError("kept is the name of a kept latent, 16 letters from 0 to f.")
        toward = tuple(
            (_whole(s), _whole(i), _number(t, 0, 1)) for s, i, t in _rows(given.get("toward"), 3, MOST_STEPS)
        )
        moves = tuple(_number(value, -REACH, REACH) for value in _list(given.get("moves"), MOST_MOVES))
        labels = given.get("labels") or {}
        codes = given.get("codes") or {}
        if not isinstance(labels, Mapping) or not all(isinstance(one, str) for one in labels.values()):
            raise UserError("labels must be a table of texts by field, such as {hair: long01}.")
        if not isinstance(codes, Mapping):
            raise UserError(f"codes is a {type(codes).__name__}; it must be a table of numbers by name.")
        mix = _list(given.get("mix"), 3)
        if mix and len(mix) != 3:
            raise UserError(f"mix has {len(mix)} numbers; it must be [seed, index, level].")
        values = {str(name): _number(value, -16, 512) for name, value in codes.items()}
        place = _whole(given.get("seed", 0)), _whole(given.get("index", 0))
        psi = _number(given.get("psi", 1), 0, 2)
        return cls(*place, kept, toward, moves, psi, dict(labels), values, tuple(map(_whole, mix)))

    @classmethod
    def parse(cls, address: str) -> Point:
        """Return the point of an address of the page, or of its part after the question mark.

        >>> Point.parse("at=7.3&moves=1.5,0,-2&psi=0.8").moves
        (1.5, 0.0, -2.0)

        Raises:
            UserError: if it is none.
        """
        found = dict(parse_qsl(address.rpartition("?")[2]))
        given: dict[str, Any] = {"psi": found.get("psi", 1)}
        try:
            at = found.get("at", "0.0")
            if len(at) == 16:
                given["kept"] = at
            else:
                given |= dict(zip(("seed", "index"), map(int, at.split(".")), strict=False))
            if "toward" in found:
                steps = [re.fullmatch(r"(\d+)\.(\d+)@([\d.]+)", step) for step in found["toward"].split(",")]
                given["toward"] = [[int(step[1]), int(step[2]), float(step[3])] for step in steps if step]
            if "moves" in found:
                given["moves"] = [float(value) for value in found["moves"].split(",")]
            if "mix" in found:
                given["mix"] = [int(value) for value in found["mix"].split(".")]
            for name in ("labels", "codes"):
                pairs = [pair.partition(":") for pair in found.get(name, "").split(",") if pair]
                given[name] = {unquote(key): unquote(value) for key, _, value in pairs}
            given["codes"] = {key: float(value) for key, value in given["codes"].items()}
            given["psi"] = float(given["psi"])
        except ValueError:
            raise UserError(f"{address[:120]} is not the address of an image, such as at=7.3&moves=1.5,-2.") from None
        return cls.of(given)


def _list(value: Any, most: int) -> list[Any]:
    if value is None:
        return []
    if not isinstance(value, list) or len(value) > most:
        raise UserError(f"A list in a point has at most {most} entries.")
    return value


def _rows(value: Any, width: int, most: int) -> list[Any]:
    rows = _list(value, most)
    if not all(isinstance(row, list) and len(row) == width for row in rows):
        raise UserError(f"Each entry of toward has {width} numbers: seed, index, share.")
    return rows


def _whole(value: Any) -> int:
    if type(value) is not int or not 0 <= value < 2**53:
        raise UserError(f"{str(value)[:40]} is not a whole number from 0.")
    return value


def _number(value: Any, low: float, high: float) -> float:
    """Return a number in a range. Raises UserError if it is none."""
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float)
        or not math.isfinite(value)
        or not low <= value <= high
    ):
        raise UserError(f"{str(value)[:40]} is not a number from {low:g} to {high:g}.")
    return float(value)
