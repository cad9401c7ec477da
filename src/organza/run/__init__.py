"""The run folder: its files, checkpoints, events, and health records."""
