"""Pages about runs, each one file that needs no network: the report of a run, runs side by side, and the quiz."""
