"""What was measured over a run, as charts."""

from __future__ import annotations

from organza.report.charts import Chart, Line, figure
from organza.report.page import section
from organza.report.record import Record, thinned
from organza.stop import best, tie

PLAYERS = ("discriminator", "generator")


def curves(record: Record) -> str:
    """What was measured, over images and time."""
    drawn = "".join(figure(chart, f"c{index}") for index, chart in enumerate(charts(record)))
    about = "Over images seen, and the time that took."
    if tied := tie(record.checks):
        about += f" Of the best checks, {tied}."
    return section("The numbers", about, f'<div class="charts">{drawn}</div>' if drawn else "")


def charts(record: Record) -> list[Chart]:
    """The charts of a run; those of which nothing is known have no points."""
    clock = record.clock()
    chosen = ((best(record.checks).images, "best"),) if record.checks else ()
    others = tuple(name for name in record.terms if name not in PLAYERS)[:6]
    return [
        Chart(
            f"Distance to real {record.unit}",
            "Smaller is better; 0 is alike. The band is the standard error.",
            (measured(record, "mmd", "distance"),),
            ((0.0, "alike"),), chosen, clock,
        ),
        Chart(
            "Variety",
            "How much the samples differ from each other; 1 is as much as real ones.",
            (measured(record, "variety", "variety"),),
            ((1.0, "as varied as real ones"),), chosen, clock,
        ),
        Chart(
            "What the discriminator says",
            "The probability of being real that it gives to real and to generated ones. Both at 0.5: it cannot tell.",
            (logged(record, "D(x)", "D(x), of real ones"), logged(record, "D(G(z))", "D(G(z)), of generated ones")),
            ((0.5, "cannot tell"),), (), clock, (0.0, 1.0),
        ),
        Chart(
            "How often it is right",
            "While it learns, and on unseen real ones beside fresh samples. Far better while it learns: it has learned by heart.",
            (logged(record, "D accuracy", "while it learns"), measured(record, "D accuracy", "when it is tried")),
            ((0.5, "guessing"),), (), clock, (0.0, 1.0),
        ),
        Chart(
            "Losses",
            "The two players work against each other, so neither wins for good. Steady is healthy.",
            tuple(logged(record, name, name) for name in PLAYERS), (), (), clock,
        ),
        Chart(
            "Other terms of the loss",
            "What the recipe asks for besides: penalties on the discriminator, and ties of the generator.",
            tuple(logged(record, name, name) for name in others), (), (), clock,
        ),
        Chart(
            "Nearness to targets",
            "SSIM: 1 is alike. L1: 0 is alike.",
            (measured(record, "ssim", "SSIM"), measured(record, "l1", "L1")), (), chosen, clock,
        ),
    ]  # fmt: skip


def logged(record: Record, name: str, label: str) -> Line:
    """A curve of stats.jsonl."""
    return Line(label, thinned(record.curve(name)))


def measured(record: Record, name: str, label: str) -> Line:
    """A curve of evaluations.jsonl, with its errors."""
    found = record.measured(name)
    points = [(images, value) for images, value, _ in found]
    return Line(label, points, tuple(error for *_, error in found), dotted=True)
