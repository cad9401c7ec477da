"""Example data sets that need no download, or only one that the user permits."""
