"""Selection of a command and its options from the arguments."""

from __future__ import annotations

import contextlib
import functools
import inspect
import io
import re
import sys
from collections.abc import Callable
from typing import Any, get_type_hints

import tyro

from organza.cli.data import (
    data_check,
    data_digits,
    data_faces,
    data_fashion_mnist,
    data_furniture,
    data_pack,
    data_pairs,
    data_points,
    data_styles,
)
from organza.cli.directions import directions
from organza.cli.editing import edit, invert
from organza.cli.export import export, push
from organza.cli.inference import encode, evaluate, judge, translate
from organza.cli.options import answer, modules, say
from organza.cli.report import compare, quiz, report
from organza.cli.sample import sample
from organza.cli.studio import studio
from organza.cli.train import recipes, train
from organza.cli.walks import mix, walk
from organza.cli.wording import TRACEBACK
from organza.display.streams import Stream
from organza.errors import UserError, nearest
from organza.version import __version__

VERBS: dict[str, Callable[..., int]] = {
    "train": train,
    "sample": sample,
    "judge": judge,
    "encode": encode,
    "evaluate": evaluate,
    "translate": translate,
    "walk": walk,
    "mix": mix,
    "directions": directions,
    "invert": invert,
    "edit": edit,
    "export": export,
    "push": push,
    "report": report,
    "compare": compare,
    "quiz": quiz,
    "recipes": recipes,
    "studio": studio,
}
DATA_VERBS: dict[str, Callable[..., int]] = {
    "check": data_check,
    "pack": data_pack,
    "digits": data_digits,
    "faces": data_faces,
    "styles": data_styles,
    "pairs": data_pairs,
    "points": data_points,
    "fashion-mnist": data_fashion_mnist,
    "furniture": data_furniture,
}
ABOUT = (
    "Generative adversarial networks: a folder of images in, a generator out. With --traceback, any command shows where an error of "
    "your own code comes from."
)
ABOUT_DATA = "Check data sets, and create example sets."


def parsed(arguments: list[str]) -> functools.partial[int]:
    """Return the command that the arguments name, with its options, ready to be called.

    Raises:
        UserError: if a command or option is unknown or missing.
    """
    arguments = [argument for argument in arguments if argument != TRACEBACK]
    if arguments[:1] == ["--"]:  # torchrun passes it on, and would take --run for an option of its own without it
        arguments = arguments[1:]
    if arguments[:1] in (["--version"], ["-V"]):
        return functools.partial(_version)
    if arguments[:1] == ["data"]:
        return _chosen("organza data", ABOUT_DATA, DATA_VERBS, arguments[1:])
    return _chosen("organza", ABOUT, VERBS | {"data": _data}, arguments)


def _data() -> int:
    """Check data, or create example data: check, digits, faces, furniture, pairs, points,
    styles, fashion-mnist.
    """
    return 0


def _version() -> int:
    answer(f"organza {__version__}")
    return 0


def _chosen(
    program: str, about: str, verbs: dict[str, Callable[..., int]], arguments: list[str]
) -> functools.partial[int]:
    """Return the command of a program that the arguments choose, with its options."""
    if arguments and not arguments[0].startswith("-") and arguments[0] not in verbs:
        wrong = arguments[0]
        raise UserError(
            f"There is no command {program} {wrong}; choose from {', '.join(verbs)}.{nearest(wrong, verbs)}"
        )
    arguments = _renamed(arguments)
    told = io.StringIO()
    try:
        with contextlib.redirect_stderr(told), contextlib.redirect_stdout(Stream(sys.stdout)):
            return tyro.extras.subcommand_cli_from_dict(
                {name: _later(verb, whole=name in arguments[:1]) for name, verb in verbs.items()},
                prog=program,
                description=about,
                args=arguments or ["--help"],
                config=(tyro.conf.OmitSubcommandPrefixes, tyro.conf.FlagCreatePairsOff),
            )
    except SystemExit as end:
        if end.code in (0, None):
            raise
        known = options_of(verbs[arguments[0]]) if arguments[0] in verbs else []
        raise UserError(_one_sentence(told.getvalue(), f"{program} {arguments[0]}", known)) from None


def options_of(verb: Callable[..., int]) -> list[str]:
    """Return the options of a command.

    >>> options_of(studio)[:2]
    ['--data', '--host']
    """
    kinds, options = get_type_hints(verb, include_extras=True), []
    for name, given in inspect.signature(verb).parameters.items():
        if given.kind is not given.POSITIONAL_ONLY:
            names = [one.name for one in getattr(kinds[name], "__metadata__", ()) if getattr(one, "name", None)]
            options.append("--" + (names[0] if names else name).replace("_", "-"))
    return options


def _later(verb: Callable[..., int], whole: bool) -> Callable[..., functools.partial[int]]:
    """Wrap a command for tyro: same signature and help, but called after parsing, outside of tyro.

    Args:
        verb: command.
        whole: True for its whole help, False for the first paragraph, in the list of commands.
    """

    @functools.wraps(verb)
    def bound(*positional: Any, **options: Any) -> functools.partial[int]:
        if verb not in (train, recipes) and "recipe" in options:
            options["recipe"] = modules(options["recipe"])
        return functools.partial(verb, *positional, **options)

    if not whole:
        bound.__doc__ = (verb.__doc__ or "").partition("\n\n")[0]
    return bound


def _renamed(arguments: list[str]) -> list[str]:
    """Return the arguments with options of earlier versions under their names now, with a note for each."""
    renamed = {"--recipe": "--import"} if arguments[:1] != ["train"] else {}
    renamed |= {"--set": "--label"} if arguments[:1] in (["sample"], ["judge"]) else {}
    result = []
    for argument in arguments:
        name, equals, value = argument.partition("=")
        if name in renamed:
            say(f"note: {name} of {arguments[0]} is now {renamed[name]}; the old name works for one more version")
        result.append(renamed.get(name, name) + equals + value if name in renamed else argument)
    return result


def _one_sentence(boxed: str, command: str, options: list[str]) -> str:
    """Return a parser's boxed message as one sentence; the parser itself suggests options of other commands."""
    text = " ".join(re.sub(r"[─│╭╮╰╯]", " ", boxed).split()).split(" For full helptext")[0]
    help_ = f"See {command} --help."
    if found := re.search(r"Unrecognized (?:or misplaced )?options?: ([^\s,]+)", text):
        near = nearest(found[1].lstrip("-"), [option.removeprefix("--") for option in options])
        return f"{command} does not take {found[1]}.{near.replace('mean ', 'mean --')} {help_}"
    if found := re.search(r"Error parsing ([\w-]+):.*invalid literal for int\(\) with base 10: ('.*?')", text):
        return f"{command} {found[1]} takes a whole number, not {found[2]}. {help_}"
    if found := re.search(r"invalid choice '(.*?)' for argument '(\S+?)'. Expected one of \((.*?)\)", text):
        choices = [choice for choice in re.findall(r"'(\S+?)'", found[3]) if choice != "None"]
        return f"{command} {found[2]} can be {', '.join(choices)}, not {found[1]}.{nearest(found[1], choices)} {help_}"
    if found := re.search(rf"Missing from {command}: (.+?)(?: \(required\)|$)", text):
        return f"{command} needs {found[1].rstrip('.')}. {help_}"
    return f"{text.rstrip('. ')}. {help_}"
