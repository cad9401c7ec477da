"""`python -m tests.faults`: all trials at their full number, as a table; exit code 1 where a promise was broken."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch: a child is forked from a process with one thread

from rich.console import Console
from rich.table import Table

from tests.contracts.discovery import RECIPES
from tests.contracts.material import Material
from tests.faults.ground import Course
from tests.faults.trials import everything


def main(share: float = 1.0) -> int:
    """Run all trials at a share of their number, and print what came of them."""
    table = Table(box=None, padding=(0, 2, 0, 0))
    for column, justify in (
        ("fault", "left"),
        ("tried", "right"),
        ("kept", "right"),
        ("seconds", "right"),
        ("", "left"),
    ):
        table.add_column(column, justify=justify)  # type: ignore[arg-type]
    broken = 0
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        os.environ["ORGANZA_CACHE"] = str(root / "cache")
        material = Material(root / "material")
        courses = [Course(name, root / "courses", material) for name in RECIPES]
        began = time.monotonic()
        for row in everything(courses, material, root, share):
            table.add_row(row.name, f"{row.tried:,}", f"{row.kept:,}", f"{time.monotonic() - began:.0f}", row.note)
            print(row, flush=True, file=sys.stderr)
            broken += row.tried - row.kept
            began = time.monotonic()
    Console(width=140).print(table, f"{len(courses)} recipes" if not broken else f"{broken} promises were broken")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]) if len(sys.argv) > 1 else 1.0))
