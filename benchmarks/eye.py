"""The order that the eye gives sample grids, and how far the numbers and words of a report agree with it.

    python benchmarks/eye.py pairs race/* --out eye          # pages of pairs, blind: eye/00.png ..., and an empty eye/votes.txt
    python benchmarks/eye.py measure race/* --out eye        # what a report measures, of each sheet
    python benchmarks/eye.py table race/* --out eye          # the default beside the tutorial, on each kind
    python benchmarks/eye.py words race/* --out eye --picture words.png      # a row for each word of a report and each kind
    python benchmarks/eye.py agree eye                       # the order by eye, and who agrees with it

Each folder of a race (`race.py`) holds real.npy and sample grids, NAME-00.npy. A pair is two sheets, each behind some real images of
its own data: the eye says which one is nearer to its real ones, and a word for each from 1 (nothing in common) to 5 (would pass for real).
A line of votes.txt is `PAIR A|B|= WORD_A WORD_B`. The order is that of Bradley and Terry 1952: P(i before j) = s(q_i - q_j), s the logistic
function, with a weak pull of all q to 0; a draw counts half for both. Numbers are fitted on some kinds of images and tried on the others
(`Kind.holdout` of folders.py). The folder `eye` beside this file keeps the votes and numbers of docs/lab-log.md, 64, which were given by a
model that looks at pictures, not by people.
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch.nn.functional import logsigmoid

from folders import KINDS
from organza.data.batches import to_float
from organza.data.detail import contrast
from organza.media.images import to_image
from organza.metrics.damage import blurred, pieces
from organza.metrics.extractors.features import offline_extractor, second_opinion
from organza.metrics.extractors.multiscale import Pyramid, as_they_are
from organza.metrics.manifold import precision_recall_density_coverage
from organza.metrics.suite import distance
from organza.report.findings import SCALE

REAL, MADE, CELL, LEFT = 5, 12, 66, 60
ON_A_PAGE, JUDGED = 5, 250
SHARES = ("precision", "recall", "coverage")
HELD_OUT = {kind.name for kind in KINDS if kind.holdout}


class Vote(NamedTuple):
    """One look at a pair.

    Args:
        one, other: sheets, KIND/FILE.
        share: 1 where the first is nearer to its real images, 0 where the second is, 1/2 for a draw.
        words: from 1 to 5, of each.
    """

    one: str
    other: str
    share: float
    words: tuple[int, int]


# ---- pages --------------------------------------------------------------------------------------------------------------------


def sheets(races: Sequence[Path]) -> dict[str, Path]:
    """Return the sheets of races by name, KIND/FILE."""
    return {f"{race.name}/{file.stem}": file for race in races for file in sorted(race.glob("*#*.npy"))}


def row(file: Path, label: str, seed: int, left: int = LEFT) -> Image.Image:
    """Some real images, a gap, and some of a sheet's samples, with words to their left."""
    drawn = random.Random(seed)
    line = Image.new("RGB", (left + (REAL + MADE) * CELL + 20, CELL), "white")
    ImageDraw.Draw(line).text((4, CELL // 2 - 6 * (1 + label.count("\n"))), label, fill="black")
    for source, count, start in ((file.parent / "real.npy", REAL, left), (file, MADE, left + REAL * CELL + 20)):
        images = np.load(source, mmap_mode="r")
        for place, index in enumerate(drawn.sample(range(len(images)), count)):
            picture = to_image(np.array(images[index])).convert("RGBA")
            picture.thumbnail((CELL - 2, CELL - 2), Image.Resampling.LANCZOS)
            line.paste((200, 200, 200), (start + place * CELL, 0, start + (place + 1) * CELL, CELL))
            line.paste(picture, (start + place * CELL + 1, 1), picture)
    return line


def pairs(races: Sequence[Path], out: Path, each: int) -> None:
    """Draw pages of pairs, each sheet in as many pairs as asked for, against sheets of any kind."""
    out.mkdir(parents=True, exist_ok=True)
    found, chosen = sheets(races), list[tuple[str, str]]()
    for turn in range((each + 1) // 2):
        order = sorted(found)
        random.Random(turn).shuffle(order)
        chosen += list(zip(order, order[1:] + order[:1], strict=True))
    (out / "key.json").write_text(json.dumps(chosen, indent=0))
    for page in range(0, len(chosen), ON_A_PAGE):
        rows = []
        for number, two in enumerate(chosen[page : page + ON_A_PAGE], page):
            rows += [row(found[name], f"{number} {which}", number) for name, which in zip(two, "AB", strict=True)]
        whole = Image.new("RGB", (rows[0].width, sum(CELL + 8 * (k % 2) for k in range(len(rows)))), "black")
        top = 0
        for k, line in enumerate(rows):
            whole.paste(line, (0, top))
            top += CELL + 8 * (k % 2)
        whole.save(out / f"{page // ON_A_PAGE:03d}.png")
    (out / "votes.txt").touch()
    print(f"{len(found)} sheets, {len(chosen)} pairs, {-(-len(chosen) // ON_A_PAGE)} pages in {out}")


# ---- numbers ------------------------------------------------------------------------------------------------------------------


def measure(races: Sequence[Path], out: Path) -> None:
    """Measure each sheet as a report does, by both networks; what is there already is not done again."""
    out.mkdir(parents=True, exist_ok=True)
    place = out / "measures.json"
    known = json.loads(place.read_text()) if place.exists() else {}
    judges = {"lite0": Pyramid(offline_extractor), "mobilenet": Pyramid(second_opinion)}
    for race in races:
        real = np.load(race / "real.npy")[: 2 * JUDGED]
        ours = {name: file for name, file in sheets([race]).items() if name not in known}
        if not ours:
            continue
        of_real = {judge: look(real) for judge, look in judges.items()}
        damaged = {"pieces": pieces(real[:JUDGED]), "blurred": blurred(real[:JUDGED])}
        units = {
            f"{judge} {name}": distance(of_real[judge], look(images)).value
            for judge, look in judges.items()
            for name, images in damaged.items()
        }
        plain = contrast(to_float(real))
        for name, file in ours.items():
            made = np.load(file)[:JUDGED]
            found = dict(units) | {"contrast": float(contrast(to_float(made)) / plain.clamp_min(1e-6))}
            for judge, look in judges.items():
                features = look(made)
                even = min(len(real), len(made))
                shares = precision_recall_density_coverage(
                    as_they_are(of_real[judge])[:even], as_they_are(features)[:even]
                )
                found |= {f"{judge} distance": distance(of_real[judge], features).value}
                found |= {f"{judge} {share}": one.value for share, one in shares._asdict().items()}
            known[name] = found
            place.write_text(json.dumps(known, indent=1))
        print(race.name, len(ours), flush=True)


# ---- agreement ----------------------------------------------------------------------------------------------------------------


def votes_of(out: Path) -> list[Vote]:
    """Return the votes that were written down."""
    key = json.loads((out / "key.json").read_text())
    found = []
    for line in (out / "votes.txt").read_text().splitlines():
        number, which, *words = line.split()
        one, other = key[int(number)]
        found.append(Vote(one, other, {"A": 1.0, "B": 0.0, "=": 0.5}[which], (int(words[0]), int(words[1]))))
    return found


def order(votes: Sequence[Vote], pull: float = 0.1) -> dict[str, float]:
    """Return each sheet's q, greater for nearer to the real images: the most likely ones with a pull to 0.

    >>> q = order([Vote("a", "b", 1.0, (5, 4)), Vote("b", "c", 1.0, (4, 1))])
    >>> sorted(q, key=q.get)
    ['c', 'b', 'a']
    """
    names = sorted({name for vote in votes for name in (vote.one, vote.other)})
    place = {name: index for index, name in enumerate(names)}
    first, second = (torch.tensor([place[getattr(vote, side)] for vote in votes]) for side in ("one", "other"))
    share = torch.tensor([vote.share for vote in votes])
    q = torch.zeros(len(names), requires_grad=True)
    optimizer = torch.optim.LBFGS([q], max_iter=200, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        apart = q[first] - q[second]
        value = -(share * logsigmoid(apart) + (1 - share) * logsigmoid(-apart)).sum() + pull * (q**2).sum()
        value.backward()
        return value

    optimizer.step(loss)  # type: ignore[arg-type]
    return dict(zip(names, q.tolist(), strict=True))


def _word(found: dict[str, float]) -> int:
    share = found["lite0 distance"] / unit(found, "lite0")
    return 5 - sum(share >= limit for limit, *_ in SCALE[:-1])


def kind(name: str) -> str:
    return name.partition("/")[0]


def rank_agreement(q: dict[str, float], score: dict[str, float], names: Sequence[str]) -> float:
    """Return Kendall's tau of two orders of these sheets, ties in either left out.

    >>> rank_agreement({"a": 1, "b": 2, "c": 3}, {"a": 1, "b": 3, "c": 2}, "abc")
    0.3333333333333333
    """
    agreed = [
        np.sign((q[a] - q[b]) * (score[a] - score[b]))
        for i, a in enumerate(names)
        for b in names[i + 1 :]
        if q[a] != q[b] and score[a] != score[b]
    ]
    return float(np.mean(agreed)) if agreed else float("nan")


def agree(out: Path, measures: dict[str, Callable[[dict[str, float]], float]]) -> None:
    """Print how far each number agrees with the order by eye, on the kinds it was chosen on and on the others."""
    votes, known = votes_of(out), json.loads((out / "measures.json").read_text())
    q = order(votes)
    words: dict[str, list[int]] = {}
    for vote in votes:
        for name, word in zip((vote.one, vote.other), vote.words, strict=True):
            words.setdefault(name, []).append(word)
    names = [name for name in sorted(q) if name in known]
    parts = {
        "chosen on": [name for name in names if kind(name) not in HELD_OUT],
        "others": [name for name in names if kind(name) in HELD_OUT],
    }
    print(f"{len(votes)} votes, {len(names)} sheets, {len({kind(name) for name in names})} kinds")
    eye = {name: float(np.mean(found)) for name, found in words.items()}
    print(
        f"{'the word beside the order':44s}"
        + "".join(f"{rank_agreement(q, eye, part):12.2f}" for part in parts.values())
    )
    for part, members in parts.items():
        off = [abs(_word(known[name]) - round(eye[name])) for name in members]
        right, near = (np.mean([distance == apart for distance in off]) for apart in (0, 1))
        print(f"the report's word is the eye's, {part}: {right:.0%}; the next one: {near:.0%}")
    for label, number in measures.items():
        score = {name: -number(known[name]) for name in names}
        cells = "".join(f"{rank_agreement(q, score, part):12.2f}" for part in parts.values())
        print(f"{label:44s}{cells}")


def table(races: Sequence[Path], out: Path, picture: Path | None) -> None:
    """Print the default beside the tutorial on each kind: at its end, and with a sixth of the tutorial's time; by both networks.

    A row of real images and of the default's last samples for each kind is drawn if a picture is asked for.
    """
    known, rows = json.loads((out / "measures.json").read_text()), []

    def cell(race: Path, stop: dict, name: str = "distance") -> str:
        found = known[f"{race.name}/{Path(stop['pictures']).stem}"]
        return f"{found[f'lite0 {name}']:.3f} / {found[f'mobilenet {name}']:.3f}"

    titles = (
        "kind",
        "default: seconds",
        "images",
        "distance",
        *SHARES,
        "tutorial: seconds",
        "distance",
        "default: seconds",
    )
    print(f"| {' | '.join((*titles, 'distance'))} |\n{'| --- ' * (len(titles) + 1)}|")
    for race in races:
        lanes = {
            file.stem.partition("@")[0]: json.loads(file.read_text())["stops"] for file in sorted(race.glob("*#*.json"))
        }
        ours, theirs = lanes["auto"][-1], lanes["tutorial"][-1]
        sixth = theirs["seconds"] / 6
        early = min(lanes["auto"], key=lambda stop: (stop["seconds"] > 1.05 * sixth, -stop["seconds"]))
        cells = [
            *(race.name, f"{ours['seconds']:.0f}", f"{ours['images']:,}", cell(race, ours)),
            *(cell(race, ours, name) for name in SHARES),
            *(f"{theirs['seconds']:.0f}", cell(race, theirs), f"{early['seconds']:.0f}", cell(race, early)),
        ]
        print(f"| {' | '.join(cells)} |")
        rows.append(row(race / ours["pictures"], race.name, 0, 130))
    if picture:
        stacked(rows).save(picture, optimize=True)


def stacked(rows: Sequence[Image.Image]) -> Image.Image:
    """One row below the other, in 128 colours."""
    whole = Image.new("RGB", (rows[0].width, CELL * len(rows)), "white")
    for place, line in enumerate(rows):
        whole.paste(line, (0, CELL * place))
    return whole.quantize(128)


def words(races: Sequence[Path], out: Path, picture: Path) -> None:
    """Draw, for each word of a report and each kind, a sheet that the word is said of: the middle one by its distance."""
    known, rows = json.loads((out / "measures.json").read_text()), []
    share = {name: known[name]["lite0 distance"] / unit(known[name], "lite0") for name in sheets(races)}
    least = 0.0
    for limit, _, answer, _ in SCALE:
        for race in races:
            said = sorted((share[name], file) for name, file in sheets([race]).items() if least <= share[name] < limit)
            if said:
                units, file = said[len(said) // 2]
                rows.append(row(file, f"{answer[:24]}\n{race.name}\n{units:.2f} units", 0, 150))
        least = limit
    stacked(rows).save(picture, optimize=True)


def unit(found: dict[str, float], judge: str) -> float:
    """Return the unit of `metrics.damage` by a network."""
    return min(
        (found[f"{judge} {name}"] for name in ("pieces", "blurred") if found[f"{judge} {name}"] > 0.01), default=0.12
    )


MEASURES: dict[str, Callable[[dict[str, float]], float]] = {
    "distance, lite0": lambda m: m["lite0 distance"],
    "distance, mobilenet": lambda m: m["mobilenet distance"],
    "distance in units, lite0": lambda m: m["lite0 distance"] / unit(m, "lite0"),
    "distance in units, mobilenet": lambda m: m["mobilenet distance"] / unit(m, "mobilenet"),
    "distance in units, both": lambda m: max(m[f"{j} distance"] / unit(m, j) for j in ("lite0", "mobilenet")),
    "1 - precision, both": lambda m: 1 - min(m["lite0 precision"], m["mobilenet precision"]),
    "1 - coverage, both": lambda m: 1 - min(m["lite0 coverage"], m["mobilenet coverage"]),
    "1 - recall, both": lambda m: 1 - min(m["lite0 recall"], m["mobilenet recall"]),
    "- density, both": lambda m: -min(m["lite0 density"], m["mobilenet density"]),
}


def main() -> None:
    parser = argparse.ArgumentParser(description="The order that the eye gives sample grids, beside the numbers.")
    verbs = parser.add_subparsers(dest="verb", required=True)
    for verb in ("pairs", "measure", "table", "words"):
        asked = verbs.add_parser(verb)
        asked.add_argument("races", type=Path, nargs="+")
        asked.add_argument("--out", type=Path, required=True)
    verbs.choices["pairs"].add_argument("--each", type=int, default=6)
    verbs.choices["words"].add_argument("--picture", type=Path, required=True)
    verbs.choices["table"].add_argument("--picture", type=Path)
    verbs.add_parser("agree").add_argument("out", type=Path)
    given = parser.parse_args()
    if given.verb == "pairs":
        pairs(given.races, given.out, given.each)
    elif given.verb == "measure":
        measure(given.races, given.out)
    elif given.verb == "words":
        words(given.races, given.out, given.picture)
    elif given.verb == "table":
        table(given.races, given.out, given.picture)
    else:
        agree(given.out, MEASURES)


if __name__ == "__main__":
    main()
