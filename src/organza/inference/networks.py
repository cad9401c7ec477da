"""The networks of a checkpoint, its shape, its labels and its provenance."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from functools import cached_property

import numpy as np
import torch
from torch import Tensor, nn

from organza.config import Partial, decode
from organza.config.arguments import as_bytes, as_vectors
from organza.data.batches import to_float, to_uint8
from organza.data.labels import Labels
from organza.errors import UserError, lacks_memory
from organza.export.folder import ExportedFolder
from organza.media.provenance import MADE, Provenance
from organza.networks.layers import NetworkDict, Shape, channels_last, main_network
from organza.networks.standard import Columns
from organza.run.checkpoint import Checkpoint, Damaged
from organza.run.folder import RunFolder
from organza.run.weights import fitting_network
from organza.seeding import MICROBATCH


class Networks:
    """The networks of a trained run: base of what can be done with them.

    Args:
        folder: run folder.
        saved: checkpoint to use.
        notes: notes for the user on the choice of checkpoint.
        own: names of the user's own modules that its networks may be from.
    """

    def __init__(
        self, folder: RunFolder, saved: Checkpoint, notes: tuple[str, ...] = (), own: Collection[str] = frozenset()
    ):
        self.path, self.folder, self.saved, self.notes, self.own = folder.path, folder, saved, notes, own
        self.device = torch.device("cpu")
        self._rooms: dict[str, int] = {}
        self.content = folder.read()
        self.shape: Shape = tuple(self.content["data"]["shape"])  # shape of generated items, channels first
        self.channels, (self.height, self.width) = self.shape[0], (1, 1, *self.shape[1:])[-2:]
        vectors = len(self.shape) == 1
        self.table = Columns.of(self.content["data"].get("columns"), self.channels) if vectors else None
        self.labels = Labels.of(self.content["data"]["labels"]) if "labels" in self.content["data"] else None

    @property
    def images(self) -> int:
        """Images seen when these weights were saved."""
        return self.saved.facts["images"]

    def made_by(self, seed: int | None = None, kind: str = MADE) -> Provenance:
        """Return the provenance that files of this run's images state.

        Args:
            seed: random seed of the latents.
            kind: IPTC's term: generated, or made from another image.
        """
        digest = self.saved.digests["generator.safetensors"]
        return Provenance(
            digest,
            self.saved.facts.get("checkpoint", self.saved.directory.name),
            self.content["recipe"]["name"],
            seed,
            kind,
        )

    @cached_property
    def generator(self) -> nn.Module:
        """The averaged generator: z [N, z_dim] to data [N, C, ...] in [-1, 1]. If there are several networks, the main one."""
        return main_network(self.player)

    @cached_property
    def encoder(self) -> nn.Module:
        """The averaged encoder: data [N, C, ...] in [-1, 1] to latents [N, z_dim].

        Raises:
            UserError: if the run has none.
        """
        if not (isinstance(self.player, NetworkDict) and "encoder" in self.player):
            raise UserError(
                f"{self.path} has no encoder, so it cannot map images to latents; train one with `recipe='aae'` or bigan."
            )
        return self.player["encoder"]

    @cached_property
    def discriminator(self) -> nn.Module:
        """The discriminator: images [N, C, H, W] in [-1, 1] to logits. If there are several
        networks, the main one.
        """
        return main_network(self._judge)

    @cached_property
    def _judge(self) -> nn.Module:
        return self._network("discriminator")

    @cached_property
    def player(self) -> nn.Module:
        return self._network("generator")

    def _network(self, name: str) -> nn.Module:
        """Build one network from recipe.json and the tensors of the checkpoint."""
        part = decode(self.content["players"][name], self.own)
        if not isinstance(part, Partial):
            raise UserError(f"{self.folder.recipe} does not describe the {name}; restore it.")
        if isinstance(self.folder, ExportedFolder):
            self.folder.require(name, self.saved)
        place = str(self.saved.directory / f"{name}.safetensors")
        try:
            if name not in self.saved.tensors:
                raise Damaged(f"{self.saved.directory} has no {name}.safetensors")
            network = fitting_network(part, self.saved.tensors[name], place)
        except Damaged as damage:
            raise UserError(f"{damage}; restore {self.folder.recipe}, or choose another with `which`.") from damage
        return channels_last(network).eval().requires_grad_(False).to(self.device)

    def _each(self, network: Callable[[Tensor], Tensor], pictures: np.ndarray, who: str) -> Tensor:
        """Run a network on images or vectors in batches of one size, so that each result does not depend on
        the others.
        """
        pictures, floats = self._checked(pictures, who)
        found = []
        for start in range(0, len(pictures), MICROBATCH):
            some = pictures[start : start + MICROBATCH]
            padded = np.concatenate([some, np.repeat(some[-1:], MICROBATCH - len(some), 0)])
            with self._fitted():
                found.append(network(floats(padded).to(self.device))[: len(some)])
        return torch.cat(found).cpu()

    def _checked(self, items: np.ndarray, who: str) -> tuple[np.ndarray, Callable[[np.ndarray], Tensor]]:
        """Return images or vectors as an array, and the function that makes floats for networks of them."""
        if self.table is not None:
            return as_vectors(items, self.table.printable, who), self.table.standardised
        return as_bytes(items, (*self.shape[1:], self.channels), who), to_float

    def finished(self, x: Tensor) -> np.ndarray:
        """Return what the generator makes as files hold it: uint8 [N, ..., C], or vectors in their own units, float64 [N, D]."""
        return (to_uint8(x).cpu() if self.table is None else self.table.restored(x)).numpy()

    @contextmanager
    def _fitted(self) -> Iterator[None]:
        """Turn errors of networks that do not match recipe.json, which a stranger may have written,
        into a UserError.
        """
        try:
            yield
        except RuntimeError as error:
            if lacks_memory(error):
                raise
            raise UserError(
                f"{self.folder.recipe} gives {described(self.shape)}, which do not match the networks of this run; restore it."
            ) from error


def described(shape: tuple[int, ...]) -> str:
    """Return a shape, channels first, in words: 16x16 images of 3 channels, vectors of 2 columns."""
    if len(shape) == 1:
        return f"vectors of {shape[0]} columns"
    return (
        f"{'x'.join(map(str, reversed(shape[1:])))} {'volumes' if len(shape) == 4 else 'images'} of {shape[0]} channels"
    )
