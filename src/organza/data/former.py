"""Fingerprints as earlier versions made them, so that a run that was begun with one goes on with the same images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from organza.data.cache import digest
from organza.data.decode import NONE_OF_THEM
from organza.data.folder import LEADS_OUT
from organza.data.listing import suffix

FORMAT = 2
ENDINGS = (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff")
FOREIGN = (".heic", ".heif", ".avif", ".jxl", ".jp2", ".svg", ".psd", ".eps", ".tga", ".dng", ".cr2", ".nef", ".arw")


def former_fingerprints(
    content: Mapping[str, str], broken: Sequence[tuple[str, str]], settings: Mapping[str, Any]
) -> list[str]:
    """Return what version 0.1 called a pack: the files that it left out were part of the fingerprint, each with its reason.

    Args:
        content: the sums of the names and of the pixels.
        broken: files that are left out now; those of then are found among them. A run whose folder has more of them since goes on too
            where none was left out before.
        settings: size, channels and fit.
    """
    listed, decoded = list[tuple[str, str]](), list[tuple[str, str]]()
    for name, reason in broken:
        if (ending := suffix(name)) in FOREIGN:
            listed.append((name, f"{ending} is not among the formats; convert it to PNG or JPEG"))
        elif reason == LEADS_OUT or "leads nowhere" in reason or "folder cannot be opened" in reason:
            listed.append((name, reason.partition(";")[0]))
        elif ending in ENDINGS and "no regular file" not in reason:
            old = "not a JPEG, PNG, WebP, BMP, GIF or TIFF picture, or its header is damaged"
            decoded.append((name, old if reason.startswith(NONE_OF_THEM) else reason))
    then = [*sorted(listed), *decoded]
    return [digest({**content, "broken": left_out, "format": FORMAT, **settings}) for left_out in ([], then)]
