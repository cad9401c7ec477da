"""A tenth of the trials of `make faults`, or less where a tenth would take minutes: see docs/reliability.md."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from tests.contracts.material import Material

if not hasattr(os, "fork"):
    pytest.skip("the trials fork, kill and mount", allow_module_level=True)

from tests.faults import configurations, illness, lost_ranks, trials
from tests.faults.ground import Course, Row

NAMES = ("mlp", "dcgan-r1", "cyclegan")  # plain, with penalties, with several networks and a pool


@pytest.fixture(scope="module")
def courses(tmp_path_factory: pytest.TempPathFactory, material: Material) -> list[Course]:
    root = tmp_path_factory.mktemp("courses")
    return [Course(name, root, material) for name in NAMES]


def kept(row: Row | None) -> None:
    if row is None:
        pytest.skip("this system lets nobody mount a file system")
    assert row.kept == row.tried > 0, row


def test_killed_at_random_instants(courses: list[Course]):
    kept(trials.kills(courses, 3, random.Random(1)))


def test_asked_to_stop_at_random_instants(courses: list[Course]):
    kept(trials.signals(courses, 3, random.Random(2)))


def test_killed_at_the_calls_of_a_save(tmp_path: Path):
    kept(trials.killed_saves(tmp_path, 0.3))


def test_a_save_that_fails_at_any_call(tmp_path: Path):
    kept(trials.failed_saves(tmp_path, 0.3))


def test_power_is_lost(tmp_path: Path):
    kept(trials.lost_power(tmp_path, 400, 1.0, random.Random(3)))


def test_damage_is_noticed(courses: list[Course]):
    kept(trials.damages(courses[0], 300, random.Random(4)))


def test_clocks_jump(courses: list[Course]):
    kept(trials.clocks(courses, 1, random.Random(5)))


def test_two_processes_start(courses: list[Course]):
    kept(trials.doubles(courses, 1))


def test_a_disk_fills_up(courses: list[Course], tmp_path: Path):
    kept(trials.full_disks(courses[0], tmp_path, 2))


def test_what_cannot_be_written(courses: list[Course], tmp_path: Path):
    kept(trials.read_only(courses[0], tmp_path))


def test_a_worker_dies():
    kept(trials.dead_workers(1))


@pytest.mark.slow
def test_one_of_two_ranks_is_killed_asked_to_stop_or_fails(material: Material, tmp_path: Path):
    course = lost_ranks.Shared("mlp", tmp_path, material)
    course.finish()
    kept(lost_ranks.kills([course], 1, random.Random(1)))
    kept(lost_ranks.absences([course]))
    kept(lost_ranks.signals([course], 1, random.Random(2)))
    kept(lost_ranks.exceptions([course], 2))


def test_mutated_configurations(courses: list[Course], material: Material):
    for row in configurations.everything(400, material, courses[0].whole, random.Random(6)):
        kept(row)


@pytest.mark.slow
def test_illness_is_noticed_and_health_is_left_alone(tmp_path: Path):
    patients = illness.Patients(tmp_path, faces=300, every=640, checks=3, samples=150)
    kept(illness.left_alone(patients, 1))
    kept(illness.noticed(patients, 1))
