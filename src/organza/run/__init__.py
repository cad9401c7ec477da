"""The run directory: its files, its checkpoints, its events, and what they tell of a run's health."""
