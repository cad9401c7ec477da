"""Failure of a process, as the others of its run learn of it."""

from __future__ import annotations


class RankFailed(Exception):
    """Failure of another process of the run, which ends this one too.

    Args:
        kind: user (a user's mistake), signal, bug, or lost (it ended or does not answer).
        rank: number of that process.
        text: reason in words, or the name of the signal.
    """

    def __init__(self, kind: str, rank: int, text: str):
        super().__init__(text)
        self.kind, self.rank, self.text = kind, rank, text
