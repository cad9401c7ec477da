"""The commands that the page may start: their arguments as a list, each checked. No shell reads them, and
none of them can name a module, whose import would run its code."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from organza.data.location import locate
from organza.errors import UserError
from organza.run.folder import RunFolder
from organza.untrusted import printable

CHOICES = {
    "stop": ("plateau", "equilibrium", "gradient", "budget"),
    "on_collapse": ("rollback", "stop", "continue"),
    "channels": ("1", "3", "4"),
    "precision": ("fp32", "fp16", "int8"),
}
PATTERNS = {
    "recipe": (r"[a-z0-9][a-z0-9-]{0,60}", "the name of a recipe, such as swift"),
    "size": (r"[0-9]{1,4}(x[0-9]{1,4})?", "a size, such as 64 or 96x64"),
    "labels": (r"\w[\w ]*(:class)?(,\w[\w ]*(:class)?){0,40}", "names of columns, such as hair,year:class"),
    "seed": (r"[0-9]{1,18}", "a whole number"),
    "device": (r"auto|cpu|mps|cuda(:[0-9]{1,2})?", "auto, cpu, cuda or mps"),
    "license": (r"[A-Za-z0-9][\w. +-]{0,60}", "the name of a licence, such as cc-by-4.0"),
    "budget": (
        r"(\d{1,9}(\.\d{1,3})?[dhms])+|\d{1,9}(\.\d{1,3})?([kM]?img|epochs)",
        "a time (10m, 1h30m), images (500kimg) or passes (20epochs)",
    ),
    "count": (r"[1-9][0-9]{0,5}", "a whole number"),
}
SETTING = re.compile(r"[a-z_][\w.]{0,60}=[\w.,+-]{1,80}")
BUILT_IN = {
    "faces": ("faces", "Cartoon faces with a table of their attributes", 64, 5000),
    "pairs": ("pairs", "Line drawings and the same faces in colour, for pix2pix", 64, 3000),
    "styles": ("styles", "Faces in two styles without pairs, for cyclegan and cut", 64, 3000),
    "digits": ("digits", "Typeset and handwritten digits, for simgan", 32, 5000),
}
"""Built-in sets: command, description, usual size and count."""


def valid(name: str, value: Any) -> str:
    """Return the value of an option as text.

    Raises:
        UserError: if it is none of the allowed values.
    """
    text = str(value).strip()
    if name in CHOICES:
        if text not in CHOICES[name]:
            raise UserError(f"{name} is {printable(text[:40])}; it must be {', '.join(CHOICES[name])}.")
        return text
    pattern, example = PATTERNS[name]
    if not re.fullmatch(pattern, text):
        raise UserError(f"{name} is {printable(text[:40])}; it must be {example}.")
    return text


def train(data: Path, run: Path, wishes: Mapping[str, Any], start: Path | None = None) -> list[str]:
    """Return the arguments of `organza train` for a new run.

    Args:
        data: data to train on.
        run: run folder.
        wishes: options by name: recipe, budget, size, channels, labels, seed, stop, device, settings.
        start: run or exported folder to start from.

    Raises:
        UserError: if an option is unknown or has an invalid value.
    """
    arguments = ["train", str(data), "--run", str(run)]
    if start is not None:
        arguments += ["--from", str(start)]
    for name, value in wishes.items():
        if value in (None, "", []) or (name == "recipe" and value == "auto"):
            continue
        if name == "settings":
            arguments += ["--set", *_settings(value)]
        elif name in ("recipe", "budget", "size", "channels", "labels", "seed", "stop", "device", "on_collapse"):
            arguments += [f"--{name.replace('_', '-')}", valid(name, value)]
        else:
            raise UserError(f"There is no option {printable(name[:40])} of training.")
    return arguments


def _settings(values: Any) -> list[str]:
    """Return settings of the recipe from a request, after a check of their form."""
    if not isinstance(values, list) or len(values) > 20:
        raise UserError("Settings must be a list of at most 20 texts, such as batch=32.")
    for one in values:
        if not isinstance(one, str) or not SETTING.fullmatch(one):
            raise UserError(f"{printable(str(one)[:60])} is not a setting, such as batch=32 or generator.width=48.")
    return values


def resume(run: Path, budget: str | None = None, data: Path | None = None) -> list[str]:
    """Return the arguments that resume a run, with a longer budget if one is given.

    Raises:
        UserError: if the run's data is not found, or the budget is invalid.
    """
    place = data or locate(RunFolder(run).read(), run)
    if isinstance(place, Path):
        place = place.resolve()
    arguments = ["train", str(place), "--run", str(run)]
    if budget:
        # a rule such as plateau has ended the run, and would do so again at once
        arguments += ["--budget", valid("budget", budget), "--stop", "budget"]
    return arguments


def is_spent(budget: str, images: float, seconds: float, items: int) -> bool:
    """Return True if a run has trained for as long as a budget allows.

    >>> is_spent("1h30m", 0, 5400, 1000), is_spent("20kimg", 19_000, 60, 1000), is_spent("2epochs", 1500, 60, 1000)
    (True, False, False)
    """
    if found := re.fullmatch(r"([\d.]+)([kM]?)(img|epochs)", budget):
        scale = items if found[3] == "epochs" else {"": 1, "k": 1_000, "M": 1_000_000}[found[2]]
        return float(found[1]) * scale <= images
    times = re.findall(r"([\d.]+)([dhms])", budget)
    return sum(float(number) * {"d": 86400, "h": 3600, "m": 60, "s": 1}[unit] for number, unit in times) <= seconds


def make(kind: str, out: Path, wishes: Mapping[str, Any]) -> list[str]:
    """Return the arguments of `organza data KIND`, which makes a built-in set.

    Raises:
        UserError: if there is no such set, or an option has an invalid value.
    """
    if kind not in BUILT_IN:
        raise UserError(f"There is no built-in set {printable(kind[:40])}; choose from {', '.join(BUILT_IN)}.")
    arguments = ["data", kind, str(out)]
    for name in ("count", "size"):
        if wishes.get(name):
            arguments += [f"--{name}", valid("count", wishes[name])]
    return arguments


def export(run: Path, forms: Sequence[str], wishes: Mapping[str, Any]) -> list[str]:
    """Return the arguments of `organza export`.

    Raises:
        UserError: if a form is unknown or an option has an invalid value.
    """
    arguments = ["export", str(run)]
    if unknown := [one for one in forms if one not in ("folder", "onnx", "web")]:
        raise UserError(f"There is no form {printable(str(unknown[0])[:40])}; choose from folder, onnx, web.")
    if forms:
        arguments += ["--to", *forms]
    for name in ("license", "precision"):
        if wishes.get(name):
            arguments += [f"--{name}", valid(name, wishes[name])]
    for name, option in (
        ("about_data", "--about-data"),
        ("data_license", "--data-license"),
        ("attribution", "--attribution"),
    ):
        if text := printable(str(wishes.get(name) or "").strip())[:500]:
            arguments.append(f"{option}={text}")
    return arguments
