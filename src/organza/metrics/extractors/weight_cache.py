"""Cache of tensors on disk: safetensors with a checksum inside, written to a temporary file and renamed.

A file in the cache is never trusted: one that is damaged, or has other facts, counts as absent and is made again.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from organza.disk import discard, rename
from organza.untrusted import is_trusted, parse_json, read_bytes

CHECKSUM = "sha256"
LARGEST = 4 * 2**30
"""Largest file in bytes: the features of a million images."""


def checksum(tensors: Mapping[str, Tensor], about: Mapping[str, str]) -> str:
    """Compute the sha256 of names, types, shapes and values, and of the facts about them.

    >>> import torch
    >>> checksum({"x": torch.zeros(2)}, {}) == checksum({"x": torch.zeros(2)}, {}) != checksum({"x": torch.ones(2)}, {})
    True
    """
    digest = hashlib.sha256(repr(sorted(about.items())).encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)} ".encode())
        digest.update(tensor.detach().contiguous().cpu().numpy().data)
    return digest.hexdigest()


def write(path: Path, tensors: Mapping[str, Tensor], about: Mapping[str, str]) -> None:
    """Write tensors and facts about them; other processes see the old file, or the complete new one.

    Args:
        path: path of the file; its folder is created.
        tensors: tensors by name, of any shape.
        about: facts that `read` compares.

    Raises:
        OSError: if the folder cannot be written, or the disk is full; no partial file remains.

    >>> import tempfile, torch
    >>> folder = Path(tempfile.mkdtemp())
    >>> write(folder / "a.safetensors", {"x": torch.arange(3)}, {"made of": "numbers"})
    >>> read(folder / "a.safetensors", {"made of": "numbers"})
    {'x': tensor([0, 1, 2])}
    """
    body = save(
        {name: tensor.contiguous() for name, tensor in tensors.items()}, {**about, CHECKSUM: checksum(tensors, about)}
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(
        f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}"
    )  # two processes may write the same file
    try:
        with aside.open("xb") as file:
            file.write(body)
            file.flush()
            os.fsync(file.fileno())
        rename(aside, path)
    except BaseException:
        discard(aside)
        raise


def read(path: Path, about: Mapping[str, str]) -> dict[str, Tensor] | None:
    """Return the tensors of a file, or None if it is absent, damaged, or has other facts.

    The file is read, not mapped, as another program may truncate it.

    Args:
        path: path of a file by `write`.
        about: facts that it must have been written with.

    >>> read(Path("nowhere.safetensors"), {}) is None
    True
    """
    try:
        if not is_trusted(path, path.parent):  # another user could have written any numbers, with a matching checksum
            return None
        body = read_bytes(path, LARGEST)
        facts = dict(parse_json(body[8 : 8 + int.from_bytes(body[:8], "little")]).get("__metadata__") or {})
        tensors = load(body)
    except (OSError, ValueError, TypeError, AttributeError, KeyError, SafetensorError):
        return None
    recorded = facts.pop(CHECKSUM, None)
    # safetensors itself only checks lengths: a flipped bit would load silently.
    return tensors if facts == dict(about) and recorded == checksum(tensors, facts) else None
