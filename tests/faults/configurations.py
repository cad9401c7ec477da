"""Configurations as slips of the keyboard and broken editors leave them: each gives a run or a sentence, never a traceback."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from organza import overrides
from organza.cli import parsing
from organza.config import Partial, settings_of
from organza.data.size import parse_size
from organza.errors import UserError
from organza.inference.load import load
from organza.recipe import Recipe
from organza.run.folder import RunFolder
from organza.training.feasibility import feasible
from organza.training.plan import Budget, Plan
from organza.training.resume import recorded_in
from tests.contracts.discovery import RECIPES, small
from tests.contracts.material import Material
from tests.faults.ground import Row

VALUES = (
    "", "0", "-1", "1", "2", "3", "7", "64", "1e400", "-1e400", "nan", "1e-3", "0.5", "5", "1e30", "True", "none", "None", "'", '"', "[]",
    "[1,2]", "{}", "(", "lambda: 0", "__import__('os')", "hinge", "r1", "wgan", "dcgan", "Generator", "os:system", "../../x", "9" * 30,
    "9" * 5000, "\x00", "é", "🎈", "1_000", "0x10", "1j", "b'x'", "x" * 300, "1,5", " 8 ", "8 ", "-0", "1e5", "Adam", "minimax", "..", "%s",
)  # fmt: skip
JSON_VALUES = (
    None,
    True,
    0,
    -1,
    1,
    2.5,
    1e308,
    -(2**70),
    2**70,
    "",
    "x",
    "organza.losses:hinge",
    [],
    [1],
    {},
    {"the": "os:system"},
    {"part": 3},
)


def paths(value: Any, before: str = "") -> Iterator[str]:
    """The fields of a recipe at every depth."""
    fields = (
        dict(enumerate(value)) if isinstance(value, tuple) and not hasattr(value, "_fields") else settings_of(value)
    )
    for name, inner in (fields or {}).items():
        yield f"{before}{name}"
        yield from paths(inner, f"{before}{name}.")


def settings(times: int, material: Material, chance: random.Random) -> Row:
    """`--set` with any value for any field of any recipe; what is taken is built as well, on a device without memory."""
    made = [small(make(), 4) for make in RECIPES.values()]
    known = [(recipe, list(paths(recipe))) for recipe in made]
    opened = {recipe.data.make: material.opened(recipe) for recipe in made}
    kept, taken, wrong = 0, 0, ""
    for trial in range(times):
        recipe, fields = chance.choice(known)
        asked = [
            f"{_mutated(chance.choice(fields), chance)}{chance.choice(('=', '=', '=', '=', ' ', '=='))}{chance.choice(VALUES)}"
            for _ in range(chance.randint(1, 2))
        ]
        try:
            changed = overrides.apply(recipe, asked)
            assert isinstance(changed, Recipe)
            if trial % 10 == 0:
                feasible(changed, opened[recipe.data.make])
            taken += 1
            kept += 1
        except UserError as error:
            kept += len(str(error)) > 10
        except Exception as error:
            wrong = wrong or f"{recipe.name} {asked}: {error!r}"
    return Row("mutated --set", times, kept, wrong or f"{taken} taken, the others told in a sentence")


def _mutated(path: str, chance: random.Random) -> str:
    if chance.random() < 0.7:
        return path
    spot = chance.randrange(len(path))
    return chance.choice(
        (path[:spot] + path[spot + 1 :], path[:spot] + chance.choice("x.0é ") + path[spot:], path + ".x", path.upper())
    )


def run_files(times: int, run: Path, chance: random.Random) -> Row:
    """recipe.json with keys taken away, values of other kinds, bytes changed: read, or refused with a reason."""
    whole = (run / "recipe.json").read_text()
    kept, taken, wrong = 0, 0, ""
    for trial in range(times):
        text = json.dumps(_changed(json.loads(whole), chance)) if trial % 4 else _scratched(whole, chance)
        (run / "recipe.json").write_text(text)
        try:
            content = RunFolder(run).read()
            recorded_in(RunFolder(run), content, ())
            Plan(**content["plan"])
            opened = load(run)
            assert opened.generator
            taken += 1
            kept += 1
        except UserError as error:
            kept += len(str(error)) > 10
        except Exception as error:
            wrong = wrong or f"{error!r}"
    (run / "recipe.json").write_text(whole)
    return Row("mutated recipe.json", times, kept, wrong or f"{taken} taken, the others told in a sentence")


def _changed(content: Any, chance: random.Random) -> Any:
    """JSON with one place changed."""
    content = copy.deepcopy(content)
    place = content
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        key = chance.choice(keys)
        if isinstance(place[key], dict | list) and place[key] and chance.random() < 0.75:
            place = place[key]
            continue
        if isinstance(place, dict) and chance.random() < 0.3:
            del place[key]
        else:
            place[key] = chance.choice(JSON_VALUES)
        return content


def _scratched(text: str, chance: random.Random) -> str:
    spot = chance.randrange(len(text))
    return chance.choice(
        (
            text[:spot],
            text[:spot] + chance.choice('{}[]",x') + text[spot + 1 :],
            text[:spot] + "\x00" + text[spot:],
            "[" * 5000,
        )
    )


def words(times: int, chance: random.Random) -> Row:
    """Budgets, sizes and whole command lines."""
    kept, wrong = 0, ""
    flags = (
        "--budget",
        "--size",
        "--channels",
        "--seed",
        "--stop",
        "--device",
        "--labels",
        "--recipe",
        "--set",
        "--on-collapse",
        "--run",
        "--x",
    )
    for trial in range(times):
        text = chance.choice(VALUES) + chance.choice(("", "m", "img", "kimg", "x64", "epochs", "h"))
        try:
            if trial % 20:
                (Budget.parse, parse_size)[trial % 2](text)
            else:
                verb = chance.choice(("train", "sample", "evaluate", "judge", "translate", "trian"))
                parsing.parsed([verb, "data", chance.choice(flags), text])
            kept += 1
        except UserError as error:
            kept += len(str(error)) > 10
        except SystemExit as end:
            kept += end.code in (0, None)
        except Exception as error:
            wrong = wrong or f"{text!r}: {error!r}"
    return Row("mutated budgets, sizes and command lines", times, kept, wrong)


def everything(times: int, material: Material, run: Path, chance: random.Random) -> list[Row]:
    """So many configurations of all kinds."""
    assert isinstance(small(RECIPES["mlp"](), 4).generator, Partial)
    return [settings(times // 2, material, chance), run_files(times // 4, run, chance), words(times // 4, chance)]
