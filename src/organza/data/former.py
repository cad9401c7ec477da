"""Fingerprints in the form of earlier versions, so that a run that began with one resumes with the same images."""

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
    """Return the fingerprints of a pack by version 0.1, which included the skipped files, each with its reason.

    Args:
        content: digests of the names and of the pixels.
        broken: files that are skipped now, including those skipped then. A run without skipped files also resumes if its folder has
            such files now.
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
