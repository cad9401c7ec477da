"""Loggers: consumers of a run's events that report to other programs. Their packages are extras,
imported on demand.

>>> import organza
>>> organza.train("photos", "runs/photos", on_event=tensorboard("runs/photos"))    # doctest: +SKIP
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from organza.errors import UserError
from organza.media.images import grid
from organza.run.events import Evaluated, Event, Sampled, Stopped, Tick

POINTS = 400
"""Points of a curve in a whole run: a step is logged after this fraction of the run since the last."""
Logger = Callable[[Event], None]


class Scalars:
    """Common part of the loggers: the numbers and images in events.

    Args:
        scalars: function of (names to numbers, images seen).
        picture: function of (a uint8 [H, W, C] sample grid, images seen).
        close: function to call at the end.
    """

    def __init__(
        self,
        scalars: Callable[[Mapping[str, float], int], None],
        picture: Callable[[Any, int], None],
        close: Callable[[], None],
    ):
        self.scalars, self.picture, self.close = scalars, picture, close
        self.told = -1.0

    def __call__(self, event: Event) -> None:
        """Log the scalars and samples of an event."""
        if isinstance(event, Tick) and event.images - self.told >= max(event.planned / POINTS, 1):
            self.told = event.images
            self.scalars(event.means | {"images a second": event.rate}, event.images)
        elif isinstance(event, Evaluated):
            self.scalars(measured(event.line), event.check.images)
        elif isinstance(event, Sampled):
            self.picture(grid(event.pictures), event.images)
        elif isinstance(event, Stopped):
            self.close()


def measured(line: Mapping[str, Any]) -> dict[str, float]:
    """Return the numbers of an evaluation, each with its error.

    >>> measured({"images": 10, "mmd": {"value": 0.5, "error": 0.1}})
    {'held-out/mmd': 0.5, 'held-out/mmd error': 0.1}
    """
    found = {}
    for name, value in line.items():
        if isinstance(value, Mapping) and "value" in value:
            found |= {f"held-out/{name}": value["value"], f"held-out/{name} error": value["error"]}
    return found


def tensorboard(run: str | Path) -> Logger:
    """Return a logger to RUN/tensorboard, for `tensorboard --logdir RUN`.

    Raises:
        UserError: if the package tensorboard is missing.
    """
    _needed("tensorboard")

    @cache
    def writer() -> Any:  # opened at the first write, when the run folder exists
        return import_module("torch.utils.tensorboard").SummaryWriter(str(Path(run) / "tensorboard"))

    def scalars(values: Mapping[str, float], images: int) -> None:
        for name, value in values.items():
            writer().add_scalar(name, value, images)

    def picture(sheet: Any, images: int) -> None:
        writer().add_image("samples", sheet, images, dataformats="HWC")

    return Scalars(scalars, picture, lambda: writer().close())


def wandb(run: str | Path) -> Logger:
    """Return a logger to Weights & Biases, with its own settings (WANDB_PROJECT,
    WANDB_MODE=offline, ...).

    Raises:
        UserError: if the package wandb is missing.
    """
    module = _needed("wandb")
    session = module.init(name=Path(run).resolve().name)

    def scalars(values: Mapping[str, float], images: int) -> None:
        session.log(dict(values) | {"images": images})

    def picture(sheet: Any, images: int) -> None:
        session.log({"samples": module.Image(sheet), "images": images})

    return Scalars(scalars, picture, session.finish)


LOGGERS: dict[str, Callable[[str | Path], Logger]] = {"tensorboard": tensorboard, "wandb": wandb}


def logged(events: Iterator[Event], logger: Logger) -> Iterator[Event]:
    """Yield the same events, each logged first."""
    for event in events:
        logger(event)
        yield event


def _needed(package: str) -> Any:
    """Return the module of a logger. Raises UserError if it is not installed."""
    try:
        return import_module(package)
    except ImportError:
        raise UserError(
            f"`log` {package} needs the package {package}, which is not installed: pip install 'organza[{package}]'."
        ) from None
