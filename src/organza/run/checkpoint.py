"""Checkpoints that are complete or absent: safetensors and a manifest with the sha256 of each file, written aside and renamed.

A flipped bit in a weight file loads without a word (of any format), so nothing is loaded before its digest was compared.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from organza.config import Partial
from organza.config.outline import TooLarge, outlined
from organza.disk import cannot_write, flush_folder, make_folder, remove_tree, rename, write
from organza.errors import UserError
from organza.memory import memory
from organza.run.unsupported import HEADER
from organza.untrusted import JSON_BYTES, open_regular, parse_json, read_bytes, require_inside

FORMAT = 2
"""2 writes the records of evaluations by the names of their fields; 1 wrote them as rows. Both are read, for ever."""
MANIFEST = "manifest.json"


LARGE = 2**26
"""Bytes of a file that is read without a look at its header."""


class Damaged(Exception):
    """A checkpoint that cannot be trusted: which file, and what is wrong with it."""


class Checkpoint(NamedTuple):
    """What was read: tensors by file and name, and the facts written beside them."""

    directory: Path
    tensors: dict[str, dict[str, Tensor]]
    facts: dict[str, Any]
    digests: dict[str, str]  # sha256 by file


def name_for(images: int) -> str:
    """The folder's name: images seen, so that the order of names is the order of time (clocks can jump).

    >>> name_for(12000)
    '00012000'
    """
    return f"{images:08d}"


def content_of(tensors: Mapping[str, Tensor]) -> bytes:
    """The bytes of a file of tensors."""
    return safetensors.torch.save({key: value.detach().cpu().contiguous() for key, value in tensors.items()})


def digest(tensors: Mapping[str, Tensor]) -> str:
    """The sha256 of the file that these tensors make."""
    return hashlib.sha256(content_of(tensors)).hexdigest()


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
        ):  # an older one of the same position, possibly damaged: put away whole, never taken apart in its place
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
    """The bytes of all tensors.

    >>> size_of({"generator": {"w": torch.zeros(3)}})
    12
    """
    return sum(value.nbytes for values in tensors.values() for value in values.values())


def load(directory: Path, files: set[str] | None = None) -> Checkpoint:
    """Read and verify one checkpoint.

    Args:
        directory: the checkpoint's folder.
        files: which weight files to read (names without ending); None reads all. Only what is read is verified.

    Raises:
        Damaged: where a file is missing, its digest differs, or it is not what it should be.
        UserError: where it was written by a newer organza.
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
        ) as error:  # a header that means harm fails in many ways: SafetensorError, KeyError, ValueError, ...
            raise Damaged(f"{directory / file} is not a safetensors file: {error}") from error
    return Checkpoint(directory, tensors, manifest["facts"], manifest["sha256"])


def verify(directory: Path) -> dict[str, Any]:
    """Compare every file of a checkpoint with its digest, without making tensors of it; returns its facts. Raises as `load`."""
    manifest = _manifest(directory)
    for file in manifest["sha256"]:
        _verified(directory, file, manifest)
    return manifest["facts"]


def _verified(directory: Path, file: str, manifest: Mapping[str, Any]) -> bytes:
    """The content of a file of a checkpoint, once its digest is seen to be the manifest's."""
    _require_length(directory / file)
    content = _content(directory / file, memory() // 2)  # read, then made tensors of
    if hashlib.sha256(content).hexdigest() != manifest["sha256"][file]:
        raise Damaged(f"{directory / file} was damaged since it was written (its sha256 differs)")
    return content


def _require_length(path: Path) -> None:
    """Check that a large file of weights is as long as its header says, before it is read: a hole of a terabyte costs its author nothing.

    Raises:
        Damaged: it is not.
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
    except OSError:  # told where it is read
        return
    except (ValueError, TypeError, AttributeError, LookupError):
        fits = False
    if not fits:
        raise Damaged(f"{path} is damaged: it has {size:,} bytes, which its header does not tell of")


def _manifest(directory: Path) -> dict[str, Any]:
    """The manifest of a checkpoint, verified by its own digest. Raises as `load`."""
    path = directory / MANIFEST
    if directory.is_symlink():
        raise Damaged(f"{directory} is a link, which no checkpoint is")
    try:
        manifest = parse_json(_content(path, JSON_BYTES))
    except ValueError as error:
        raise Damaged(f"{path} cannot be read: {error}") from error
    if not isinstance(manifest, dict) or manifest.get("self") != _own_digest(manifest):
        raise Damaged(f"{path} was changed or damaged since it was written")
    version, digests, facts = (manifest.get(key) for key in ("format", "sha256", "facts"))
    if isinstance(version, int) and version > FORMAT:
        raise UserError(
            f"{directory} was written by a newer organza (format {version}, this one reads up to {FORMAT}): upgrade organza."
        )
    named = isinstance(digests, dict) and all(
        re.fullmatch(r"\w{1,64}\.safetensors", name, re.ASCII) for name in digests
    )
    if not isinstance(version, int) or version < 1 or not named or not isinstance(facts, dict):
        raise Damaged(f"{path} is no manifest of a checkpoint")
    return manifest


def _content(path: Path, most: int) -> bytes:
    """The content of a file of a checkpoint, which lies in its folder."""
    try:
        return read_bytes(path, most, inside=path.parent)
    except OSError as error:
        raise Damaged(f"{path} cannot be read: {error.strerror}") from error


def existing(parent: Path) -> list[Path]:
    """The checkpoints of a folder, oldest first, unverified."""
    return (
        sorted(p for p in parent.glob("[0-9]*") if p.is_dir() and re.fullmatch(r"[0-9]{1,18}", p.name))
        if parent.is_dir()
        else []
    )


def newest_good(
    parent: Path, files: set[str] | None = None, check: Callable[[Checkpoint], Checkpoint] = lambda saved: saved
) -> tuple[Checkpoint | None, list[str]]:
    """The newest checkpoint that verifies, and what was wrong with the newer ones.

    Args:
        parent: the folder of checkpoints.
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
    """Remove what writers left that died: folders that were written aside, or put away. What was put away and not replaced comes back."""
    for before in parent.glob(".[0-9]*.before"):
        if not (final := parent / before.name.split(".")[1]).exists():
            rename(before, final)
    for leftover in parent.glob(".[0-9]*"):
        remove_tree(leftover)


def retain(parent: Path, keep: set[str], newest: int = 2) -> None:
    """Remove what is older than the newest checkpoints that verify, but for those named in `keep`; and leftovers of writers that died.

    Their digests are compared anew each time: nothing is removed on the strength of a checkpoint that the disk has lost since.
    """
    good = 0
    for directory in reversed(existing(parent)):
        if good < newest:
            good += _is_whole(directory)
        elif directory.name not in keep:
            remove(directory)
    tidy(parent)


def remove(directory: Path) -> None:
    """Remove a checkpoint. Renamed first: a kill half-way must not leave half a checkpoint under a good name."""
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


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """An optimiser's moments as named tensors: position of the weight, then the moment's name."""
    return {
        f"{position}.{key}": value
        for position, weight in enumerate(_weights(optimizer))
        for key, value in optimizer.state.get(weight, {}).items()
        if isinstance(value, Tensor)
    }


def restore_optimizer(
    optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor], source: str = "optimizer"
) -> None:
    """The inverse of `optimizer_tensors`; moments take on the device and memory layout of their weight, as fresh ones have.

    Raises:
        Damaged: as `check_optimizer`.
    """
    check_optimizer(optimizer, tensors, source)
    fused = {weight for group in optimizer.param_groups if group.get("fused") for weight in group["params"]}
    weights = list(_weights(optimizer))
    optimizer.state.clear()
    for name, value in tensors.items():
        position, _, key = name.partition(".")
        weight = weights[int(position)]
        like = weight if value.shape == weight.shape else value
        # Only a fused optimiser counts its steps on the device; the others would wait for it.
        device = torch.device("cpu") if key == "step" and weight not in fused else weight.device
        moment = torch.empty_like(like, dtype=value.dtype, device=device)
        optimizer.state[weight][key] = moment.copy_(value)


def check_optimizer(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor], source: str) -> None:
    """Check that moments are those of this optimizer, before anything is changed.

    A fused step trusts their shapes and kinds of numbers: with other ones it writes into memory that is not its own.

    Raises:
        Damaged: one belongs to no weight, is unknown or missing, has another shape or kind of numbers, is not finite, or is negative
            where that cannot be.
    """
    weights, usual = list(_weights(optimizer)), _usual_moments(optimizer)
    moments: dict[int, set[str]] = {}
    for name, value in tensors.items():
        position, _, key = name.partition(".")
        if not re.fullmatch(r"[0-9]{1,9}", position) or int(position) >= len(weights):
            raise Damaged(f"{source} does not fit its recipe: there is no weight {position[:40]}")
        moments.setdefault(int(position), set()).add(key)
        weight = weights[int(position)]
        known = usual.get(key, value) if usual else value
        kind = weight.dtype if known.ndim else known.dtype
        shapes = (weight.shape, ()) if not usual else (weight.shape,) if known.ndim else ((),)
        if (
            (usual and key not in usual)
            or value.shape not in shapes
            or not value.is_floating_point()
            or value.dtype != kind
        ):
            raise Damaged(f"{source} does not fit its recipe: {name[:80]} is {value.dtype} {list(value.shape)}")
        if not torch.isfinite(value).all():
            raise Damaged(f"{source}: {name} holds values that are not finite")
        if key in ("step", "exp_avg_sq", "square_avg") and (value < 0).any():
            raise Damaged(f"{source}: {name} is negative")
    for position, keys in moments.items():
        if usual and keys != usual.keys():
            raise Damaged(f"{source} does not fit its recipe: weight {position} lacks {min(usual.keys() - keys)}")


def _usual_moments(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Return the moments that an optimizer of this kind keeps of a weight with two values; nothing where that cannot be found out."""
    weight = nn.Parameter(torch.zeros(2))
    try:
        probe = type(optimizer)([weight], **optimizer.defaults)
        weight.grad = torch.zeros(2)
        probe.step()
    except Exception:  # an optimizer of the user's own, which wants more
        return {}
    return {key: value for key, value in probe.state[weight].items() if isinstance(value, Tensor)}


def restore_network(network: nn.Module, tensors: Mapping[str, Tensor], source: str) -> None:
    """Load a network's weights.

    Raises:
        Damaged: as `check_tensors`.
    """
    check_tensors(network.state_dict(), tensors, source)
    network.load_state_dict(dict(tensors))


def fitting_network(part: Partial, tensors: Mapping[str, Tensor], source: str) -> nn.Module:
    """Build a network whose weights are those of a checkpoint, and load them; memory is taken only for the sizes that the file has.

    Args:
        part: the network, which can be called with no argument.
        tensors: its weights and buffers by name.
        source: the file, for what is said where they do not fit.

    Raises:
        Damaged: as `check_tensors`, before any memory is taken.
    """
    try:
        with outlined(2 * len(tensors) + 100):  # some weights are registered twice, for another form of them
            outline = part()
    except TooLarge as error:
        raise Damaged(
            f"{source} does not fit its recipe: {len(tensors)} tensors are too few for this network"
        ) from error
    except Exception as error:  # a network refuses settings in many ways
        raise Damaged(f"{source} does not fit its recipe: {type(error).__name__}: {str(error)[:200]}") from error
    if not isinstance(outline, nn.Module):
        raise Damaged(f"{source} does not fit its recipe, which builds no network")
    check_tensors(outline.state_dict(), tensors, source)
    network = part()
    network.load_state_dict(dict(tensors))
    return network


def check_tensors(own: Mapping[str, Tensor], tensors: Mapping[str, Tensor], source: str) -> None:
    """Look whether tensors are those that belong there, before anything is changed.

    Raises:
        Damaged: where names, shapes or kinds of numbers are not `own`, or a value is not finite.
    """
    if strange := sorted(own.keys() ^ tensors.keys()):
        what = "missing" if strange[0] in own else "not known"
        raise Damaged(f"{source} does not fit its recipe: {strange[0]} is {what}")
    for name, value in tensors.items():
        if (value.shape, value.dtype) != (own[name].shape, own[name].dtype):
            wanted = f"{own[name].dtype} {list(own[name].shape)}"
            raise Damaged(
                f"{source} does not fit its recipe: {name} is {value.dtype} {list(value.shape)}, not {wanted}"
            )
    if sick := not_finite({"": tensors}):
        raise Damaged(f"{source}: {sick.removeprefix('.')} holds values that are not finite")


def not_finite(tensors: Mapping[str, Mapping[str, Tensor]]) -> str | None:
    """The first tensor with a value that is not a finite number, as file.name.

    >>> not_finite({"generator": {"w": torch.tensor([1.0, torch.nan])}})
    'generator.w'
    """
    for file, values in tensors.items():
        for name, value in values.items():
            if value.is_floating_point() and not torch.isfinite(value).all():
                return f"{file}.{name}"
    return None


def _weights(optimizer: torch.optim.Optimizer) -> Iterator[Tensor]:
    for group in optimizer.param_groups:
        yield from group["params"]


def _own_digest(manifest: Mapping[str, Any]) -> str:
    body = {key: value for key, value in manifest.items() if key != "self"}
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
