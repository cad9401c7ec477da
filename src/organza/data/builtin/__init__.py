"""Data sets that need no download, or only one that was asked for."""
