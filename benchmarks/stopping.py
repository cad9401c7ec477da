"""What each stopping rule is worth: where it would have ended runs that went on, what they lost by it, and how much time they saved.

    python benchmarks/stopping.py                                     # the recorded histories of tests/fixtures/histories
    python benchmarks/stopping.py runs/*                              # runs of yours that used up their budget
    python benchmarks/stopping.py runs/faces race/fashion --keep DIR  # record them

A history is a list of evaluations. A run's folder has its own; a folder of benchmarks/race.py has one for each contestant, measured here
from the samples it kept. Regret is how far the best distance until the stop lies above the best of the whole history, in per cent of it and
in standard errors; time saved is the share of the run that came after the stop. A rule that never spoke saved nothing and lost nothing.
A rule is asked about histories that hold what it looks at: the discriminator's accuracy, the generator's gradient.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from organza.metrics.extractors.features import offline_extractor
from organza.metrics.extractors.multiscale import Pyramid
from organza.metrics.suite import distance
from organza.stop import Check, Equilibrium, Faded, Plateau, Rule, best

RECORDED = Path(__file__).parent.parent / "tests" / "fixtures" / "histories"
RULES: dict[str, Rule] = {
    **{f"plateau of {checks}": Plateau(checks) for checks in (3, 4, 6, 8)},
    "plateau of 6, begun or not": Plateau(6, errors=-math.inf),
    "equilibrium": Equilibrium(),
    "gradient": Faded(),
}
DIGITS = 5  # of what is kept
UNKNOWN = (1.0, 0.0)  # the accuracy of a D that was never asked, and its error


class History(NamedTuple):
    """The evaluations of a run that went on to its end, and the second of each."""

    run: str
    seconds: Sequence[float]
    checks: Sequence[Check]


class Worth(NamedTuple):
    """What a rule did to a run; `at` is None where it never spoke.

    Args:
        at: how many checks it saw.
        regret, errors: of the best kept until then, over the best of all, and in standard errors of the difference.
        saved: share of the time.
    """

    at: int | None
    regret: float
    errors: float
    saved: float


def worth(rule: Rule, history: History) -> Worth:
    """Where a rule stops, and what that costs and saves.

    >>> run = History("", [60, 120, 180, 240], [Check(n, d, 0.01, 0.8, 0.01) for n, d in enumerate([0.5, 0.2, 0.2, 0.1])])
    >>> worth(Plateau(1), run)[:2], round(worth(Plateau(1), run).saved, 2)
    ((3, 1.0), 0.25)
    """
    checks = history.checks
    at = next((end for end in range(1, len(checks)) if rule(checks[:end])), None)
    if at is None:
        return Worth(None, 0.0, 0.0, 0.0)
    kept, least = best(checks[:at]), best(checks)
    lost = kept.distance - least.distance
    apart = math.hypot(kept.error, least.error)
    return Worth(at, lost / least.distance, lost / apart, 1 - history.seconds[at - 1] / history.seconds[-1])


def asked_about(rule: Rule, history: History) -> bool:
    """Does a history hold what a rule looks at?"""
    if isinstance(rule, Equilibrium):
        return any(check.accuracy_error > 0 for check in history.checks)
    return not isinstance(rule, Faded) or any(check.gradient is not None for check in history.checks)


def estimate(line: dict[str, Any], name: str) -> tuple[float, float]:
    """A number of an evaluation, and its error."""
    return line[name]["value"], line[name]["error"]


def of_run(folder: Path) -> History:
    """What the files of a run tell."""
    content = json.loads((folder / "recipe.json").read_text())
    lines = [json.loads(line) for line in (folder / "evaluations.jsonl").read_text().splitlines()]
    checks = [
        Check(
            line["images"],
            *estimate(line, "mmd"),
            *estimate(line, "D accuracy"),
            line.get("health", {}).get("gradient"),
        )
        for line in lines
    ]
    name = f"{content['recipe'].get('name', '')} on {Path(content['data']['source']).name}"
    return History(name, [line["seconds"] for line in lines], checks)


def of_race(folder: Path) -> Iterator[History]:
    """The contestants of a race, measured by what steers a run."""
    look = Pyramid(offline_extractor)
    real = look(np.load(folder / "real.npy"))
    for path in sorted(folder.glob("*#*.json")):
        lane = json.loads(path.read_text())
        found = [distance(real, look(np.load(folder / stop["pictures"]))) for stop in lane["stops"]]
        checks = [Check(stop["images"], *one, *UNKNOWN) for stop, one in zip(lane["stops"], found, strict=True)]
        yield History(f"{lane['name']} on {folder.name}", [stop["seconds"] for stop in lane["stops"]], checks)


def kept(path: Path) -> History:
    """A history that was recorded."""
    told = json.loads(path.read_text())
    return History(told["run"], told["seconds"], [Check(*values) for values in told["checks"]])


def keep(history: History, path: Path) -> None:
    """Record a history: one check a line."""
    rows = [[value and round(value, DIGITS) for value in check] for check in history.checks]
    head = json.dumps({"run": history.run, "seconds": [round(second, 1) for second in history.seconds]})[:-1]
    path.write_text(head + ', "checks": [\n' + ",\n".join(map(json.dumps, rows)) + "\n]}\n")


def histories(paths: Sequence[Path]) -> Iterator[tuple[str, History]]:
    """All that is found at some paths, with a name for a file each."""
    for path in paths:
        if path.suffix == ".json":
            yield path.stem, kept(path)
        elif (path / "evaluations.jsonl").exists():
            history = of_run(path)
            yield f"{history.run.partition(' ')[0]}-{path.name}", history
        else:
            for history in of_race(path):
                lane = history.run.partition(" ")[0]
                yield f"race-{path.name}-{lane.replace('@', '-').replace('#', '-')}", history


def as_json(rule: str, found: dict[str, Worth]) -> dict[str, Any]:
    """A rule's row: over all histories, and over those it ended."""
    ended = [one for one in found.values() if one.at is not None]
    return {
        "rule": rule,
        "ended": len(ended),
        "of": len(found),
        "worst regret": max((one.regret for one in ended), default=0.0),
        "worst regret in errors": max((one.errors for one in ended), default=0.0),
        "mean regret of those ended": statistics.mean([one.regret for one in ended] or [0.0]),
        "time saved of those ended": statistics.mean([one.saved for one in ended] or [0.0]),
        "time saved of all": statistics.mean([one.saved for one in found.values()] or [0.0]),
    }


def main() -> None:
    """Judge the rules, and print two tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("paths", nargs="*", type=Path, help="histories, runs, races; the recorded ones by default")
    parser.add_argument("--keep", type=Path, help="a folder to record the histories in")
    parser.add_argument("--out", type=Path, help="JSON")
    asked = parser.parse_args()
    found = dict(histories(asked.paths or sorted(RECORDED.glob("*.json"))))
    for name, history in found.items():
        if asked.keep:
            asked.keep.mkdir(parents=True, exist_ok=True)
            keep(history, asked.keep / f"{name}.json")
    judged = {
        name: {run: worth(rule, history) for run, history in found.items() if asked_about(rule, history)}
        for name, rule in RULES.items()
    }
    for name, history in found.items():
        least = best(history.checks)
        print(f"\n{name}: {history.run}, {len(history.checks)} checks, best {least.distance:.4f} ± {least.error:.4f}")
        for rule, all_of in judged.items():
            if (one := all_of.get(name)) and one.at is not None:
                print(
                    f"  {rule:28} after {one.at:2}: regret {one.regret:6.1%} ({one.errors:4.1f} errors), {one.saved:4.0%} of the time saved"
                )
    rows = [as_json(rule, all_of) for rule, all_of in judged.items()]
    print(f"\n{'rule':28} ended  worst regret      its mean   time saved (of all)")
    for row in rows:
        print(
            f"{row['rule']:28} {row['ended']:2}/{row['of']:2}  {row['worst regret']:7.1%} ({row['worst regret in errors']:4.1f} e)"
            f"  {row['mean regret of those ended']:7.1%}   {row['time saved of those ended']:4.0%} ({row['time saved of all']:.0%})"
        )
    if asked.out:
        asked.out.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
