"""Sampling of vectors to a file: CSV with the names of the data's columns, or an array [N, D]."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np

from organza.config.arguments import whole
from organza.data.vector_files import CSV, save, written
from organza.disk import write_json
from organza.errors import UserError
from organza.inference.sampler import Sampler
from organza.memory import require_memory

ENDINGS = (*CSV[:1], ".npy")


def sample_vectors(
    run: Sampler, out: str | Path, count: int = 1000, seed: int = 0, *, truncate: float = 1.0, metadata: bool = True
) -> np.ndarray:
    """Generate vectors, write them to a file, and return them, float64 [count, D] in the units of the data.

    Args:
        run: trained run of vectors.
        out: file that ends in .csv or .npy; one with the same content stays as it is.
        count: number of vectors.
        seed: random seed of the series.
        truncate: see `Run.sample`.
        metadata: True to write FILE.json beside it, which states that they are synthetic, with weights and seed.

    Raises:
        UserError: if the file has another ending, exists with other content, cannot be written, or as in `Run.sample`.

    >>> sample_vectors(load("runs/ages"), "ages.csv", 500).shape    # doctest: +SKIP
    (500, 3)
    """
    place = Path(out)
    if run.table is None:
        raise UserError(f"{run.path} makes no vectors; name a folder or a shard for its images.")
    if place.suffix.lower() not in ENDINGS:
        raise UserError(f"{place} names no file for vectors; name one that ends in {' or '.join(ENDINGS)}.")
    count = whole(count, "count", least=1)
    require_memory(40 * count * run.channels, f"{count:,} vectors")
    values = run.sample(count, seed, truncate=truncate)
    content = written(values, run.table.names).encode() if place.suffix.lower() in CSV else _array(values)
    if place.exists() and (not place.is_file() or place.read_bytes() != content):
        raise UserError(f"{place} exists already with other content; name another file, or remove it.")
    save(place, content)
    if metadata:
        made_by = run.made_by(seed)
        facts = {"about": made_by.text, "digital_source_type": made_by.kind, "columns": list(run.table.names)}
        write_json(place.with_name(f"{place.name}.json"), facts | {"count": count, "seed": seed, "truncate": truncate})
    return values


def _array(values: np.ndarray) -> bytes:
    content = io.BytesIO()
    np.save(content, values, allow_pickle=False)
    return content.getvalue()
