"""The report at the end of a run: it costs seconds, and its failure costs a warning."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from organza.data.batches import Batches
from organza.recipe import Recipe
from organza.report.build import conclude
from organza.run.events import NAMES, Busy, Event, Stopped, Warned
from organza.run.folder import RunFolder
from organza.shell import quoted


def reported(
    events: Iterable[Event], folder: RunFolder, data: Batches, recipe: Recipe | None = None
) -> Iterator[Event]:
    """The events of a run, with its report written before the last one. Whoever sends a signal wants an end now, and gets no report.

    Args:
        events: of the trainer.
        folder: of the run.
        data: of the run.
        recipe: of the run, whose modules are trusted.
    """
    for event in events:
        if isinstance(event, Stopped) and event.kind not in NAMES:
            yield Busy("writing the report")
            try:
                concluded = conclude(folder.path, data, recipe)
            except Exception as error:  # all of the run is saved, and no fault of a page may say otherwise
                yield Warned(
                    f"the report was not written ({error or type(error).__name__}); organza report {quoted(folder.path)} tries again"
                )
            else:
                yield concluded
        yield event
