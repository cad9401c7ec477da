"""Checkpoints that are complete or absent: safetensors and a manifest with the sha256 of each file,
written aside and renamed.

The content is that of `training.snapshot`. A flipped bit in a weight file loads silently (in any
format), so nothing is loaded before its digest is verified.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import safetensors.torch
from torch import Tensor

from organza.disk import cannot_write, flush_folder, make_folder, remove_tree, rename, write
from organza.errors import UserError
from organza.memory import memory
from organza.run.unsupported import HEADER
from organza.untrusted import JSON_BYTES, open_regular, parse_json, read_bytes, require_inside

FORMAT = 2
"""Version 2 writes evaluations by the names of their fields, version 1 wrote them as rows. Both
must always load."""
MANIFEST = "manifest.json"
LARGE = 2**26
"""Largest file in bytes that is read without an inspection of its header."""


class Damaged(Exception):
    """A checkpoint that cannot be trusted; the message names the file and the fault."""


class Checkpoint(NamedTuple):
    """Contents of a checkpoint: tensors by file and name, and the facts written with them."""

    directory: Path
    tensors: dict[str, dict[str, Tensor]]
    facts: dict[str, Any]
    digests: dict[str, str]  # sha256 by file


def name_for(images: int) -> str:
    """Return a checkpoint's name: images seen, so that the order of names is chronological (clocks
    can jump).

    >>> name_for(12000)
    '00012000'
    """
    return f"{images:08d}"


def content_of(tensors: Mapping[str, Tensor]) -> bytes:
    """Return the bytes of a file of tensors."""
    return safetensors.torch.save({key: value.detach().cpu().contiguous() for key, value in tensors.items()})


def digest(tensors: Mapping[str, Tensor]) -> str:
    """Return the sha256 of the file that these tensors make."""
    return hashlib.sha256(content_of(tensors)).hexdigest()


def save(parent: Path, images: int, tensors: Mapping[str, Mapping[str, Tensor]], facts: Mapping[str, Any]) -> Path:
    """Write one checkpoint and return its folder. A partial checkpoint never has the final name.

    Args:
        parent: folder of checkpoints.
        images: images seen, the checkpoint's name.
        tensors: tensors by file name (without extension), then by tensor name.
        facts: JSON values for the manifest.

    Raises:
        UserError: if the disk is full or the folder cannot be written; older checkpoints are
            intact.
    """
    name = name_for(images)
    final, aside, before = parent / name, parent / f".{name}.{os.getpid()}", parent / f".{name}.before"
    try:
        make_folder(parent)
        for leftover in (aside, before):
            remove_tree(leftover)
        aside.mkdir()
        digests = {}
        for file, values in tensors.items():
            content = content_of(values)
            digests[f"{file}.safetensors"] = hashlib.sha256(content).hexdigest()
            write(aside / f"{file}.safetensors", content)
        manifest = manifest_of(images, digests, facts)
        write(aside / MANIFEST, json.dumps(manifest, indent=1).encode())
        flush_folder(aside)
        if (
            final.exists()
        ):  # an older one at the same position, possibly damaged: moved away complete, never removed in place
            rename(final, before)
        rename(aside, final)
        flush_folder(parent)
    except OSError as error:
        remove_tree(aside)
        if before.exists() and not final.exists():
            rename(before, final)
        raise UserError(cannot_write(final, error, size_of(tensors))) from error
    remove_tree(before)
    return final


def manifest_of(images: int, digests: Mapping[str, str], facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return the manifest of a checkpoint, with a digest of its own.

    Args:
        images: images seen.
        digests: sha256 by file.
        facts: anything JSON.
    """
    manifest = {"format": FORMAT, "images": images, "sha256": dict(digests), "facts": dict(facts)}
    return manifest | {"self": _own_digest(manifest)}


def size_of(tensors: Mapping[str, Mapping[str, Tensor]]) -> int:
    """Return the bytes of all tensors.

    >>> import torch
    >>> size_of({"generator": {"w": torch.zeros(3)}})
    12
    """
    return sum(value.nbytes for values in tensors.values() for value in values.values())


def load(directory: Path, files: set[str] | None = None) -> Checkpoint:
    """Read and verify one checkpoint.

    Args:
        directory: folder of the checkpoint.
        files: names of the weight files to read (without extension); None reads all. Only these are
            verified.

    Raises:
        Damaged: if a file is missing, its digest differs, or its content is invalid.
        UserError: if it was written by a newer organza.
    """
    manifest, tensors = _manifest(directory), {}
    for file in manifest["sha256"]:
        name = file.removesuffix(".safetensors")
        if files is not None and name not in files:
            continue
        content = _verified(directory, file, manifest)
        try:
            tensors[name] = safetensors.torch.load(content)
        except (
            Exception
        ) as error:  # a malicious header raises many kinds of errors: SafetensorError, KeyError, ValueError, ...
            raise Damaged(f"{directory / file} is not a safetensors file: {error}") from error
    return Checkpoint(directory, tensors, manifest["facts"], manifest["sha256"])


def verify(directory: Path) -> dict[str, Any]:
    """Verify every file of a checkpoint by its digest, without creating tensors; return its facts.
    Raises as in `load`.
    """
    manifest = _manifest(directory)
    for file in manifest["sha256"]:
        _verified(directory, file, manifest)
    return manifest["facts"]


def _verified(directory: Path, file: str, manifest: Mapping[str, Any]) -> bytes:
    """Return the content of a file of a checkpoint, after a comparison of its digest with the
    manifest.
    """
    _require_length(directory / file)
    content = _content(directory / file, memory() // 2)  # the tensors need as much again
    if hashlib.sha256(content).hexdigest() != manifest["sha256"][file]:
        raise Damaged(f"{directory / file} was damaged since it was written (its sha256 differs)")
    return content


def _require_length(path: Path) -> None:
    """Check that a large weight file is as long as its header says, before reading it: a sparse
    file of a terabyte is easily made.

    Raises:
        Damaged: if it is not.
    """
    size = 0
    try:
        require_inside(path, path.parent)
        with os.fdopen(open_regular(path), "rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size <= LARGE:
                return
            length = int.from_bytes(file.read(8), "little")
            header = parse_json(file.read(length)) if length <= min(HEADER, size - 8) else {}
        tensors = [entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__"]
        fits = size == 8 + length + max(tensors, default=0)
    except OSError:  # reported when it is read
        return
    except (ValueError, TypeError, AttributeError, LookupError):
        fits = False
    if not fits:
        raise Damaged(f"{path} is damaged: it has {size:,} bytes, which does not match its header")


def _manifest(directory: Path) -> dict[str, Any]:
    """Return the manifest of a checkpoint, verified by its own digest. Raises as in `load`."""
    path = directory / MANIFEST
    if directory.is_symlink():
        raise Damaged(f"{directory} is a link, not a checkpoint")
    try:
        manifest = parse_json(_content(path, JSON_BYTES))
    except ValueError as error:
        raise Damaged(f"{path} cannot be read: {error}") from error
    if not isinstance(manifest, dict) or manifest.get("self") != _own_digest(manifest):
        raise Damaged(f"{path} was changed or damaged since it was written")
    version, digests, facts = (manifest.get(key) for key in ("format", "sha256", "facts"))
    if isinstance(version, int) and version > FORMAT:
        raise UserError(
            f"{directory} was written by a newer organza (format {version}, this one reads up to {FORMAT}); upgrade organza."
        )
    named = isinstance(digests, dict) and all(
        re.fullmatch(r"\w{1,64}\.safetensors", name, re.ASCII) for name in digests
    )
    if not isinstance(version, int) or version < 1 or not named or not isinstance(facts, dict):
        raise Damaged(f"{path} is not a manifest of a checkpoint")
    return manifest


def _content(path: Path, most: int) -> bytes:
    """Return the content of a file of a checkpoint, which must lie in its folder."""
    try:
        return read_bytes(path, most, inside=path.parent)
    except OSError as error:
        raise Damaged(f"{path} cannot be read: {error.strerror}") from error


def existing(parent: Path) -> list[Path]:
    """Return the checkpoints in a folder, oldest first, unverified."""
    return (
        sorted(p for p in parent.glob("[0-9]*") if p.is_dir() and re.fullmatch(r"[0-9]{1,18}", p.name))
        if parent.is_dir()
        else []
    )


def newest_good(
    parent: Path, files: set[str] | None = None, check: Callable[[Checkpoint], Checkpoint] = lambda saved: saved
) -> tuple[Checkpoint | None, list[str]]:
    """Return the newest intact checkpoint, and the faults of newer ones.

    Args:
        parent: folder of checkpoints.
        files: see `load`.
        check: further check of a checkpoint; raises Damaged.
    """
    wrong = []
    for directory in reversed(existing(parent)):
        try:
            return check(load(directory, files)), wrong
        except Damaged as damage:
            wrong.append(str(damage))
    return None, wrong


def tidy(parent: Path) -> None:
    """Remove temporary folders of killed writers. A checkpoint that was moved away and not replaced
    is restored.
    """
    for before in parent.glob(".[0-9]*.before"):
        if not (final := parent / before.name.split(".")[1]).exists():
            rename(before, final)
    for leftover in parent.glob(".[0-9]*"):
        remove_tree(leftover)


def retain(parent: Path, keep: set[str], newest: int = 2) -> None:
    """Remove checkpoints older than the newest intact ones, except those named in `keep`; and
    temporary folders of killed writers.

    Digests are verified each time, so that nothing is removed on the strength of a checkpoint that
    the disk has damaged since.
    """
    good = 0
    for directory in reversed(existing(parent)):
        if good < newest:
            good += _is_whole(directory)
        elif directory.name not in keep:
            remove(directory)
    tidy(parent)


def remove(directory: Path) -> None:
    """Remove a checkpoint. It is renamed first: a kill during the removal must not leave a partial
    checkpoint under its name.
    """
    doomed = directory.with_name(f".{directory.name}.old")
    remove_tree(doomed)
    rename(directory, doomed)
    remove_tree(doomed)


def _is_whole(directory: Path) -> bool:
    try:
        verify(directory)
    except (Damaged, UserError):
        return False
    return True


def _own_digest(manifest: Mapping[str, Any]) -> str:
    body = {key: value for key, value in manifest.items() if key != "self"}
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
