"""Deep images, of 16 or 32 bits or of floats: one scale to 8 bits for a whole data set, as separate
scales would change the images.

Files do not declare their white value: a 12-bit sensor writes 16-bit values, and floats range to 1,
to 255 or beyond. A single file is scaled by its type; a data set by a first pass over all of its
deep files.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

SOME = 2**18  # values of a file sampled for its quantiles
NEAR = 1.05  # times white: overshoot of resampling and sharpening, to be clipped
WHOLE = (255.0, 1023.0, 4095.0, 16383.0, 65535.0)  # white of 8, 10, 12, 14 and 16 bits
LARGER = (65535.0, 2.0**24 - 1, 2.0**31 - 1, 2.0**32 - 1)


class Scale(NamedTuple):
    """The values that become black and white; values outside are clipped."""

    black: float
    white: float


class Extent(NamedTuple):
    """Range of the values of one file: its extremes, and its 0.001 and 0.999 quantiles, which
    outliers do not affect.
    """

    low: float
    high: float
    dark: float
    bright: float


Scaling = Callable[[str, np.ndarray], Scale]
"""Function that returns the scale of the values of an image, by its kind: "16-bit", "32-bit" or
"float"."""


class Unscaled(Exception):
    """A deep image was decoded before the scale of its data set was known."""


def kind_of(mode: str) -> str:
    """Return the kind of deep values in a Pillow mode, or "".

    >>> kind_of("I;16B"), kind_of("F"), kind_of("RGB")
    ('16-bit', 'float', '')
    """
    return "16-bit" if mode.startswith("I;16") else {"I": "32-bit", "F": "float"}.get(mode, "")


def extent(values: np.ndarray) -> Extent:
    """Return the range of finite values of any shape."""
    some = values.reshape(-1)[:: max(1, values.size // SOME)]
    dark, bright = np.quantile(some, (0.001, 0.999), method="nearest")
    return Extent(float(values.min()), float(values.max()), float(dark), float(bright))


def alone(kind: str, values: np.ndarray) -> Scale:
    """Return the scale of a single file, by its type.

    >>> alone("32-bit", np.array([0, 300])), alone("float", np.array([0.0, 1.02]))
    (Scale(black=0.0, white=65535.0), Scale(black=0.0, white=1.0))
    """
    if kind == "float":
        return _of_floats([extent(values)])
    low, high = float(values.min()), float(values.max())
    white = next((white for white in LARGER if max(high, -low - 1) <= white), LARGER[-1])
    return Scale(0.0 if low >= 0 else -white - 1, white)


def unknown(kind: str, values: np.ndarray) -> Scale:
    """Raise an error, since the data set's scale is not known yet.

    Raises:
        Unscaled: always.
    """
    raise Unscaled


def of_data_set(extents: Mapping[str, Sequence[Extent]]) -> dict[str, Scale]:
    """Return the scale of each kind of deep values, from all files of a data set that hold such
    values.

    >>> of_data_set({"16-bit": [Extent(0, 4000, 10, 3900), Extent(5, 900, 10, 800)]})
    {'16-bit': Scale(black=0.0, white=4095.0)}
    """
    return {
        kind: _of_floats(files) if kind == "float" else _of_integers(files) for kind, files in extents.items() if files
    }


def fixed(scales: Mapping[str, Sequence[float]]) -> Scaling:
    """Return a scaling with known scales; other kinds are scaled as in `alone`."""
    return lambda kind, values: Scale(*scales[kind]) if kind in scales else alone(kind, values)


def read_scales(facts: Any) -> dict[str, Scale]:
    """Return the scales in a file's facts, without invalid ones.

    >>> read_scales({"float": [0, 2.5], "16-bit": [3, 3], "x": None})
    {'float': Scale(black=0.0, white=2.5)}
    """
    found: dict[str, Scale] = {}
    for kind, pair in facts.items() if isinstance(facts, Mapping) else ():
        numbers = isinstance(pair, list | tuple) and len(pair) == 2 and all(type(x) in (int, float) for x in pair)
        if numbers and np.isfinite(pair).all() and pair[0] < pair[1]:
            found[str(kind)] = Scale(float(pair[0]), float(pair[1]))
    return found


def in_words(scales: Mapping[str, Scale], extents: Mapping[str, Sequence[Extent]]) -> list[str]:
    """Return a note on each scale that differs from that of the files' type."""
    return [
        f"{len(extents[kind]):,} {kind} images hold values from {min(e.low for e in extents[kind]):,.5g} to "
        f"{max(e.high for e in extents[kind]):,.5g}; all are scaled with {scale.black:,.5g} as black and {scale.white:,.5g} as white"
        for kind, scale in scales.items()
        if (kind, scale) not in (("16-bit", (0, 65535)), ("float", (0, 1)))
    ]


def _of_integers(files: Sequence[Extent]) -> Scale:
    low, high = min(file.low for file in files), max(file.high for file in files)
    if low >= 0 and high <= WHOLE[-1]:
        return Scale(0.0, next(white for white in WHOLE if high <= white))
    return _apart(*_robust(files))


def _of_floats(files: Sequence[Extent]) -> Scale:
    """Return the scale of files of floats: that of a usual range if theirs is near one, else their own."""
    dark, bright = _robust(files)
    if dark < 0 and -dark <= 1.05 and bright <= NEAR and -dark > 1 / 16:
        return Scale(-1.0, 1.0)
    if dark > -(NEAR - 1) * max(bright, 0):
        for white in (1.0, 255.0, 65535.0):
            if white / 16 < bright <= NEAR * white:
                return Scale(0.0, white)
    return _apart(dark, bright)


def _robust(files: Sequence[Extent]) -> tuple[float, float]:
    """Return the range of nearly all values in nearly all files; one file in a hundred may be an
    outlier.
    """
    dark = np.quantile([file.dark for file in files], 0.01, method="lower")
    bright = np.quantile([file.bright for file in files], 0.99, method="higher")
    return float(dark), float(bright)


def _apart(dark: float, bright: float) -> Scale:
    """Return the scale between two values; black is 0 if no value is below."""
    black = min(dark, 0.0)
    return Scale(black, max(bright, float(np.nextafter(np.float32(black), np.float32(np.inf)))))
