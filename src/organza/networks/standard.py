"""Standardised columns: names and scale of vectors, which networks see with mean 0 and deviation 1, and by which samples are restored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from organza.errors import UserError
from organza.untrusted import printable


@dataclass(frozen=True)
class Columns:
    """Names and scale of the columns of vectors: x = (value - mean) / deviation, of the training rows.

    Args:
        names: name of each column.
        means: mean of each.
        deviations: standard deviation of each, positive.
    """

    names: tuple[str, ...]
    means: tuple[float, ...]
    deviations: tuple[float, ...]

    @classmethod
    def measured(cls, values: np.ndarray, names: Sequence[str]) -> Columns:
        """Return the columns of values [N, D]. A column of one value keeps its unit.

        >>> Columns.measured(np.array([[0.0, 1.0], [2.0, 1.0]]), ("a", "b"))
        Columns(names=('a', 'b'), means=(1.0, 1.0), deviations=(1.0, 1.0))
        """
        means = values.mean(0)
        means += (values - means).mean(0)  # what rounding lost, for columns far from 0
        deviations = (values - means).std(0)
        deviations[deviations <= 1e-14 * np.abs(values).max(0, initial=0)] = 1.0
        return cls(tuple(names), tuple(map(float, means)), tuple(map(float, deviations)))

    @classmethod
    def of(cls, facts: Any, width: int) -> Columns:
        """Return the columns that recipe.json tells, which may be a stranger's.

        Raises:
            UserError: if they are not those of vectors of this width.
        """
        told = facts if isinstance(facts, list | tuple) else ()
        names, means, deviations = ([_of(one, key) for one in told] for key in ("name", "mean", "deviation"))
        sound = len(told) == width and all(isinstance(name, str) for name in names)
        if not sound or not all(_is_number(value) for value in (*means, *deviations)) or min(deviations) <= 0:
            raise UserError(f"recipe.json does not give the {width} columns of these vectors; restore it.")
        return cls(tuple(names), tuple(map(float, means)), tuple(map(float, deviations)))

    def facts(self) -> list[dict[str, Any]]:
        """Return the columns as JSON."""
        rows = zip(self.names, self.means, self.deviations, strict=True)
        return [{"name": name, "mean": mean, "deviation": deviation} for name, mean, deviation in rows]

    @property
    def printable(self) -> tuple[str, ...]:
        """Names to show."""
        return tuple(printable(name[:40]) for name in self.names)

    def standardised(self, values: np.ndarray | Tensor) -> Tensor:
        """Return values [N, D] in their own units as float32 in units of the deviations."""
        array = values.numpy() if isinstance(values, Tensor) else values
        return torch.from_numpy(((array - np.array(self.means)) / np.array(self.deviations)).astype(np.float32))

    def restored(self, x: Tensor) -> Tensor:
        """Return vectors in units of the deviations as float64 [N, D] in their own units.

        >>> Columns(("age",), (40.0,), (10.0,)).restored(torch.tensor([[1.0]]))
        tensor([[50.]], dtype=torch.float64)
        """
        mean, deviation = (torch.tensor(values, dtype=torch.float64) for values in (self.means, self.deviations))
        return x.detach().double().cpu() * deviation + mean


def _of(one: Any, key: str) -> Any:
    return one.get(key) if isinstance(one, Mapping) else None


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and abs(value) < 1e300  # False for NaN
