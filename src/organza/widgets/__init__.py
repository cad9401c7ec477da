"""Widgets for notebooks: sliders over a generator, in Jupyter and marimo. Need the extra `widgets`.

>>> import organza                                                    # doctest: +SKIP
>>> organza.widgets.explore(organza.load("runs/faces"))               # doctest: +SKIP
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from organza.errors import UserError

if TYPE_CHECKING:
    from organza.inference.load import Run


def explore(run: Run | str | Path, address: str = "at=0.0") -> Any:
    """Return a widget that shows an image of a generator, with sliders along its directions, truncation and labels.

    `widget.address` is the address of the image, as in the studio, and can be set; `widget.picture` is the image,
    uint8 [H, W, C].

    Args:
        run: trained run, or its folder.
        address: address to begin with: at=SEED.INDEX.

    Raises:
        UserError: if anywidget is not installed, or the run does not generate from noise.
    """
    try:
        from organza.widgets.explorer import Explorer
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("anywidget", "traitlets"):
            raise
        raise UserError("Widgets need the package anywidget: pip install 'organza[widgets]'") from None
    return Explorer(run, address)
