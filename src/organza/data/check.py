"""A look at data before training: what is there, what is broken, what is there twice, and what to train it with."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np
from PIL import Image
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from organza.data.decode import Facts, Unreadable, decode, facts
from organza.data.folder import listing
from organza.data.pack import recommended_channels, recommended_size
from organza.data.size import Size
from organza.errors import UserError

Progress = Callable[[str, int, int], None]
FEW = 500


@dataclass(frozen=True)
class Check:
    """What a source holds.

    Args:
        source: where.
        usable: names of the readable pictures, and what each is.
        broken: files that cannot be used, each with its reason.
        copies: groups of pictures with the same pixels.
        alike: groups of pictures that look the same at a glance (equal difference hashes), copies left out.
        classes: pictures in each first-level folder, where there are several.
        size, channels: recommended, or as asked.
    """

    source: str
    usable: tuple[tuple[str, Facts], ...]
    broken: tuple[tuple[str, str], ...]
    copies: tuple[tuple[str, ...], ...]
    alike: tuple[tuple[str, ...], ...]
    classes: tuple[tuple[str, int], ...]
    size: Size
    channels: int

    @property
    def enlarged(self) -> int:
        """Pictures smaller than the size they would be trained at."""
        return sum(f.size.width < self.size.width or f.size.height < self.size.height for _, f in self.usable)

    @property
    def budget(self) -> str:
        """A first budget: minutes for thumbnails, longer for larger pictures."""
        return "20m" if self.size.width * self.size.height <= 64 * 64 else "2h"


def check(source: str | Path, size: Size | None = None, progress: Progress | None = None) -> Check:
    """Look at every picture of a folder or zip. Nothing is written.

    Args:
        source: the folder or zip.
        size: to train at, where the user knows it already.
        progress: is told (what, done, total).

    Raises:
        UserError: no such source, or no pictures in it.
    """
    found = listing(source)
    if not found.entries and not found.problems:
        raise UserError(f"There are no pictures in {source}: no JPEG, PNG, WebP, BMP, GIF or TIFF file.")
    usable: list[tuple[str, Facts]] = []
    broken = list(found.problems)
    same, similar = defaultdict(list), defaultdict(list)
    for done, entry in enumerate(found.entries, 1):
        try:
            content = entry.read()
            usable.append((entry.name, facts(content)))
            small = decode(content, Size(32, 32), 3)
            same[hashlib.sha256(small.tobytes()).digest()].append(entry.name)
            similar[difference_hash(small)].append(entry.name)
        except Unreadable as reason:
            broken.append((entry.name, str(reason)))
        except OSError as error:
            broken.append((entry.name, f"it cannot be read ({error.strerror or error})"))
        if progress:
            progress("looking at pictures", done, len(found.entries))
    kinds = [f for _, f in usable]
    copies = tuple(tuple(names) for names in same.values() if len(names) > 1)
    identical = {name for names in copies for name in names[1:]}
    alike = [tuple(name for name in names if name not in identical) for names in similar.values()]
    return Check(
        str(source), tuple(usable), tuple(broken), copies, tuple(group for group in alike if len(group) > 1),
        _classes([name for name, _ in usable]), size or recommended_size(kinds), recommended_channels(kinds),
    )  # fmt: skip


def difference_hash(picture: np.ndarray) -> int:
    """64 bits that say where a small grey version gets brighter from left to right: equal for pictures that look alike.

    >>> difference_hash(np.zeros((32, 32, 3), np.uint8))
    0
    """
    small = np.asarray(Image.fromarray(picture).convert("L").resize((9, 8), Image.Resampling.BOX)).astype(np.int16)
    return int("".join("1" if bit else "0" for bit in (small[:, 1:] > small[:, :-1]).ravel()), 2)


def render(found: Check) -> RenderableType:
    """A check for the terminal: a table, the broken files, and what to type next."""
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    kinds = [f for _, f in found.usable]
    table.add_row("usable pictures", f"{len(found.usable):,}")
    table.add_row("broken files", f"{len(found.broken):,}")
    if kinds:
        table.add_row("formats", _counted(f.format for f in kinds))
        table.add_row("colours", _counted(f.mode for f in kinds))
        widths, heights = [f.size.width for f in kinds], [f.size.height for f in kinds]
        middle = Size(round(median(widths)), round(median(heights)))
        table.add_row(
            "sizes", f"{Size(min(widths), min(heights))} to {Size(max(widths), max(heights))}, median {middle}"
        )
        table.add_row("same pixels", _groups(found.copies))
        table.add_row("look alike", _groups(found.alike))
    if found.classes:
        shown = ", ".join(f"{name} {count:,}" for name, count in found.classes[:12])
        table.add_row("classes", f"{shown}{', ...' if len(found.classes) > 12 else ''} (by folder)")
    parts: list[RenderableType] = [table]
    parts += [Text(f"  {name}: {reason}", style="red") for name, reason in found.broken[:20]]
    if len(found.broken) > 20:
        parts.append(Text(f"  and {len(found.broken) - 20:,} more", style="red"))
    parts += [Text(f"note: {warning}", style="yellow") for warning in warnings(found)]
    if len(found.usable) > 1:
        parts.append(Text("\n" + "\n".join(recommendation(found))))
    return Group(*parts)


def warnings(found: Check) -> list[str]:
    """What the user should know before training."""
    count, told = len(found.usable), []
    if count < FEW:
        told.append(f"{count} pictures are few: the generator will tend to repeat them; {FEW} or more are better")
    if found.enlarged:
        told.append(f"{found.enlarged:,} pictures are smaller than {found.size} and would be enlarged")
    repeated = sum(len(group) - 1 for group in found.copies)
    if repeated:
        told.append(
            f"{repeated:,} pictures repeat another one pixel for pixel, for example {' = '.join(found.copies[0][:2])}"
        )
    return told


def recommendation(found: Check) -> list[str]:
    """What to type next, and why."""
    side = median(min(f.size) for _, f in found.usable)
    colours = {1: "all are grey", 3: "they are in colour", 4: "most are transparent somewhere"}[found.channels]
    return [
        f"--size {found.size}   the pictures are {side:.0f} pixels on their shorter side (median)",
        f"--channels {found.channels}   {colours}",
        "--recipe dcgan-r1   the one that gets furthest in minutes",
        f"--budget {found.budget}   enough to see whether it works; a larger one goes on from there",
        f"next: organza train {found.source} --size {found.size} --budget {found.budget}",
    ]


def _classes(names: Sequence[str]) -> tuple[tuple[str, int], ...]:
    tops = Counter(name.split("/")[0] for name in names if "/" in name)
    return tuple(sorted(tops.items())) if len(tops) > 1 and sum(tops.values()) == len(names) else ()


def _counted(values) -> str:
    return ", ".join(f"{value} {count:,}" for value, count in Counter(values).most_common())


def _groups(groups: tuple[tuple[str, ...], ...]) -> str:
    return f"{sum(len(g) - 1 for g in groups):,} in {len(groups):,} groups" if groups else "none"
