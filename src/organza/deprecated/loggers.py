"""Moved to `organza.training.loggers`."""

from organza.deprecated import forwarding

__getattr__ = forwarding("organza.loggers", {}, "organza.training.loggers")
