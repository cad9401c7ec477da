"""What the commands' signatures are made of, and how they speak to the user."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import tyro

from organza.errors import UserError
from organza.terminal import answer as answer
from organza.terminal import say as say


def arg(metavar: str, default: str | None = None, name: str | None = None) -> Any:
    """How an option looks in the help: what stands for its value, and what happens without it."""
    return tyro.conf.arg(name=name, metavar=metavar, help_behavior_hint=f"(default: {default})" if default else "")


Data = Annotated[str, tyro.conf.Positional, arg("DATA")]
RunPath = Annotated[str, tyro.conf.Positional, arg("RUN")]
Out = Annotated[str, tyro.conf.Positional, arg("OUT")]
Images = Annotated[tuple[Path, ...], tyro.conf.Positional, arg("IMAGE ...")]
Which = Annotated[str, arg("NAME", "best")]


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
