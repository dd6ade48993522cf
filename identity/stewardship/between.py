"""How likely two people are one by all pairs of records between them, and how these pairs vote: the best of many is good by chance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from identity.clustering import Ints
from identity.constraints import Floats
from identity.evidence.document import BY_MODEL
from identity.evidence.gathering import NEAR_ODDS
from identity.evidence.reading import Pairs
from identity.probabilistic.edges import BY_RULE, MOST

NOT_KEPT = -3.0
"""The odds of a pair of which nothing is kept (it was never compared, or is far from being one), where those of several are averaged."""
CLIP, RULE_BITS = (thousandths / 1000 / float(np.log(2)) for thousandths in (MOST, BY_RULE))
"""No pair counts for more bits, nor against, than where people are put together; and so much counts one that an exact rule joins."""


@dataclass(frozen=True, slots=True)
class Votes:
    """Of all pairs between two people: how many speak for one person, how many against, and of how many nothing was kept. `bits_for` and
    `bits_against` (0 and less) are what they come to, as far as it is known, as it counts where people are put together."""

    speak_for: int
    against: int
    not_kept: int
    bits_for: float
    bits_against: float

    def __str__(self) -> str:
        count = self.speak_for + self.against + self.not_kept
        said = f"{self.speak_for:,} of the {count:,} pairs speak{'s' * (self.speak_for == 1)} for one person ({self.bits_for:+.1f} bits)"
        said += f", {self.against:,} against ({self.bits_against:+.1f})" if self.against else ""
        return said + (f", nothing was kept of {self.not_kept:,}" if self.not_kept else "")


class Between:
    """All pairs between two clusters, of which those are kept that are `near`. If all records were `compared` with all, what was not kept
    speaks against."""

    def __init__(self, near: Pairs, sizes: Ints, width: int, *, compared: bool = False) -> None:
        self.sizes, self.width, self.compared = sizes, width, compared
        self.known, of, self.counts = np.unique(self.codes(near), return_inverse=True, return_counts=True)
        bits, speaks = np.clip(near.odds, -CLIP, CLIP), near.odds > 0
        self.sums = np.bincount(of, bits, len(self.known))
        self.speaking, self.bits_for = (np.bincount(of[speaks], some, len(self.known)) for some in (None, bits[speaks]))

    def codes(self, pairs: Pairs) -> Ints:
        return np.minimum(pairs.cluster, pairs.beyond) * self.width + np.maximum(pairs.cluster, pairs.beyond)

    def odds(self, pairs: Pairs) -> Floats:
        """The mean, of the clusters of each pair; NaN if nothing is kept of any."""
        there, at = self._found(pairs)
        all_ = self._all(pairs)[there].astype(np.float64)
        found = np.full(len(pairs), np.nan)
        found[there] = (self.sums[at] + (NEAR_ODDS if self.compared else NOT_KEPT) * (all_ - self.counts[at])) / all_
        return found

    def votes(self, pairs: Pairs) -> list[Votes]:
        """Of the clusters of each pair, which itself speaks for one person: by a rule, if its odds do not."""
        there, at = self._found(pairs)
        found = np.zeros((5, len(pairs)))
        found[:2, there] = self.speaking[at], (self.counts - self.speaking)[at]
        found[3:, there] = self.bits_for[at], (self.sums - self.bits_for)[at]
        speak_for, against, not_kept, bits_for, bits_against = found
        not_kept += self._all(pairs) - speak_for - against
        kept, likely = ~np.isnan(pairs.odds), pairs.odds > 0
        ruled = likely & (pairs.rule > BY_MODEL)
        bits_for[ruled] += RULE_BITS - np.minimum(pairs.odds[ruled], CLIP)
        by_rule = ~likely
        speak_for[by_rule] += 1
        bits_for[by_rule] += RULE_BITS
        against[by_rule & kept] -= 1
        bits_against[by_rule & kept] -= np.clip(pairs.odds[by_rule & kept], -CLIP, 0)
        not_kept[by_rule & ~kept] -= 1
        if self.compared:
            bits_against += NEAR_ODDS * not_kept
            against += not_kept
            not_kept[:] = 0
        return [Votes(int(a), int(b), int(c), round(d, 2), round(e, 2)) for a, b, c, d, e in found.T.tolist()]

    def _all(self, pairs: Pairs) -> Ints:
        return np.asarray(self.sizes[pairs.cluster] * self.sizes[pairs.beyond], np.int64)

    def _found(self, pairs: Pairs) -> tuple[Ints, Ints]:
        """Of which pairs' clusters something is kept, and where."""
        codes = self.codes(pairs)
        there = np.flatnonzero(np.isin(codes, self.known))
        return there, np.searchsorted(self.known, codes[there])
