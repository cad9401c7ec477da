"""Default size and channels, from a sample of the images."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from organza.data.decode import Facts, Unreadable, glance
from organza.data.folder import Listing
from organza.data.size import Size

SAMPLE = 200  # images; 200 photographs of 12 megapixels take 5 seconds to check


def sampled(found: Listing, most: int = SAMPLE) -> list[Facts]:
    """Return the properties of a sample of images, evenly spread over the list, without unreadable ones."""
    step = max(1, len(found.entries) // most)
    facts = []
    for entry in found.entries[::step]:
        try:
            facts.append(glance(found.read(entry))[0])
        except Unreadable:  # reported when the image is packed
            continue
    return facts


def recommended_size(facts: Sequence[Facts]) -> Size:
    """Return 32 if most images are smaller than 48, else 64: what two cores can learn in minutes."""
    return Size(32, 32) if facts and middle_side(facts) < 48 else Size(64, 64)


def recommended_channels(facts: Sequence[Facts]) -> int:
    """Return 1 if all images are grey, 4 if most are partly transparent, else 3."""
    if sum(f.has_alpha for f in facts) > len(facts) / 2:
        return 4
    return 1 if facts and all(f.is_grey for f in facts) else 3


def middle_side(facts: Sequence[Facts]) -> float:
    """Return the median of the shorter sides."""
    return median(min(f.size) for f in facts)
