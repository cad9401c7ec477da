"""Check of data before training: usable, broken and duplicate files, and recommended options."""

from __future__ import annotations

import hashlib
import warnings
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np
from PIL import Image
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from organza.data import deep
from organza.data.classes import classes_of
from organza.data.decode import PAGES, Facts, Unreadable, glance
from organza.data.deep import Extent
from organza.data.defaults import middle_side, recommended_channels, recommended_size
from organza.data.folder import Entry, listing
from organza.data.listing import by_ending
from organza.data.pack import pages_in_words
from organza.data.parallel import in_order
from organza.data.resolution import Resolution, in_words, measured
from organza.data.size import Size
from organza.errors import UserError
from organza.progress import Progress
from organza.untrusted import printable

FEW = 500  # images; a generator trained on fewer mostly repeats them
ALIKE = 3.0  # of 255, largest mean difference of two 8x8 thumbnails that count as near-duplicates
Groups = tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Check:
    """Contents of a source of images.

    Args:
        source: path of the source.
        usable: names and facts of the readable images.
        broken: unusable files, each with the reason.
        copies: groups of files with the same 32x32 thumbnail, or the same bytes.
        alike: groups of near-duplicates (resaved, resized or retouched), without copies.
        classes: images in each class, if folders name two or more.
        size, channels: recommended values, or those requested.
        passed_over: files of other kinds, each with its kind.
        companions: number of tables, texts and notes beside the images.
        apart: hidden files and folders, those of systems, and runs, which are not searched.
        told: further notes on how the images are read.
        resolutions: training sizes up to that of the images, with the detail that each keeps; empty for small images.
    """

    source: str
    usable: tuple[tuple[str, Facts], ...]
    broken: tuple[tuple[str, str], ...]
    copies: Groups
    alike: Groups
    classes: tuple[tuple[str, int], ...]
    size: Size
    channels: int
    passed_over: tuple[tuple[str, str], ...] = ()
    companions: int = 0
    apart: tuple[str, ...] = ()
    told: tuple[str, ...] = ()
    resolutions: tuple[Resolution, ...] = ()

    @property
    def formats(self) -> Counter[str]:
        """Number of files of each format."""
        return Counter(f.format for _, f in self.usable)

    @property
    def modes(self) -> Counter[str]:
        """Number of files of each mode, as Pillow names them: RGB, L (grey), P (palette), CMYK ..."""
        return Counter(f.mode for _, f in self.usable)

    @property
    def sizes(self) -> tuple[Size, Size, Size]:
        """Smallest, median and largest width and height, independently."""
        widths, heights = zip(*(f.size for _, f in self.usable), strict=True)
        return (
            Size(min(widths), min(heights)),
            Size(round(median(widths)), round(median(heights))),
            Size(max(widths), max(heights)),
        )

    @property
    def aspect(self) -> float:
        """Median aspect ratio, width by height."""
        return median(f.size.width / f.size.height for _, f in self.usable)

    @property
    def enlarged(self) -> int:
        """Number of images smaller than the training size."""
        return sum(f.size.width < self.size.width or f.size.height < self.size.height for _, f in self.usable)

    @property
    def reduced(self) -> int:
        """Number of images larger than the training size on both sides."""
        return sum(f.size.width > self.size.width and f.size.height > self.size.height for _, f in self.usable)

    @property
    def budget(self) -> str:
        """Recommended first budget: minutes for thumbnails, longer for larger images."""
        return "20m" if self.size.width * self.size.height <= 64 * 64 else "2h"


def check(
    source: str | Path,
    size: Size | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
    pages: str = "first",
    follow_links: bool = False,
) -> Check:
    """Check every image of a folder, a zip or an array file. Nothing is written.

    Args:
        source: folder, zip or array file.
        size: training size, if it is chosen already.
        workers: number of decoding threads; one for each core by default.
        progress: callback (task, done, total).
        pages: see `open_data`; with "all", files with several pages are counted, and their first
            page is checked.
        follow_links: see `open_data`.

    Raises:
        UserError: if the source does not exist or holds no images.

    >>> len(check("photos").broken)    # doctest: +SKIP
    3
    """
    if pages not in PAGES:
        raise UserError(f"`pages` is {pages}; it must be {' or '.join(PAGES)}.")
    found = listing(source, follow_links=follow_links)
    usable: list[tuple[str, Facts]] = []
    sound: list[Entry] = []
    broken = list(found.problems)
    twins = _Twins()

    def look(entry: Entry) -> tuple[Facts, np.ndarray] | str:
        try:
            return glance(found.read(entry))
        except Unreadable as reason:
            return str(reason)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's: relevant ones are errors here, with the file's name
        for done, (entry, seen) in enumerate(in_order(look, found.entries, workers), 1):
            name = printable(entry.name)
            if isinstance(seen, str):
                broken.append((name, seen))
            else:
                usable.append((entry.name, seen[0]))
                sound.append(entry)
                twins.add(name, seen[1])
            if progress:
                progress("looking at images", done, len(found.entries))
    told = (*_deep_notes(usable), *pages_in_words(sum(fact.several for _, fact in usable), pages), *found.notes)
    facts = [fact for _, fact in usable]
    beside = (found.passed_over, found.companions, found.apart, told)
    size, channels = size or recommended_size(facts), recommended_channels(facts)
    counts = _class_counts([name for name, _ in usable])
    worth = measured(found, sound, middle_side(facts)) if facts else ()
    return Check(
        str(source), tuple(usable), tuple(broken), twins.copies, twins.alike, counts, size, channels, *beside, worth
    )


def _class_counts(names: Sequence[str]) -> tuple[tuple[str, int], ...]:
    """Return the classes that folders name, with their numbers of images."""
    labels, classes = classes_of(names)
    return tuple((printable(classes[label]), count) for label, count in sorted(Counter(labels or ()).items()))


def _deep_notes(usable: Sequence[tuple[str, Facts]]) -> list[str]:
    """Return notes on images of more than 8 bits."""
    extents: dict[str, list[Extent]] = defaultdict(list)
    for _, fact in usable:
        if fact.deep is not None:
            extents[deep.kind_of(fact.mode)].append(fact.deep)
    return deep.in_words(deep.of_data_set(extents), extents)


def difference_hash(picture: np.ndarray) -> tuple[int, int]:
    """Return two 64-bit hashes of a small grey version: its increases to the right, and downwards.
    Equal for most near-duplicates.

    >>> difference_hash(np.zeros((32, 32, 3), np.uint8))
    (0, 0)
    """
    grey = Image.fromarray(picture).convert("L")
    across = np.asarray(grey.resize((9, 8), Image.Resampling.BOX)).astype(np.int16)
    down = np.asarray(grey.resize((8, 9), Image.Resampling.BOX)).astype(np.int16)
    return _bits(across[:, 1:] - across[:, :-1]), _bits(down[1:] - down[:-1])


def _bits(steps: np.ndarray) -> int:
    """Return 64 steps as bits: 1 for those of 4 levels and more, as steps of 1 come and go with JPEG noise on plain areas."""
    return int.from_bytes(np.packbits(steps > 4).tobytes(), "big")


class _Twins:
    """Search for duplicate images in one pass, which keeps 300 bytes of each image."""

    def __init__(self) -> None:
        self._same: dict[bytes, list[str]] = defaultdict(list)
        self._leaders: dict[tuple[int, int], list[int]] = defaultdict(list)  # (direction, hash) -> groups
        self._groups: list[list[str]] = []
        self._miniatures: list[np.ndarray] = []

    def add(self, name: str, picture: np.ndarray) -> None:
        """Add an image, uint8 [32, 32, 3]."""
        same = self._same[hashlib.sha256(picture.tobytes()).digest()]
        same.append(name)
        if len(same) > 1:
            return
        miniature = picture.reshape(8, 4, 8, 4, 3).mean((1, 3)).astype(np.uint8)
        keys = list(enumerate(difference_hash(picture)))
        for key in keys:
            for group in self._leaders[key][:64]:  # bounded: thousands of plain images share a hash
                if np.abs(miniature.astype(np.int16) - self._miniatures[group]).mean() <= ALIKE:
                    self._groups[group].append(name)
                    return
        for key in keys:
            self._leaders[key].append(len(self._groups))
        self._groups.append([name])
        self._miniatures.append(miniature)

    @property
    def copies(self) -> Groups:
        return _several(self._same.values())

    @property
    def alike(self) -> Groups:
        return _several(self._groups)


def _several(groups: Iterable[Sequence[str]]) -> Groups:
    return tuple(tuple(group) for group in groups if len(group) > 1)


def render(found: Check, worded: Callable[[str], str] = str) -> RenderableType:
    """Return a check for the terminal: a table, the broken files, notes, and the next command.

    Args:
        found: check to show.
        worded: wording of arguments in reasons and notes.
    """
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    for name, value in _rows(found):
        table.add_row(name, Text(value))  # Text: a folder may be called [red]
    parts: list[RenderableType] = [table]
    parts += [Text(f"  {name}: {worded(reason)}", style="red") for name, reason in found.broken[:20]]
    if len(found.broken) > 20:
        parts.append(Text(f"  and {len(found.broken) - 20:,} more", style="red"))
    parts += [Text(f"  {name}: {what}", style="dim") for name, what in found.passed_over[:20]]
    if len(found.passed_over) > 20:
        parts.append(Text(f"  and {len(found.passed_over) - 20:,} more", style="dim"))
    parts += [Text(f"note: {worded(note)}", style="yellow") for note in notes(found)]
    if len(found.usable) > 1:
        advice = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
        for setting, reason in recommendation(found):
            advice.add_row(worded(f"`{setting}`"), reason)
        command = f"organza.train({str(found.source)!r}, size={_typed(found.size)!r}, budget={found.budget!r})"
        parts += [
            "",
            advice,
            Text(f"\nnext: {worded(f'`{command}`')}", no_wrap=True, overflow="ignore"),
        ]  # in one line, for copying
    return Group(*parts)


def notes(found: Check) -> list[str]:
    """Return notes for the user to read before training."""
    count, told = len(found.usable), []
    if not count:
        return ["none of the files can be used, so there is nothing to train on", *found.told]
    if found.broken:
        told.append(f"{_several_of(len(found.broken), 'file')} cannot be used and will be skipped")
    told += found.told
    if count == 1:
        told.append(f"a GAN needs many images: at least 2, better {FEW} or more")
    elif count < FEW:
        told.append(f"{count} images are few: the generator will tend to repeat them; {FEW} or more are better")
    if found.enlarged:
        verb = "is" if found.enlarged == 1 else "are"
        told.append(f"{_several_of(found.enlarged, 'image')} {verb} smaller than {found.size} and would be enlarged")
    if transparent := sum(fact.has_alpha for _, fact in found.usable):
        kept = "is kept as a fourth channel" if found.channels == 4 else "is replaced by white; `channels=4` keeps it"
        told.append(f"{_several_of(transparent, 'image')} with transparency: it {kept}")
    if found.reduced:
        told.append(
            f"{_several_of(found.reduced, 'image')} {'is' if found.reduced == 1 else 'are'} larger than {found.size} and would be cropped "
            f"in the middle and reduced to it; the files are not changed"
        )
    if found.copies:
        repeats = _repeats(found.copies)
        told.append(
            f"{_several_of(repeats, 'image')} {'repeats' if repeats == 1 else 'repeat'} another one, "
            f"for example {' = '.join(found.copies[0][:2])}"
        )
    if found.usable and not 2 / 3 <= found.aspect * found.size.height / found.size.width <= 1.5:
        told.append(
            f"most images are {found.aspect:.2f} times as wide as high: {found.size} cuts much of them off; "
            f"`size='{_nearer(found)}'` would keep more"
        )
    return told


def recommendation(found: Check) -> list[tuple[str, str]]:
    """Return recommended arguments of `train` with their reasons: (argument, reason)."""
    side = middle_side([f for _, f in found.usable])
    colours = {1: "all are grey", 3: "they are in colour", 4: "most are partly transparent"}[found.channels]
    return [
        (f"size={_typed(found.size)!r}", f"the images are {side:.0f} pixels on their shorter side (median)"),
        *in_words(found.resolutions),
        (f"channels={found.channels}", colours),
        ("recipe='auto'", "chosen by the images, the budget and the machine"),
        (f"budget={found.budget!r}", "enough for a first result; a larger one later resumes the run"),
    ]


def _rows(found: Check) -> list[tuple[str, str]]:
    """Return the rows of the table of a check: a heading and its value."""
    rows = [("usable images", f"{len(found.usable):,}"), ("broken files", f"{len(found.broken):,}")]
    if found.usable:
        least, middle, greatest = found.sizes
        rows += [
            ("formats", _counted(found.formats)),
            ("colours", _counted(found.modes)),
            ("sizes", f"{least} to {greatest}, median {middle}"),
            ("duplicates", _grouped(found.copies)),
            ("near-duplicates", _grouped(found.alike)),
        ]
    if found.classes:
        shown = ", ".join(f"{name} {count:,}" for name, count in found.classes[:12])
        rows.append(("classes", f"{shown}{', ...' if len(found.classes) > 12 else ''} (by folder)"))
    if found.passed_over:
        rows.append(("skipped", f"{by_ending(found.passed_over)}: not in a supported image format"))
    if found.companions:
        rows.append(
            (
                "other files",
                f"{found.companions:,} {'table, text or note' if found.companions == 1 else 'tables, texts and notes'}",
            )
        )
    if found.apart:
        shown = ", ".join(found.apart[:5]) + (", ..." if len(found.apart) > 5 else "")
        rows.append(("not searched", f"{len(found.apart):,}: {shown} (hidden, of the system, or a run)"))
    return rows


def _nearer(found: Check) -> Size:
    """Return a size of about the same cost with sides in steps of 16, nearer to the aspect of the
    images.
    """
    short = min(found.size)
    long = max(16, round(short * max(found.aspect, 1 / found.aspect) / 16) * 16)
    return Size(long, short) if found.aspect > 1 else Size(short, long)


def _typed(size: Size) -> str:
    """Return a size as typed on the command line: one number for a square."""
    return str(size.width) if size.width == size.height else str(size)


def _counted(values: Counter[str]) -> str:
    return ", ".join(f"{value} {count:,}" for value, count in values.most_common())


def _repeats(groups: Groups) -> int:
    return sum(len(group) - 1 for group in groups)


def _grouped(groups: Groups) -> str:
    return f"{_repeats(groups):,} in {_several_of(len(groups), 'group')}" if groups else "none"


def _several_of(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
