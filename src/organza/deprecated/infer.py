"""Moved to `organza.inference.load`."""

from organza.deprecated import forwarding

__getattr__ = forwarding("organza.infer", {}, "organza.inference.load")
