"""Moved to `organza.media.images`."""

from organza.deprecated import forwarding

__getattr__ = forwarding("organza.pictures", {}, "organza.media.images")
