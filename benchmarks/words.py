"""What the words of a report look like: sample grids that a race has judged, a row for each word and data set.

    python benchmarks/words.py race/fashion race/icons race/faces --pictures words.png

Each folder is one of benchmarks/race.py after `show`: NAME.npy holds samples, scores.json their distances. The table says how many sheets
fall under each word of report/findings.py, and between which distances; of those the sheet in the middle is drawn, by the network that
steers runs. The limits between the words were put where a person who looked at all of them wanted other words.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw

from organza.media.images import to_image
from organza.metrics.damage import UNIT
from organza.report.findings import SCALE

JUDGE = "efficientnet-lite0"
SHOWN, CELL, LEFT = 18, 48, 190  # images in a row, pixels of a cell and of a row's words


class Sheet(NamedTuple):
    """Samples and the distance of them from real images."""

    distance: float
    file: Path


def word(distance: float) -> str:
    """What a report calls a distance where the damage of the data's own images was not measured.

    >>> word(0.02), word(0.7)
    ('Close to the real ones', 'Not like the real ones yet')
    """
    return next(answer for limit, _, answer, _ in SCALE if distance / UNIT < limit)


def sheets(folder: Path) -> list[Sheet]:
    """The judged sheets of a race, nearest first."""
    scores = json.loads((folder / "scores.json").read_text())
    return sorted(Sheet(found[JUDGE], folder / name) for name, found in scores.items())


def row(file: Path, label: str) -> Image.Image:
    """Samples side by side, with words to their left."""
    line = Image.new("RGB", (LEFT + SHOWN * CELL, CELL), "white")
    ImageDraw.Draw(line).text((4, CELL // 2 - 14), label, fill="black")
    made = np.load(file)
    for place, index in enumerate(np.linspace(0, len(made) - 1, SHOWN).round().astype(int)):
        picture = to_image(made[index]).convert("RGBA").resize((CELL - 2, CELL - 2), Image.Resampling.NEAREST)
        line.paste(picture, (LEFT + place * CELL, 1), picture)
    return line


def main() -> None:
    """Print the table, and draw the sheets."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("races", nargs="+", type=Path)
    parser.add_argument("--pictures", type=Path)
    asked = parser.parse_args()
    lines = []
    print(f"{'':28}" + "".join(f"{race.name:>22}" for race in asked.races))
    for _, _, answer, _ in SCALE:
        cells = []
        for race in asked.races:
            found = [sheet for sheet in sheets(race) if word(sheet.distance) == answer]
            cells.append(f"{len(found)}: {found[0].distance:.3f} to {found[-1].distance:.3f}" if found else "none")
            if found:
                middle = found[len(found) // 2]
                lines.append(row(middle.file, f"{answer}\n{race.name}, {middle.distance:.3f}"))
        print(f"{answer:28}" + "".join(f"{cell:>22}" for cell in cells))
    if asked.pictures:
        lines += [row(race / "real.npy", f"Real\n{race.name}") for race in asked.races]
        whole = Image.new("RGB", (lines[0].width, CELL * len(lines)), "white")
        for place, line in enumerate(lines):
            whole.paste(line, (0, place * CELL))
        whole.quantize(128).save(asked.pictures, optimize=True)


if __name__ == "__main__":
    main()
