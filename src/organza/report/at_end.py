"""The report at the end of a run. It costs seconds; if it fails, the run only warns."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator

from organza.data.batches import Batches
from organza.errors import UserError, lacks_memory
from organza.recipe import Recipe
from organza.report.build import conclude
from organza.run.events import NAMES, Busy, Event, Stopped, Warned
from organza.run.folder import RunFolder
from organza.shell import quoted

log = logging.getLogger("organza")


def reported(
    events: Iterable[Event], folder: RunFolder, data: Batches, recipe: Recipe | None = None
) -> Iterator[Event]:
    """Yield the events of a run and write its report before the last one. After a signal, no report
    is written.

    Args:
        events: events of the trainer.
        folder: run folder.
        data: data of the run.
        recipe: recipe of the run, whose modules are trusted.
    """
    for event in events:
        if isinstance(event, Stopped) and event.kind not in NAMES:
            yield Busy("writing the report")
            try:
                concluded = conclude(folder.path, data, recipe)
            except Exception as error:  # the run is saved; a fault of the page must not change that
                if not isinstance(error, UserError | OSError) and not lacks_memory(error):
                    log.exception("a bug in the report")
                yield Warned(
                    f"the report was not written ({error or type(error).__name__}); run organza report {quoted(folder.path)} to retry"
                )
            else:
                yield concluded
        yield event
