"""Classes and splits from folder names: photos/cat/1.png is a cat, and so is train/cat/1.png."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import takewhile
from pathlib import Path
from typing import NamedTuple

from organza.data.names import spelt
from organza.shell import quoted

SPLIT = re.compile(
    r"(?:seg_)?(?:train|training|unlabell?ed|valid|validation|val|test|testing|dev|eval|evaluation|hold[-_ ]?out)"
    r"(?:[-_ ]?(?:sets?|data|split|images|imgs|\d{4}))?",
    re.IGNORECASE,
)
"""Names of folders that are splits of a data set: train, val, test_set, train2017 ..."""


class Folders(NamedTuple):
    """The folders of images.

    Args:
        places: folder of each image, as an index into `paths`.
        paths: parts of each folder, below the common folder and the splits; empty for an image above the classes.
        splits: folders that are splits of one data set, such as train and test.
    """

    places: list[int]
    paths: list[list[str]]
    splits: tuple[str, ...]

    @property
    def tops(self) -> list[str] | None:
        """Class folder of each path, as it is on disk; None if some images are in no class folder."""
        return [path[0] for path in self.paths] if all(self.paths) else None


def folders_of(names: Iterable[str]) -> Folders:
    """Return the folders of images, without common folders and splits.

    >>> folders_of(["set/train/cat/1.png", "set/train/dog/2.png", "set/test/cat/3.png"])
    Folders(places=[0, 1, 2], paths=[['cat'], ['dog'], ['cat']], splits=('test', 'train'))

    Args:
        names: names of the images, relative to the source.
    """
    known: dict[str, int] = {}
    places = [known.setdefault(name.rpartition("/")[0], len(known)) for name in names]
    paths = [folder.split("/") if folder else [] for folder in known]
    splits: tuple[str, ...] = ()
    while True:
        shared = sum(1 for _ in takewhile(lambda level: len(set(level)) == 1, zip(*paths, strict=False)))
        paths = [path[shared:] for path in paths]
        tops = {path[0] if path else "" for path in paths}
        if len(tops) < 2 or not all(map(SPLIT.fullmatch, tops)):
            return Folders(places, paths, splits)
        splits = splits or tuple(sorted(tops))
        paths = [path[1:] for path in paths]


def classes_of(names: Iterable[str]) -> tuple[list[int] | None, list[str]]:
    """Return the class of each name and the names of the classes, `spelt`: the top folders in `folders_of`.

    Args:
        names: names of the images, relative to the source. Without at least two classes that contain all images, there are no classes.

    >>> classes_of(["set/cat/1.png", "set/cat/2.png", "set/dog/1.png"])
    ([0, 0, 1], ['cat', 'dog'])
    >>> classes_of(["1.png", "cat/2.png", "dog/3.png"])
    (None, [])
    """
    folders = folders_of(names)
    tops = [spelt(top) for top in folders.tops or ()]
    classes = sorted(set(tops))
    if len(classes) < 2:
        return None, []
    rank = {name: number for number, name in enumerate(classes)}
    numbers = [rank[top] for top in tops]
    return [numbers[place] for place in folders.places], classes


def split_notes(source: str | Path, names: Sequence[str]) -> tuple[str, ...]:
    """Return a note if folders are splits of one data set, otherwise nothing.

    Args:
        source: data of the run, a folder or a zip.
        names: names of its images.
    """
    if not (splits := folders_of(names).splits):
        return ()
    part = ""
    if Path(source).is_dir():
        part = f": give {quoted(Path(source) / _largest(names, splits))} to leave the rest out"
    return (f"{split_words(splits)}; all {len(names):,} images are used{part}",)


def _largest(names: Sequence[str], splits: Sequence[str]) -> str:
    """Return the folder of the split to train on: that of the training images, or else the largest."""
    parts = (name.split("/") for name in names)
    places = Counter("/".join(part[: k + 1]) for part in parts for k in [_first_of(splits, part)] if k is not None)
    return max(sorted(places), key=lambda place: ("train" in place.rpartition("/")[2].lower(), places[place]))


def _first_of(splits: Sequence[str], parts: Sequence[str]) -> int | None:
    return next((k for k, part in enumerate(parts[:-1]) if part in splits), None)


def split_words(splits: Sequence[str]) -> str:
    """Describe the interpretation of splits in words.

    >>> split_words(("test", "train"))
    'test/ and train/ are taken for splits of one data set, not for classes'
    """
    folders = [f"{spelt(name)}/" for name in splits[:6]]
    if len(splits) > len(folders):
        folders.append("...")
    return f"{', '.join(folders[:-1])} and {folders[-1]} are taken for splits of one data set, not for classes"
