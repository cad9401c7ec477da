"""Published weights: named with size, address and licence, and verified byte for byte before they
are read.

Nothing is downloaded without permission: either the file is given (`--weights FILE`), or its
download is permitted (`--download`). After the first use, the weights are cached as safetensors,
with the published file's sha256 in the name, and neither is needed again.
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
"""Version of the converted weights, to be increased when names or numbers change, so that old
caches are made again."""
BLOCK = 1 << 20  # bytes
Network = TypeVar("Network", bound=nn.Module)


@dataclass(frozen=True)
class Published:
    """A published file of weights.

    Args:
        name: name for `--extractor`.
        title: full name of the network.
        address: URL of the file.
        size: size of the file in bytes.
        sha256: digest of the file.
        licence: licence of the weights.
        converted: function that converts the published state dict to that of our network.
        read: function that reads the published state dict from the file's bytes; runs none of its
            code.
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
        """Return the facts that cached weights must match."""
        return {"format": FORMAT, "source sha256": self.sha256}

    def kept_at(self, cache: Path | None = None) -> Path:
        """Return the path of the converted weights."""
        return (cache or cache_folder()) / f"{self.name}-{self.sha256[:12]}.safetensors"

    def state(
        self,
        files: Sequence[Path] = (),
        download: bool = False,
        cache: Path | None = None,
        progress: Progress | None = None,
    ) -> dict[str, Tensor]:
        """Return the weights as our network's state dict.

        Args:
            files: the user's files, which may include the published one; found by its sha256.
            download: True to permit the download.
            cache: folder of the converted weights.
            progress: callback (task, megabytes done, total) for a download.

        Raises:
            UserError: if there are no weights and no permission to download, or they differ from
                the published ones.
        """
        if (known := weight_cache.read(self.kept_at(cache), self.about())) is not None:
            return known
        body = next(
            (body for body in map(self._content, files) if hashlib.sha256(body).hexdigest() == self.sha256), None
        )
        if body is None and files:
            raise UserError(
                f"{', '.join(map(str, files))}: not the weights of {self.name} (sha256 {self.sha256}); download them from {self.address}"
            )
        if body is None and not download:
            raise UserError(
                f"The weights of {self.name} are missing ({self}); "
                "give the file with `files`, or permit its download with `download`."
            )
        state = self.converted(self.read(self._fetched(progress) if body is None else body))
        try:
            weight_cache.write(self.kept_at(cache), state, self.about())
        except OSError as error:  # only costs the same work next time
            warnings.warn(f"The weights of {self.name} could not be cached: {error}.", stacklevel=2)
        return state

    def _content(self, path: Path) -> bytes:
        """Return the content of a user's file, or b"" if it is larger than the published one.

        Raises:
            UserError: if it cannot be read, or is not a regular file.
        """
        try:
            with os.fdopen(open_regular(path), "rb") as file:
                return file.read(self.size) if os.fstat(file.fileno()).st_size <= self.size else b""
        except OSError as error:
            raise UserError(f"{path} cannot be read ({error.strerror}); `files` needs a file.") from error

    def _fetched(self, progress: Progress | None) -> bytes:
        """Download the file from its address.

        Raises:
            UserError: if it cannot be downloaded, or differs from the published one.
        """
        body = bytearray()
        try:
            with urllib.request.urlopen(self.address, timeout=60) as answer:
                while len(body) <= self.size and (part := answer.read(BLOCK)):
                    body += part
                    if progress:
                        progress(f"downloading {self.name}, MB", len(body) // 10**6, self.size // 10**6)
        except (OSError, HTTPException) as error:
            raise UserError(
                f"{self.address} cannot be downloaded ({error}); download the file elsewhere and give it with `files`."
            ) from error
        if (found := hashlib.sha256(body).hexdigest()) != self.sha256:
            raise UserError(f"{self.address} is not what was published: its sha256 is {found}, expected {self.sha256}.")
        return bytes(body)


def state_dict(body: bytes) -> dict[str, Tensor]:
    """Return the tensors of a file by torch.save; any other content is refused.

    >>> body = io.BytesIO(); torch.save({"x": torch.ones(2)}, body)
    >>> state_dict(body.getvalue())
    {'x': tensor([1., 1.])}
    """
    return torch.load(io.BytesIO(body), map_location="cpu", weights_only=True)


def scripted(body: bytes) -> dict[str, Tensor]:
    """Return the tensors of an archive by torch.jit.save. Its code is not called; its sha256 is
    that of the published one.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return torch.jit.load(io.BytesIO(body), map_location="cpu").state_dict()


def loaded(network: Network, state: dict[str, Tensor]) -> Network:
    """Load weights into a network, and freeze it."""
    network.load_state_dict(state)
    return network.eval().requires_grad_(False)
