"""Correlation clustering: from weighted pairs to a partition that resists bridges.

Greedy additive edge contraction (Keuper et al. 2015), in rounds: every pair of clusters that are each other's best is joined, if
what speaks for it outweighs what speaks against. A pair that was never scored speaks a little against, so that a chain of
acquaintances does not become one person. Weights are whole numbers, so that no order of addition changes a sum.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from identity.cardinality import Holdings, Limited, at_stake
from identity.clustering import Ints, components

UNSCORED = -250
"""Weight, in thousandths, of a pair of records that blocking did not propose."""
FORBIDDEN = -(1 << 40)
REQUIRED = 1 << 40


def correlation_clusters(
    count: int,
    left: Ints,
    right: Ints,
    weights: Ints,
    unscored: int = UNSCORED,
    most: int | None = None,
    ties: Ints | None = None,
    limits: Sequence[Limited] = (),
) -> Ints:
    """For each record 0 … count-1 the smallest record of its cluster; no cluster has more than `most` records, or more values than `limits`
    allow.

    `left[i]`, `right[i]` are different records, each pair once; `weights[i]` is the log odds in thousandths that they are one,
    FORBIDDEN for a pair that must never be, REQUIRED for one that must (which joins first, limits or not; the two do not contradict each
    other).
    Of two merges that weigh the same the one with more `ties` (a whole number per pair, added up) comes first, then that of lower records.

    >>> chain = np.array([0, 1]), np.array([1, 2]), np.array([4000, 3000])
    >>> correlation_clusters(3, *chain).tolist()
    [0, 0, 0]
    >>> correlation_clusters(3, np.array([0, 1, 0]), np.array([1, 2, 2]), np.array([4000, 3000, -9000])).tolist()
    [0, 0, 2]
    >>> either = np.array([0, 1, 0]), np.array([2, 2, 1]), np.array([8000, 8000, FORBIDDEN])
    >>> correlation_clusters(3, *either).tolist(), correlation_clusters(3, *either, ties=np.array([9000, 20000, 0])).tolist()
    ([0, 1, 0], [0, 1, 1])
    """
    labels = np.arange(count, dtype=np.int64)
    hopeful = components(count, left[weights > 0], right[weights > 0])
    inside = hopeful[left] == hopeful[right]
    u, v, w = labels[left[inside]], labels[right[inside]], weights[inside].astype(np.int64)
    t = None if ties is None else ties[inside]
    scored = np.ones(len(u), np.int64)
    size = np.ones(count, np.int64)
    held = [Holdings.of(limit, labels, among) for limit, among in at_stake(limits, hopeful)]
    while True:
        total = w + unscored * (size[u] * size[v] - scored)
        good = _joinable(u, v, total, size, most, held)
        if not good.any():
            return _smallest(labels)
        joined = _mutual_best(u[good], v[good], total[good], None if t is None else t[good])
        keep, gone = u[good][joined], v[good][joined]
        target = np.arange(count, dtype=np.int64)
        target[gone] = keep
        labels = target[labels]
        size[keep] += size[gone]
        held = [values.joined(target) for values in held]
        u, v, w, scored, t = _contracted(target[u], target[v], w, scored, t, count)


def _joinable(u: Ints, v: Ints, total: Ints, size: Ints, most: int | None, held: Sequence[Holdings]) -> npt.NDArray[np.bool_]:
    """Which merges have more for them than against them, and exceed no limit unless they must be."""
    good, free = total > 0, total < REQUIRED >> 1
    if most is not None:
        good &= ~free | (size[u] + size[v] <= most)
    for values in held:
        asked = np.flatnonzero(good & free)
        good[asked[values.exceeded(u[asked], v[asked])]] = False
    return good


def _mutual_best(u: Ints, v: Ints, total: Ints, ties: Ints | None) -> Ints:
    """Indices of edges that are the best of both their ends, in one strict order: by weight, then by ties, then by records."""
    order = np.lexsort((v, u, -total) if ties is None else (v, u, -ties, -total))
    rank = np.empty(len(u), np.int64)
    rank[order] = np.arange(len(u))
    best = np.full(max(int(v.max()), int(u.max())) + 1, len(u), np.int64)
    np.minimum.at(best, u, rank)
    np.minimum.at(best, v, rank)
    return np.flatnonzero((best[u] == rank) & (best[v] == rank))


def _contracted(u: Ints, v: Ints, w: Ints, scored: Ints, ties: Ints | None, count: int) -> tuple[Ints, Ints, Ints, Ints, Ints | None]:
    """Edges between what is left, parallel ones added up."""
    apart = u != v
    low, high = np.minimum(u, v)[apart], np.maximum(u, v)[apart]
    codes, of = np.unique(low * count + high, return_inverse=True)
    weights, pairs = np.zeros(len(codes), np.int64), np.zeros(len(codes), np.int64)
    np.add.at(weights, of, w[apart])
    np.add.at(pairs, of, scored[apart])
    if ties is not None:
        alone, ties = ties[apart], np.zeros(len(codes), np.int64)
        np.add.at(ties, of, alone)
    return codes // count, codes % count, weights, pairs, ties


def _smallest(labels: Ints) -> Ints:
    smallest = np.full(len(labels), len(labels), np.int64)
    np.minimum.at(smallest, labels, np.arange(len(labels), dtype=np.int64))
    return smallest[labels]
