"""What the commands' signatures are made of, and how they speak to the user."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import tyro

from organza.errors import UserError


def arg(metavar: str, default: str | None = None, name: str | None = None) -> Any:
    """How an option looks in the help: what stands for its value, and what happens without it."""
    return tyro.conf.arg(name=name, metavar=metavar, help_behavior_hint=f"(default: {default})" if default else "")


Data = Annotated[str, tyro.conf.Positional, arg("DATA")]
RunPath = Annotated[str, tyro.conf.Positional, arg("RUN")]
Out = Annotated[str, tyro.conf.Positional, arg("OUT")]
Images = Annotated[tuple[Path, ...], tyro.conf.Positional, arg("IMAGE ...")]
DataPlace = Annotated[str | None, arg("DATA", "as the run has it")]
Which = Annotated[str, arg("NAME", "best")]
Trusted = Annotated[str | None, arg("MODULE:RECIPE", "organza's own modules alone")]
"""A recipe of the user's own, whose modules a run's files may name."""


def labels_asked(settings: tuple[str, ...], of_class: str | None) -> dict[str, str]:
    """The labels that `--set field=value ...` and `--class name` ask for, by field."""
    for setting in settings:
        if "=" not in setting:
            raise UserError(f"--set {setting} is not of the form field=value, for example hair=long01.")
    labels = {name.strip(): value.strip() for name, _, value in (setting.partition("=") for setting in settings)}
    return labels | ({"class": of_class} if of_class is not None else {})


def tell(notes: tuple[str, ...]) -> None:
    """What the user should know beside the result, on standard error."""
    for note in notes:
        say(f"note: {note}")


def say(text: str) -> None:
    """One line on standard error."""
    print(text, file=sys.stderr)
