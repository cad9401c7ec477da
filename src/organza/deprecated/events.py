"""Moved to `organza.run.events`."""

from organza.deprecated import forwarding

__getattr__ = forwarding("organza.events", {}, "organza.run.events")
