"""Images, volumes, and the files that they are kept in."""
