"""Two domains of images: pairs that belong together, or two folders that know nothing of each other."""

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
OTHERS = ("testA", "testB", "valA", "valB")  # beside trainA and trainB: inputs to translate afterwards
SPLITS = ("train", "val", "test")  # each with a and b in it, as some data sets are shipped


SOME = 20  # pairs whose proportions are looked at


class Packs(NamedTuple):
    """One domain: its images as they are, and a little larger to show parts of in training; the same pack where there is no jitter."""

    plain: Pack
    grown: Pack


class Domains(Batches):
    """What pairs and unpaired domains share: two sets of images, a translated to b, {"a", "b"}.

    Training shows parts of enlarged pictures, all else the pictures as they are: what is measured and looked at is what `translate` gets.

    Args:
        source: a folder with the subfolders a and b.
        packs: of a and of b.
        count: of items.
        jitter: load the images this many pixels larger and show a random part of them, another in each pass.
        mirror: flip each training image left to right with a chance of one half.
    """

    images: tuple[Rows, Rows]  # of a and of b as they are, uint8 [N, H, W, C]
    grown: tuple[Rows, Rows]  # the same for training, uint8 [N, H + jitter, W + jitter, C]

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
        """Grown images as they are shown at these positions: a part of each, perhaps mirrored."""
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
    """Pairs of images that belong together, {"a", "b"} of the same item: for Pix2Pix.

    Either two folders a/ and b/ with matching names, or a folder of images with the two halves side by side, a on the left.

    Args:
        source: where they are.
        size: pixels of a side, where the source has no wish.
        jitter, mirror: see `Domains`; both sides of a pair alike.

    Raises:
        UserError: where names do not match (which), or the images are no pairs.

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
        """Return a note where the images of a pair have other proportions: the crop cuts off other parts of each, so they do not match."""
        count = len(self.matched[0])
        for item in range(0, count, max(1, count // SOME)):
            names = [side.plain.names[int(rows[item])] for side, rows in zip(packs, self.matched, strict=True)]
            one, other = (_size_in(place, name) for place, name in zip((a, b), names, strict=True))
            if one and other and abs(one.width * other.height / (one.height * other.width) - 1) > 0.05:
                return (
                    f"the two images of a pair differ in their proportions, for example a/{printable(names[0])} is {one} and "
                    f"b/{printable(names[1])} is {other}: each is cropped by itself, so that they do not match; bring them to one shape",
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
    """Two folders of images that know nothing of each other, {"a", "b"}: for CycleGAN, CUT and SimGAN.

    Where one domain is grey and the other in colour, both are read in colour.

    Args:
        source: a folder with the subfolders a and b.
        size: pixels of a side, where the source has no wish.
        jitter, mirror: see `Domains`.

    Raises:
        UserError: where a folder is missing or empty.
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
        if any(side.plain.channels < most for side in packs):  # translators that are shown both domains need them alike
            packs = (
                _opened(replace(a, channels=most), wanted, jitter),
                _opened(replace(b, channels=most), wanted, jitter),
            )
        super().__init__(source, packs, len(packs[1].plain), jitter, mirror)
        self.others = split(len(packs[0].plain))
        self.order_a = Order(self.others.train, source.seed + 1)  # another shuffle than that of b

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
    """Return the size of an image of a folder, or of the first page of its file; None where it cannot be read any more."""
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
    """Refuse images whose halves are nothing like this size: they are hardly pairs."""
    for facts in sampled(listing(source.path, follow_links=source.follow_links), 20):
        width, height = facts.size
        if not 0.8 <= width * size.height / (2 * size.width * height) <= 1.25:
            unpack = " (unpack a zip first)" if Path(source.path).is_file() else ""
            halves = (
                f"; where they are, use --size {width // 2 * size.height // height}x{size.height}"
                if width > height
                else ""
            )
            raise UserError(
                f"{source.path} has no folders a and b{unpack}, and its images are not two halves of {size} side by side: "
                f"one is {facts.size}{halves}.{_inside_splits(source)}"
            )


def _inside_splits(source: Source) -> str:
    """Return the sentence that helps where a and b lie in the splits of a data set."""
    for name in SPLITS:
        split = source.within(name)
        if split and split.within(*A) and split.within(*B):
            return f" {split.path} has both: give it instead."
    return ""


def _notes(source: Source, packs: tuple[Packs, Packs]) -> tuple[str, ...]:
    """Return sentences about folders of pairs and domains that could be understood otherwise."""
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
    """Return the folders and images that lie beside those that are taken, those that are known by their names first."""
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
    """True if a folder is one of these: where capitals make no difference, a and A are."""
    return any(place.samefile(other) for other in taken)


def _matched(a: Pack, b: Pack, where: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows of two packs that belong together by their names without endings: see `partners`. A broken half is left out."""
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
            "a/ and b/ need the same names. For two sets that are no pairs use --recipe cyclegan-light."
        )
    if len(both) < 2:
        raise UserError(f"{where} has {len(both)} usable pairs; 2 are the least, and 200 a good beginning.")
    return np.array([left[stem] for stem, _ in both]), np.array([right[stem] for _, stem in both])


def _rest(stems: Mapping[str, int], matched: Sequence[str], excused: set[str]) -> list[str]:
    """Return the stems without a partner, but for those whose partner is there and broken."""
    return [stem for stem in stems.keys() - set(matched) if folded(printable(stem)) not in excused]


def _by_stem(pack: Pack, where: str) -> dict[str, int]:
    """Return the row of each name without its ending."""
    rows = {_stem(name): row for row, name in enumerate(pack.names)}
    if len(rows) < len(pack.names):
        twice, _ = Counter(map(_stem, pack.names)).most_common(1)[0]
        names = ", ".join(printable(name) for name in pack.names if _stem(name) == twice)
        raise UserError(
            f"{where} holds {names}, of one name but for the ending; which belongs to the pair? Move the others away."
        )
    return rows


def _stem(name: str) -> str:
    """Return a name without the ending of an image; what else follows a dot is part of the name.

    >>> _stem("x/im.1.png"), _stem("scene.1"), _stem("scan.tif#2")
    ('x/im.1', 'scene.1', 'scan#2')
    """
    file, sign, page = name.rpartition("#")  # the page of a file that has several
    if sign and page.isdecimal() and suffix(file) in ENDINGS:
        return f"{file[: -len(suffix(file))]}#{page}"
    return name[: -len(suffix(name))] if suffix(name) in ENDINGS else name
