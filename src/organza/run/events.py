"""Events of a training run: the trainer yields them, and a display, a log or a web page consumes them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from organza.stop import Check

if TYPE_CHECKING:
    import numpy as np  # not at run time: the command line uses the names below before heavy imports

OUTPUT_CLOSED = "SIGPIPE"
"""Name of the stop request of a run whose output is no longer read; it is not a real signal."""
EXIT_CODES = {"SIGINT": 130, "SIGTERM": 143, "SIGHUP": 129, "SIGBREAK": 149, OUTPUT_CLOSED: 141}
"""Exit code of each requested end: 128 plus the number of the signal, as in shells, on every system."""
NAMES = tuple(EXIT_CODES)


@dataclass(frozen=True)
class Begun:
    """Start of a run, or of a further part of it.

    Args:
        lines: description of the recipe, the data, the machine and the plan.
        images: images seen.
        planned: images of the whole run.
        checks: evaluations of earlier parts.
    """

    lines: tuple[str, ...]
    images: int
    planned: int
    checks: tuple[Check, ...] = ()


@dataclass(frozen=True)
class Tick:
    """A finished step. `means` holds the running means of the loss terms, D(x) and D(G(z))."""

    images: int
    planned: int
    seconds: float
    seconds_left: float
    rate: float  # images a second
    means: dict[str, float]
    alone: str = ""  # player that trains alone during a warm-up


@dataclass(frozen=True)
class Busy:
    """Start of work other than training that takes time."""

    what: str


@dataclass(frozen=True)
class Sampled:
    """Samples of the fixed latents: uint8 [N, H, W, C], and the file of the sample grid."""

    images: int
    pictures: np.ndarray
    path: Path


@dataclass(frozen=True)
class Evaluated:
    """Evaluation of the generator against held-out real images."""

    check: Check
    line: dict[str, Any]
    is_best: bool


@dataclass(frozen=True)
class Saved:
    """A checkpoint on disk, flushed."""

    images: int
    path: Path


@dataclass(frozen=True)
class Warned:
    """A note for the user; training continues."""

    text: str


@dataclass(frozen=True)
class RolledBack(Warned):
    """Return to an earlier checkpoint; evaluations of more images no longer count.

    Args:
        to: images seen at that checkpoint; 0 is the beginning.
    """

    to: int = 0


@dataclass(frozen=True)
class Reported:
    """The finished report: its verdict in a few words, the reason, and its numbers on copies."""

    path: Path
    title: str
    why: str
    copies: str


@dataclass(frozen=True)
class Stopped:
    """The end of the run, or a pause."""

    kind: str  # budget, plateau, equilibrium, non-finite, collapse, or the name of a signal: see EXIT_CODES
    reason: str
    images: int


Event = Begun | Tick | Busy | Sampled | Evaluated | Saved | Warned | Reported | Stopped
