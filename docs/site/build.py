"""Build the documentation site: `python docs/site/build.py` writes site/, strictly; unchanged inputs are not built again.

A warning, such as a link that leads nowhere or a page that is not found, ends the build. Ten seconds of one core.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).parents[2]
SITE = ROOT / "site"
STAMP = SITE / ".inputs"
FOLDERS = ("docs", "src/organza", "examples", "benchmarks", "tests")
"""Folders whose texts the pages show or link to."""
TEXTS = (".md", ".py", ".css", ".ipynb", ".yml", ".png", ".svg")
BUILDERS = ("mkdocs", "mkdocs-material", "mkdocstrings", "mkdocstrings-python", "griffelib")


def inputs() -> str:
    """Return the sha256 of all that the site is built from, in hexadecimal."""
    digest = hashlib.sha256(" ".join(map(version, BUILDERS)).encode())
    paths = [
        path for folder in FOLDERS for path in (ROOT / folder).rglob("*") if path.suffix in TEXTS and path.is_file()
    ]
    for path in sorted([*paths, *ROOT.glob("*.md"), ROOT / "mkdocs.yml"]):
        digest.update(f"{path.relative_to(ROOT).as_posix()}\n".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def build(search: bool = True) -> str:
    """Build the site into site/ if its inputs changed, and return the builder's messages.

    Args:
        search: False to leave the index of the search out: tests do not look at it, and it takes a fifth of the time.

    Raises:
        SystemExit: the build found a fault; its messages are the reason.
    """
    whole = inputs()
    wanted = whole if search else f"{whole} without search"
    if STAMP.is_file() and STAMP.read_text() in (whole, wanted):
        return f"{SITE / 'index.html'} is up to date"
    settings = os.environ | {"NO_MKDOCS_2_WARNING": "1", "ORGANZA_SITE_SEARCH": str(search).lower()}
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(SITE)]
    done = subprocess.run(command, cwd=ROOT, env=settings, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"The site cannot be built:\n{done.stdout}{done.stderr}")
    STAMP.write_text(wanted)
    return f"{done.stdout}{done.stderr}{SITE / 'index.html'}"


if __name__ == "__main__":
    print(build())
