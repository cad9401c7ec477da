"""Images, volumes, and their file formats."""
