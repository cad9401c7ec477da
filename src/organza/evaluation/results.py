"""Results of an evaluation, with their conditions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from organza.metrics.kernels import Estimate
from organza.metrics.methods import Compared
from organza.metrics.suite import Card
from organza.metrics.vectors import Column


@dataclass(frozen=True)
class Suspect:
    """A sample and its nearest training image.

    Args:
        sample: index or file of the sample.
        training: file of the training image, or its index.
        distance: distance, relative to the usual one of an unseen real image.
    """

    sample: str
    training: str
    distance: float


@dataclass(frozen=True)
class Evaluation:
    """Results of an evaluation, with their conditions.

    Args:
        of: run or folder of the images.
        against: name of the real images.
        metrics: estimates by name, each with its standard error.
        card: conditions; numbers with different cards must not be compared.
        classes: estimates for each class, if there are labels.
        suspects: samples that are nearest to training images.
        notes: notes for the reader.
        beside: the generator and simple methods on the same inputs, if the layout of the data knows any.
        columns: columns of vectors, one by one.
    """

    of: str
    against: str
    metrics: dict[str, Estimate]
    card: Card
    classes: dict[str, dict[str, Estimate]] = field(default_factory=dict)
    suspects: tuple[Suspect, ...] = ()
    notes: tuple[str, ...] = ()
    beside: Compared = field(default_factory=dict)
    columns: tuple[Column, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return the evaluation as JSON values."""
        beside = {
            group: {method: _as_values(scores) for method, scores in methods.items()}
            for group, methods in self.beside.items()
        }
        return {
            "of": self.of,
            "against": self.against,
            "metrics": _as_values(self.metrics),
            "classes": {name: _as_values(scores) for name, scores in self.classes.items()},
            "suspects": [asdict(suspect) for suspect in self.suspects],
            "card": asdict(self.card),
            "notes": list(self.notes),
            **({"beside": beside} if beside else {}),
            **({"columns": [column._asdict() for column in self.columns]} if self.columns else {}),
        }


def _as_values(scores: Mapping[str, Estimate]) -> dict[str, dict[str, float]]:
    """Return estimates as JSON values."""
    return {name: estimate._asdict() for name, estimate in scores.items()}
