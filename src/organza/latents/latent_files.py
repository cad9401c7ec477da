"""latents.safetensors: latents that an inversion found, with the offsets of the levels and the names of the images.

They belong to one generator, whose digest is in the file: other weights make other images of them. It is read as a stranger's file.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from organza.errors import UserError
from organza.latents.source import Source
from organza.media.images import write_aside
from organza.run.forms import require_form
from organza.untrusted import parse_json, printable, read_bytes

FILE = "latents.safetensors"
BYTES = 2**31


@dataclass(frozen=True)
class Latents:
    """Latents of images.

    Args:
        z: latents, [N, z_dim].
        rows: label rows, [N, width], in a tuple; ().
        offsets: offsets of each level, [N, ...] each; ().
        names: names of the images.
    """

    z: Tensor
    rows: tuple[Tensor, ...]
    offsets: tuple[Tensor, ...]
    names: tuple[str, ...]


def save_latents(source: Source, latents: Latents, path: Path) -> None:
    """Write latents.

    Raises:
        UserError: if the file cannot be written.
    """
    tensors = {"z": latents.z}
    tensors |= dict(zip(("row",), latents.rows, strict=False))
    tensors |= {f"offset.{n}": offset for n, offset in enumerate(latents.offsets)}
    about = {"format": "1", "sha256": _digest(source), "names": json.dumps(latents.names)}
    write_aside(path, safetensors.torch.save({k: v.contiguous() for k, v in tensors.items()}, about))


def load_latents(source: Source, path: Path) -> Latents:
    """Return latents that `save_latents` wrote for this generator.

    Raises:
        UserError: if the file cannot be read, or is of another generator.
    """
    try:
        content = read_bytes(path, BYTES)
        tensors = safetensors.torch.load(content)
        about = parse_json(content[8 : 8 + int.from_bytes(content[:8], "little")])["__metadata__"]
        require_form(about, {"format": str, "sha256": str, "names": str})
        names = parse_json(about["names"])
        require_form({"names": names}, {"names": tuple[str, ...]})
        found = _checked(source, tensors, tuple(printable(name) for name in names))
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UserError(
            f"{path} holds no latents of organza ({printable(str(reason))[:120]}); give a file of organza invert."
        ) from None
    if about["sha256"] != _digest(source):
        raise UserError(
            f"{path} is of other weights than those of {source.path}; invert the images once more, or choose its `checkpoint`."
        )
    return found


def _checked(source: Source, tensors: dict[str, Tensor], names: tuple[str, ...]) -> Latents:
    """Return latents from a file's tensors. Raises ValueError if they do not fit the generator."""
    z = tensors["z"]
    offsets = [tensors[f"offset.{n}"] for n in range(sum(name.startswith("offset.") for name in tensors))]
    rows = (tensors["row"],) if "row" in tensors else ()
    for tensor in (z, *rows, *offsets):
        if len(tensor) != len(names) or tensor.dtype != torch.float32 or not bool(tensor.isfinite().all()):
            raise ValueError("its tensors do not fit its names")
    width = getattr(source.generator, "labels", 0)
    if z.shape[1:] != source.latent(0, 0).shape or [row.shape[1] for row in rows] != [width] * bool(width):
        raise ValueError("its latents have another size")
    if len(offsets) not in (0, len(source.generator.levels)):
        raise ValueError("the generator has other levels")
    return Latents(z, rows, tuple(offsets), names)


def _digest(source: Source) -> str:
    return source.saved.digests["generator.safetensors"]
