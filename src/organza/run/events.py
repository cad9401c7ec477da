"""What a training run tells while it runs: the trainer yields these, and a display, a log or a web page consumes them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from organza.stop import Check

if TYPE_CHECKING:
    import numpy as np  # not at run time: the command line looks up the names below before anything heavy is imported

OUTPUT_CLOSED = "SIGPIPE"
"""The name under which a run notes that nobody reads its output any more; no such signal is ever waited for."""
EXIT_CODES = {"SIGINT": 130, "SIGTERM": 143, "SIGHUP": 129, "SIGBREAK": 149, OUTPUT_CLOSED: 141}
"""The exit code of each end that was asked for: 128 and the number of the signal, as shells show it, on every system."""
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
    """A step was done. `means` holds the running means of the loss terms, D(x) and D(G(z))."""

    images: int
    planned: int
    seconds: float
    seconds_left: float
    rate: float  # images a second
    means: dict[str, float]
    alone: str = ""  # the player that trains alone now, in a warm-up


@dataclass(frozen=True)
class Busy:
    """Something else than training takes time now."""

    what: str


@dataclass(frozen=True)
class Sampled:
    """The fixed latents were drawn: uint8 [N, H, W, C], and the grid's file."""

    images: int
    pictures: np.ndarray
    path: Path


@dataclass(frozen=True)
class Evaluated:
    """The generator was measured against held-out real images."""

    check: Check
    line: dict[str, Any]
    is_best: bool


@dataclass(frozen=True)
class Saved:
    """A checkpoint is on the disk, flushed."""

    images: int
    path: Path


@dataclass(frozen=True)
class Warned:
    """Something the user should know; training goes on."""

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
    """The report was written; what it says of the run, in a few words and a sentence or two, and of copies, in numbers."""

    path: Path
    title: str
    why: str
    copies: str


@dataclass(frozen=True)
class Stopped:
    """The run is over, or paused."""

    kind: str  # budget, plateau, equilibrium, non-finite, collapse, or the name of a signal: see EXIT_CODES
    reason: str
    images: int


Event = Begun | Tick | Busy | Sampled | Evaluated | Saved | Warned | Reported | Stopped
