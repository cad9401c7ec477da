"""Inference: after training the generator alone makes pictures, and the discriminator stays as the detective that judges them.

>>> run = load("runs/faces")                      # doctest: +SKIP
>>> pictures = run.sample(16, seed=7)             # doctest: +SKIP
>>> run.judge(pictures)                           # doctest: +SKIP
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from organza import checkpoint
from organza.checkpoint import Checkpoint, Damaged
from organza.data.batches import to_float, to_uint8
from organza.data.labels import Labels
from organza.errors import UserError, nearest
from organza.losses import probability
from organza.networks.layers import Several, channels_last, main_network
from organza.part import decode
from organza.run import RunFolder
from organza.seeding import MICROBATCH, stream


class Run:
    """A trained run: its generator, its discriminator, and what is known of them.

    Args:
        folder: where it is.
        saved: the checkpoint to use.
        notes: what the user should know of the choice.
    """

    def __init__(self, folder: RunFolder, saved: Checkpoint, notes: tuple[str, ...] = ()):
        self.path, self.folder, self.saved, self.notes = folder.path, folder, saved, notes
        self.content = folder.read()
        self.shape = tuple(self.content["data"]["shape"])  # of what is made, channels first
        self.channels, (self.height, self.width) = self.shape[0], self.shape[-2:]
        self.labels = Labels.of(self.content["data"]["labels"]) if "labels" in self.content["data"] else None

    @property
    def images(self) -> int:
        """Images seen when these weights were saved."""
        return self.saved.facts["images"]

    @cached_property
    def generator(self) -> nn.Module:
        """The averaged generator, ready to be called: z [N, z_dim] to data [N, C, ...] in [-1, 1]. Of several networks, the main one."""
        return main_network(self._player)

    @cached_property
    def encoder(self) -> nn.Module:
        """The averaged encoder, ready to be called: data [N, C, ...] in [-1, 1] to latents [N, z_dim].

        Raises:
            UserError: where the run has none.
        """
        if not (isinstance(self._player, Several) and "encoder" in self._player):
            raise UserError(
                f"{self.path} has no encoder, so it cannot map pictures to latents; train one with --recipe aae-light or bigan-light."
            )
        return self._player["encoder"]

    @cached_property
    def discriminator(self) -> nn.Module:
        """The discriminator, ready to be called: images [N, C, H, W] in [-1, 1] to logits."""
        return self._network("discriminator")

    def sample(
        self, count: int = 16, seed: int = 0, first: int = 0, labels: Mapping[str, str] | None = None
    ) -> np.ndarray:
        """New pictures, uint8 [count, H, W, C], or volumes. Picture k of a seed is the same in every batch, on every day.

        Args:
            count: how many.
            seed: which series.
            first: where in the series to begin.
            labels: of a conditional generator, by field: {"class": "dress"}; what is left out is drawn as often as the data has it.

        Raises:
            UserError: where count is not positive, the run makes nothing from noise, or there is no such label.
        """
        return np.concatenate(list(self.sampled(count, seed, first, labels)))

    def sampled(
        self, count: int, seed: int = 0, first: int = 0, labels: Mapping[str, str] | None = None
    ) -> Iterator[np.ndarray]:
        """The same as `sample`, a few pictures at a time, for more than memory holds."""
        if count < 1:
            raise UserError(f"--count is {count}; it must be at least 1.")
        if labels and self.labels is None:
            raise UserError(f"{self.path} knows no labels; train it with a conditional recipe, such as cgan-light.")
        if not hasattr(self.generator, "latent"):
            raise UserError(
                f"{self.path} translates pictures and makes none from noise: organza translate {self.path} IN OUT"
            )
        for start in range(first, first + count, MICROBATCH):
            series = range(start, start + MICROBATCH)
            z = torch.stack([self.latent(seed, item) for item in series])
            rows = [self.labels.draw(stream(seed, "label", item), labels) for item in series] if self.labels else None
            made = self.generate(z, torch.stack(rows) if rows else None)
            yield to_uint8(made)[: first + count - start].numpy()

    def latent(self, seed: int, index: int) -> Tensor:
        """The latent of picture `index` of a series, [z_dim]."""
        return self.generator.latent(stream(seed, "sample", index))  # type: ignore[operator]

    @torch.no_grad()
    def generate(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        """G(z) or G(z, label) for latents and label rows of your own, [N, z_dim], [N, width] to [N, C, ...] in [-1, 1]."""
        return self.generator(z) if label is None else self.generator(z, label)

    @torch.no_grad()
    def encode(self, pictures: np.ndarray) -> Tensor:
        """The latent of each picture, E(x): `generate` makes pictures of them again. [N, z_dim].

        Args:
            pictures: uint8 [N, H, W, C] of the size that the run was trained on.

        Raises:
            UserError: where the run has no encoder, or for another size or number of channels.
        """
        return self._each(self.encoder, pictures, "encode")

    @torch.no_grad()
    def reconstruct(self, pictures: np.ndarray) -> np.ndarray:
        """What becomes of pictures on their way through the latent, G(E(x)): uint8 [N, H, W, C] to the same."""
        encoder, generator = self.encoder, self.generator
        return to_uint8(self._each(lambda x: generator(encoder(x)), pictures, "reconstruct")).numpy()

    def interpolate(self, first: np.ndarray, last: np.ndarray, steps: int = 8) -> np.ndarray:
        """The way from one picture to another along a straight line between their latents: uint8 [steps, H, W, C].

        Args:
            first, last: uint8 [H, W, C]; the way begins and ends with their reconstructions.
            steps: pictures on the way, 2 or more.
        """
        if steps < 2:
            raise UserError(f"An interpolation of {steps} pictures is none; it needs 2 at least.")
        z = self.encode(np.stack([first, last]))
        return to_uint8(self.generate(torch.lerp(z[:1], z[1:], torch.linspace(0, 1, steps)[:, None]))).numpy()

    @torch.no_grad()
    def judge(self, pictures: np.ndarray) -> np.ndarray:
        """The probability that each picture is authentic (1 = real, 0 = fake), float [N].

        sigmoid(D(x) - c), where c is the logit of an even chance: the loss's own, or for losses that only compare (relativistic,
        Wasserstein) the middle between held-out real and generated pictures, measured when the checkpoint was saved.
        A discriminator of pairs judges (x, E(x)); one of latents, E(x): is this one that the prior would draw?

        Args:
            pictures: uint8 [N, H, W, C] of the size that the run was trained on.

        Raises:
            UserError: for another size or number of channels.
        """

        def authentic(x: Tensor) -> Tensor:
            seen = self.discriminator.evidence(x, lambda x: self.encoder(x))  # type: ignore[operator]
            return probability(self.discriminator(seen), self.saved.facts["neutral"])

        return self._each(authentic, pictures, "judge").numpy()

    def _each(self, network: Callable[[Tensor], Tensor], pictures: np.ndarray, who: str) -> Tensor:
        """A network on pictures in batches of one size, so that each comes out the same whatever the others are."""
        expected = (self.height, self.width, self.channels)
        if pictures.ndim != 4 or pictures.shape[1:] != expected:
            raise UserError(
                f"{who} takes uint8 pictures [N, {', '.join(map(str, expected))}], as this run was trained on, not {list(pictures.shape)}."
            )
        found = []
        for start in range(0, len(pictures), MICROBATCH):
            some = pictures[start : start + MICROBATCH]
            padded = np.concatenate([some, np.repeat(some[-1:], MICROBATCH - len(some), 0)])
            found.append(network(to_float(padded))[: len(some)])
        return torch.cat(found)

    @cached_property
    def _player(self) -> nn.Module:
        return self._network("generator")

    def _network(self, name: str) -> nn.Module:
        network = decode(self.content["players"][name])()
        checkpoint.restore_network(network, self.saved.tensors[name], str(self.saved.directory / f"{name}.safetensors"))
        return channels_last(network).eval().requires_grad_(False)


def load(path: str | Path, which: str = "best") -> Run:
    """Open a trained run.

    Args:
        path: the run's folder.
        which: "best" (by the distance to held-out images), "latest", or the name of a checkpoint such as 00012000.

    Raises:
        UserError: where there is no run, no such checkpoint, or none that is whole.
    """
    folder = RunFolder(path)
    folder.read()
    names = [directory.name for directory in checkpoint.existing(folder.checkpoints)]
    if not names:
        raise UserError(f"{path} has no checkpoint yet; let it train to its first evaluation.")
    if which not in ("best", "latest", *names):
        raise UserError(
            f"{path} has no checkpoint {which}; it has best, latest, {', '.join(names)}.{nearest(which, names)}"
        )
    wanted = _named(folder, which)
    files = {"generator", "discriminator"}
    troubles = []
    if wanted in names:
        try:
            return Run(folder, checkpoint.load(folder.checkpoints / wanted, files))
        except Damaged as damage:
            if which not in ("best", "latest"):
                raise UserError(f"{damage}; choose another with --checkpoint: {', '.join(names)}.") from None
            troubles.append(str(damage))
    saved, wrong = checkpoint.newest_good(folder.checkpoints, files)
    troubles += [text for text in wrong if text not in troubles]
    if saved is None:
        raise UserError(f"No checkpoint of {path} is whole: {'; '.join(troubles)}.")
    return Run(folder, saved, tuple(f"{text}; using {saved.directory.name} instead" for text in troubles))


def _named(folder: RunFolder, which: str) -> str:
    pointer = {"best": folder.best, "latest": folder.latest}.get(which)
    if pointer is None:
        return which
    try:
        return str(json.loads(pointer.read_text())["checkpoint"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def describe(run: Run) -> dict[str, Any]:
    """What a run is, in a few facts."""
    return {
        "run": str(run.path),
        "checkpoint": run.saved.directory.name,
        "recipe": run.content["recipe"]["name"],
        "size": f"{run.width}x{run.height}",
        "channels": run.channels,
        "images seen": run.images,
    }
