"""Clustering that never joins what a steward or a limit keeps apart."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from identity.cardinality import NO_VALUE, Limited, at_stake
from identity.clustering import Ints, components

Pairs = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
NOBODY = -1


def no_pairs() -> Pairs:
    """Pairs of records, none: shape (0, 2)."""
    return np.empty((0, 2), np.int64)


def constrained(
    count: int,
    left: Ints,
    right: Ints,
    bits: Floats,
    block: Ints,
    must: Pairs,
    cannot: Pairs,
    once: Ints | None = None,
    limits: Sequence[Limited] = (),
) -> tuple[Ints, Ints, list[tuple[int, int, int, int]]]:
    """Label each record with the smallest one of its cluster, and say what was refused.

    Edges left[i]-right[i] join, and `must` whatever they say; no cluster holds both ends of a row of `cannot`. The members of a
    block (edges with one `block[i]`, all from one `left`) all agree with each other, so that those whom the first of them may not
    join may still join one another. Nor does a cluster hold two records with one number in `once` (NOBODY for none), or more values
    than one of the `limits` allows, unless `must` joins them. The strongest evidence (`bits`) joins first; ties go by record.
    Components that nothing tears are found by whole-array operations; only the others edge by edge.

    Returns the labels; per edge the record of its block that right[i] was joined with, or NOBODY; and per refusal (i of the
    edge, record, record, row of `cannot`, or -1 - n for limit n: first `limits`, then the numbers of `once`). `must` and `cannot`
    may not contradict each other.

    >>> star = np.array([0, 0]), np.array([1, 2]), np.ones(2), np.zeros(2, np.int64)
    >>> labels, left, refused = constrained(3, *star, no_pairs(), np.array([[0, 1]]))
    >>> labels.tolist(), left.tolist(), refused
    ([0, 1, 0], [-1, 0], [(0, 0, 1, 0)])
    """
    labels = components(count, np.concatenate([must[:, 0], left]), np.concatenate([must[:, 1], right]))
    torn = _torn(labels, cannot, once, limits)
    if not len(torn):
        return labels, left, []
    slow = np.isin(labels, torn)
    forest = _Forest(once, limits)
    for row in np.flatnonzero(slow[cannot[:, 0]] & slow[cannot[:, 1]]).tolist():
        forest.keep_apart(int(cannot[row, 0]), int(cannot[row, 1]), row)
    for one, other in must[slow[must[:, 0]]].tolist():
        forest.join(forest.root(one), forest.root(other))
    refused: list[tuple[int, int, int, int]] = []
    left = left.copy()
    for edges in _blocks(np.flatnonzero(slow[left]), left, right, bits, block):
        groups = [int(left[edges[0]])]
        for edge in edges:
            left[edge], conflicts = forest.admit(groups, int(right[edge]))
            refused += [(edge, *conflict) for conflict in conflicts]
    members = np.flatnonzero(slow)
    labels[members] = [forest.root(rec) for rec in members.tolist()]
    return labels, left, refused


def _torn(labels: Ints, cannot: Pairs, once: Ints | None, limits: Sequence[Limited]) -> Ints:
    """The components that hold what must not be together."""
    torn = np.unique(labels[cannot[:, 0]][labels[cannot[:, 0]] == labels[cannot[:, 1]]])
    if once is not None:
        torn = np.union1d(torn, _doubled(labels, once))
    for _, among in at_stake(limits, labels):
        torn = np.union1d(torn, labels[among])
    return torn


def _doubled(labels: Ints, once: Ints) -> Ints:
    """The clusters with two records that have one number in `once`."""
    told = np.flatnonzero(once != NOBODY)
    pairs, counts = np.unique(np.stack([labels[told], once[told]]), axis=1, return_counts=True)
    return np.unique(pairs[0, counts > 1])


def _blocks(edges: Ints, left: Ints, right: Ints, bits: Floats, block: Ints) -> Iterator[list[int]]:
    """The edges of each block by `right`; the strongest block first. No edges (decisions alone tie a cluster), no blocks."""
    if not len(edges):
        return
    ordered = edges[np.lexsort((right[edges], block[edges], left[edges], -bits[edges]))]
    cuts = np.flatnonzero(np.diff(block[ordered])) + 1
    for one in np.split(ordered, cuts):
        yield one.tolist()


class _Forest:
    """Union-find over records; every tree knows whom it must not be joined with, what it can hold only once, and of what it can hold only
    so many values. A tree's root is its smallest record."""

    def __init__(self, once: Ints | None = None, limits: Sequence[Limited] = ()) -> None:
        self._parent: dict[int, int] = {}
        self._enemies: dict[int, dict[int, int]] = {}
        self._once = once
        self._held: dict[int, frozenset[int]] = {}
        self._limits = limits
        self._values: list[dict[int, frozenset[int]]] = [{} for _ in limits]

    def _holds(self, root: int) -> frozenset[int]:
        if root not in self._held:
            number = NOBODY if self._once is None else int(self._once[root])
            self._held[root] = frozenset() if number == NOBODY else frozenset((number,))
        return self._held[root]

    def _values_of(self, nth: int, root: int) -> frozenset[int]:
        if root not in self._values[nth]:
            value = int(self._limits[nth].value[root])
            self._values[nth][root] = frozenset() if value == NO_VALUE else frozenset((value,))
        return self._values[nth][root]

    def root(self, rec: int) -> int:
        while (above := self._parent.get(rec, rec)) != rec:
            self._parent[rec] = rec = self._parent.get(above, above)
        return rec

    def keep_apart(self, one: int, other: int, row: int) -> None:
        self._enemies.setdefault(one, {}).setdefault(other, row)
        self._enemies.setdefault(other, {}).setdefault(one, row)

    def conflict(self, one: int, other: int) -> int | None:
        """What keeps two trees (by their roots) apart: the first row of `cannot`, or -1 - the number of a limit."""
        limit = self._limit(one, other)
        mine, theirs = self._enemies.get(one, {}), self._enemies.get(other, {})
        if len(theirs) < len(mine):
            mine, other = theirs, one
        return min((row for rec, row in mine.items() if self.root(rec) == other), default=limit if limit is None else -1 - limit)

    def _limit(self, one: int, other: int) -> int | None:
        """The first limit that the two trees would exceed as one."""
        for nth, limit in enumerate(self._limits):
            mine, theirs = self._values_of(nth, one), self._values_of(nth, other)
            if len(mine | theirs) > max(limit.most, len(mine), len(theirs)):
                return nth
        both = self._holds(one) & self._holds(other) if self._once is not None else ()
        return len(self._limits) + min(both) if both else None

    def join(self, one: int, other: int) -> None:
        if one != other:
            low, high = sorted((one, other))
            self._parent[high] = low
            self._enemies.setdefault(low, {}).update(self._enemies.pop(high, {}))
            if self._once is not None:
                self._held[low] = self._holds(low) | self._holds(high)
            for nth, values in enumerate(self._values):
                values[low] = self._values_of(nth, low) | self._values_of(nth, high)

    def admit(self, groups: list[int], rec: int) -> tuple[int, list[tuple[int, int, int]]]:
        """Join `rec` with the first of the groups (each a record of it) that may have it, or make it one; and who refused it."""
        refused: list[tuple[int, int, int]] = []
        for member in groups:
            one, other = self.root(member), self.root(rec)
            if one == other or (row := self.conflict(one, other)) is None:
                self.join(one, other)
                return member, refused
            refused.append((member, rec, row))
        groups.append(rec)
        return NOBODY, refused
