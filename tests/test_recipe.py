"""Recipes as values: changed field by field, written to JSON and read again, and refused in words."""

from __future__ import annotations

import importlib
import json
import sys
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from organza import losses
from organza.config import Partial, decode, encode
from organza.config.references import MOVED, reference, resolve
from organza.errors import UserError
from organza.overrides import apply
from organza.recipe import Recipe
from organza.recipes import RENAMED, get, names
from organza.schedule import Cosine
from organza.training.snapshot import differences
from tests.contracts.discovery import RECIPES
from tests.helpers import enough


@pytest.mark.parametrize("name", RECIPES)
def test_json_round_trip_is_equal(name: str):
    recipe = RECIPES[name]()
    assert decode(json.loads(json.dumps(encode(recipe)))) == recipe
    assert recipe.name == name
    assert recipe.source


def test_no_recipe_inherits_its_source_or_what_to_expect_of_it():
    recipes = [make() for make in RECIPES.values()]
    for told in ([recipe.expect for recipe in recipes], [recipe.source for recipe in recipes]):
        assert [text for text, times in Counter(told).items() if times > 1 or not text] == []


def test_settings_reach_every_depth():
    recipe = apply(
        get("dcgan-r1"),
        [
            "batch=16",
            "generator.width=48",
            "generator_optimizer.rate=1e-3",
            "penalties.0.weight=5",
            "adversarial=hinge",
            "data.mirror=true",
        ],
    )
    assert recipe.batch == 16
    assert recipe.generator.settings["width"] == 48
    assert recipe.generator_optimizer.rate == 1e-3
    assert recipe.penalties[0].weight == 5.0
    assert recipe.penalties[1] == get("dcgan-r1").penalties[1]
    assert recipe.adversarial is losses.hinge
    assert recipe.data.settings["mirror"] is True


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("batchs=2", "Did you mean batch?"),
        ("generator.widht=2", "Did you mean width?"),
        ("penalties.7.weight=1", "0 to 1"),
        ("penalties.².weight=1", "0 to 1"),
        (f"penalties.{'9' * 5000}.weight=1", "0 to 1"),
        ("batch=1.5", "int"),
        ("batch=true", "int"),
        ("generator_optimizer.rate=1e400", "kind"),
        ("generator_optimizer.rate=nan", "rate=nan"),
        ("adversarial=hing", "Did you mean hinge?"),
        ("batch=-3", "at least 1"),
        ("batch.x=3", "no fields"),
        ("=3", "field=value"),
        ("batch", "field=value"),
        ("penalties.0.of=r3", "r1"),
    ],
)
def test_wrong_settings_are_told(setting: str, said: str):
    with pytest.raises(UserError, match=said.replace("?", r"\?")):
        apply(get("dcgan-r1"), [setting])


@pytest.mark.parametrize("name", ["os:system", "json:dumps", "os.path:join", "math:pi"])
def test_what_cannot_be_called_alone_is_no_recipe_of_ones_own(name: str):
    with pytest.raises(UserError, match="must be a function"):
        get(name)


PATHS = [
    *("batch", "generator", "generator.width", "penalties.0.weight", "penalties.0.of"),
    *("adversarial", "stop", "stop.0.checks", "game"),
]


@settings(max_examples=enough(100, 1000), deadline=None)
@given(
    st.one_of(
        st.text(max_size=30),
        st.builds(
            "{}={}".format,
            st.sampled_from(PATHS),
            st.one_of(st.text(max_size=12), st.floats(allow_subnormal=False).map(str), st.integers().map(str)),
        ),
    )
)  # fmt: skip
def test_any_setting_gives_a_recipe_or_a_sentence(setting: str):
    try:
        assert isinstance(apply(get("dcgan-r1"), [setting]), Recipe)
    except UserError as error:
        assert len(str(error)) > 10  # noqa: PT017


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ({"part": "os:system", "command": "true"}, "not part of organza"),
        ({"the": "subprocess:run"}, "not part of organza"),
        ({"value": "builtins:eval"}, "not part of organza"),
        ({"value": "organza.config.partial:Partial"}, "not a value that a recipe may hold"),
        ({"the": "organza.losses:hing"}, "Did you mean hinge?"),
        ({"the": "organza.nowhere:x"}, "not a value that a recipe may hold"),
        ({"the": "organza.networks.nowhere:x"}, "no module"),
        ({"part": "organza.networks.dcgan:Generator", "widht": 3}, "Did you mean width?"),
        ({"value": "organza.penalties:Penalty", "wait": 3}, "no field wait"),
        ({"neither": 1}, "exactly one"),
    ],
)
def test_a_recipe_file_cannot_call_what_it_likes(form: dict, said: str):
    with pytest.raises(UserError, match=said.replace("?", r"\?")):
        decode(form)


def test_what_has_no_name_cannot_be_written_down():
    with pytest.raises(UserError, match="top level of a module"):
        encode(Partial(lambda x: x))


def test_a_schedule_can_stand_for_a_number():
    from dataclasses import replace

    from organza.optimizers import Adam

    recipe = replace(get("dcgan"), generator_optimizer=Adam(Cosine(1e-3, 1e-4)))
    assert decode(json.loads(json.dumps(encode(recipe)))) == recipe


def test_a_name_of_an_earlier_version_means_what_moved():
    for was, now in MOVED.items():
        names = [""] if ":" in was else [f":{name}" for name in ("Generator", "Discriminator", "Encoder", "code_shape")]
        for old, new in ((was + name, now + name) for name in names):
            assert resolve(old) is resolve(new)
            assert reference(resolve(old)) == new
            assert differences({"adversarial": {"the": old}}, {"adversarial": {"the": new}}) == []


@pytest.mark.parametrize(("old", "new"), RENAMED.items())
def test_a_recipe_is_known_by_its_earlier_name_and_listed_once(old: str, new: str):
    assert get(old) == get(new)
    assert get(old).name == new
    assert (old in names(), new in names()) == (False, True)
    assert differences({"name": old}, {"name": new}) == differences({"name": new}, {"name": old}) == []
    assert differences({"name": old}, {"name": "swift"}) == [f"name is {old}, not swift"]


def test_a_loss_is_named_by_its_definition_and_not_by_an_import(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Modules of the user's: the one that imports the loss comes first by its name and by time, as does one that gives it a second name."""
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "zz_defines.py").write_text(
        "from organza.losses import hinge, lsgan\nmixed = lsgan._replace(generator=hinge.generator)\n"
    )
    (tmp_path / "aa_imports.py").write_text("from zz_defines import mixed\n")
    importing = importlib.import_module("aa_imports")
    assert reference(importing.mixed) == "zz_defines:mixed"
    for name in ("aa_imports", "zz_defines"):
        del sys.modules[name]
