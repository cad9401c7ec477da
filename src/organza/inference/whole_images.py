"""Whole images enlarged or filled: of any size, grey or in colour, with opacity, by a run that was trained on patches."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from organza.data.patches import with_hole
from organza.inference.tiles import Ticked, strips
from organza.networks.layers import Translator

OPAQUE = 128
"""Least opacity of a pixel that is known, and least brightness of one that a mask marks."""


def enlarged(
    network: Translator, pixels: np.ndarray, channels: int, ticked: Ticked | None = None
) -> Iterator[np.ndarray]:
    """Yield an enlarged image from top to bottom, uint8 [rows, factor W, C], with the channels of the original.

    Opacity is enlarged by the same network, as a grey image; if it is 0 or 255 everywhere, it stays so. The colours of
    invisible pixels are replaced by those nearby, as they would show at the edges.

    Args:
        network: network that enlarges.
        pixels: uint8 [H, W, C], grey, colour, or colour and opacity.
        channels: 1 or 3, those of the network.
        ticked: callback after each tile of the colours.
    """
    if pixels.shape[2] < 4:
        yield from _coloured(network, pixels, channels, ticked)
        return
    opacity = pixels[..., 3:]
    hard = bool(np.isin(opacity, (0, 255)).all())
    colours = _coloured(network, bled(pixels), channels, ticked)
    for colour, alpha in zip(colours, _coloured(network, opacity, channels), strict=True):
        yield np.concatenate([colour, np.where(alpha < OPAQUE, np.uint8(0), np.uint8(255)) if hard else alpha], 2)


def _coloured(
    network: Translator, pixels: np.ndarray, channels: int, ticked: Ticked | None = None
) -> Iterator[np.ndarray]:
    """Yield the result for a grey or coloured image, by a network of either."""
    given = pixels.shape[2]
    if given == channels:
        yield from strips(network, pixels, ticked=ticked)
    elif given == 1:  # a grey image as three equal channels, and their mean
        for strip in strips(network, np.repeat(pixels, channels, 2), ticked=ticked):
            yield np.rint(strip.mean(2, keepdims=True)).astype(np.uint8)
    else:  # each colour as a grey image
        planes = [strips(network, pixels[..., k : k + 1], ticked=ticked) for k in range(given)]
        for parts in zip(*planes, strict=True):
            yield np.concatenate(parts, 2)


def filled(network: Translator, pixels: np.ndarray, hole: np.ndarray, channels: int) -> np.ndarray:
    """Return an image with its hole filled, uint8 [H, W, C]; every pixel outside of it has its own value.

    Args:
        network: network that fills.
        pixels: uint8 [H, W, C], grey, colour, or colour and opacity.
        hole: bool [H, W], True where to fill; there the result is opaque.
        channels: 1 or 3, those of the network.
    """
    made, colours = pixels.copy(), min(pixels.shape[2], 3)
    if colours == channels:
        parts = [strips(network, with_hole(pixels[..., :colours], hole))]
    elif colours == 1:
        parts = [strips(network, with_hole(np.repeat(pixels, channels, 2), hole))]
    else:
        parts = [strips(network, with_hole(pixels[..., k : k + 1], hole)) for k in range(colours)]
    whole = np.concatenate([np.concatenate(list(part)) for part in parts], 2)
    if colours < whole.shape[2]:
        whole = np.rint(whole.mean(2, keepdims=True)).astype(np.uint8)
    made[hole, :colours] = whole[hole]
    if pixels.shape[2] == 4:
        made[hole, 3] = 255
    return made


def bled(pixels: np.ndarray) -> np.ndarray:
    """Return the colours of an image with opacity; those of invisible pixels are replaced by visible ones around them.

    Args:
        pixels: uint8 [H, W, 4].

    >>> image = np.zeros((1, 4, 4), np.uint8); image[0, 0] = (9, 8, 7, 255); bled(image)[0, 3].tolist()
    [9, 8, 7]
    """
    colours, weight = pixels[..., :3].astype(np.float32), pixels[..., 3:].astype(np.float32) / 255
    return np.rint(_spread(colours * weight, weight, colours)).astype(np.uint8)


def _spread(total: np.ndarray, weight: np.ndarray, own: np.ndarray | None = None) -> np.ndarray:
    """Return means of colours, by their weights, coarse where nothing is visible nearby: `networks.filler.smooth`."""
    mean = total / np.maximum(weight, 1e-6) if own is None else own
    if (weight > 0).all() or max(total.shape[:2]) == 1:
        return mean
    high, wide = total.shape[:2]
    even = ((0, high % 2), (0, wide % 2), (0, 0))
    halves = [np.pad(part, even) for part in (total, weight)]
    small = [half.reshape(half.shape[0] // 2, 2, half.shape[1] // 2, 2, -1).sum((1, 3)) for half in halves]
    coarse = _spread(*small).repeat(2, 0).repeat(2, 1)[:high, :wide]
    return np.where(weight > 0, mean, coarse)
