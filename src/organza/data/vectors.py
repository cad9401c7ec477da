"""Vectors: rows of a table, each column in units of its own standard deviation while it is learned."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from torch import Tensor

from organza.data.batches import Batches, round_robin
from organza.data.cache import digest, sha256_of
from organza.data.source import Source
from organza.data.vector_files import read_vectors
from organza.disk import cache_folder
from organza.errors import UserError
from organza.networks.standard import Columns

FORMAT = 1  # version of fingerprints: increased if the same files give other vectors


class Vectors(Batches):
    """Rows of numbers, {"vector"}: float [N, D], each column minus its mean, over its standard deviation.

    The source is a CSV file with a column of numbers for each axis, an array file [N, D] (.npy, .npz), or a folder with one of them
    alone. Mean and deviation are those of the training rows; they are kept in the run, and samples are restored by them.

    Args:
        source: location of the data, and the seed of its order.

    Raises:
        UserError: if the file holds text, ragged lines, missing values or a constant column, or fewer than two rows or columns; if
            labels are given.

    >>> data = Vectors(Source("ages.csv"))      # doctest: +SKIP
    >>> data.at(range(64))["vector"].shape      # doctest: +SKIP
    torch.Size([64, 3])
    """

    unit = "vectors"
    rows, columns = 342, 3  # 1,026 points in each scatter plot, three plots in a row

    def __init__(self, source: Source):
        if source.labels is not None:
            raise UserError(f"{source.path} holds vectors, which have no labels yet; leave `labels` out.")
        without = tuple(name for name in ("size", "channels") if getattr(source, name) is not None)
        found = read_vectors(source.path)
        super().__init__(len(found.values), source.seed)
        self.table = self.scale = Columns.measured(found.values[self.parts.train], found.names)
        self.values = found.values
        self.notes = (*found.notes, *(f"`{name}` has no effect on vectors" for name in without))
        self.x = self.scale.standardised(found.values)
        self.shape = (found.values.shape[1],)
        content = sha256_of([np.ascontiguousarray(found.values)])
        self.fingerprint = digest({"vectors": FORMAT, "names": found.names, "content": content})
        self.directory = cache_folder() / "packs" / self.fingerprint[:24]

    def at(self, positions: Sequence[int]) -> dict[str, Tensor]:
        return {"vector": self.x[self.order.at(positions)]}

    def referenced(self, positions: Sequence[int]) -> dict[str, Tensor]:
        return {"vector": self.x[round_robin(self.reference, positions)]}

    def real(self) -> np.ndarray:
        return self.values[self.reference]

    def finished(self, x: Tensor) -> Tensor:
        return self.scale.restored(x)

    def facts(self) -> dict[str, Any]:
        return super().facts() | {"columns": self.scale.facts()}
