"""Model files that are not runs: recognized by their names and first bytes, and refused with
advice. None is ever loaded.
"""

from __future__ import annotations

import json
from pathlib import Path

PICKLES = (".pkl", ".pickle", ".pt", ".pth", ".ckpt", ".bin", ".joblib")
HEADER = 100_000_000  # largest safetensors header in bytes


def refusal(path: Path) -> str:
    """Return the reason why a file cannot be used as a run, with advice. A pickle is not even
    opened: its name is enough.

    >>> refusal(Path("stylegan2-ffhq.pkl"))
    'stylegan2-ffhq.pkl is or may be a pickle: opening one runs whatever program it holds, so organza never does. Give the folder of a run.'
    """
    if path.suffix.lower() in PICKLES:
        return f"{path} is or may be a pickle: opening one runs whatever program it holds, so organza never does. Give the folder of a run."
    if path.suffix.lower() == ".onnx":
        return f"{path} is an ONNX file, which organza does not read. Give the folder of a run."
    if path.suffix.lower() == ".safetensors":
        wrong = _header(path)
        what = f"is not a sound safetensors file ({wrong})" if wrong else "holds weights and no recipe"
        return f"{path} {what}. Give the folder of the run that it is from."
    return f"{path} is a file; a run is a folder. Train one with: `organza.train(data, run=folder)`"


def _header(path: Path) -> str | None:
    """Return the fault of a safetensors file's header, or None; its tensors are not read."""
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            size = path.stat().st_size
            if size < 8 or length > min(HEADER, size - 8):
                return f"its header claims {length:,} bytes, in a file of {size:,}"
            header = json.loads(file.read(length))
    except OSError as error:
        return error.strerror or str(error)
    except (ValueError, RecursionError):
        return "its header is not JSON"
    return None if isinstance(header, dict) else "its header is not a table of tensors"
