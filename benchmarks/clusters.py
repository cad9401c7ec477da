"""Agreement of unsupervised clusters with true classes. Closed forms on counts; no features, no
network.
"""

from __future__ import annotations

import numpy as np


def contingency(found: np.ndarray, true: np.ndarray) -> np.ndarray:
    """Count the items of each cluster in each true class, int64 [groups, classes].

    Args:
        found: cluster of each item, whole numbers from 0, [N].
        true: class of each item, whole numbers from 0, [N].

    >>> contingency(np.array([0, 0, 1]), np.array([1, 1, 0])).tolist()
    [[0, 2], [1, 0]]
    """
    table = np.zeros((found.max() + 1, true.max() + 1), np.int64)
    np.add.at(table, (found, true), 1)
    return table


def purity(found: np.ndarray, true: np.ndarray) -> float:
    """Compute the share of items whose class is the most frequent one in their cluster.

    purity = 1/N sum over groups of max over classes |group and class|.  Manning, Raghavan and
    Schuetze 2008, Introduction to Information Retrieval, section 16.3. It grows with the number of
    groups, so compare only equal numbers.

    >>> purity(np.array([0, 0, 0, 1, 1]), np.array([2, 2, 0, 1, 1]))
    0.8
    """
    return float(contingency(found, true).max(1).sum() / len(found))


def normalised_information(found: np.ndarray, true: np.ndarray) -> float:
    """Compute the mutual information of clusters and classes over the mean of their entropies: 0 if
    independent, at most 1.

    NMI = I(found; true) / ((H(found) + H(true)) / 2).  Same source, eq. 16.2.

    >>> round(normalised_information(np.array([0, 0, 1, 1]), np.array([1, 1, 0, 0])), 12)
    1.0
    >>> round(normalised_information(np.array([0, 1, 0, 1]), np.array([0, 0, 1, 1])), 12)
    0.0
    """
    joint = contingency(found, true) / len(found)
    apart = _entropy(joint.sum(1)) + _entropy(joint.sum(0))
    return 2 * (apart - _entropy(joint.ravel())) / apart if apart else 0.0


def _entropy(shares: np.ndarray) -> float:
    shares = shares[shares > 0]
    return float(-(shares * np.log(shares)).sum())
