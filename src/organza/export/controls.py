"""Controls of the page, as HTML: labels, codes and directions, each with a name that is read aloud."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from organza.media.html import html

REACH = 3.0
"""Deviations to each side of a direction's slider."""
BEYOND = 2.0
"""Largest value of a code, which was trained from -1 to 1."""


def slide(label: str, name: str, low: float, high: float, more: str = "") -> str:
    """Return a slider with its label; it begins at 0, which lies in its middle."""
    given = f'id="{name}" min="{low:g}" max="{high:g}" step="0.05" value="0"{more}'
    return f'<div class="slide"><label for="{name}">{label}</label><input type="range" {given}></div>'


def options(values: Sequence[object]) -> str:
    """Return the entries of a menu, numbered from 0."""
    return "".join(f'<option value="{number}">{html(value)}</option>' for number, value in enumerate(values))


def sliders(directions: Sequence[Mapping[str, Any]]) -> str:
    """Return a slider for each direction, those with a name of their own under it."""
    rows = "".join(slide(_words(one["name"]), f"direction-{n}", -REACH, REACH) for n, one in enumerate(directions, 1))
    named = any(one["source"] in ("label", "marks") for one in directions)
    axes = any(one["source"] == "axis" for one in directions)
    about = " ".join(
        [
            *(["Directions that hold on images which took no part in finding them."] if named else []),
            *(["Numbered ones are those of the largest change, found in the network without labels."] if axes else []),
            "In standard deviations.",
        ]
    )
    hidden = "" if directions else " hidden"
    return f'<div class="group" id="directions"{hidden}><h2>Change it</h2><p class="small">{about}</p>{rows}</div>'


def _words(name: str) -> str:
    """Return the name of a direction for people, as HTML: skin-lightness is Skin lightness."""
    return html(name[:1].upper() + name[1:].replace("-", " "))


def codes(known: Mapping[str, Any] | None) -> str:
    """Return controls for the codes of an InfoGAN, each of which knows its place in the latent."""
    if not known:
        return ""
    rows, at = [], known["noise"]
    for number, count in enumerate(known["categories"], 1):
        name = f"category-{number}"
        menu = f'<select id="{name}" data-at="{at}">{options(range(1, count + 1))}</select>'
        rows.append(f'<div class="slide"><label for="{name}">Category {number}</label>{menu}</div>')
        at += count
    for number in range(1, known["continuous"] + 1):
        rows.append(slide(f"Code {number}", f"code-{number}", -BEYOND, BEYOND, f' data-at="{at}"'))
        at += 1
    about = "Codes of the InfoGAN: a category selects a kind, a continuous code was trained from -1 to 1."
    return f'<div class="group" id="codes"><h2>Codes</h2><p class="small">{about}</p>{"".join(rows)}</div>'


def labels(fields: Sequence[Mapping[str, Any]] | None) -> str:
    """Return controls for labels: a menu for a class, checkboxes for tags, a slider for a number."""
    return "".join(_label(number, field) for number, field in enumerate(fields or ()))


def _label(number: int, field: Mapping[str, Any]) -> str:
    """Return the control of the page for one label field: ticks, a menu or a slider."""
    name, place = html(field["name"]), f"label-{number}"
    if field["several"]:
        ticks = "".join(f'<label><input type="checkbox"> {html(value)}</label>' for value in field["values"])
        free = f'<label class="tick"><input type="checkbox" id="any-{number}" checked> as in the data</label>'
        return f'<fieldset id="{place}"><legend>{name}</legend>{free}<div class="tags">{ticks}</div></fieldset>'
    if field["values"]:
        menu = f'<select id="{place}"><option value="">as in the data</option>{options(field["values"])}</select>'
        return f'<span><label for="{place}">{name}</label> {menu}</span>'
    mean, spread = field["shares"]
    given = f'id="{place}" min="{mean - 2 * spread:g}" max="{mean + 2 * spread:g}" step="any" value="{mean:g}"'
    return f'<span><label for="{place}">{name}</label> <input type="range" {given}></span>'
