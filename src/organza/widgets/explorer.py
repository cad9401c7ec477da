"""The widget of `explore`: its state is an address, as in the studio."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import anywidget
import numpy as np
import traitlets

from organza.errors import UserError
from organza.inference.load import Run, load
from organza.studio.play_calls import png
from organza.studio.player import Player
from organza.studio.points import Point


def _asset(name: str) -> str:
    return files("organza.widgets").joinpath(name).read_text(encoding="utf-8")


class Explorer(anywidget.AnyWidget):
    """Sliders over a generator.

    Args:
        run: trained run, or its folder.
        address: address of the first image.
    """

    _esm = _asset("explorer.js")
    _css = _asset("explorer.css")
    address = traitlets.Unicode("at=0.0").tag(sync=True)
    image = traitlets.Bytes(b"").tag(sync=True)
    problem = traitlets.Unicode("").tag(sync=True)
    directions = traitlets.List(traitlets.Unicode()).tag(sync=True)
    fields = traitlets.List().tag(sync=True)

    def __init__(self, run: Run | str | Path, address: str = "at=0.0"):
        self._player = Player(run if isinstance(run, Run) else load(run))
        self._picture = np.zeros((0, 0, 3), np.uint8)
        if not self._player.draws:
            raise UserError(f"{self._player.run.path} translates images and draws none from noise; use run.translate.")
        labelled = self._player.run.labels if getattr(self._player.run.generator, "labels", 0) else None
        fields = [field for field in labelled.facts() if field["values"] and not field["several"]] if labelled else []
        names = [one.name or f"direction {number}" for number, one in enumerate(self._player.directions, 1)]
        super().__init__(address=address, directions=names, fields=fields)
        self._draw()
        self.observe(lambda _: self._draw(), "address")

    @property
    def picture(self) -> np.ndarray:
        """The image that is shown, uint8 [H, W, C]."""
        return self._picture

    def _draw(self) -> None:
        """Draw the image of the address, or keep the reason why there is none."""
        try:
            self._picture = self._player.pictures([Point.parse(self.address)])[0]
        except UserError as error:
            self.problem = str(error)
            return
        self.problem, self.image = "", png(self._picture)
