"""Stopping rules as functions of a history, on histories of real runs, and budgets."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from organza.errors import UserError
from organza.stop import Check, Equilibrium, Faded, Plateau, Rule, best, kind_of
from organza.training.plan import Budget, Costs, Plan, make_plan


def history(distances: list[float], error: float = 0.01, accuracy: float = 0.8) -> list[Check]:
    return [Check(1000 * (i + 1), d, error, accuracy, 0.02) for i, d in enumerate(distances)]


def test_plateau_waits_for_its_checks_and_respects_the_error():
    rule = Plateau(checks=3)
    assert rule([]) is None
    assert rule(history([0.9, 0.8, 0.7])) is None
    assert rule(history([0.9, 0.5, 0.495, 0.5])) is None  # the best before the last three is 0.9
    assert rule(history([0.9, 0.5, 0.495, 0.5, 0.499])) is not None  # 0.495 is within the error of 0.5
    assert rule(history([0.9, 0.5, 0.495, 0.5, 0.48])) is None
    said = rule(history([0.9, 0.5, 0.6, 0.7, 0.8]))
    assert said is not None
    assert "no gain over the last 3 checks" in said
    assert "0.5000" in said


def test_what_never_got_better_than_it_began_has_not_levelled_off():
    """Four errors of the difference: 0.057 where each is 0.01."""
    assert Plateau(checks=3)(history([0.5, 0.6, 0.7, 0.8])) is None
    assert Plateau(checks=3)(history([0.5, 0.45, 0.46, 0.45, 0.46])) is None
    assert Plateau(checks=3)(history([0.5, 0.44, 0.46, 0.45, 0.46])) is not None


def test_a_gradient_that_is_gone_ends_a_run_and_one_that_swings_does_not():
    def told(*sizes: float | None) -> list[Check]:
        return [check._replace(gradient=size) for check, size in zip(history([0.5] * len(sizes)), sizes, strict=True)]

    rule = Faded(checks=2, share=0.01)
    said = rule(told(1.0, 2.0, 1.5, 0.001, 0.002))
    assert said is not None
    assert "2.0e-03 or less, where 1.5e+00 was usual" in said
    assert rule(told(1.0, 2.0, 1.5, 0.001, 0.2)) is None
    assert rule(told(1.0, 0.001)) is None  # nothing to compare with
    assert rule(told(None, None, None, None)) is None  # of runs that did not measure it
    assert rule(history([0.5] * 9)) is None


def test_equilibrium_needs_every_one_of_its_checks():
    rule = Equilibrium(checks=2, errors=2.0)
    assert rule(history([0.5, 0.5], accuracy=0.51)) is not None
    assert rule(history([0.5], accuracy=0.5)) is None
    assert rule(history([0.5], accuracy=0.9) + history([0.5], accuracy=0.5)) is None
    assert rule(history([0.5, 0.5], accuracy=0.45)) is None


RECORDED = sorted((Path(__file__).parent / "fixtures" / "histories").glob("*.json"))
"""Whole histories of real runs, which used up their budget: benchmarks/stopping.py wrote them, and prints what each rule does to them."""
RULES: list[Rule] = [Plateau(), Equilibrium(), Faded()]


def recorded(path: Path) -> tuple[list[Check], list[float]]:
    told = json.loads(path.read_text())
    return [Check(*values) for values in told["checks"]], told["seconds"]


def spoke(rule: Rule, checks: list[Check]) -> int | None:
    """After how many checks a rule ends a run that had more to come."""
    return next((end for end in range(1, len(checks)) if rule(checks[:end])), None)


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
def test_the_plateau_of_a_real_run_costs_little(path: Path):
    """Where it stops, what was kept lies within an error of the best that the whole run would have come to."""
    checks, _ = recorded(path)
    at = spoke(Plateau(), checks)
    if at is not None:
        kept, least = best(checks[:at]), best(checks)
        assert kept.distance - least.distance <= math.hypot(kept.error, least.error)
        assert kept.distance <= 1.03 * least.distance


def test_the_plateau_saves_time_on_real_runs():
    saved = []
    for path in RECORDED:
        checks, seconds = recorded(path)
        at = spoke(Plateau(), checks)
        saved.append(0.0 if at is None else 1 - seconds[at - 1] / seconds[-1])
    assert sum(share > 0.2 for share in saved) >= 2
    assert len(RECORDED) >= 15


def test_a_run_that_has_not_begun_is_not_stopped():
    """The tutorial's hour on faces: its distance hardly moved for the first ten looks, fell by a quarter, and rose again."""
    checks, _ = recorded(next(path for path in RECORDED if path.stem.startswith("race-faces-tutorial")))
    at = spoke(Plateau(), checks)
    assert at is not None
    assert best(checks[:at]) == best(checks)
    hasty = spoke(Plateau(errors=-math.inf), checks)
    assert hasty is not None
    assert best(checks[:hasty]).distance > 1.2 * best(checks).distance


@pytest.mark.parametrize("rule", RULES[1:], ids=lambda rule: type(rule).__name__)
def test_optional_rules_leave_real_runs_alone(rule: Rule):
    """None of the recorded runs came to an equilibrium, and the gradient of none vanished, whether it got better or not."""
    told = [recorded(path)[0] for path in RECORDED]
    if isinstance(rule, Faded):
        told = [checks for checks in told if checks[-1].gradient is not None]
        assert len(told) >= 4
    assert [spoke(rule, checks) for checks in told] == [None] * len(told)


def test_the_best_is_the_earliest_of_equals():
    assert best(history([0.5, 0.4, 0.4])).images == 2000


BUDGETS = {
    "10s": 400,
    "10m": 24_000,
    "1h30m": 216_000,
    "1.5h": 216_000,
    "500kimg": 500_000,
    "2Mimg": 2_000_000,
    "7img": 7,
    "1_000 images": 1000,
    "2epochs": 1800,
    "0.5epoch": 450,
}


@pytest.mark.parametrize(("text", "images"), BUDGETS.items())
def test_budgets(text: str, images: int):
    assert Budget.parse(text).planned(900, 40.0) == images


@pytest.mark.parametrize("text", ["", "10", "0m", "-5m", "m", "ten", "5 parsecs", "0epochs", "1e3img", "10mm"])
def test_what_is_no_budget(text: str):
    with pytest.raises(UserError, match="10m"):
        Budget.parse(text)


def looks_of(plan: Plan) -> tuple[int, int]:
    """The evaluations and the sample grids of a run, with those at its end."""
    return -(-plan.images // plan.evaluate_every), -(-plan.images // plan.sample_every)


def test_looking_costs_no_more_than_its_share_and_a_kill_no_more_than_five_minutes():
    plan = make_plan(Budget.parse("10h"), 20_000, 32, Costs(rate=40.0, evaluation=5.0, sheet=1.0))
    assert looks_of(plan) == (20, 40)
    assert plan.save_every == 300 * 40
    for minutes in (7, 10, 20, 60):
        costs = Costs(rate=40.0, evaluation=2.0, sheet=0.3)
        plan = make_plan(Budget.parse(f"{minutes}m"), 20_000, 32, costs)
        looks, sheets = looks_of(plan)
        assert looks >= 4
        assert looks * costs.evaluation + (sheets - looks) * costs.sheet <= 0.03 * 60 * minutes
        assert plan.evaluate_every % plan.sample_every == 0  # an evaluation falls on a sheet


@pytest.mark.parametrize("budget", ["3m", "1m"])
def test_a_run_of_minutes_is_measured_twice_whatever_that_costs(budget: str):
    plan = make_plan(Budget.parse(budget), 20_000, 32, Costs(rate=40.0, evaluation=10.0, sheet=2.0))
    assert looks_of(plan)[0] == 2


def test_a_budget_is_a_step_at_least():
    assert make_plan(Budget.parse("1img"), 20_000, 32, Costs(rate=40.0)).images == 32


def test_the_name_of_an_end_does_not_depend_on_the_name_of_a_class():
    class Renamed(Plateau):
        pass

    assert kind_of(Renamed()) == "plateau"
    assert [kind_of(rule) for rule in (Plateau(), Equilibrium(), Faded())] == ["plateau", "equilibrium", "faded"]
    assert kind_of(lambda history: None) == "rule"
