"""Listings of a data source: entries that are read one by one, and skipped files with their
reasons.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, NamedTuple

from organza.data.cache import sha256_of
from organza.data.decode import ENDINGS
from organza.data.signatures import CONVERT, content_of

LARGEST = 256 * 2**20  # bytes of one file; a larger file is not a training image
ARRAYS = (".npy", ".npz")
MESHES = (".obj", ".stl")
UNKNOWN = "it is of an unknown kind"

_RAW = (
    ".dng", ".cr2", ".cr3", ".crw", ".nef", ".nrw", ".arw", ".srf", ".sr2", ".orf", ".rw2", ".raf", ".raw", ".srw", ".pef", ".3fr",
    ".fff", ".iiq", ".x3f", ".erf", ".mrw", ".kdc", ".dcr", ".mos", ".mef", ".rwl",
)  # fmt: skip
FOREIGN = (
    *_RAW, ".jxl", ".jxr", ".wdp", ".hdp", ".svg", ".svgz", ".psd", ".psb", ".eps", ".ps", ".ai", ".pdf", ".tga", ".exr", ".hdr",
    ".pic", ".dcm", ".dicom", ".nii", ".nrrd", ".mha", ".fits", ".fit", ".dds", ".qoi", ".pcx", ".sgi", ".rgb", ".ras", ".xcf", ".kra",
    ".clip", ".ico", ".cur", ".icns", ".djvu", ".wmf", ".emf", ".xpm", ".xbm", ".bpg", ".flif", ".webp2",
)  # fmt: skip
COMPANIONS = (
    ".csv", ".tsv", ".txt", ".json", ".jsonl", ".ndjson", ".md", ".rst", ".xml", ".yaml", ".yml", ".toml", ".ini", ".cfg", ".log",
    ".xmp", ".aae", ".thm", ".caption", ".cap", ".tags", ".md5", ".sha1", ".sha256", ".url", ".webloc", ".lnk", ".htm", ".html", ".bib",
)  # fmt: skip
"""Extensions of tables, texts and notes beside images: counted, but not listed."""
UNFINISHED = (".part", ".partial", ".crdownload", ".download", ".tmp", ".temp", ".bak", ".old", ".orig", ".swp")
SYSTEM = frozenset(
    ("@eadir", "@tmp", "#recycle", "#snapshot", "$recycle.bin", "recycler", "system volume information", "lost+found", "__macosx",
     "thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r")
)  # fmt: skip
"""Folders of operating systems with copies and thumbnails of images, which are not data."""


class Kind(NamedTuple):
    """A kind of input: accepted file extensions, and known extensions that are skipped with a
    message.

    Args:
        name: plural name of the items.
        endings: extensions of files that are read.
        foreign: extensions of files that hold such items in an unsupported format.
        formats: message that no file has a supported format.
        to: supported format to convert to.
    """

    name: str
    endings: frozenset[str]
    foreign: frozenset[str]
    formats: str
    to: str

    @property
    def by_content(self) -> bool:
        """True if files with other extensions are recognized by their first bytes."""
        return self.name == "images"


PICTURES = Kind(
    "images", frozenset(ENDINGS), frozenset(FOREIGN), "no JPEG, PNG, WebP, BMP, GIF or TIFF file", "PNG or JPEG"
)
VOLUMES = Kind(
    "volumes",
    frozenset((*ARRAYS, *MESHES)),
    frozenset((".ply", ".off", ".glb", ".gltf", ".fbx", ".3ds", ".dae", ".step")),
    "no .npy, .npz, .obj or .stl file",
    "OBJ or STL",
)


class Entry(NamedTuple):
    """One candidate: its name relative to the source, and a size and stamp that change if it does."""

    name: str
    bytes: int
    stamp: int  # nanoseconds of the last change, or the checksum in a zip


Told = tuple[tuple[str, str], ...]
"""Displayed names of files, each with a reason."""


@dataclass(frozen=True)
class Listing:
    """Contents of a source.

    Args:
        entries: candidates in the order of their names.
        problems: names of files that should be images but cannot be used, each with the reason.
        read: function that returns the bytes of an entry, or the pixels of a row of an array file;
            from any thread. Raises `Unreadable`.
        passed_over: names of files of other kinds, each with its kind.
        companions: number of tables, texts and notes beside them.
        apart: hidden files and folders, those of systems, and runs, which are not searched.
        notes: notes for the user on how the source is read.
    """

    entries: Sequence[Entry]
    problems: Told
    read: Callable[[Entry], Any]
    passed_over: Told = ()
    companions: int = 0
    apart: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def stamp(self) -> str:
        """Digest that changes if anything in the source does."""
        parts = [self.entries] if not isinstance(self.entries, tuple) else self.entries
        listed = (repr(part).encode("utf8", "surrogateescape") for part in parts)
        beside = repr((self.problems, self.passed_over, self.notes))
        return sha256_of((sha256_of(listed).encode(), beside.encode()))

    @property
    def said(self) -> tuple[str, ...]:
        """Notes on the source for the output of training."""
        if not self.passed_over:
            return self.notes
        some = "; ".join(f"{name}: {what}" for name, what in self.passed_over[:2])
        count = len(self.passed_over)
        files = "1 file is" if count == 1 else f"{count:,} files are"
        return (*self.notes, f"{files} skipped ({by_ending(self.passed_over)}), for example {some}")


class Gathered:
    """A listing in progress: sorts each file of a source by its name and, if that is not enough, by
    its first bytes.
    """

    def __init__(self, kind: Kind):
        self.kind = kind
        self.problems: list[tuple[str, str]] = []
        self.passed_over: list[tuple[str, str]] = []
        self.apart: dict[str, None] = {}  # an ordered set
        self.companions = 0

    def wanted(self, name: str, shown: str, head: Callable[[], bytes]) -> bool:
        """Return True if a file is a candidate; otherwise record it.

        Args:
            name: name of the file, without its folder.
            shown: name for messages.
            head: function that reads its first bytes.
        """
        ending = suffix(name)
        if ending in self.kind.endings:
            return True
        if ending in self.kind.foreign:
            self.problems.append((shown, f"{ending} is not among the formats; convert it to {self.kind.to}"))
        elif ending in COMPANIONS:
            self.companions += 1
        elif ending in UNFINISHED or name.endswith("~"):
            self.passed_over.append((shown, "it is unfinished or a backup, by its name"))
        elif not self.kind.by_content:
            self.passed_over.append((shown, "it is something else, by its name"))
        else:
            return self._by_content(shown, head)
        return False

    def _by_content(self, shown: str, head: Callable[[], bytes]) -> bool:
        """Return True if a file is an image by its first bytes; else note it as skipped or broken."""
        try:
            start = head()
        except Exception as error:  # damaged members raise many kinds of errors
            self.problems.append((shown, f"it cannot be read ({getattr(error, 'strerror', None) or error})"))
            return False
        content = content_of(start)
        if content is not None and content.format:
            return True
        if content is None:
            self.passed_over.append((shown, UNKNOWN))
        elif content.advice == CONVERT:  # an image, in an unsupported format
            self.problems.append((shown, f"it is {content.name}; {content.advice}"))
        else:
            self.passed_over.append((shown, f"it is {content.name}; {content.advice}"))
        return False

    def listing(self, entries: Sequence[Entry], read: Callable[[Entry], Any], notes: tuple[str, ...] = ()) -> Listing:
        """Return the listing of these entries and of everything recorded."""
        told = (tuple(sorted(self.problems)), read, tuple(sorted(self.passed_over)))
        return Listing(entries, *told, self.companions, tuple(sorted(self.apart)), notes)


def suffix(name: str) -> str:
    """Return the extension of a file's name in lower case, at a tenth of the cost of a path object,
    for millions of names.

    >>> suffix("a.tar.GZ"), suffix("README"), suffix(".hidden")
    ('.gz', '', '')
    """
    place = name.rfind(".")
    return name[place:].lower() if place > 0 else ""


def is_apart(part: str) -> bool:
    """Return True for hidden files and folders, and for those that operating systems create."""
    return (part.startswith(".") and part != "..") or part.lower() in SYSTEM


def by_ending(files: Told) -> str:
    """Return the number of files of each extension, in words.

    >>> by_ending((("a.mp4", "a video"), ("b.mp4", "a video"), ("README", "a text")))
    '.mp4 2, without ending 1'
    """
    counts = Counter(suffix(PurePosixPath(name).name) or "without ending" for name, _ in files)
    shown = ", ".join(f"{ending} {count:,}" for ending, count in counts.most_common(8))
    return shown + (", ..." if len(counts) > 8 else "")
