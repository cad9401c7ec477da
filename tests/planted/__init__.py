"""Planted faults: mistakes that the tests must notice, each put into a copy of the source."""
