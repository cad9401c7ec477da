"""A few hundred random requests; `python -m tests.studio.fuzz 10000` sends more."""

from __future__ import annotations

from tests.studio.fuzz import Fuzzer
from tests.studio.server import Studio


def test_random_requests_find_no_hole(studio: Studio):
    fuzzer = Fuzzer(studio, seed=1)
    for _ in range(300):
        fuzzer.step()
    assert studio.send("GET", "/api/runs").status == 200
    assert fuzzer.statuses[200] > 10
    assert {400, 401, 403, 404, 405, 415} <= set(fuzzer.statuses)
