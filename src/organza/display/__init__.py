"""Display of training: streams, consoles, and the state of a run in a terminal, as plain lines or in a notebook."""
