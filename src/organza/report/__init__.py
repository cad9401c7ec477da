"""Self-contained HTML pages about runs: the report of a run, a comparison of runs, and the quiz."""
