"""Charts of the measurements of a run."""

from __future__ import annotations

from organza.report.charts import Chart, Line, figure
from organza.report.page import section
from organza.report.record import Record, thinned
from organza.stop import best, tie

PLAYERS = ("discriminator", "generator")


def curves(record: Record) -> str:
    """Return the charts of a run's measurements, over images and time."""
    drawn = "".join(figure(chart, f"c{index}") for index, chart in enumerate(charts(record)))
    about = "Over images seen, with the training time below."
    if tied := tie(record.checks):
        about += f" Of the best evaluations, {tied}."
    return section("The numbers", about, f'<div class="charts">{drawn}</div>' if drawn else "")


def charts(record: Record) -> list[Chart]:
    """Return the charts of a run; those without data have no points."""
    clock = record.clock()
    unit = "vectors" if record.unit == "vectors" else "images"
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
            f"Differences among the samples; 1 is as varied as real {unit}.",
            (measured(record, "variety", "variety"),),
            ((1.0, f"as varied as real {unit}"),), chosen, clock,
        ),
        Chart(
            "Output of the discriminator",
            f"The probability of being real that it assigns to real and to generated {unit}. Both at 0.5: it cannot tell them apart.",
            (logged(record, "D(x)", f"D(x), real {unit}"), logged(record, "D(G(z))", f"D(G(z)), generated {unit}")),
            ((0.5, "cannot tell"),), (), clock, (0.0, 1.0),
        ),
        Chart(
            "Accuracy of the discriminator",
            f"On training batches, and on unseen real {unit} with fresh samples. Far higher on training batches: it has overfitted.",
            (logged(record, "D accuracy", "training"), measured(record, "D accuracy", "held out")),
            ((0.5, "guessing"),), (), clock, (0.0, 1.0),
        ),
        Chart(
            "Losses",
            "The two players compete, so neither wins for good. Steady is healthy.",
            tuple(logged(record, name, name) for name in PLAYERS), (), (), clock,
        ),
        Chart(
            "Other terms of the loss",
            "Further terms of the recipe: penalties on the discriminator, and reconstruction terms of the generator.",
            tuple(logged(record, name, name) for name in others), (), (), clock,
        ),
        Chart(
            "Distance to targets",
            "SSIM: 1 is alike. L1: 0 is alike.",
            (measured(record, "ssim", "SSIM"), measured(record, "l1", "L1")), (), chosen, clock,
        ),
    ]  # fmt: skip


def logged(record: Record, name: str, label: str) -> Line:
    """Return a curve from stats.jsonl."""
    return Line(label, thinned(record.curve(name)))


def measured(record: Record, name: str, label: str) -> Line:
    """Return a curve from evaluations.jsonl, with its errors."""
    found = record.measured(name)
    points = [(images, value) for images, value, _ in found]
    return Line(label, points, tuple(error for *_, error in found), dotted=True)
