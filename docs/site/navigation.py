"""Navigation of the site: pages by section, in reading order. A page that no section names is listed under "Guides".

To add a page, write docs/NAME.md. To give it a place in the reading order, name it here.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

SECTIONS: dict[str, list[str]] = {
    "Home": ["index.md"],
    "Learn": [
        "building-blocks.md",
        "plain-loop.md",
        "notebooks/a-gan-by-hand.md",
        "notebooks/from-an-array.md",
        "notebooks/latent-space.md",
        "curves.md",
        "exercises.md",
        "glossary.md",
    ],
    "Guides": [
        "training.md",
        "data.md",
        "report.md",
        "evaluation.md",
        "kinds.md",
        "reliability.md",
        "distributed.md",
        "scaling.md",
        "latents.md",
        "export.md",
        "studio.md",
        "sharing.md",
    ],
    "Games": [
        "losses.md",
        "conditional.md",
        "infogan.md",
        "pix2pix.md",
        "enlarge.md",
        "fill.md",
        "unpaired.md",
        "simgan.md",
        "gan3d.md",
        "vectors.md",
        "encoders.md",
    ],
    "Extend": ["own-parts.md", "contributing.md", "map.md"],
    "Reference": [],
    "Notes": ["lab-log.md", "changelog.md", "security.md"],
}
UNNAMED = "Guides"
"""Section of the pages that no section names."""
BY_FOLDER = {"reference/": "Reference", "decisions/": "Notes", "notebooks/": "Learn"}
HIDDEN = ("source/",)
"""Listings of files that pages link to: reached by these links alone."""


def navigation(pages: Iterable[str]) -> list[dict[str, Any]]:
    """Return the navigation of the pages that exist: sections in order, each with its named pages, then the others.

    Args:
        pages: paths of all pages below docs/, those that the build makes included.

    >>> navigation(["index.md", "training.md", "sharing.md", "reference/index.md"])
    [{'Home': 'index.md'}, {'Guides': ['training.md', 'sharing.md']}, {'Reference': ['reference/index.md']}]
    """
    there = sorted(page for page in pages if not page.startswith(HIDDEN))
    named = {page for section in SECTIONS.values() for page in section}
    lists = {section: [page for page in order if page in there] for section, order in SECTIONS.items()}
    for page in there:
        if page not in named:
            folder = next((folder for folder in BY_FOLDER if page.startswith(folder)), "")
            lists[BY_FOLDER.get(folder, UNNAMED)].append(page)
    for section in ("Reference", "Notes"):  # an index heads its folder
        lists[section].sort(
            key=lambda page: (page.count("/") if section == "Notes" else 0, not page.endswith("index.md"))
        )
    return [
        {section: [_titled(page) for page in items] if section != "Home" else items[0]}
        for section, items in lists.items()
        if items
    ]


def _titled(page: str) -> str | dict[str, str]:
    if page.startswith("reference/") and page != "reference/index.md":
        return {f"organza.{page.removeprefix('reference/').removesuffix('.md')}": page}
    return page
