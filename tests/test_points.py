"""Points in the plane, and the lessons on them: the presets do what their texts say, in numbers."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from organza.classroom.lesson import LOSSES, Lesson, Settings
from organza.data.points import PLACES, RING, SHAPES, Points, covered, drawn
from organza.errors import UserError
from organza.studio.presets import PRESETS
from organza.training.step import train_step

BY_NAME = {preset.name: preset for preset in PRESETS}


@pytest.mark.parametrize("shape", SHAPES)
def test_shapes_are_points_in_the_square_by_seed_alone(shape: str):
    points = drawn(shape, 500, seed=3)
    assert (points.shape, points.dtype) == ((500, 2), np.float32)
    assert np.abs(points).max() < 1.1
    assert (points == drawn(shape, 500, seed=3)).all()
    assert (points != drawn(shape, 500, seed=4)).any()
    if shape in PLACES:
        assert covered(points, PLACES[shape]) == len(PLACES[shape])


def test_a_place_counts_from_a_share_of_the_points_on():
    points = np.array([RING[0]] * 97 + [RING[1]] * 3 + [(0, 0)] * 100, np.float32)
    assert covered(points, RING) == 1
    assert covered(points, RING, share=0.01) == 2


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"loss": "nonsat"}, "loss is nonsat; choose from minimax"),
        ({"rate_g": 0}, "rate_g is 0; it must be from 1e-06 to 1"),
        ({"turns": True}, "turns is True"),
        ({"los": "lsgan"}, "There is no setting los; .*Did you mean loss"),
    ],
)
def test_settings_of_a_page_are_checked(given, said: str):
    with pytest.raises(UserError, match=said):
        Settings.read(given)


def test_a_drawing_needs_points():
    with pytest.raises(UserError, match="Draw at least eight points"):
        Lesson(Settings(shape="drawn"))
    lesson = Lesson(Settings(shape="drawn", batch=8, width=4), np.full((8, 2), 0.5, np.float32))
    assert lesson.data.points.mean().item() == pytest.approx(0.5, abs=0.01)


def test_points_need_numbers():
    with pytest.raises(UserError, match="finite numbers"):
        Points(np.array([[np.nan, 0], [1, 1]]))


def test_a_lesson_takes_the_step_of_every_run():
    lesson = Lesson(Settings(batch=8, width=4, penalty="R1 and R2"))
    other = Lesson(Settings(batch=8, width=4, penalty="R1 and R2"))
    lesson.advance(3, seconds=60)
    for _ in range(3):
        train_step(other.state)
    for one, same in zip(lesson.state.game.parameters(), other.state.game.parameters(), strict=True):
        assert torch.equal(one, same)
    view = lesson.view()
    assert view["steps"] == 3
    assert np.array(view["surface"]).shape == (40, 40)
    assert 0 <= np.min(view["surface"]) <= np.max(view["surface"]) <= 1
    assert {"discriminator", "generator", "D(x)", "D(G(z))", "r1", "r2"} <= view["readings"].keys()


def test_arrows_point_where_the_loss_of_g_falls():
    lesson = Lesson(Settings(batch=16, width=8))
    lesson.advance(5, seconds=60)
    arrows = torch.tensor(lesson._arrows())
    D, adversarial = lesson.state.game.D, lesson.state.game.adversarial
    x, step = arrows[:, :2], arrows[:, 2:]
    with torch.no_grad():
        here, there = (adversarial.generator(D(at), D(at)) for at in (x, x + 1e-3 * step))
    assert (there <= here + 1e-5).all()
    assert (there < here).float().mean() > 0.9


def test_diverged_players_end_the_lesson_with_a_sentence():
    lesson = Lesson(Settings(batch=8, width=4))
    next(lesson.state.game.D.parameters()).data.fill_(float("inf"))
    assert lesson.advance(300, seconds=60) == 1
    assert "diverged. Choose smaller learning rates" in lesson.view()["failed"]
    steps = lesson.steps
    assert lesson.advance(10) == 0
    assert lesson.steps == steps


def test_every_preset_has_five_sentences_and_a_cure_that_exists():
    for preset in PRESETS:
        assert preset.text.count(". ") + preset.text.count(": ") >= 4, preset.name
        assert not preset.cure or preset.cure in BY_NAME
        Settings.read(preset.settings)


def played(name: str, steps: int) -> Lesson:
    lesson = Lesson(Settings(**BY_NAME[name].settings))
    lesson.advance(steps, seconds=600)
    return lesson


@pytest.mark.slow
def test_the_collapse_collapses_and_its_cure_cures():
    ill, cured = played("collapse", 250), played(BY_NAME["collapse"].cure, 500)
    assert covered(ill.made(), RING) <= 3
    assert covered(cured.made(), RING) == 8


@pytest.mark.slow
def test_gradients_vanish_with_the_minimax_loss_and_do_not_with_the_other():
    """The cure differs in G's loss alone, so D is the same after the warm-up, and one lesson shows the arrows of both."""
    ill, cure = BY_NAME["vanishing"], BY_NAME[BY_NAME["vanishing"].cure]
    assert cure.settings == ill.settings | {"loss": "nonsaturating"}
    assert LOSSES["nonsaturating"].discriminator is LOSSES[ill.settings["loss"]].discriminator
    lesson = played("vanishing", 204)

    def arrow() -> float:
        return float(np.linalg.norm(np.array(lesson._arrows())[:, 2:], axis=1).mean())

    assert lesson.readings["D(G(z))"] < 0.05
    flat = arrow()
    lesson.state.game.adversarial = LOSSES["nonsaturating"]
    assert arrow() > 20 * flat
