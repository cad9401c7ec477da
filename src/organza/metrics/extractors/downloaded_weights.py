"""Weights that others publish: named, sized, with their address and licence, and checked byte for byte before anything is read.

Nothing is fetched that was not allowed: either the file is there (`--weights FILE`), or its download is permitted (`--download`). Once
read, the weights are kept as safetensors in the cache directory, with the published file's sha256 in the name, and neither is needed again.
"""

from __future__ import annotations

import hashlib
import io
import os
import urllib.request
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor, nn

from organza.disk import cache_folder
from organza.errors import UserError
from organza.metrics.extractors import weight_cache
from organza.progress import Progress
from organza.untrusted import open_regular

FORMAT = "1"
"""Of the converted weights: raise it when names or numbers change, and old caches are made again."""
BLOCK = 1 << 20  # bytes
Network = TypeVar("Network", bound=nn.Module)


@dataclass(frozen=True)
class Published:
    """A file of weights, as its authors publish it.

    Args:
        name: what `--extractor` calls it; title: what it is.
        address: of the file; size: its bytes; sha256: of them.
        licence: of the weights.
        converted: what `read` made of the file, as the state dict of our network.
        read: the file's bytes to the published state dict; nothing in them is run.
    """

    name: str
    title: str
    address: str
    size: int
    sha256: str
    licence: str
    converted: Callable[[dict[str, Tensor]], dict[str, Tensor]]
    read: Callable[[bytes], dict[str, Tensor]]

    def __str__(self) -> str:
        return f"{self.title}: {self.size / 1e6:.0f} MB, {self.licence}, {self.address}"

    def about(self) -> dict[str, str]:
        """What the kept weights must have been made of."""
        return {"format": FORMAT, "source sha256": self.sha256}

    def kept_at(self, cache: Path | None = None) -> Path:
        """Where the converted weights are kept."""
        return (cache or cache_folder()) / f"{self.name}-{self.sha256[:12]}.safetensors"

    def state(
        self,
        files: Sequence[Path] = (),
        download: bool = False,
        cache: Path | None = None,
        progress: Progress | None = None,
    ) -> dict[str, Tensor]:
        """The weights as our network's state dict.

        Args:
            files: of the user's, among which the published file may be; found by its sha256.
            download: may it be fetched?
            cache: directory of the converted weights.
            progress: is told (what, megabytes done, of how many) of a download.

        Raises:
            UserError: there are no weights and none may be fetched, or they are not what was published.
        """
        if (known := weight_cache.read(self.kept_at(cache), self.about())) is not None:
            return known
        body = next(
            (body for body in map(self._content, files) if hashlib.sha256(body).hexdigest() == self.sha256), None
        )
        if body is None and files:
            raise UserError(
                f"{', '.join(map(str, files))}: not the weights of {self.name} (sha256 {self.sha256}); get them from {self.address}"
            )
        if body is None and not download:
            raise UserError(
                f"The weights of {self.name} are not here ({self}); "
                "give the file with --weights FILE, or permit its download with --download."
            )
        state = self.converted(self.read(self._fetched(progress) if body is None else body))
        try:
            weight_cache.write(self.kept_at(cache), state, self.about())
        except OSError as error:  # costs the same again next time, and nothing else
            warnings.warn(f"The weights of {self.name} could not be kept: {error}.", stacklevel=2)
        return state

    def _content(self, path: Path) -> bytes:
        """What a file of the user's holds; nothing where it is larger than the published one.

        Raises:
            UserError: it cannot be read, or is no regular file.
        """
        try:
            with os.fdopen(open_regular(path), "rb") as file:
                return file.read(self.size) if os.fstat(file.fileno()).st_size <= self.size else b""
        except OSError as error:
            raise UserError(f"{path} cannot be read ({error.strerror}); --weights wants a file.") from error

    def _fetched(self, progress: Progress | None) -> bytes:
        """The file from its address.

        Raises:
            UserError: it cannot be had, or is another one.
        """
        body = bytearray()
        try:
            with urllib.request.urlopen(self.address, timeout=60) as answer:
                while len(body) <= self.size and (part := answer.read(BLOCK)):
                    body += part
                    if progress:
                        progress(f"fetching {self.name}, MB", len(body) // 10**6, self.size // 10**6)
        except (OSError, HTTPException) as error:
            raise UserError(
                f"{self.address} cannot be fetched ({error}); get the file elsewhere and give it with --weights FILE."
            ) from error
        if (found := hashlib.sha256(body).hexdigest()) != self.sha256:
            raise UserError(f"{self.address} is not what was published: its sha256 is {found}, expected {self.sha256}.")
        return bytes(body)


def state_dict(body: bytes) -> dict[str, Tensor]:
    """Tensors of a file that torch.save wrote; everything else in it is refused.

    >>> body = io.BytesIO(); torch.save({"x": torch.ones(2)}, body)
    >>> state_dict(body.getvalue())
    {'x': tensor([1., 1.])}
    """
    return torch.load(io.BytesIO(body), map_location="cpu", weights_only=True)


def scripted(body: bytes) -> dict[str, Tensor]:
    """Tensors of an archive that torch.jit.save wrote. Its code is not called; that it is the published one, its sha256 has told."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return torch.jit.load(io.BytesIO(body), map_location="cpu").state_dict()


def loaded(network: Network, state: dict[str, Tensor]) -> Network:
    """A network with its weights, frozen."""
    network.load_state_dict(state)
    return network.eval().requires_grad_(False)
