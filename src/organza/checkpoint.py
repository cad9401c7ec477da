"""Checkpoints that are complete or absent: safetensors and a manifest with the sha256 of each file, written aside and renamed.

A flipped bit in a weight file loads without a word (of any format), so nothing is loaded before its digest was compared.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from organza.errors import UserError

FORMAT = 1
MANIFEST = "manifest.json"


class Damaged(Exception):
    """A checkpoint that cannot be trusted: which file, and what is wrong with it."""


class Checkpoint(NamedTuple):
    """What was read: tensors by file and name, and the facts written beside them."""

    directory: Path
    tensors: dict[str, dict[str, Tensor]]
    facts: dict[str, Any]


def name_for(images: int) -> str:
    """The folder's name: images seen, so that the order of names is the order of time (clocks can jump).

    >>> name_for(12000)
    '00012000'
    """
    return f"{images:08d}"


def save(parent: Path, images: int, tensors: Mapping[str, Mapping[str, Tensor]], facts: Mapping[str, Any]) -> Path:
    """Write one checkpoint and return its folder. At no instant is there half a checkpoint under its final name.

    Args:
        parent: the folder of checkpoints.
        images: images seen, the checkpoint's name.
        tensors: by file name (without ending), then by tensor name.
        facts: anything JSON, kept in the manifest.

    Raises:
        UserError: where the disk is full or the folder cannot be written; the older checkpoints are untouched.
    """
    final, aside = parent / name_for(images), parent / f".{name_for(images)}.{os.getpid()}"
    try:
        parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir()
        digests = {}
        for name, values in tensors.items():
            content = safetensors.torch.save({key: value.detach().cpu().contiguous() for key, value in values.items()})
            digests[f"{name}.safetensors"] = hashlib.sha256(content).hexdigest()
            _write(aside / f"{name}.safetensors", content)
        manifest = {"format": FORMAT, "images": images, "sha256": digests, "facts": dict(facts)}
        manifest["self"] = _own_digest(manifest)
        _write(aside / MANIFEST, json.dumps(manifest, indent=1).encode())
        _flush_folder(aside)
        if final.exists():  # an older one of the same position, possibly damaged
            shutil.rmtree(final)
        aside.replace(final)
        _flush_folder(parent)
    except OSError as error:
        shutil.rmtree(aside, ignore_errors=True)
        raise UserError(cannot_write(final, error)) from error
    return final


def cannot_write(path: Path, error: OSError) -> str:
    """The sentence for a write that failed: the disk is full, read-only, ..."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        place = next(p for p in (path, *path.parents) if p.exists())
        free = shutil.disk_usage(place).free / 1e6
        why, remedy = f"the disk is full ({free:.0f} MB free)", "make room"
    else:
        why, remedy = error.strerror or str(error), "choose another place or mend its permissions"
    return f"{path} could not be written: {why}. Nothing older was lost; {remedy} and run the same command again."


def load(directory: Path, files: set[str] | None = None) -> Checkpoint:
    """Read and verify one checkpoint.

    Args:
        directory: the checkpoint's folder.
        files: which weight files to read (names without ending); None reads all. Only what is read is verified.

    Raises:
        Damaged: where a file is missing, its digest differs, or it is not what it should be.
        UserError: where it was written by a newer organza.
    """
    try:
        manifest = json.loads((directory / MANIFEST).read_bytes())
        if not isinstance(manifest, dict) or manifest.get("self") != _own_digest(manifest):
            raise Damaged(f"{directory / MANIFEST} was changed or damaged since it was written")
    except (OSError, ValueError, RecursionError) as error:
        raise Damaged(f"{directory / MANIFEST} cannot be read: {error}") from error
    if manifest["format"] > FORMAT:
        raise UserError(
            f"{directory} was written by a newer organza (format {manifest['format']}, this one reads up to {FORMAT}): upgrade organza."
        )
    tensors = {}
    for file, digest in manifest["sha256"].items():
        name = file.removesuffix(".safetensors")
        if files is not None and name not in files:
            continue
        try:
            content = (directory / file).read_bytes()
        except OSError as error:
            raise Damaged(f"{directory / file} cannot be read: {error.strerror}") from error
        if hashlib.sha256(content).hexdigest() != digest:
            raise Damaged(f"{directory / file} was damaged since it was written (its sha256 differs)")
        try:
            tensors[name] = safetensors.torch.load(content)
        except safetensors.SafetensorError as error:
            raise Damaged(f"{directory / file} is not a safetensors file: {error}") from error
    return Checkpoint(directory, tensors, manifest["facts"])


def existing(parent: Path) -> list[Path]:
    """The checkpoints of a folder, oldest first, unverified."""
    return sorted(p for p in parent.glob("[0-9]*") if p.is_dir() and p.name.isdigit()) if parent.is_dir() else []


def newest_good(parent: Path, files: set[str] | None = None) -> tuple[Checkpoint | None, list[str]]:
    """The newest checkpoint that verifies, and what was wrong with the newer ones."""
    wrong = []
    for directory in reversed(existing(parent)):
        try:
            return load(directory, files), wrong
        except Damaged as damage:
            wrong.append(str(damage))
    return None, wrong


def retain(parent: Path, keep: set[str], newest: int = 2) -> None:
    """Remove all but the newest checkpoints and those named in `keep`, and leftovers of writers that died."""
    for directory in existing(parent)[:-newest]:
        if directory.name not in keep:
            # Renamed first: a kill half-way through a removal must not leave half a checkpoint under a good name.
            doomed = parent / f".{directory.name}.old"
            shutil.rmtree(doomed, ignore_errors=True)
            directory.replace(doomed)
    for leftover in parent.glob(".[0-9]*"):
        shutil.rmtree(leftover, ignore_errors=True)


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """An optimiser's moments as named tensors: position of the weight, then the moment's name."""
    return {
        f"{position}.{key}": value
        for position, weight in enumerate(_weights(optimizer))
        for key, value in optimizer.state.get(weight, {}).items()
        if isinstance(value, Tensor)
    }


def restore_optimizer(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """The inverse of `optimizer_tensors`; moments take on the device and memory layout of their weight, as fresh ones have."""
    fused = {weight for group in optimizer.param_groups if group.get("fused") for weight in group["params"]}
    for position, weight in enumerate(_weights(optimizer)):
        prefix = f"{position}."
        for name, value in tensors.items():
            if name.startswith(prefix):
                key = name.removeprefix(prefix)
                like = weight if value.shape == weight.shape else value
                # Only a fused optimiser counts its steps on the device; the others would wait for it.
                device = torch.device("cpu") if key == "step" and weight not in fused else weight.device
                moment = torch.empty_like(like, dtype=value.dtype, device=device)
                optimizer.state[weight][key] = moment.copy_(value)


def restore_network(network: nn.Module, tensors: Mapping[str, Tensor], source: str) -> None:
    """Load a network's weights.

    Raises:
        Damaged: where names or shapes are not the network's, or a weight is not finite.
    """
    for name, value in tensors.items():
        if value.is_floating_point() and not torch.isfinite(value).all():
            raise Damaged(f"{source}: {name} holds values that are not finite")
    try:
        network.load_state_dict(dict(tensors))
    except RuntimeError as error:
        raise Damaged(f"{source} does not fit its recipe: {str(error).splitlines()[-1].strip()}") from error


def write_json(path: Path, value: Any) -> None:
    """Write a small JSON file: see `write_whole`."""
    write_whole(path, json.dumps(value, indent=1) + "\n")


def write_whole(path: Path, text: str) -> None:
    """Write a small file aside and rename it, so that a reader sees the old or the new one, never half.

    Raises:
        UserError: where the disk is full or the folder cannot be written.
    """
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        _write(aside, text.encode())
        aside.replace(path)
        _flush_folder(path.parent)
    except OSError as error:
        aside.unlink(missing_ok=True)
        raise UserError(cannot_write(path, error)) from error


def _weights(optimizer: torch.optim.Optimizer) -> Iterator[Tensor]:
    for group in optimizer.param_groups:
        yield from group["params"]


def _own_digest(manifest: Mapping[str, Any]) -> str:
    body = {key: value for key, value in manifest.items() if key != "self"}
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


def _write(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())  # a rename can reach the disk before the data it names


def _flush_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
