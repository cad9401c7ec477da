"""One cartoon face from vector artwork, and the worker process that draws many of them."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from PIL import Image

Attributes = dict[str, str]
ZOOM = {"adventurer": 1.2}  # where the artist left wide margins; long hair may then be cut off, faces are not
WHITE = "#ffffff"


class Artist:
    """Draws face k of a series: the same face for the same (style, seed, k), whoever draws it and in whatever order.

    Args:
        style: name of the DiceBear style.
        definition: its artwork.
        seed: of the series.
        size: pixels of a side.
    """

    def __init__(self, style: str, definition: dict[str, Any], seed: int, size: int):
        import dicebear  # an extra: only those who draw need it

        self.artwork = dicebear.Style(definition)  # parsed once: it takes longer than a face
        self.options = {"scale": ZOOM.get(style, 1.0)}
        self.seed, self.size = seed, size
        self.lettered = _holds_text(definition)

    def draw(self, k: int) -> tuple[Image.Image, Attributes]:
        """Face k, RGB on white or on the style's own ground, and the parts that were chosen for it."""
        import resvg_py

        avatar = self._avatar(k)
        # Rendered at its final size: resvg covers pixels exactly, and twice the size costs twice the time for no visible gain.
        png = resvg_py.svg_to_bytes(
            svg_string=avatar["svg"],
            width=self.size,
            height=self.size,
            background=WHITE,
            skip_system_fonts=not self.lettered,
        )
        return Image.open(io.BytesIO(bytes(png))).convert("RGB"), attributes(avatar["options"])

    def describe(self, k: int) -> Attributes:
        """The parts that were chosen for face k, without drawing it: a third of the time."""
        return attributes(self._avatar(k)["options"])

    def _avatar(self, k: int) -> dict[str, Any]:
        import dicebear

        return dicebear.Avatar(self.artwork, {"seed": f"{self.seed}-{k}", **self.options}).to_json()


def attributes(options: dict[str, Any]) -> Attributes:
    """The chosen variant of each part and the chosen colours, by name.

    >>> attributes({"hairVariant": "long02", "hairColor": ["#0e0e0e"], "hairScale": 1})
    {'hair': 'long02', 'hair_color': '#0e0e0e'}
    """
    found = {}
    for key, value in options.items():
        if key.endswith("Variant"):
            found[key.removesuffix("Variant")] = str(value or "")
        elif key.endswith("Color") and value:
            found[key.removesuffix("Color") + "_color"] = " ".join(value)
    return found


def file_of(k: int) -> str:
    """The name of face k's file.

    >>> file_of(7)
    '00007.png'
    """
    return f"{k:05d}.png"


def draw_faces(artist: Artist, folder: Path, faces: Iterable[int]) -> Iterator[tuple[int, Attributes]]:
    """Draw those faces that the folder does not hold yet; each appears complete or not at all."""
    for k in faces:
        path = folder / file_of(k)
        if path.exists():
            yield k, artist.describe(k)
            continue
        picture, parts = artist.draw(k)
        aside = folder / f".{path.name}"
        picture.save(aside, "png")
        aside.replace(path)
        yield k, parts


def work() -> None:
    """The body of a worker process: an order on standard input, a line of JSON on standard output for each face."""
    order = json.load(sys.stdin)
    try:
        artist = Artist(order["style"], order["definition"], order["seed"], order["size"])
        for k, parts in draw_faces(artist, Path(order["folder"]), range(order["first"], order["count"], order["step"])):
            print(json.dumps([k, parts]), flush=True)
    except OSError as error:
        print(json.dumps(["error", f"{error.strerror or error}"]), flush=True)


def _holds_text(definition: Any) -> bool:
    """Whether the artwork has letters in it, which need the fonts of the system."""
    if isinstance(definition, dict):
        return definition.get("type") == "text" or any(_holds_text(value) for value in definition.values())
    return isinstance(definition, list) and any(_holds_text(value) for value in definition)
