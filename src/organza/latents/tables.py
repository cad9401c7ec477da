"""Directions and inversions as tables for people and as JSON for programs."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from organza.latents.inverting import Inversion
from organza.latents.search import Search


def as_table(found: Search) -> RenderableType:
    """Return directions as a table for the terminal, with those that do not hold and the reasons."""
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("direction", overflow="fold")
    table.add_column("from")
    for heading in ("held-out r", "rises", "monotone", "leakage"):
        table.add_column(heading, justify="right")
    for one in found.directions:
        scores = one.scores
        cells = ["", "", "", ""]
        if scores is not None:
            leak = f"{scores.leakage:.2f} {scores.leaks_to}" if scores.leaks_to else ""
            cells = [f"{scores.correlation:.2f}", f"{scores.rising:.0%}", f"{scores.monotone:.0%}", leak]
        table.add_row(Text(one.name), Text(one.source), *map(Text, cells))
    if not found.refused:
        return table
    lines = [Text("not offered:"), *(Text(f"  {one.name}: {one.reason}") for one in found.refused)]
    return Group(table, *lines)


def as_json(found: Search) -> str:
    """Return directions and refusals as JSON."""
    kept = [
        {"name": one.name, "source": one.source, "scores": asdict(one.scores) if one.scores else None}
        for one in found.directions
    ]
    return json.dumps({"directions": kept, "refused": [asdict(one) for one in found.refused]}, indent=1)


def inversion_as_table(names: Sequence[str], found: Inversion) -> RenderableType:
    """Return an inversion as a table for the terminal: each image's PSNR beside the bound's and the mean image's, and the means."""
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("image", overflow="fold")
    headings = ["PSNR dB", *(["bound"] if found.bound is not None else []), "mean image", "perceptual", "mean image"]
    for heading in headings:
        table.add_column(heading, justify="right")
    rows = [[f"{value:.1f}" for value in found.psnr]]
    if found.bound is not None:
        rows.append([f"{value:.1f}" for value in found.bound])
    rows.append([f"{value:.1f}" for value in found.mean_psnr])
    for values in (found.perceptual, found.mean_perceptual):
        rows.append(["" if math.isnan(value) else f"{value:.3f}" for value in values])
    for name, *cells in zip(names, *rows, strict=True):
        table.add_row(Text(name), *map(Text, cells))
    return table


def inversion_as_json(names: Sequence[str], found: Inversion) -> str:
    """Return the measurements of an inversion as JSON."""

    def rounded(value: float) -> float | None:
        return None if math.isnan(value) else round(float(value), 4)

    entries = [
        {
            "file": name,
            "psnr": rounded(found.psnr[n]),
            "bound": None if found.bound is None else rounded(found.bound[n]),
            "mean_psnr": rounded(found.mean_psnr[n]),
            "perceptual": rounded(found.perceptual[n]),
            "mean_perceptual": rounded(found.mean_perceptual[n]),
        }
        for n, name in enumerate(names)
    ]
    return json.dumps({"seconds": round(found.seconds, 2), "images": entries}, indent=1)
