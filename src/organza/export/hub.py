"""Exported folders on a hub: push one, and fetch one by its address hf://USER/NAME@REVISION.

The hub is Hugging Face's, or the one that $HF_ENDPOINT names; its client, huggingface_hub, is an extra and imported late. A folder is
fetched by a fixed list of names into Organza's cache, announced with its size and sha256, and then opened with the care of any other
folder from a stranger: no other file of the repository is read.

>>> push("faces", "user/faces").address                                # doctest: +SKIP
'hf://user/faces@5f1a...'
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from organza.disk import cache_folder, make_folder
from organza.errors import UserError, told
from organza.export.folder import CARD, CONFIG, PREVIEW, WEIGHTS, ExportedFolder
from organza.memory import memory
from organza.run.checkpoint import MANIFEST
from organza.run.folder import RECIPE_BYTES
from organza.untrusted import is_trusted, parse_json, printable, read_bytes

PREFIX = "hf://"
NAME = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,95}"
ADDRESS = re.compile(rf"hf://({NAME}/{NAME})(?:@([A-Za-z0-9][A-Za-z0-9_./-]{{0,199}}))?", re.ASCII)
COMMIT = re.compile(r"[0-9a-f]{40}")
MANIFEST_BYTES = 2**20
LARGEST_PAGE = 2**28
"""Largest single file of a folder to push that holds no weights."""
LOADED = WEIGHTS, "discriminator.safetensors"
"""Weight files that `organza.load` reads."""
BESIDE = CARD, PREVIEW, "index.html", "LICENSE", "LICENSE.md", "LICENSE.txt", "ATTRIBUTION.md", "ATTRIBUTION.txt"
"""Files to push beside config, manifest, weights and ONNX files."""


@dataclass(frozen=True)
class Address:
    """An address on the hub.

    Args:
        repository: user and name, USER/NAME.
        revision: branch, tag or commit; None for the default branch.

    >>> Address.of("hf://user/faces@v1")
    Address(repository='user/faces', revision='v1')
    """

    repository: str
    revision: str | None = None

    @staticmethod
    def of(text: str) -> Address:
        """Return the address in a text.

        Raises:
            UserError: if it is not of the form hf://USER/NAME@REVISION.
        """
        match = ADDRESS.fullmatch(text)
        if match is None or ".." in text:
            raise UserError(
                f"{printable(text)[:100]} is no address on the hub; write hf://USER/NAME, or hf://USER/NAME@REVISION for a branch, tag "
                "or commit."
            )
        return Address(match[1], match[2])

    def __str__(self) -> str:
        return f"{PREFIX}{self.repository}{f'@{self.revision}' if self.revision else ''}"


@dataclass(frozen=True)
class Pushed:
    """Result of a push.

    Args:
        address: address of the commit, for `organza.load`.
        url: page of the repository.
        files: names of the files pushed.
        left_out: names of the files in the folder that were not pushed.
    """

    address: str
    url: str
    files: tuple[str, ...]
    left_out: tuple[str, ...]


def announced(text: str) -> None:
    """Print a line on standard error."""
    print(text, file=sys.stderr, flush=True)


# ---- fetch --------------------------------------------------------------------------------------


def fetched(address: Address, announce: Callable[[str], None] = announced) -> Path:
    """Download an exported folder into the cache and return its path there.

    Args:
        address: address on the hub. The copy of a commit that is in the cache already is used without a request.
        announce: function that is given one line, with the files, their sizes and sha256, before weights are downloaded.

    Raises:
        UserError: if the client is not installed, the hub cannot be reached or has no such repository or revision, the
            repository holds no exported folder, or its files differ from its manifest.
    """
    user, name = address.repository.split("/")
    cache = cache_folder() / "hub"
    commits = cache / user
    if address.revision and COMMIT.fullmatch(address.revision) and _is_whole(commits / address.revision / name, cache):
        return commits / address.revision / name
    hub = _client()
    with _in_words(hub, address, sorted(path.parent.name for path in commits.glob(f"*/{name}"))):
        info = hub.HfApi().model_info(address.repository, revision=address.revision, files_metadata=True)
    if not COMMIT.fullmatch(str(info.sha)):
        raise UserError(f"{address} cannot be fetched: the hub named no commit; try again later.")
    place = commits / str(info.sha) / name
    if _is_whole(place, cache):
        return place
    make_folder(place)
    _download(hub, Address(address.repository, info.sha), _sizes(info), place, announce)
    ExportedFolder(place).opened()  # or the reason why not, in a sentence
    return place


def _download(hub: Any, address: Address, sizes: dict[str, int], place: Path, announce: Callable[[str], None]) -> None:
    """Download the files of a folder, each once its size is known to be reasonable."""
    if missing := [name for name in (MANIFEST, CONFIG, WEIGHTS) if name not in sizes]:
        raise UserError(
            f"{address} holds no exported folder: it has no {missing[0]}; its owner can push one with: organza push FOLDER "
            f"{address.repository}"
        )
    for name, most in ((MANIFEST, MANIFEST_BYTES), (CONFIG, RECIPE_BYTES)):
        _require_size(address, name, sizes[name], most)
        _fetch(hub, address, name, place)
    digests = _digests(place / MANIFEST)
    weights = [name for name in LOADED if name in digests and name in sizes]
    for name in weights:
        _require_size(address, name, sizes[name], memory() // 2)
    told_of = ", ".join(f"{name} ({sizes[name] / 1e6:,.2f} MB, sha256 {digests[name]})" for name in weights)
    announce(f"downloading {told_of} of {address} from {hub.constants.ENDPOINT}")
    for name in weights:
        _fetch(hub, address, name, place)


def _fetch(hub: Any, address: Address, name: str, place: Path) -> None:
    with _in_words(hub, address):
        hub.hf_hub_download(
            address.repository, name, revision=address.revision, local_dir=place, library_name="organza", force_download=True
        )  # fmt: skip


def _require_size(address: Address, name: str, size: int, most: int) -> None:
    if size > most:
        raise UserError(f"{name} of {address} has {size:,} bytes, and {most:,} are the most; it is not downloaded.")


def _sizes(info: Any) -> dict[str, int]:
    return {
        file.rfilename: file.size if isinstance(file.size, int) else sys.maxsize  # unknown: refused
        for file in info.siblings or ()
    }


def _digests(manifest: Path) -> dict[str, str]:
    """Return the sha256 by file of a manifest, as the announcement shows it; `ExportedFolder.opened` checks it."""
    try:
        found = parse_json(read_bytes(manifest, MANIFEST_BYTES, inside=manifest.parent))["sha256"]
        return {name: printable(found[name])[:64] for name in LOADED if name in found}
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        raise UserError(
            f"{manifest.name} on the hub is no manifest of organza; the folder is not downloaded."
        ) from None


def _is_whole(place: Path, cache: Path) -> bool:
    """Return True if a folder of the cache is complete, and no other user of this machine can have written it."""
    try:
        if not is_trusted(place, cache):
            return False
        ExportedFolder(place).opened()
    except (OSError, UserError):
        return False
    return True


# ---- push ---------------------------------------------------------------------------------------


def contents(folder: str | Path) -> tuple[dict[str, bytes], tuple[str, ...]]:
    """Return the files of an exported folder to push, by name, and the names of those that are left out.

    Args:
        folder: folder that `organza export` wrote.

    Raises:
        UserError: if it is no exported folder, is damaged, has no card, or a file is a link that leads out of it.
    """
    exported = ExportedFolder(folder)
    if not exported.is_at(folder):
        raise UserError(
            f"{folder} is no exported folder; write one with: `organza.export(run, to='folder', license=name, out={str(folder)!r})`"
        )
    digests = exported.opened().digests
    if not (exported.path / CARD).is_file():
        raise UserError(f"{folder} has no {CARD}, the model card that people read; export the run once more.")
    files, left_out = {}, []
    for path in sorted(exported.path.iterdir()):
        if path.name in (CONFIG, MANIFEST, *BESIDE, *digests) or path.suffix == ".onnx":
            try:
                files[path.name] = read_bytes(path, max(LARGEST_PAGE, memory() // 4), inside=exported.path)
            except OSError as error:
                raise UserError(f"{path} is not pushed: {error.strerror}; remove it, or export once more.") from None
        else:
            left_out.append(path.name)
    return files, tuple(left_out)


def push(folder: str | Path, repository: str, *, public: bool = False, files: dict[str, bytes] | None = None) -> Pushed:
    """Push an exported folder to the hub in one commit, then fetch it back and compare.

    Args:
        folder: folder that `organza export` wrote.
        repository: user and name, USER/NAME; created if it does not exist.
        public: True if everybody may see a new repository.
        files: contents to push, as `contents` gives them; read from the folder by default.

    Raises:
        UserError: if the folder is damaged, the client is not installed, nobody is logged in, the repository is public although
            `public` is not given, or the hub refuses.
    """
    address = Address.of(f"{PREFIX}{repository.removeprefix(PREFIX)}")
    if address.revision:
        raise UserError(
            f"{repository} names a revision; push to {address.repository}, whose default branch gets a new commit."
        )
    every, left_out = contents(folder)
    files = files or every
    hub = _client()
    api = hub.HfApi(library_name="organza")
    with _in_words(hub, address):
        url = api.create_repo(address.repository, private=not public, exist_ok=True)
        if not public and not api.model_info(address.repository).private:
            raise UserError(
                f"{address.repository} is public on the hub; add `public=True` to push to it, or name another."
            )
        commit = api.create_commit(
            address.repository,
            operations=[hub.CommitOperationAdd(name, content) for name, content in files.items()],
            commit_message="Push a generator exported by Organza",
        )
    pinned = Address(address.repository, str(commit.oid))
    back = fetched(pinned, announce=lambda line: None)
    for name in (MANIFEST, CONFIG, *LOADED):
        if name in files and read_bytes(back / name, len(files[name]) + 1) != files[name]:
            raise UserError(f"{name} came back from {pinned} with other bytes; push the folder once more.")
    return Pushed(str(pinned), str(url), tuple(files), left_out)


# ---- the client ---------------------------------------------------------------------------------


def _client() -> Any:
    """Import the hub's client, which takes more than a second, without its telemetry and bars.

    Raises:
        UserError: if it is not installed.
    """
    if find_spec("huggingface_hub") is None:
        raise UserError("Sharing on a hub needs huggingface_hub: pip install 'organza[hub]'")
    for name in ("HF_HUB_DISABLE_TELEMETRY", "HF_HUB_DISABLE_PROGRESS_BARS"):
        os.environ.setdefault(name, "1")
    for name in ("constants", "errors"):
        import_module(f"huggingface_hub.{name}")
    return import_module("huggingface_hub")


@contextmanager
def _in_words(hub: Any, address: Address, commits: Sequence[str] = ()) -> Iterator[None]:
    """Turn the client's errors into sentences.

    Args:
        hub: the client.
        address: address of the request.
        commits: commits of the repository that are in the cache, for when the hub cannot be reached.
    """
    errors = hub.errors
    try:
        yield
    except UserError:
        raise
    except errors.GatedRepoError:
        raise UserError(
            f"{address} is gated: accept its conditions on its page and log in with: hf auth login"
        ) from None
    except errors.RevisionNotFoundError:
        raise UserError(
            f"{PREFIX}{address.repository} has no revision {address.revision}; leave @ out for the newest."
        ) from None
    except errors.RepositoryNotFoundError:
        raise UserError(
            f"The hub shows no {address} to you: check the spelling, or log in if it is private, with: hf auth login"
        ) from None
    except errors.LocalTokenNotFoundError:
        raise UserError("The hub needs a login to push: hf auth login") from None
    except errors.HfHubHTTPError as error:
        raise UserError(_status(address, error)) from None
    except Exception as error:  # no network, a cut connection, a full disk: the client has many kinds of errors
        here = f", or name a commit that is in the cache, {PREFIX}{address.repository}@{commits[0]}" if commits else ""
        with told(f"{address} cannot be reached; try again later{here}"):
            raise error


def _status(address: Address, error: Any) -> str:
    """Return the sentence for an answer of the hub that is an error."""
    code = int(getattr(getattr(error, "response", None), "status_code", 0))
    reasons = {
        401: "you are not logged in; log in with: hf auth login",
        403: "your login does not permit it; log in as its owner, with a token that may write: hf auth login",
        413: "it is too large for the hub; export it without index.html or in a smaller precision",
        429: "too many requests; wait some minutes and run the same command again",
    }
    reason = reasons.get(
        code, f"{printable(str(error).strip().splitlines()[0])[:200] if str(error).strip() else 'no reason given'}"
    )
    return f"The hub refused {address} (HTTP {code}): {reason.rstrip('.')}."
