"""The report of a run: read its files, probe its networks, reach a verdict, write the page.

>>> write_report("runs/faces")                      # doctest: +SKIP
PosixPath('runs/faces/report.html')
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from organza.data.batches import Batches
from organza.errors import UserError
from organza.metrics.damage import Damage
from organza.metrics.kernels import Estimate
from organza.metrics.vectors import alike
from organza.recipe import Recipe
from organza.report import sections, vectors
from organza.report.curves import curves
from organza.report.evidence import Evidence
from organza.report.findings import new
from organza.report.page import asset, page, written
from organza.report.probe import Look, look
from organza.report.record import Record, estimate_of
from organza.report.verdict import Verdict, reworded, verdict
from organza.run.events import Reported
from organza.run.folder import RunFolder


def write_report(
    path: str | Path, data: Batches | str | Path | None = None, recipe: Recipe | str | None = None
) -> Path:
    """Write RUN/report.html, a self-contained page, and return its path.

    Args:
        path: run folder.
        data: data of the run, if it is open already, or its new location, if it was moved.
        recipe: recipe of your own that the run was trained with: see `load`.

    Raises:
        UserError: if there is no run, the data is not at the given location, or the page cannot be
            written.
    """
    return conclude(path, data, recipe).path


def conclude(
    path: str | Path, data: Batches | str | Path | None = None, recipe: Recipe | str | None = None
) -> Reported:
    """Write the report and return its verdict. Arguments as in `write_report`."""
    record, place = Record.of(path), RunFolder(path).report
    seen, reason = seen_of(path, data, recipe)
    found = verdict_of(record, seen)
    content = report(record, seen, found, reason)
    if lost := [title for title in sections.OF_NETWORKS if title in _text(place) and title not in content]:
        why = reason or " ".join(seen.notes if seen is not None else ())
        raise UserError(f"{place} is kept, as a new page would lack {', '.join(map(repr, lost))}: {why}")
    written(place, content)
    return Reported(place, found.title, found.why, _recorded(path, record, seen))


def _text(place: Path) -> str:
    """Return the text of an earlier page; "" if there is none."""
    try:
        return place.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def copies_found(path: str | Path, data: Batches | str | Path | None = None, recipe: Recipe | str | None = None) -> str:
    """Return the outcome of a search for copies of training images among a run's samples, in words; "" where none was made.

    Args:
        path: run folder.
        data: data of the run, or its location: see `write_report`.
        recipe: recipe of your own that the run was trained with.

    Raises:
        UserError: no run, or the data is not at the place named.
    """
    record = Record.of(path)
    seen, _ = seen_of(path, data, recipe)
    return _recorded(path, record, seen)


def _recorded(path: str | Path, record: Record, seen: Look | None) -> str:
    """Return the outcome of the search for copies in words, and record it in the run, for the card of an export."""
    audit = new(evidence(record, seen))
    if audit is None or seen is None:
        return ""
    audit = audit if seen.vectors is None else reworded(audit)
    outcome = f"{audit.answer}: {audit.numbers or audit.why}"
    with suppress(UserError):  # a run that cannot be written to is searched again next time
        RunFolder(path).audited(seen.images, outcome)
    return outcome


def report(record: Record, seen: Look | None, found: Verdict, reason: str = "") -> str:
    """Return the page as HTML.

    Args:
        record: contents of the run's files.
        seen: observations of the run's networks; None if there is no checkpoint.
        found: verdict on both.
        reason: reason for the missing checkpoint.
    """
    notes = seen.notes if seen is not None else (reason,) if reason else ()
    parts = [
        sections.opening(record, seen, found),
        vectors.scatters(record, seen),
        vectors.columns(seen),
        sections.noted(notes),
        sections.samples(record),
        sections.methods(seen),
        sections.copies(record, seen),
        sections.authentic(seen),
        sections.ways(seen),
        curves(record),
        sections.health(record),
        sections.commands(record),
        sections.recipe(record),
    ]
    return page(f"{record.name}: report", parts, asset("page.js"))


def verdict_of(record: Record, seen: Look | None) -> Verdict:
    """Return the verdict on a run, from its history and the observations of its networks."""
    return verdict(evidence(record, seen))


def evidence(record: Record, seen: Look | None) -> Evidence:
    """Return all evidence that a verdict is based on."""
    copies = seen.copies if seen is not None else None
    judged = seen.judged if seen is not None else None
    ended = record.ended or {}
    return Evidence(
        record.trained_on,
        record.held_out,
        record.checks,
        _variety(record, seen),
        seen.repeats if seen is not None else None,
        copies.nearness if copies else None,
        copies.share if copies else None,
        judged.training if judged else None,
        judged.held_out if judged else None,
        str(ended.get("kind", "")),
        str(ended.get("text", "")),
        record.translates,
        record.images,
        record.vitals,
        **{name: _measured(record, name) for name in Damage._fields},
        between=None if seen is None else seen.between,
        apart=None if seen is None else seen.apart,
        kept=None if seen is None else seen.kept,
        alike=_alike(record),
    )


def _alike(record: Record) -> float | None:
    found = [estimate_of(record.chosen, name) for name in ("coverage", "density")] if record.chosen else []
    values = [estimate.value for estimate in found if estimate is not None]
    return alike(*values) if len(values) == 2 and record.unit == "vectors" else None


def _measured(record: Record, name: str) -> float | None:
    found = estimate_of(record.chosen, name) if record.chosen else None
    return None if found is None else found.value


def _variety(record: Record, seen: Look | None) -> Estimate | None:
    measured = estimate_of(record.chosen, "variety") if record.chosen else None
    return measured or (seen.variety if seen is not None else None)


def seen_of(
    path: str | Path, data: Batches | str | Path | None = None, recipe: Recipe | str | None = None
) -> tuple[Look | None, str]:
    """Return observations of the best checkpoint, or None and the reason why there are none."""
    try:
        return look(path, data=data, recipe=recipe), ""
    except UserError as error:
        if data is not None:
            raise
        return None, str(error)
