"""Moved to `organza.config`."""

from organza.deprecated import forwarding

__getattr__ = forwarding("organza.part", {"Part": "organza.config:Partial"}, "organza.config")
