"""How many values of an attribute one person has at most, and which merges would be a value too many. No loop over records."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from identity.clustering import Ints

NO_VALUE = -1


@dataclass(frozen=True, slots=True, eq=False)
class Limited:
    """A limit, as it stands for some records: `value[rec]` is a number that records with one value have in common (0 … records-1; NO_VALUE
    where it is NULL), of which one person has at most `most`. `name` is what reports call the limit."""

    name: str
    value: Ints
    most: int


@dataclass(frozen=True, slots=True, eq=False)
class Holdings:
    """Which values each cluster has: codes cluster × `count` + value, each once and in order."""

    codes: Ints
    count: int
    most: int

    @classmethod
    def of(cls, limit: Limited, labels: Ints, among: npt.NDArray[np.bool_] | None = None) -> Holdings:
        """What the clusters `labels` hold; with `among` (a flag per record), by these records alone."""
        known = np.flatnonzero(limit.value != NO_VALUE if among is None else among & (limit.value != NO_VALUE))
        return cls(np.unique(labels[known] * len(labels) + limit.value[known]), len(labels), limit.most)

    def crowded(self) -> Ints:
        """The clusters that hold more than they may."""
        clusters, values = np.unique(self.codes // max(self.count, 1), return_counts=True)
        return clusters[values > self.most]

    def exceeded(self, one: Ints, other: Ints) -> npt.NDArray[np.bool_]:
        """Which of the merges of clusters one[i] and other[i] would be a value too many: more than a person has, and than either holds.

        So a cluster that holds too many, since a steward made it one, takes whoever brings nothing new.
        """
        (first, mine), (_, theirs) = self._values(one), self._values(other)
        enough = np.maximum(np.maximum(mine, theirs), self.most)
        found = np.zeros(len(one), bool)
        near = np.flatnonzero(mine + theirs > enough)
        if len(near):
            number = mine[near]
            of = np.repeat(np.arange(len(near)), number)
            at = np.repeat(first[near] - (np.cumsum(number) - number), number) + np.arange(int(number.sum()))
            wanted = other[near][of] * self.count + self.codes[at] % self.count
            there = self.codes[np.minimum(np.searchsorted(self.codes, wanted), len(self.codes) - 1)] == wanted
            common = np.bincount(of[there], minlength=len(near))
            found[near] = mine[near] + theirs[near] - common > enough[near]
        return found

    def joined(self, target: Ints) -> Holdings:
        """The same when each cluster has become part of target[cluster]."""
        codes = self.codes
        return replace(self, codes=np.unique(target[codes // self.count] * self.count + codes % self.count)) if len(codes) else self

    def _values(self, clusters: Ints) -> tuple[Ints, Ints]:
        """Where each one's values begin, and how many they are."""
        first = np.searchsorted(self.codes, clusters * self.count)
        return first, np.searchsorted(self.codes, (clusters + 1) * self.count) - first


def at_stake(limits: Sequence[Limited], groups: Ints) -> list[tuple[Limited, npt.NDArray[np.bool_]]]:
    """The limits that some groups of records exceed if each becomes one person, and the records of those groups (a flag per record)."""
    found = [(limit, np.isin(groups, Holdings.of(limit, groups).crowded())) for limit in limits]
    return [(limit, among) for limit, among in found if among.any()]
