"""How likely two people are one by all pairs of records between them, and how these pairs vote: the best of many is good by chance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from identity.clustering import Ints
from identity.constraints import Floats
from identity.evidence.reading import Pairs
from identity.evidence.writing import NEAR
from identity.probabilistic.edges import MOST

NOT_KEPT = -3.0
"""The odds of a pair of which nothing is kept (it was never compared, or is far from being one), where those of several are averaged."""
CLIP = MOST / 1000 / float(np.log(2))
"""No pair counts for more bits, nor against, than where people are put together."""


@dataclass(frozen=True, slots=True)
class Votes:
    """Of all pairs between two people: how many speak for one person, how many against, and of how many nothing was kept."""

    speak_for: int
    against: int
    not_kept: int

    def __str__(self) -> str:
        count = self.speak_for + self.against + self.not_kept
        said = f"{self.speak_for:,} of the {count:,} pairs speak{'s' * (self.speak_for == 1)} for one person"
        said += f", {self.against:,} against" if self.against else ""
        return said + (f", nothing was kept of {self.not_kept:,}" if self.not_kept else "")


class Between:
    """All pairs between two clusters, of which those are kept that are `near`. If all records were `compared` with all, what was not kept
    speaks against."""

    def __init__(self, near: Pairs, sizes: Ints, width: int, *, compared: bool = False) -> None:
        self.sizes, self.width, self.compared = sizes, width, compared
        self.known, of, self.counts = np.unique(self.codes(near), return_inverse=True, return_counts=True)
        self.sums = np.bincount(of, np.clip(near.odds, -CLIP, CLIP), len(self.known))
        self.speaking = np.bincount(of[near.odds > 0], minlength=len(self.known))

    def codes(self, pairs: Pairs) -> Ints:
        return np.minimum(pairs.cluster, pairs.beyond) * self.width + np.maximum(pairs.cluster, pairs.beyond)

    def odds(self, pairs: Pairs) -> Floats:
        """The mean, of the clusters of each pair; NaN if nothing is kept of any."""
        there, at = self._found(pairs)
        all_ = self._all(pairs)[there].astype(np.float64)
        found = np.full(len(pairs), np.nan)
        found[there] = (self.sums[at] + (NEAR if self.compared else NOT_KEPT) * (all_ - self.counts[at])) / all_
        return found

    def votes(self, pairs: Pairs) -> Ints:
        """(n, 3): `Votes` of the clusters of each pair, which itself speaks for one person: by a rule, if its odds do not."""
        there, at = self._found(pairs)
        found = np.zeros((len(pairs), 3), np.int64)
        found[there, 0], found[there, 1] = self.speaking[at], (self.counts - self.speaking)[at]
        found[:, 2] = self._all(pairs) - found.sum(axis=1)
        kept = ~np.isnan(pairs.odds)
        by_rule = ~(kept & (pairs.odds > 0))
        found[by_rule, 0] += 1
        found[by_rule & kept, 1] -= 1
        found[by_rule & ~kept, 2] -= 1
        if self.compared:
            found[:, 1] += found[:, 2]
            found[:, 2] = 0
        return found

    def _all(self, pairs: Pairs) -> Ints:
        return np.asarray(self.sizes[pairs.cluster] * self.sizes[pairs.beyond], np.int64)

    def _found(self, pairs: Pairs) -> tuple[Ints, Ints]:
        """Of which pairs' clusters something is kept, and where."""
        codes = self.codes(pairs)
        there = np.flatnonzero(np.isin(codes, self.known))
        return there, np.searchsorted(self.known, codes[there])
