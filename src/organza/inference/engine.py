"""A second engine for sampling: the generator as ONNX in onnxruntime, traced once and kept in the cache.

One image at a time it is two to five times as fast as torch on a CPU, since no Python runs between the layers (docs/export.md). Its bytes
differ from torch's by one level of 255 at most, which is measured on the run's own samples before it is used.
"""

from __future__ import annotations

import hashlib
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from organza.disk import cache_folder
from organza.errors import UserError, nearest
from organza.export import onnx as onnx_files
from organza.export.files import made
from organza.export.graphs import Trained, graphs
from organza.media.images import write_aside
from organza.untrusted import is_trusted, read_bytes
from organza.version import __version__

Engine = Literal["torch", "onnx"]
ENGINES: tuple[Engine, ...] = ("torch", "onnx")
LARGEST = 2**31
"""Largest ONNX file in bytes: the format has no larger ones."""
LEVELS = 1
"""Largest difference of an image byte from torch's."""


class Session:
    """A generator in onnxruntime.

    Args:
        session: session of the exported graph.
    """

    def __init__(self, session: Any):
        self.session = session
        self.inputs = [given.name for given in session.get_inputs()]

    def __call__(self, z: Tensor, label: Tensor | None = None) -> np.ndarray:
        """Return images, uint8 [N, H, W, C], or volumes, of latents [N, z_dim] and label rows [N, width]."""
        given = {"z": z, "label": label}
        return self.session.run(None, {name: given[name].numpy() for name in self.inputs})[0]


def require_engine(name: str) -> None:
    """Check the name of an engine. Raises UserError."""
    if name not in ENGINES:
        raise UserError(f"engine is {str(name)[:40]!r}; it must be torch or onnx.{nearest(str(name), ENGINES)}")


def session_of(run: Trained, wanted: np.ndarray, z: Tensor, label: Tensor | None) -> Session | str:
    """Return a run's generator in onnxruntime, or the reason why torch has to do.

    Args:
        run: run that generates from noise, on the CPU.
        wanted: images that torch makes of z and label, to compare with.
        z: latents.
        label: label rows; None if the generator takes none.
    """
    if find_spec("onnxruntime") is None:
        return "onnxruntime is not installed: pip install 'organza[export]'"
    path = _kept_at(run)
    try:
        found = _opened(path)
        if found is None:
            onnx_files.require_installed()
            content = made(next(graphs(run)), run, path.parent, {}).model.SerializeToString()
            write_aside(path, content)
            found = Session(onnx_files.session(content, torch.get_num_threads()))
    except UserError as error:
        return str(error).rstrip(".")
    images = found(z, label)
    if images.shape != wanted.shape:
        return "its ONNX file makes images of another size"
    if images.dtype != np.uint8:
        near = np.allclose(images, wanted, rtol=1e-4, atol=1e-4 * float(wanted.std() or 1))
        return found if near else "its ONNX file differs from torch"
    levels = int(np.abs(images.astype(int) - wanted.astype(int)).max())
    return found if levels <= LEVELS else f"its ONNX file differs from torch by {levels} of 255 levels"


def _kept_at(run: Trained) -> Path:
    """Return the path in the cache, whose name depends on all that the graph is made of."""
    facts = (run.saved.digests["generator.safetensors"], __version__, torch.__version__, onnx_files.OPSET)
    return cache_folder() / "onnx" / f"{hashlib.sha256(repr(facts).encode()).hexdigest()[:32]}.onnx"


def _opened(path: Path) -> Session | None:
    """Return the session of a file in the cache; None if there is none, another user's, or a damaged one."""
    try:
        if not is_trusted(path, path.parent):
            return None
        return Session(onnx_files.session(read_bytes(path, LARGEST), torch.get_num_threads()))
    except Exception:  # onnxruntime has many kinds of errors for a damaged file
        return None
