"""The exported folder: weights, config, card and preview, without any trace of the machine.

    README.md                   model card
    config.json                 recipe.json without facts of the machine and the location of the data
    manifest.json               sha256 of the weights and of config.json, in the format of a checkpoint
    generator.safetensors       averaged generator; in fp32 byte for byte the run's: images name its sha256
    discriminator.safetensors   on request only, as it may reveal members of the training set
    preview.png                 first samples of seed 0, not selected

Loading follows the rules of a run: no code that the files name is imported or run, except organza's own networks.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from organza.data.described import wish
from organza.errors import UserError
from organza.run import checkpoint
from organza.run.checkpoint import MANIFEST, Checkpoint, Damaged
from organza.run.folder import RunFolder
from organza.run.weights import not_finite
from organza.shell import quoted
from organza.untrusted import read_bytes

CONFIG, CARD, PREVIEW = "config.json", "README.md", "preview.png"
WEIGHTS = "generator.safetensors"
VERSIONS = "organza", "torch"
"""Versions recorded by a run that tell nothing about its machine."""


class ExportedFolder(RunFolder):
    """An exported folder used as a run folder: config.json takes the place of recipe.json.

    Args:
        path: folder.
        outputs: folder for outputs that are given no place; this folder by default, if it is the user's own.
    """

    def __init__(self, path: str | Path, outputs: Path | None = None):
        super().__init__(path)
        self.recipe, self.outputs = self.path / CONFIG, outputs

    def place(self, name: str) -> Path:
        """Return a folder for writing: see `RunFolder.place`."""
        return super().place(name) if self.outputs is None else self.outputs / name.removeprefix("generated/")

    @staticmethod
    def is_at(path: str | Path) -> bool:
        """Return True if a folder holds config.json and a manifest or weights, and no recipe.json."""
        folder = Path(path)
        has = {name for name in ("recipe.json", CONFIG, MANIFEST, WEIGHTS) if os.path.lexists(folder / name)}
        return "recipe.json" not in has and CONFIG in has and bool(has & {MANIFEST, WEIGHTS})

    def opened(self) -> Checkpoint:
        """Return the weights, verified.

        Raises:
            UserError: if a file is missing, changed, damaged, or written by a newer organza.
        """
        try:
            saved = checkpoint.load(self.path, {"generator", "discriminator"})
            config = read_bytes(self.recipe, checkpoint.JSON_BYTES, inside=self.path)
        except (Damaged, OSError) as damage:
            reason = f"{self.recipe} cannot be read" if isinstance(damage, OSError) else str(damage)
            raise UserError(f"{reason}; export the run once more, or fetch the folder again.") from None
        if hashlib.sha256(config).hexdigest() != saved.facts.get("config"):
            raise UserError(
                f"{self.recipe} was changed since it was written (its sha256 differs); export the run once more, or fetch it again."
            )
        if "generator" not in saved.tensors:
            raise UserError(f"{self.path} has no {WEIGHTS}; export the run once more, or fetch the folder again.")
        return saved._replace(tensors={name: widened(tensors) for name, tensors in saved.tensors.items()})

    def audit(self, images: int) -> str:
        """Return the outcome of the search for copies that was known when it was exported: see `RunFolder.audit`."""
        return str(self.read().get("audit", ""))

    def require(self, name: str, saved: Checkpoint) -> None:
        """Check that a network is in the folder.

        Raises:
            UserError: if it is not.
        """
        if name not in saved.tensors:
            raise UserError(
                f"{self.path} was exported without its {name}; export the run with it: `organza.export(run, parts=['generator', '{name}'])`"
            )


def halved(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return tensors with the float32 ones as float16, which take half the bytes.

    Raises:
        UserError: if one holds a value beyond its range.

    >>> halved({"w": torch.ones(2)})["w"].dtype
    torch.float16
    """
    small = {name: value.half() if value.dtype is torch.float32 else value for name, value in tensors.items()}
    if name := not_finite({"": small}):
        raise UserError(
            f"{name.removeprefix('.')} holds values beyond the range of fp16; export with `precision='fp32'`."
        )
    return small


def widened(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return tensors with the float16 ones as float32, in which networks compute."""
    return {name: value.float() if value.dtype is torch.float16 else value for name, value in tensors.items()}


def config_of(content: Mapping[str, Any], facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return the content of config.json: recipe.json without private facts, with facts for other programs.

    Args:
        content: content of recipe.json.
        facts: facts of the generator: see `graphs.Graph`.
    """
    data = {name: value for name, value in content["data"].items() if name != "source"}
    table, columns = wish(content["asked"].get("labels"))
    asked = {name: content["asked"].get(name) for name in ("size", "channels", "seed")}
    asked["labels"] = None if table is not None else columns or None
    return {
        "format": content.get("format", 1),
        "library": "organza",
        "recipe": content["recipe"],
        "players": content["players"],
        "data": {"source": "", **data},
        "asked": asked,
        "plan": content["plan"],
        "versions": {name: content["versions"][name] for name in VERSIONS if name in content["versions"]},
        **({"began_with": content["began_with"]} if "began_with" in content else {}),
        "range": [-1, 1],
        **facts,
    }


def contents(
    config: Mapping[str, Any], weights: Mapping[str, bytes], facts: Mapping[str, Any], images: int
) -> dict[str, bytes]:
    """Return the files that `organza.load` reads, by name: config, manifest, weights.

    Args:
        config: see `config_of`.
        weights: contents of tensor files, by name.
        facts: facts of the checkpoint: images seen, neutral logit.
        images: images seen.
    """
    text = (json.dumps(config, indent=1) + "\n").encode()
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in weights.items()}
    known = {name: facts[name] for name in ("images", "neutral", "checkpoint") if name in facts}
    known["config"] = hashlib.sha256(text).hexdigest()
    manifest = checkpoint.manifest_of(images, digests, known)
    return {CONFIG: text, MANIFEST: (json.dumps(manifest, indent=1) + "\n").encode(), **weights}


def require_place(folder: Path, run: Path) -> None:
    """Check that a folder can take an export.

    Raises:
        UserError: if it is a file, or a run folder.
    """
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder} is a file; `out` needs a folder for the export.")
    if os.path.lexists(folder / "recipe.json"):
        raise UserError(
            f"{folder} is a run; name another folder with `out`, such as {quoted(run.resolve().name)}-export."
        )
