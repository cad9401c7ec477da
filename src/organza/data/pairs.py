"""Two domains of images: matching pairs, or two unpaired folders."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from organza.data.arrays import Rows
from organza.data.batches import (
    Batches,
    Order,
    channels_first,
    flips,
    mirrored,
    reference,
    round_robin,
    split,
    to_float,
)
from organza.data.classes import folders_of, split_notes, split_words
from organza.data.decode import ENDINGS, Unreadable, size_of
from organza.data.defaults import sampled
from organza.data.folder import listing
from organza.data.listing import LARGEST, is_apart, suffix
from organza.data.names import folded, partners
from organza.data.pack import Pack
from organza.data.size import Size
from organza.data.source import Source
from organza.errors import UserError
from organza.seeding import stream
from organza.untrusted import printable, read_bytes

A, B = ("a", "A", "trainA"), ("b", "B", "trainB")
OTHERS = ("testA", "testB", "valA", "valB")  # beside trainA and trainB: inputs to translate after training
SPLITS = ("train", "val", "test")  # folders with a and b inside, as in some data sets


SOME = 20  # pairs whose proportions are compared


class Packs(NamedTuple):
    """One domain: its images, and enlarged ones for random crops in training; the same pack if
    there is no jitter.
    """

    plain: Pack
    grown: Pack


class Domains(Batches):
    """Base of pairs and unpaired domains: two sets of images, a to be translated to b, {"a", "b"}.

    Training uses random crops of enlarged images, everything else the images themselves, as
    `translate` does.

    Args:
        source: folder with the subfolders a and b.
        packs: packs of a and of b.
        count: number of items.
        jitter: pixels by which training images are enlarged and randomly cropped, differently in
            each pass.
        mirror: True to flip each training image left to right with probability one half.
    """

    images: tuple[Rows, Rows]  # images of a and of b, uint8 [N, H, W, C]
    grown: tuple[Rows, Rows]  # enlarged ones for training, uint8 [N, H + jitter, W + jitter, C]

    def __init__(self, source: Source, packs: tuple[Packs, Packs], count: int, jitter: int, mirror: bool):
        super().__init__(count, source.seed)
        self.jitter, self.mirror = jitter, mirror
        self.images = (packs[0].plain.images, packs[1].plain.images)
        self.grown = (packs[0].grown.images, packs[1].grown.images)
        self.source_shape, self.shape = map(channels_first, self.images)
        self.broken = tuple(
            (f"{place}/{name}", why) for place, side in zip("ab", packs, strict=True) for name, why in side.plain.broken
        )
        every = [pack for side in packs for pack in side]
        self.fingerprint = self._print([pack.fingerprint for pack in every])
        formers = zip(*(pack.former_fingerprints for pack in every), strict=True)
        self.former_fingerprints = tuple(self._print(list(prints)) for prints in formers)
        self.notes = tuple(dict.fromkeys(note for side in packs for note in side.plain.notes))
        self.directory = packs[0].plain.directory
        self.notes = _notes(source, packs)

    def _print(self, packs: list[str]) -> str:
        return hashlib.sha256(repr((type(self).__name__, packs)).encode()).hexdigest()

    def facts(self) -> dict[str, Any]:
        return super().facts() | {"source_shape": list(self.source_shape)}

    def shown(self, images: np.ndarray, positions: Sequence[int], side: str = "") -> Tensor:
        """Return enlarged images as used in training at these positions: cropped, and possibly
        mirrored.
        """
        images = mirrored(images, flips(self.seed, positions, side) if self.mirror else ())
        if self.jitter:
            height, width = images.shape[1] - self.jitter, images.shape[2] - self.jitter
            streams = [stream(self.seed, f"corner{side}", k) for k in positions]
            corners = [torch.randint(self.jitter + 1, (2,), generator=each).tolist() for each in streams]
            images = np.stack(
                [image[y : y + height, x : x + width] for image, (y, x) in zip(images, corners, strict=True)]
            )
        return to_float(images)


class Pairs(Domains):
    """Pairs of images that belong together, {"a", "b"} of the same item, for Pix2Pix.

    The source is either two folders a/ and b/ with matching names, or a folder of images with two
    halves side by side, a on the left.

    Args:
        source: location and settings of the data.
        size: pixels on each side, if the source gives no size.
        jitter: see `Domains`; equal on both sides of a pair.
        mirror: see `Domains`; equal on both sides of a pair.

    Raises:
        UserError: if names do not match (names them), or the images are not pairs.

    >>> data = Pairs(Source("pairs"))                   # doctest: +SKIP
    >>> data.at(range(4))["a"].shape                    # doctest: +SKIP
    torch.Size([4, 1, 64, 64])
    """

    unit = "pairs"

    def __init__(self, source: Source, *, size: int = 64, jitter: int = 0, mirror: bool = False):
        a, b = source.within(*A), source.within(*B)
        if (a is None) != (b is None):
            raise UserError(
                f"{source.path} has only one of the folders a and b; pairs need both, with matching names.{_inside_splits(source)}"
            )
        wanted = source.wanted or Size(size, size)
        if a and b:
            packs = (_opened(a, wanted, jitter), _opened(b, wanted, jitter))
        else:
            _require_halves(source, wanted)
            packs = (_opened(source, wanted, jitter, "left"), _opened(source, wanted, jitter, "right"))
        self.matched = _matched(*(side.plain for side in packs), where=str(source.path))
        super().__init__(source, packs, len(self.matched[0]), jitter, mirror)
        if a is None or b is None:
            self.broken = packs[0].plain.broken
        else:
            self.notes = (*self.notes, *self._cut_otherwise(a, b, packs))

    def _cut_otherwise(self, a: Source, b: Source, packs: tuple[Packs, Packs]) -> tuple[str, ...]:
        """Return a note if the images of a pair have different proportions, so that they are
        cropped differently and do not match.
        """
        count = len(self.matched[0])
        for item in range(0, count, max(1, count // SOME)):
            names = [side.plain.names[int(rows[item])] for side, rows in zip(packs, self.matched, strict=True)]
            one, other = (_size_in(place, name) for place, name in zip((a, b), names, strict=True))
            if one and other and abs(one.width * other.height / (one.height * other.width) - 1) > 0.05:
                return (
                    f"the two images of a pair differ in their proportions, for example a/{printable(names[0])} is {one} and "
                    f"b/{printable(names[1])} is {other}: each is cropped by itself, so they do not match; crop them to the same shape",
                )
        return ()

    def at(self, positions: Sequence[int]) -> dict[str, Tensor]:
        which = self.order.at(positions)
        sides = zip("ab", self.grown, self.matched, strict=True)
        return {name: self.shown(images[rows[which]], positions) for name, images, rows in sides}

    def referenced(self, positions: Sequence[int]) -> dict[str, Tensor]:
        which = round_robin(self.reference, positions)
        sides = zip("ab", self.images, self.matched, strict=True)
        return {name: to_float(images[rows[which]]) for name, images, rows in sides}

    def real(self) -> np.ndarray:
        return self.images[1][self.matched[1][self.reference]]


class Unpaired(Domains):
    """Two unpaired folders of images, {"a", "b"}, for CycleGAN, CUT and SimGAN.

    If one domain is grey and the other in colour, both are read in colour.

    Args:
        source: folder with the subfolders a and b.
        size: pixels on each side, if the source gives no size.
        jitter: see `Domains`.
        mirror: see `Domains`.

    Raises:
        UserError: if a folder is missing or empty.
    """

    def __init__(self, source: Source, *, size: int = 64, jitter: int = 0, mirror: bool = False):
        a, b = source.within(*A), source.within(*B)
        if a is None or b is None:
            lacking = " and ".join(name for name, place in (("a", a), ("b", b)) if place is None)
            raise UserError(
                f"{source.path} needs two folders, a (to translate from) and b (to translate to); it lacks {lacking}."
                f"{_inside_splits(source)}"
            )
        wanted = source.wanted or Size(size, size)
        packs = (_opened(a, wanted, jitter), _opened(b, wanted, jitter))
        most = max(side.plain.channels for side in packs)
        if any(side.plain.channels < most for side in packs):  # translators of both domains need equal channels
            packs = (
                _opened(replace(a, channels=most), wanted, jitter),
                _opened(replace(b, channels=most), wanted, jitter),
            )
        super().__init__(source, packs, len(packs[1].plain), jitter, mirror)
        self.others = split(len(packs[0].plain))
        self.order_a = Order(self.others.train, source.seed + 1)  # not the shuffle of b

    def at(self, positions: Sequence[int]) -> dict[str, Tensor]:
        return {
            "a": self.shown(self.grown[0][self.order_a.at(positions)], positions, "a"),
            "b": self.shown(self.grown[1][self.order.at(positions)], positions, "b"),
        }

    def referenced(self, positions: Sequence[int]) -> dict[str, Tensor]:
        return {
            "a": to_float(self.images[0][round_robin(reference(self.others), positions)]),
            "b": to_float(self.images[1][round_robin(self.reference, positions)]),
        }

    def real(self) -> np.ndarray:
        return self.images[1][self.reference]

    @property
    def inputs(self) -> int:
        return len(reference(self.others))

    def facts(self) -> dict[str, Any]:
        return super().facts() | {"source_count": len(self.images[0])}


def _size_in(source: Source, name: str) -> Size | None:
    """Return the size of an image of a folder, or of the first page of its file; None if it can no
    longer be read.
    """
    for file in (name, name.rpartition("#")[0]):
        try:
            return size_of(read_bytes(Path(source.path) / file, LARGEST))
        except (OSError, Unreadable):
            continue
    return None


def _opened(source: Source, size: Size, jitter: int, fit: str = "crop") -> Packs:
    plain = source.pack(size, fit=fit)
    if not jitter:
        return Packs(plain, plain)
    return Packs(plain, source.pack(Size(size.width + jitter, size.height + jitter), plain.channels, fit))


def _require_halves(source: Source, size: Size) -> None:
    """Refuse images whose halves differ much from this size, as they are hardly pairs."""
    for facts in sampled(listing(source.path, follow_links=source.follow_links), 20):
        width, height = facts.size
        if not 0.8 <= width * size.height / (2 * size.width * height) <= 1.25:
            unpack = " (unpack a zip first)" if Path(source.path).is_file() else ""
            halves = (
                f"; if they are pairs, use `size='{width // 2 * size.height // height}x{size.height}'`"
                if width > height
                else ""
            )
            raise UserError(
                f"{source.path} has no folders a and b{unpack}, and its images are not two halves of {size} side by side: "
                f"one is {facts.size}{halves}.{_inside_splits(source)}"
            )


def _inside_splits(source: Source) -> str:
    """Return advice if a and b lie in the splits of a data set, otherwise ""."""
    for name in SPLITS:
        split = source.within(name)
        if split and split.within(*A) and split.within(*B):
            return f" {split.path} has both: use it instead."
    return ""


def _notes(source: Source, packs: tuple[Packs, Packs]) -> tuple[str, ...]:
    """Return notes on ambiguous folders of pairs and domains."""
    taken = [place.path for place in (source.within(*A), source.within(*B)) if place]
    if len(taken) < 2:
        return split_notes(source.path, packs[0].plain.names)
    spare = _beside(Path(source.path), taken)
    shown = " and ".join(spare) if len(spare) < 5 else f"{', '.join(spare[:3])} and {len(spare) - 3:,} more"
    left = (f"{shown} {'is' if len(spare) == 1 else 'are'} left out",) if spare else ()
    splits = [folders_of(side.plain.names).splits for side in packs]
    notes = [f"{split_words(names)}; the images of all are used" for names in dict.fromkeys(splits) if names]
    return (*left, *notes)


def _beside(folder: Path, taken: Sequence[str | Path]) -> list[str]:
    """Return the folders and images beside those in use, known names first."""
    try:
        items = sorted(folder.iterdir())
    except OSError:
        return []
    left = [
        f"{printable(item.name)}{'/' * item.is_dir()}"
        for item in items
        if not is_apart(item.name) and (not _one_of(item, taken) if item.is_dir() else suffix(item.name) in ENDINGS)
    ]
    known = [f"{name}/" for name in (*A, *B, *OTHERS)]
    return sorted(left, key=lambda name: known.index(name) if name in known else len(known))


def _one_of(place: Path, taken: Sequence[str | Path]) -> bool:
    """Return True if a folder is one of these; on systems that ignore case, a and A are the same."""
    return any(place.samefile(other) for other in taken)


def _matched(a: Pack, b: Pack, where: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows of two packs that belong together by their names without extensions: see
    `partners`. Broken halves are left out.
    """
    left, right = _by_stem(a, f"{where}/a"), _by_stem(b, f"{where}/b")
    both = partners(list(left), list(right))
    excused = {folded(_stem(name)) for pack in (a, b) for name, _ in pack.broken}
    lonely = [f"a/{a.names[left[stem]]}" for stem in _rest(left, [stem for stem, _ in both], excused)]
    lonely += [f"b/{b.names[right[stem]]}" for stem in _rest(right, [stem for _, stem in both], excused)]
    if lonely:
        one = len(lonely) == 1
        some = ", ".join(map(printable, sorted(lonely)[:3]))
        raise UserError(
            f"{len(lonely):,} {'image' if one else 'images'} in {where} {'has' if one else 'have'} no partner, for example {some}; "
            "a/ and b/ need the same names. For two unpaired sets use `recipe='cyclegan'`."
        )
    if len(both) < 2:
        raise UserError(f"{where} has {len(both)} usable pairs; at least 2 are required, and 200 or more are better.")
    return np.array([left[stem] for stem, _ in both]), np.array([right[stem] for _, stem in both])


def _rest(stems: Mapping[str, int], matched: Sequence[str], excused: set[str]) -> list[str]:
    """Return the stems without a partner, except those whose partner exists and is broken."""
    return [stem for stem in stems.keys() - set(matched) if folded(printable(stem)) not in excused]


def _by_stem(pack: Pack, where: str) -> dict[str, int]:
    """Return the row of each name without its extension."""
    rows = {_stem(name): row for row, name in enumerate(pack.names)}
    if len(rows) < len(pack.names):
        twice, _ = Counter(map(_stem, pack.names)).most_common(1)[0]
        names = ", ".join(printable(name) for name in pack.names if _stem(name) == twice)
        raise UserError(
            f"{where} holds {names}, which differ only by extension; keep the one that belongs to the pair and move the others away."
        )
    return rows


def _stem(name: str) -> str:
    """Return a name without the extension of an image; other text after a dot is part of the name.

    >>> _stem("x/im.1.png"), _stem("scene.1"), _stem("scan.tif#2")
    ('x/im.1', 'scene.1', 'scan#2')
    """
    file, sign, page = name.rpartition("#")  # the page of a file with several
    if sign and page.isdecimal() and suffix(file) in ENDINGS:
        return f"{file[: -len(suffix(file))]}#{page}"
    return name[: -len(suffix(name))] if suffix(name) in ENDINGS else name
