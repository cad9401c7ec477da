"""Types of command line options, and their checks."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import tyro

from organza.cli.wording import in_options
from organza.display.streams import answer as answer
from organza.display.streams import say as say
from organza.errors import UserError


def arg(metavar: str, default: str | None = None, name: str | None = None) -> Any:
    """Describe an option in the help: placeholder for its value, and default."""
    return tyro.conf.arg(name=name, metavar=metavar, help_behavior_hint=f"(default: {default})" if default else "")


Data = Annotated[str, tyro.conf.Positional, arg("DATA")]
RunPath = Annotated[str, tyro.conf.Positional, arg("RUN")]
Out = Annotated[str, tyro.conf.Positional, arg("OUT")]
Images = Annotated[tuple[Path, ...], tyro.conf.Positional, arg("IMAGE ...")]
DataPlace = Annotated[str | None, arg("DATA", "as recorded in the run")]
Label = Annotated[tuple[str, ...], arg("FIELD=VALUE ...", name="label")]
Which = Annotated[str, arg("NAME", "best")]
Processes = Annotated[str | None, arg("N|auto", "1")]
Trusted = Annotated[str | None, arg("MODULE", "organza's own modules only", name="import")]
"""Modules of the user's own, separated by commas, that a run's files may name."""


def modules(names: str | None) -> str | None:
    """Return the modules of `--import`, a module or its recipe, in the form of `recipes.modules_of`.

    >>> modules("my_gan, my_losses"), modules("my_gan:my_recipe"), modules(None)
    ('my_gan:,my_losses:', 'my_gan:my_recipe', None)
    """
    if names is None or ":" in names:
        return names
    return ",".join(f"{name.strip()}:" for name in names.split(","))


MOST = 10_000_000
"""Largest number of images that one command generates."""
SEEDS = 2**63
"""Upper limit of seeds, exclusive; larger numbers fit into no file of a run."""


def require_within(option: str, value: int | None, least: int, most: int) -> None:
    """Check that an option's number is in range.

    Raises:
        UserError: if it is out of range.
    """
    if value is not None and not least <= value <= most:
        shown = f"{value:,}" if abs(value) < 10**20 else f"a number of {len(str(abs(value)))} digits"
        limit = f"at least {least:,}" if value < least else f"at most {most:,}"
        raise UserError(f"--{option} is {shown}; it must be {limit}.")


def require_seed(seed: int | None) -> None:
    """Check a seed. Raises as `require_within`."""
    require_within("seed", seed, 0, SEEDS - 1)


def processes_asked(processes: str) -> int:
    """Return the number of processes asked for: a number, or auto for that of this machine's GPUs or CPU cores.

    Raises:
        UserError: if it is neither.

    >>> processes_asked("2")
    2
    """
    if processes == "auto":
        from organza.distributed.agent import devices

        return devices()
    if not (processes.isascii() and processes.isdigit()):
        raise UserError(f"--processes is {processes}; it must be auto or a whole number.")
    require_within("processes", int(processes[:20]), 1, 1024)
    return int(processes)


def labels_asked(settings: tuple[str, ...], of_class: str | None) -> dict[str, str]:
    """Return the labels given by `--label field=value ...` and `--class name`, by field."""
    for setting in settings:
        if "=" not in setting:
            raise UserError(f"--label {setting} is not of the form field=value, for example hair=long01.")
    labels = {name.strip(): value.strip() for name, _, value in (setting.partition("=") for setting in settings)}
    return labels | ({"class": of_class} if of_class is not None else {})


def tell(notes: tuple[str, ...]) -> None:
    """Print notes for the user on standard error."""
    for note in notes:
        say(f"note: {in_options(note)}")
