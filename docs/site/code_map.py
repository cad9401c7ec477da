"""Map of the code: a table with a line for each file and package at the root of organza, and a picture of its layers.

`python docs/site/code_map.py > map.svg` writes the picture; the site has both, drawn anew at each build.
"""

from __future__ import annotations

import ast
import html
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import reference

ROOT = Path(__file__).parents[2]
ROW, BOX, MARGIN, WIDTH = 46, 30, 16, 900
ROLES = {
    "version": "leaves",
    "losses": "the book",
    "networks": "networks and games",
    "data": "data and metrics",
    "recipe": "recipes",
    "latents": "use of a run",
    "report": "report",
    "training": "training",
    "cli": "command line",
}
"""Title of the layer that begins with a name; others have none."""


def layers() -> list[list[str]]:
    """Return the layers that the tests enforce, lowest first.

    >>> layers()[2][:2]
    ['losses', 'penalties']
    """
    tree = ast.parse((ROOT / "tests" / "test_imports.py").read_text(encoding="utf-8"))
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "LAYERS":
            return [line.split() for line in ast.literal_eval(node.value).split("\n") if line and line != "__main__"]
    raise ValueError("tests/test_imports.py has no LAYERS")


def table() -> str:
    """Return the table in Markdown, highest layer first, with links into the reference."""
    rows = ["| file or package | contents |", "| --- | --- |"]
    for name in [name for layer in reversed(layers()) for name in layer]:
        module = f"organza.{name}"
        if reference.path_of(module).is_file() and name not in reference.INTERNAL:
            packaged = "/" if reference.path_of(module).name == "__init__.py" else ".py"
            rows.append(f"| [`{name}{packaged}`]({reference.page_of(module)}) | {reference.summary(module)} |")
    return "\n".join(rows)


def picture() -> str:
    """Return the layers as SVG: each box imports only boxes below it."""
    rows = list(reversed(layers()))
    parts = []
    for number, names in enumerate(rows):
        top = MARGIN + number * ROW
        title = ROLES.get(names[0], "")
        parts.append(f'<text class="role" x="{MARGIN}" y="{top + 20}">{html.escape(title)}</text>')
        left = 230.0
        room = (WIDTH - MARGIN - left) / len(names)
        for name in names:
            box = min(room - 6, 9.0 * len(name) + 26)
            size = min(14.0, (box - 8) / (0.6 * len(name)))
            kind = "package" if (reference.PACKAGE / name).is_dir() else "file"
            parts.append(f'<rect class="{kind}" x="{left:.1f}" y="{top}" width="{box:.1f}" height="{BOX}" rx="5"/>')
            parts.append(
                f'<text x="{left + box / 2:.1f}" y="{top + 20}" text-anchor="middle" font-size="{size:.1f}">{name}</text>'
            )
            left += box + 6
    height = 2 * MARGIN + len(rows) * ROW - (ROW - BOX)
    style = (
        "text{font-family:ui-monospace,monospace;fill:#222}.role{font-family:system-ui,sans-serif;font-size:13px;fill:#666}"
        ".package{fill:#e4dbf7;stroke:#7e57c2}.file{fill:#fbe3ee;stroke:#d6336c}"
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" aria-label="layers of the code">'
        f'<style>{style}</style><rect width="{WIDTH}" height="{height}" fill="#fff" rx="8"/>{"".join(parts)}</svg>'
    )


if __name__ == "__main__":
    print(picture())
