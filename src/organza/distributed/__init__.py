"""Ranks of a run on several processes: the share of a batch, and the sums over all of them."""
