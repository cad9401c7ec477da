"""Digits drawn from fonts: synthetic images with known annotation."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from organza.errors import UserError

Font = ImageFont.FreeTypeFont
DIGITS = "0123456789"
FAMILIES = (
    "dejavusans", "dejavuserif", "liberation", "freesans", "freeserif", "freemono", "nimbus", "notosans-", "notoserif-",
    "ubuntu", "roboto", "opensans", "arial", "times", "verdana", "georgia", "courier", "helvetica", "trebuc", "tahoma", "calibri",
)  # fmt: skip
"""Prefixes of the file names of common text fonts, without fonts of symbols and of scripts with
other digits."""
FINE = 4  # factor of supersampling
HEIGHT = 20 / 32  # height of a digit relative to its image, as in MNIST


@dataclass(frozen=True)
class Look:
    """Random appearance of one digit.

    Args:
        digit: class, 0 to 9.
        font: index of the font.
        angle: rotation in degrees, counterclockwise.
        scale: factor of the digit's height.
        thickness: pixels at 32x32 by which strokes grow on each side.
        right, down: offset of its centre from the image's, relative to the image.
    """

    digit: int
    font: int
    angle: float
    scale: float
    thickness: float
    right: float
    down: float


def look(k: int, fonts: int, seed: int) -> Look:
    """Return the appearance of digit k of a series; digits take turns, so that all are equally
    frequent.

    >>> look(13, 21, seed=0).digit
    3
    """
    import torch  # here, since checking data should not wait for it

    from organza.seeding import stream

    chance = torch.rand(6, generator=stream(seed, "typeset", k)).tolist()
    angle, scale, right, down = (2 * value - 1 for value in chance[:4])
    return Look(
        digit=k % 10,
        font=min(int(chance[4] * fonts), fonts - 1),
        angle=round(12 * angle, 2),
        scale=round(1 + 0.15 * scale, 3),
        thickness=round(2 * chance[5]) / FINE,
        right=round(right / 16, 4),
        down=round(down / 16, 4),
    )


def typeset(chosen: Look, fonts: Sequence[Font], size: int) -> Image.Image:
    """Render the digit in white on black, a grey image of size x size pixels."""
    side = size * FINE
    font = fonts[chosen.font]
    canvas = Image.new("L", (side, side))
    bold = round(chosen.thickness * side / 32)
    box = font.getbbox(DIGITS[chosen.digit], stroke_width=bold)
    corner = ((side - box[0] - box[2]) / 2, (side - box[1] - box[3]) / 2)
    ImageDraw.Draw(canvas).text(corner, DIGITS[chosen.digit], 255, font, stroke_width=bold)
    fine = canvas.transform((side, side), Image.Transform.AFFINE, _backwards(chosen, side), Image.Resampling.BICUBIC)
    return fine.resize((size, size), Image.Resampling.BOX)


def _backwards(chosen: Look, side: int) -> tuple[float, ...]:
    """Return the affine map from image to canvas positions: (x, y) to (ax + by + c, dx + ey + f)."""
    turn, middle = math.radians(chosen.angle), side / 2
    a, b = math.cos(turn) / chosen.scale, -math.sin(turn) / chosen.scale
    x, y = middle + chosen.right * side, middle + chosen.down * side
    return (a, b, middle - a * x - b * y, -b, a, middle + b * x - a * y)


def system_fonts(size: int) -> list[tuple[str, Font]]:
    """Return the text fonts of this system by name, scaled so that a digit is HEIGHT of `size`
    pixels; Pillow's own if there are none.
    """
    found: dict[str, Font] = {}
    for path in sorted(
        (
            path
            for folder in _folders()
            for path in folder.rglob("*")
            if path.suffix.lower() in (".ttf", ".otf", ".ttc")
        ),
        key=lambda path: path.name.lower(),
    ):
        if path.name.lower().startswith(FAMILIES) and path.stem not in found and (font := _fitted(path, size)):
            found[path.stem] = font
    if found:
        return list(found.items())
    own = ImageFont.load_default(100)
    if not isinstance(own, Font):
        raise UserError(
            "Pillow was built without FreeType and draws no fonts; run: pip install --force-reinstall pillow"
        )
    return [("pillow", _scaled(own, size))]


def _folders() -> list[Path]:
    """Return the folders that hold the fonts of this system."""
    home = Path("~").expanduser() if "HOME" in os.environ else Path()
    if sys.platform == "darwin":
        return [Path("/System/Library/Fonts"), Path("/Library/Fonts"), home / "Library/Fonts"]
    if sys.platform == "win32":
        return [Path(os.environ.get("WINDIR", "C:/Windows")) / "Fonts"]
    return [Path("/usr/share/fonts"), Path("/usr/local/share/fonts"), home / ".local/share/fonts", home / ".fonts"]


def _fitted(path: Path, size: int) -> Font | None:
    """Return the font of a file at the right size, or None if it cannot be read or lacks any of the
    ten digits.
    """
    try:
        font = ImageFont.truetype(str(path), 100)
        pictures = {_shape(font, digit) for digit in DIGITS}
    except (OSError, ValueError):
        return None
    return _scaled(font, size) if len(pictures) == len(DIGITS) else None


def _shape(font: Font, digit: str) -> bytes:
    picture = Image.new("L", (200, 200))
    ImageDraw.Draw(picture).text((50, 50), digit, 255, font)
    return picture.tobytes()


def _scaled(font: Font, size: int) -> Font:
    _, top, _, bottom = font.getbbox("8")
    return font.font_variant(size=max(round(font.size * HEIGHT * size * FINE / (bottom - top)), 1))
