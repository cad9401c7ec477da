"""Places of shards: a folder here, or an address whose shards are fetched into a cache of bounded size."""

from __future__ import annotations

import hashlib
import http.client
import os
import queue
import re
import threading
import time
import urllib.error
import urllib.request
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from filelock import FileLock

from organza.data.shards.manifest import BYTES, NAME, Shard
from organza.disk import cache_folder, discard, make_folder, rename
from organza.errors import UserError
from organza.shell import quoted
from organza.untrusted import parse_json, printable, read_json

LIMIT = 8 * 2**30
"""Bytes of fetched shards to keep, unless ORGANZA_SHARD_CACHE says otherwise; the newest two are always kept."""
PAUSES = (1.0, 2.0, 4.0, 8.0, 16.0)
"""Seconds before each new attempt to fetch."""
PATIENCE = 30.0
"""Seconds without a byte after which a connection is given up."""
PIECE = 2**20
TROUBLE = (OSError, http.client.HTTPException)


def is_remote(data: Any) -> bool:
    """Return True for an address, such as https://.../manifest.json.

    >>> is_remote("s3://bucket/faces/manifest.json"), is_remote("C:/faces"), is_remote("faces")
    (True, False, False)
    """
    return isinstance(data, str) and re.match(r"[a-z][a-z0-9+.-]+://", data) is not None


class Place(ABC):
    """A place with a manifest and shards."""

    @abstractmethod
    def manifest(self) -> Any:
        """Return the parsed content of manifest.json, which is not trusted."""

    @abstractmethod
    def file(self, name: str, sha256: str, length: int | None = None) -> Path:
        """Return a local file with the content of one here.

        Raises:
            UserError: if it is missing, cannot be fetched, or its digest is another.
        """

    def prepare(self, shards: Sequence[Shard]) -> None:  # noqa: B027  (nothing to do where files are at hand)
        """Begin to fetch shards that are needed soon."""


class Folder(Place):
    """Shards in a folder on this machine. Each is checked against its digest once, when it is first read.

    Args:
        path: the folder.
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)
        self._checked: set[str] = set()

    def manifest(self) -> Any:
        return read_json(self.path / NAME, inside=self.path, most=BYTES)

    def file(self, name: str, sha256: str, length: int | None = None) -> Path:
        """Return the path of a file, verified by length and sha256 the first time."""
        path = self.path / name
        if name not in self._checked:
            try:
                same = (length is None or path.stat().st_size == length) and (not sha256 or sha256_of(path) == sha256)
            except OSError as error:
                raise UserError(
                    f"The shard {quoted(path)} cannot be read ({error.strerror or error}); restore it, and run the same command again."
                ) from error
            if not same:
                raise UserError(
                    f"The shard {quoted(path)} is damaged: its content is not the one that {NAME} tells; copy it again."
                )
            self._checked.add(name)
        return path


class Address(Place):
    """Shards behind an address, fetched whole, checked, and kept in the cache up to a limit; the least recently used are removed first.

    Several processes may use one cache. http and https need nothing else; other addresses (s3://, gs://, hf://) are opened by fsspec.

    Args:
        url: address of manifest.json.
        cache: folder for fetched files.
        limit: bytes to keep.
    """

    def __init__(self, url: str, cache: Path | None = None, limit: int | None = None):
        self.url = url
        self.base = url.rpartition("/")[0]
        digest = hashlib.sha256(self.base.encode()).hexdigest()[:16]
        self.cache = (cache or cache_folder()) / "shards" / digest
        self.limit = _limit() if limit is None else limit
        self._soon: queue.SimpleQueue[Shard] = queue.SimpleQueue()
        self._begun = False

    def manifest(self) -> Any:
        """Fetch the manifest, and return its JSON value."""
        make_folder(self.cache)
        aside = self.cache / f".{NAME}.{os.getpid()}"
        try:
            self._fetch(self.url, aside, BYTES)
            return parse_json(aside.read_bytes())
        finally:
            discard(aside)

    def file(self, name: str, sha256: str, length: int | None = None) -> Path:
        return self._kept(name, sha256, length)

    def prepare(self, shards: Sequence[Shard]) -> None:
        """Fetch shards ahead in a thread, as many as the cache has room for."""
        room = self.limit
        for shard in shards:
            room -= shard.bytes
            if room < 0:  # what is fetched beyond it would push out what is in use
                return
            self._soon.put(shard)
            if not self._begun:
                self._begun = True
                threading.Thread(target=self._ahead, daemon=True, name="organza-fetch").start()

    def _ahead(self) -> None:
        """Fetch what is needed soon. Failures are told by `file`, which tries again."""
        while True:
            shard = self._soon.get()
            if not (self.cache / shard.file).exists():
                with suppress(UserError, OSError):
                    self._kept(shard.file, shard.sha256, shard.bytes)

    def _kept(self, name: str, sha256: str, length: int | None) -> Path:
        """Return the file in the cache, fetched if it is not there."""
        path = self.cache / name
        make_folder(self.cache)
        with FileLock(self.cache / f".{name}.lock"):
            if not path.exists():
                self._make_room(name, length or 0)
                part = self.cache / f".{name}.part"
                for attempt in (0, 1):
                    self._fetch(f"{self.base}/{name}", part, 2**50 if length is None else length)
                    if not sha256 or sha256_of(part) == sha256:
                        break
                    discard(part)
                    if attempt:
                        raise UserError(
                            f"The shard {self.base}/{name} is damaged: its content is not the one that {NAME} tells; "
                            "ask who keeps it to copy it again, then run the same command again."
                        )
                rename(part, path)
        with suppress(OSError):
            os.utime(path)  # the most recently used
        return path

    def _make_room(self, coming: str, length: int) -> None:
        """Remove the least recently used shards until one more is within the limit, but not the newest."""
        with suppress(OSError):
            files = [(entry.stat().st_mtime, entry.stat().st_size, entry.path) for entry in os.scandir(self.cache)]
            shards = sorted((one for one in files if one[2].endswith(".tar")), reverse=True)
            total = length
            for place, (_, size, path) in enumerate(shards):
                total += size
                if total > self.limit and place and Path(path).name != coming:
                    discard(Path(path))

    def _fetch(self, url: str, path: Path, most: int) -> None:
        """Fetch a file, after each failure from where it broke off.

        Raises:
            UserError: if it fails again after all pauses, is not there, or is longer than told.
        """
        trouble: Exception | None = None
        for pause in (0.0, *PAUSES):
            time.sleep(pause)
            try:
                _download(url, path, most)
                return
            except urllib.error.HTTPError as error:
                trouble = error
                if error.code in (401, 403, 404, 410):
                    break
            except TROUBLE as error:
                trouble = error
        raise UserError(
            f"{url} could not be fetched ({printable(str(trouble))[:120]}); what was learned until the last checkpoint is kept: "
            "run the same command again when the address answers."
        ) from trouble


def _download(url: str, path: Path, most: int) -> None:
    """Download an address to a file, or the rest of it if a part is there."""
    have = path.stat().st_size if path.exists() else 0
    with _opened(url, have) as source, path.open("ab" if have else "wb") as file:
        if have and getattr(source, "status", 206) != 206:  # the server sends all of it again
            file.truncate(0)
            have = 0
        promised = _promised(source)
        got = 0
        while piece := source.read(PIECE):
            got += len(piece)
            if have + got > most:
                raise ConnectionError("it is longer than its manifest tells")
            file.write(piece)
        file.flush()
        os.fsync(file.fileno())
        if promised is not None and got < promised:
            raise ConnectionError(f"the connection ended after {have + got:,} of {have + promised:,} bytes")


def _opened(url: str, have: int) -> IO[bytes]:
    """Open an address for reading, from byte `have` on."""
    if url.startswith(("http://", "https://")):
        request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
        return urllib.request.urlopen(request, timeout=PATIENCE)
    try:
        import fsspec
    except ImportError:
        raise UserError(f"{url}: pip install 'organza[remote]' to read such addresses.") from None
    try:
        system, path = fsspec.core.url_to_fs(url)
        file: Any = system.open(path, "rb")
    except ImportError as error:
        raise UserError(f"{url}: {error}.") from None
    file.seek(have)
    return file


def _promised(source: Any) -> int | None:
    length = getattr(source, "length", None)
    return length if isinstance(length, int) and hasattr(source, "status") else None


def sha256_of(path: Path) -> str:
    """Return the digest of a file, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _limit() -> int:
    told = os.environ.get("ORGANZA_SHARD_CACHE")
    return LIMIT if told is None else parse_bytes(told, "ORGANZA_SHARD_CACHE")


UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}


def parse_bytes(text: str, name: str) -> int:
    """Return a number of bytes.

    >>> parse_bytes("256MB", "shard_size"), parse_bytes("1.5 GiB", "shard_size")
    (256000000, 1610612736)

    Raises:
        UserError: if it is no such number.
    """
    found = re.fullmatch(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z]*)\s*", text)
    if not found or found[2].upper() not in UNITS:
        raise UserError(f"{name} is {printable(text)}; write a size such as 256MB or 8GB.")
    return int(float(found[1]) * UNITS[found[2].upper()])
