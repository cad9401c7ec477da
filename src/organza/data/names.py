"""Names of images as tables and folders write them: comparison of names with different spellings."""

from __future__ import annotations

import os
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from pathlib import Path

from organza.data.decode import ENDINGS
from organza.errors import UserError
from organza.untrusted import printable

Form = Callable[[str], str]


def spelt(text: str) -> str:
    r"""Return text as it is displayed and compared: composed (NFC, as most systems write it; a Mac may not), and `printable`.

    >>> spelt("u\u0308ber") == "\u00fcber"
    True
    """
    return printable(unicodedata.normalize("NFC", text))


def composed(name: str) -> str:
    """Return a name in Unicode's composed form."""
    return name if name.isascii() else unicodedata.normalize("NFC", name)


def folded(name: str) -> str:
    """Return a name, composed and in lower case."""
    return composed(composed(name).casefold())


def without_ending(name: str) -> str:
    """Return a name, folded, without the extension of an image.

    >>> without_ending("cats/IMG.1.JPG")
    'cats/img.1'
    """
    stem, ending = os.path.splitext(folded(name))  # noqa: PTH122  # a million times: a path object costs ten times as much
    return stem if ending in ENDINGS else stem + ending


def unpadded(name: str) -> str:
    """Return a name, folded, without an extension and without the leading zeros that spreadsheets remove from numbers.

    >>> unpadded("cats/0007.png")
    'cats/7'
    """
    folder, slash, last = without_ending(name).rpartition("/")
    return folder + slash + (last.lstrip("0") or "0" if last.isdecimal() else last)


FORMS: tuple[Form, ...] = (str, composed, folded, without_ending, unpadded)
"""Forms in which names are compared, the strictest first: names that differ in one form can be equal in the next."""


class Ambiguous(UserError):
    """A line of a table that names more than one image."""


def matched(names: Sequence[str], keys: Sequence[Sequence[str]], home: str) -> list[list[int]]:
    """Return the lines of a table that name each image: none, one, or more.

    A name is searched in its exact form, then in each of the looser `FORMS`, then as the end of a longer path: C:/sets/cats/1.png for
    cats/1.png, or 1.png for cats/1.png if no other folder has one. A matched image or line is not matched again.

    Args:
        names: names of the images, relative to the source.
        keys: names that each line may mean, relative to the source; the last of them as written, for the comparison of ends.
        home: name of the source's folder, which counts if a table names several folders.

    >>> matched(["a.png", "x/b.png"], [["b.png"], ["A.PNG"]], "set")
    [[1], [0]]

    Raises:
        Ambiguous: if a line names two images, neither of which has a line of its own.
    """
    search = _Search(names, keys, home)
    for form in FORMS:
        search.take(search.whole(form), exact=form is str)
    for form in FORMS[1:]:
        search.take(search.longer(form))
        search.take(search.shorter(form))
    return search.found


class _Search:
    """The images and lines without a match so far, and the matches: see `matched`."""

    def __init__(self, names: Sequence[str], keys: Sequence[Sequence[str]], home: str):
        self.names, self.keys, self.home = names, keys, folded(home)
        self.images, self.lines = list(range(len(names))), list(range(len(keys)))
        self.found: list[list[int]] = [[] for _ in names]

    def take(self, claims: Mapping[int, list[int]], exact: bool = False) -> None:
        """Assign lines to images.

        Args:
            claims: images that each line may name.
            exact: True if several images have exactly this name, as members of a zip can.
        """
        for line, images in claims.items():
            if len(images) > 1 and not exact:
                shown = " or ".join(printable(self.names[image]) for image in images[:3])
                raise Ambiguous(f"{printable(self.keys[line][-1])}, which may be {shown}")
            for image in images:
                self.found[image].append(line)
        if claims:
            self.lines = [line for line in self.lines if line not in claims]
            self.images = [image for image in self.images if not self.found[image]]

    def whole(self, form: Form) -> dict[int, list[int]]:
        """Return the images whose name equals the line's."""
        index = self._index(form)
        if not index:
            return {}
        hits = ((line, next((index[k] for k in map(form, self.keys[line]) if k in index), None)) for line in self.lines)
        return {line: images for line, images in hits if images}

    def longer(self, form: Form) -> dict[int, list[int]]:
        """Return the images whose name is the end of the line's. If several folders match, the lines of one folder are used."""
        if not self.images:
            return {}
        index: dict[str, list[int]] = defaultdict(list)
        for image, name in enumerate(self.names):
            index[form(name)].append(image)
        claims: dict[str, dict[int, list[int]]] = defaultdict(dict)
        for line in self.lines:
            key = form(self.keys[line][-1])
            cut = key.find("/")
            while cut >= 0:
                if images := index.get(key[cut + 1 :]):
                    if not any(self.found[image] for image in images):
                        claims[key[:cut]][line] = images
                    break
                cut = key.find("/", cut + 1)
        own = {base: lines for base, lines in claims.items() if folded(base.rpartition("/")[2]) == self.home}
        merged: dict[int, list[int]] = {}
        for lines in (own or claims).values():
            merged |= lines
        return merged

    def shorter(self, form: Form) -> dict[int, list[int]]:
        """Return the images whose name ends with the line's."""
        index: dict[str, list[int]] = defaultdict(list)
        for image in self.images:
            name = form(self.names[image])
            cut = name.find("/")
            while cut >= 0:
                index[name[cut + 1 :]].append(image)
                cut = name.find("/", cut + 1)
        if not index:
            return {}
        hits = ((line, index.get(form(self.keys[line][-1]))) for line in self.lines)
        return {line: images for line, images in hits if images}

    def _index(self, form: Form) -> dict[str, list[int]]:
        index: dict[str, list[int]] = defaultdict(list)
        for image in self.images:
            index[form(self.names[image])].append(image)
        return index


def partners(left: Sequence[str], right: Sequence[str]) -> list[tuple[str, str]]:
    """Return matching names of two folders, each at most once, in the order of the left ones.

    Equal names match first, then names that differ only by Unicode form, then by case, if each side has only one.

    >>> partners(["a", "B"], ["b", "a", "c"])
    [('B', 'b'), ('a', 'a')]
    """
    pairs = {name: name for name in set(left) & set(right)}
    for form in (composed, folded):
        sides = []
        for names, done in ((left, set(pairs)), (right, set(pairs.values()))):
            groups: dict[str, list[str]] = defaultdict(list)
            for name in names:
                if name not in done:
                    groups[form(name)].append(name)
            sides.append({key: group[0] for key, group in groups.items() if len(group) == 1})
        pairs |= {sides[0][key]: sides[1][key] for key in sides[0].keys() & sides[1].keys()}
    return sorted(pairs.items())


def ancestors(names: Sequence[str]) -> list[str]:
    """Return every folder that contains some of these names, at any depth, the topmost first; "" is the source itself.

    >>> ancestors(["x/a/1.png", "2.png"])
    ['', 'x', 'x/a']
    """
    folders = {name.rpartition("/")[0] for name in names} - {""}
    above = {folder[:cut] for folder in folders for cut, sign in enumerate(folder) if sign == "/"}
    return sorted(chain([""], folders | above), key=lambda folder: (folder.count("/") + bool(folder), folder))


def home_of(source: str | Path) -> str:
    """Return the name of a source: that of its folder, or of its file without the extension."""
    path = Path(os.path.abspath(source))  # noqa: PTH100  # resolve() would follow a link to a folder of another name
    return path.name if path.is_dir() else path.stem
