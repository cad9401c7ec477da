"""Drawing of cartoon faces from vector artwork, in colour or with a line drawing, and the worker
process that draws many of them.
"""

from __future__ import annotations

import io
import json
import os
import random
import re
import signal
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from organza.disk import discard, rename

Attributes = dict[str, str]
ASIDE = ".drawing-"  # prefix of unfinished images
ZOOM = {"adventurer": 1.2}  # for artwork with wide margins; may cut off long hair, but not faces
WHITE = "#ffffff"
DARK = 72  # of 255: largest brightness of a colour of the artwork that counts as a line
KINDS = ("drawing", "hints", "edges")
DAB = 3  # pixels on each side of a hint
SPARSE = 160  # pixels of one colour for each dab; a colour with less than a quarter of that gets none


class Artist:
    """A series of faces: face k is the same for the same (style, seed, k), in any process and
    order.

    Args:
        style: name of the DiceBear style.
        definition: artwork of the style.
        seed: random seed of the series.
        size: pixels on each side.
    """

    def __init__(self, style: str, definition: dict[str, Any], seed: int, size: int):
        self.artwork = _parsed(definition)
        self.options = {"scale": ZOOM.get(style, 1.0)}
        self.seed, self.size = seed, size
        self.lettered = _holds_text(definition)

    def draw(self, k: int) -> tuple[Image.Image, Attributes]:
        """Draw face k, RGB on white or on the style's own background, and return it with its parts."""
        avatar = self._avatar(k)
        return self._rendered(avatar["svg"]), attributes(avatar["options"])

    def files(self, k: int) -> tuple[str, ...]:
        """Return the file names of face k's images."""
        return (file_of(k),)

    def pictures(self, k: int) -> tuple[tuple[Image.Image, ...], Attributes]:
        """Return the images of face k, one for each of its files, and its parts."""
        picture, parts = self.draw(k)
        return (picture,), parts

    def describe(self, k: int) -> Attributes:
        """Return the parts of face k without drawing it, in a third of the time."""
        return attributes(self._avatar(k)["options"])

    def _rendered(self, svg: str) -> Image.Image:
        """Render an SVG drawing as an RGB image of the final size."""
        import resvg_py

        # Rendered at its final size: resvg computes exact pixel coverage; twice the size takes twice the time without a visible gain.
        png = resvg_py.svg_to_bytes(
            svg_string=svg,
            width=self.size,
            height=self.size,
            background=WHITE,
            skip_system_fonts=not self.lettered,
        )
        return Image.open(io.BytesIO(bytes(png))).convert("RGB")

    def _avatar(self, k: int, **options: Any) -> dict[str, Any]:
        import dicebear

        return dicebear.Avatar(self.artwork, {"seed": f"{self.seed}-{k}", **self.options, **options}).to_json()


class PairArtist(Artist):
    """A series of face pairs: without colours for a/, and in colour for b/.

    Args:
        style, definition, seed, size: see `Artist`.
        kind: "drawing" keeps the artwork's lines and makes its surfaces white, for styles that are
            drawn with dark lines; "hints" adds a few dabs of each large colour, which a drawing
            cannot show; "edges" computes lines from the colour image, for any style.
    """

    def __init__(self, style: str, definition: dict[str, Any], seed: int, size: int, kind: str):
        super().__init__(style, definition, seed, size)
        self.kind = kind
        colours = definition.get("colors", {}).items()
        # Black hair is a surface, too: parts with a choice of colours are made white before dark colours are searched.
        self.white = {f"{name}Color": [WHITE] for name, colour in colours if len(colour.get("values", ())) > 1}

    def files(self, k: int) -> tuple[str, ...]:
        return f"a/{file_of(k)}", f"b/{file_of(k)}"

    def pictures(self, k: int) -> tuple[tuple[Image.Image, ...], Attributes]:
        """Return the input and the target of pair k, with their attributes."""
        coloured, parts = self.draw(k)
        if self.kind == "edges":
            return (edges(coloured), coloured), parts
        drawing = self._rendered(lines_of(self._avatar(k, **self.white)["svg"])).convert("L")
        if self.kind == "hints":
            drawing = hinted(drawing, coloured, f"{self.seed}-{k}")
        return (drawing, coloured), parts


def lines_of(svg: str) -> str:
    """Return the artwork with its dark colours black and all others white.

    >>> lines_of('<path fill="#0e0e0e"/><path fill="#f2d3b1"/>')
    '<path fill="#000000"/><path fill="#ffffff"/>'
    """

    def plain(found: re.Match[str]) -> str:
        red, green, blue = bytes.fromhex(found[1])
        return "#000000" if 0.299 * red + 0.587 * green + 0.114 * blue < DARK else WHITE

    return re.sub(r"#([0-9a-fA-F]{6})\b", plain, svg)


def hinted(drawing: Image.Image, coloured: Image.Image, seed: str) -> Image.Image:
    """Add a few dabs of each large colour to a drawing, at random positions.

    Args:
        drawing: grey image L.
        coloured: image RGB of the same size; dabs are placed where the drawing is white and this
            image is not.
        seed: random seed of the positions.
    """
    colours, found = np.asarray(coloured), np.asarray(drawing.convert("RGB")).copy()
    packed = colours.astype(np.int32) @ (1 << 16, 1 << 8, 1)
    packed = np.where(np.asarray(drawing) == 255, packed, 0xFFFFFF)
    windows = np.lib.stride_tricks.sliding_window_view(packed, (DAB, DAB))
    flat = (windows.max((2, 3)) == windows.min((2, 3))) & (windows[..., 0, 0] != 0xFFFFFF)
    kinds, places = np.unique(windows[flat][:, 0, 0], return_counts=True)
    stream = random.Random(seed)
    for kind, count in zip(kinds, places, strict=True):
        rows, columns = np.nonzero(flat & (windows[..., 0, 0] == kind))
        for at in stream.choices(range(count), k=round(count / SPARSE + 0.25)):
            dab = np.s_[rows[at] : rows[at] + DAB, columns[at] : columns[at] + DAB]
            found[dab] = colours[dab]
    return Image.fromarray(found)


def edges(picture: Image.Image) -> Image.Image:
    """Compute edges, dark on white: 255 - 2 max_c |grad image_c|, with central differences."""
    values = np.pad(np.asarray(picture, np.float32), ((1, 1), (1, 1), (0, 0)), mode="edge")
    down = (values[2:, 1:-1] - values[:-2, 1:-1]) / 2
    right = (values[1:-1, 2:] - values[1:-1, :-2]) / 2
    slope = np.hypot(down, right).max(2)
    return Image.fromarray(np.rint(255 - np.minimum(2 * slope, 255)).astype(np.uint8))


def attributes(options: dict[str, Any]) -> Attributes:
    """Return the chosen variant of each part and the chosen colours, by name.

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
    """Return the name of face k's file.

    >>> file_of(7)
    '00007.png'
    """
    return f"{k:05d}.png"


def artist_for(order: dict[str, Any]) -> Artist:
    """Return the artist for an order: style, definition, seed and size, and for pairs their kind."""
    plain = (order["style"], order["definition"], order["seed"], order["size"])
    return PairArtist(*plain, order["kind"]) if "kind" in order else Artist(*plain)


def draw_faces(artist: Artist, folder: Path, faces: Iterable[int]) -> Iterator[tuple[int, Attributes]]:
    """Draw the faces that the folder does not hold yet; each image appears complete or not at all."""
    for k in faces:
        paths = [folder / name for name in artist.files(k)]
        if all(path.exists() for path in paths):
            yield k, artist.describe(k)
            continue
        pictures, parts = artist.pictures(k)
        for path, picture in zip(paths, pictures, strict=True):
            aside = path.with_name(f"{ASIDE}{path.name}")
            try:
                picture.save(aside, "png")
                rename(aside, path)
            except BaseException:
                discard(aside)
                raise
        yield k, parts


def work() -> None:
    """Run a worker process: read an order from standard input, write a line of JSON to standard
    output for each face.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends its workers
    try:
        order = json.load(sys.stdin)
    except ValueError:  # cut short: the parent was killed while it wrote
        return
    try:
        mine = range(order["first"], order["count"], order["step"])
        for k, parts in draw_faces(artist_for(order), Path(order["folder"]), mine):
            print(json.dumps([k, parts]), flush=True)
    except BrokenPipeError:  # the parent is gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        print(json.dumps(["error", f"{error.strerror or error}"]), flush=True)


def _parsed(definition: dict[str, Any]) -> Any:
    """Return artwork as dicebear parses it, without its check against a JSON schema: that takes a
    second of each process that draws, for a file of dicebear's own package.
    """
    import dicebear  # an extra: only those who draw need it

    name, checker = "validate", getattr(getattr(dicebear, "validator", None), "StyleValidator", object)
    if (check := vars(checker).get(name)) is None:  # another version of dicebear
        return dicebear.Style(definition)
    setattr(checker, name, staticmethod(lambda data: None))
    try:
        return dicebear.Style(definition)
    finally:
        setattr(checker, name, check)


def _holds_text(definition: Any) -> bool:
    """Return True if the artwork contains text, which needs the fonts of the system."""
    if isinstance(definition, dict):
        return definition.get("type") == "text" or any(_holds_text(value) for value in definition.values())
    return isinstance(definition, list) and any(_holds_text(value) for value in definition)
