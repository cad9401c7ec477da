"""Networks as other programs call them: images as bytes at both ends, with the facts that a caller needs.

Symbols: z [N, z_dim] latents; y [N, labels] rows of labels; images uint8 [N, H, W, C], volumes uint8 [N, D, H, W, C].
The networks themselves compute on float [-1, 1], [N, C, ...]. Scaling and transposing are common mistakes of callers, so the graph does
both; they cost a Transpose, a Round and a Cast.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from organza.errors import UserError
from organza.media.provenance import MADE, Provenance
from organza.networks.layers import NetworkDict, Translator
from organza.networks.unet import Dropout

BATCH = 2
"""Batch size of the examples that a graph is traced with: torch takes a batch of 1 for a constant."""
ANY = {0: "batch", 1: "height", 2: "width"}
PICTURES = {0: "batch"}


class Trained(Protocol):
    """A run, as `inference.load.Run` has it: see there."""

    path: Path
    folder: Any
    saved: Any
    content: dict[str, Any]
    shape: tuple[int, ...]
    labels: Any
    table: Any

    @property
    def images(self) -> int: ...
    @property
    def generator(self) -> Any: ...
    @property
    def discriminator(self) -> Any: ...
    @property
    def player(self) -> Any: ...
    def latent(self, seed: int, index: int) -> Tensor: ...
    def label_rows(self, series: range, seed: int = 0, labels: Mapping[str, str] | None = None) -> Tensor: ...
    def generate(self, z: Tensor, label: Tensor | None = None) -> Tensor: ...
    def source_channels(self, to: str = "b") -> int: ...
    def sample(self, count: int = 16, seed: int = 0) -> np.ndarray: ...
    def translate(self, pictures: np.ndarray, to: str = "b") -> np.ndarray: ...
    def made_by(self, seed: int | None = None, kind: str = MADE) -> Provenance: ...


@dataclass(frozen=True)
class Graph:
    """One file of a generator or of one of the networks beside it.

    Args:
        name: file name without its ending.
        module: network from the inputs to (float values, output): the output is bytes of images, or the values again.
        inputs: examples by name, of a batch of 2 at least.
        axes: names of the dynamic axes of each input.
        output: name of the output.
        facts: facts that a caller needs.
        draw: inputs of the samples of seed 0, by their numbers, if the network draws from noise.
    """

    name: str
    module: nn.Module
    inputs: dict[str, Tensor]
    axes: dict[str, dict[int, str]]
    output: str
    facts: dict[str, Any] = field(default_factory=dict)
    draw: Callable[[range], dict[str, Tensor]] | None = None

    def examples(self, count: int, seed: int = 0) -> dict[str, Tensor]:
        """Return inputs to compare with, [count, ...]: latents and rows drawn from the examples, images at random."""
        source = torch.Generator().manual_seed(seed)
        return {name: _more(example, count, source) for name, example in self.inputs.items()}


def _more(example: Tensor, count: int, source: torch.Generator) -> Tensor:
    """Return further inputs like the examples of a graph, [count, ...]."""
    if example.dtype == torch.uint8:
        coarse = torch.rand((count, *(max(side // 8, 1) for side in example.shape[1:-1]), 3), generator=source)
        grown = nn.functional.interpolate(coarse.movedim(-1, 1), size=tuple(example.shape[1:-1]))
        channels = torch.arange(example.shape[-1]) % 3
        return (grown.movedim(1, -1)[..., channels] * 255).round().to(torch.uint8)
    chosen = torch.randint(len(example), (count,), generator=source)
    return example[chosen]


def bytes_of(x: Tensor) -> Tensor:
    """Return float [-1, 1], [N, C, ...], as uint8 [N, ..., C]: as `data.batches.to_uint8`, in operators that every runtime has."""
    return ((x.clamp(-1, 1) + 1) * 127.5).round().movedim(1, -1).to(torch.uint8)


def floats_of(images: Tensor) -> Tensor:
    """Return uint8 [N, ..., C] as float [-1, 1], [N, C, ...]: as `data.batches.to_float`."""
    return (images.to(torch.float32) / 127.5 - 1).movedim(-1, 1)


class Made(nn.Module):
    """z, or z and y, to x and its bytes."""

    def __init__(self, generator: nn.Module):
        super().__init__()
        self.generator = generator

    def forward(self, *given: Tensor) -> tuple[Tensor, Tensor]:
        x = self.generator(*given)
        return x, bytes_of(x)


class Standardised(nn.Module):
    """Vectors in the units of the data, float64 [N, D], to floats for networks: x = (value - mean) / deviation.

    Args:
        means: mean of each column, [D].
        deviations: standard deviation of each.
    """

    means: Tensor
    deviations: Tensor

    def __init__(self, means: Sequence[float], deviations: Sequence[float]):
        super().__init__()
        self.register_buffer("means", torch.tensor(means, dtype=torch.float64))
        self.register_buffer("deviations", torch.tensor(deviations, dtype=torch.float64))

    def forward(self, vector: Tensor) -> Tensor:
        return ((vector - self.means) / self.deviations).to(torch.float32)


class Restored(nn.Module):
    """z to vectors x and the same in the units of the data, float64: value = deviation x + mean.

    Args:
        generator: network from z [N, z_dim] to x [N, D].
        means: mean of each column, [D].
        deviations: standard deviation of each.
    """

    means: Tensor
    deviations: Tensor

    def __init__(self, generator: nn.Module, means: Sequence[float], deviations: Sequence[float]):
        super().__init__()
        self.generator = generator
        self.register_buffer("means", torch.tensor(means, dtype=torch.float64))
        self.register_buffer("deviations", torch.tensor(deviations, dtype=torch.float64))

    def forward(self, z: Tensor) -> tuple[Tensor, Tensor]:
        x = self.generator(z)
        return x, x.double() * self.deviations + self.means


class Translated(nn.Module):
    """Bytes of images to their translations' x and bytes, of any size that the translator takes."""

    def __init__(self, translator: Translator):
        super().__init__()
        self.translator = translator

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        x = self.translator.translate(floats_of(image))
        return x, bytes_of(x)


class Encoded(nn.Module):
    """Bytes of images to latents."""

    def __init__(self, encoder: nn.Module):
        super().__init__()
        self.encoder = encoder

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        z = self.encoder(floats_of(image))
        return z, z + 0.0


class Judged(nn.Module):
    """Bytes of images, with labels or source images if D is conditional, to probabilities of authenticity [N].

    Args:
        discriminator: D.
        coder: encoder to the code or latent that D judges; None if D judges x.
        neutral: logit of an even chance.
        original: True if the condition is an image.
        floats: function or module that makes floats for D of bytes, or of vectors in their own units.
    """

    def __init__(
        self,
        discriminator: nn.Module,
        coder: nn.Module | None,
        neutral: float | None,
        original: bool,
        floats: Callable[[Tensor], Tensor] = floats_of,
    ):
        super().__init__()
        self.discriminator, self.coder, self.neutral, self.original = discriminator, coder, neutral, original
        self.floats = floats

    def forward(self, image: Tensor, *condition: Tensor) -> tuple[Tensor, Tensor]:
        """Return the probability that each image is authentic, [N], twice: a tracer needs two outputs."""
        beside = tuple(map(floats_of, condition)) if self.original else condition
        encode: Callable[[Tensor], Tensor] = self.coder or nn.Identity()
        judge: Any = self.discriminator
        evidence = judge.evidence(self.floats(image), encode)
        # As `losses.probability`, without len, which a tracer takes for a constant.
        chance = torch.sigmoid(self.discriminator(evidence, *beside) - (self.neutral or 0.0))
        chance = chance.flatten(1).mean(1) if chance.ndim > 1 else chance
        return chance, chance + 0.0


def graphs(
    run: Trained, parts: tuple[str, ...] = ("generator",), size: tuple[int, int] | None = None
) -> Iterator[Graph]:
    """Yield the graphs of a run: its generator in all directions, its encoder, its discriminator.

    Args:
        run: trained run.
        parts: "generator", "encoder", "discriminator".
        size: (height, width) for translators with noise in use, whose mask is of one size; the training size by default.

    Raises:
        UserError: if the run has no such part, or a size is given and it has no such translator.
    """
    player = run.player
    networks = dict(player.items()) if isinstance(player, NetworkDict) else {"b": player}
    ways = {name: network for name, network in networks.items() if isinstance(network, Translator)}
    if size is not None and not any(map(_is_fixed, ways.values())):
        raise UserError(
            f"{run.path} {'translates images of any size' if ways else 'has one size'}; leave `size` out, which is for translators with "
            "noise in use, such as pix2pix."
        )
    if "generator" in parts:
        if ways:
            for to, network in ways.items():
                yield _translation(
                    run, network, to, "generator" if network is run.generator else f"generator-{to}", size
                )
        else:
            yield _generation(run)
    encoder = networks.get("encoder")
    if encoder is not None and "encoder" in parts:
        yield _encoding(run, encoder)
    elif "encoder" in parts and "generator" not in parts:
        raise UserError(f"{run.path} has no encoder to export; leave `parts='encoder'` out.")
    if "discriminator" in parts:
        yield _judgement(run, encoder)


def _images(shape: tuple[int, ...], count: int = BATCH) -> Tensor:
    """Return example bytes of images of a shape, channels first."""
    return torch.zeros((count, *shape[1:], shape[0]), dtype=torch.uint8)


def _generation(run: Trained) -> Graph:
    """Return the graph of a generator: latents, and labels if it has any, to images."""
    labelled = bool(getattr(run.generator, "labels", 0))

    def draw(series: range) -> dict[str, Tensor]:
        """Return the inputs of a part of seed 0's series."""
        z = torch.stack([run.latent(0, index) for index in series])
        return {"z": z} | ({"label": run.label_rows(series)} if labelled else {})

    inputs = draw(range(64))
    axes = dict.fromkeys(inputs, PICTURES)
    prior = tuple(run.generator.prior)
    require_law(prior, inputs["z"], str(run.path))
    facts: dict[str, Any] = {"makes": _unit(run.shape), "prior": [part.facts() for part in prior]}
    if labelled:
        facts["labels"] = run.labels.facts()
    if (codes := getattr(run.generator, "codes", None)) is not None:
        facts["codes"] = {
            "noise": codes.noise,
            "categories": list(codes.categories),
            "continuous": codes.continuous,
        }
    if run.table is not None:
        facts["columns"] = list(run.table.names)
        restored = Restored(run.generator, run.table.means, run.table.deviations)
        return Graph("generator", restored, inputs, axes, "vector", facts, draw)
    return Graph("generator", Made(run.generator), inputs, axes, _unit(run.shape), facts, draw)


def _is_fixed(network: nn.Module) -> bool:
    """Return True if noise is in use, whose mask is of one size."""
    return any(isinstance(layer, Dropout) and bool(layer.use) for layer in network.modules())


def _translation(run: Trained, network: Translator, to: str, name: str, size: tuple[int, int] | None) -> Graph:
    """Return the graph of a translator: images to images of any size, or of its own size."""
    channels = run.source_channels(to)
    fixed, shape = _is_fixed(network), size or tuple(run.shape[1:])
    least = max(network.least, network.stride)
    facts: dict[str, Any] = {"makes": "image", "from": "image", "to": to, "channels": channels, "least": least}
    facts |= {"factor": network.factor} if network.factor > 1 else {}
    facts |= {"mask": True} if network.masked else {}  # the last channel: 255 in the hole
    if fixed:
        facts["fixed"] = list(shape)
    elif network.stride > 1:  # the way round sizes that are no multiples is traced with one that is none
        height, width = (side + side % network.stride + network.stride - 1 for side in run.shape[1:])
        example = torch.zeros((BATCH, height, width, channels), dtype=torch.uint8)
        return Graph(name, Translated(network), {"source": example}, {"source": ANY}, "image", facts)
    example = _images((channels, *shape))
    return Graph(name, Translated(network), {"source": example}, {"source": PICTURES if fixed else ANY}, "image", facts)


def _encoding(run: Trained, encoder: nn.Module) -> Graph:
    facts = {"makes": "z", "from": _unit(run.shape)}
    return Graph("encoder", Encoded(encoder), {"image": _images(run.shape)}, {"image": PICTURES}, "z", facts)


def _judgement(run: Trained, encoder: nn.Module | None) -> Graph:
    """Return the graph of a discriminator: images to probabilities."""
    if run.table is not None:
        return _judgement_of_vectors(run)
    D = run.discriminator
    inputs, axes = {"image": _images(run.shape)}, {"image": PICTURES}
    facts: dict[str, Any] = {"makes": "probability", "from": _unit(run.shape)}
    paired = bool(run.content["players"]["discriminator"].get("condition"))
    if paired:
        inputs["source"], axes["source"] = _images((run.source_channels(), *run.shape[1:])), PICTURES
    elif getattr(D, "labels", 0):
        inputs["label"], axes["label"] = run.label_rows(range(64)), PICTURES
        facts["labels"] = run.labels.facts()
    coder = getattr(run.generator, "encoder", None) or encoder
    judge = Judged(D, coder, run.saved.facts["neutral"], paired)
    return Graph("discriminator", judge, inputs, axes, "probability", facts)


def _judgement_of_vectors(run: Any) -> Graph:
    example = run.table.restored(torch.randn(64, run.shape[0], generator=torch.Generator().manual_seed(0)))
    floats = Standardised(run.table.means, run.table.deviations)
    judge = Judged(run.discriminator, None, run.saved.facts["neutral"], False, floats)
    facts = {"makes": "probability", "from": "vector", "columns": list(run.table.names)}
    return Graph("discriminator", judge, {"vector": example}, {"vector": PICTURES}, "probability", facts)


def _unit(shape: tuple[int, ...]) -> str:
    return {1: "vector", 4: "volume"}.get(len(shape), "image")


def require_law(prior: Any, z: Tensor, path: str) -> None:
    """Check that latents follow the prior that the file states, so that other programs draw the right ones.

    Args:
        prior: parts of the law.
        z: latents that the generator drew, [N, z_dim].
        path: run folder, for the error.

    Raises:
        UserError: if size, mean, deviation or range differ.
    """
    values, begin, fits = z.double().numpy(), 0, sum(part.size for part in prior) == z.shape[1]
    for part in prior if fits else ():
        drawn, begin = values[:, begin : begin + part.size], begin + part.size
        fits &= _follows(part.facts(), drawn)
    if not fits:
        raise UserError(
            f"The generator of {path} draws latents of another law than its `prior` states; make `prior` state the law of `latent`."
        )


def _follows(law: Mapping[str, Any], drawn: np.ndarray) -> bool:
    """Return True if numbers follow a law: mean and deviation within six standard errors, values within its range."""
    if law["law"] == "one-hot":
        return bool((np.sort(drawn, 1)[:, -1] == 1).all() and (drawn.sum(1) == 1).all())
    if law["law"] == "uniform":
        low, high = law["low"], law["high"]
        mean, deviation = (low + high) / 2, (high - low) / 12**0.5
        if drawn.min() < low or drawn.max() > high:
            return False
    else:
        mean, deviation = law["mean"], law["deviation"]
    error = 6 * deviation / drawn.size**0.5
    return abs(drawn.mean() - mean) <= error and abs(drawn.std() - deviation) <= error
