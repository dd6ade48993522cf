"""Pairs of records worth a steward's look in one version of the crosswalk, as whole arrays: nearly one, refused, doubtful, bridges."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from itertools import compress
from typing import Any

import numpy as np
import numpy.typing as npt

from identity.clustering import Ints
from identity.constraints import Floats
from identity.evidence.document import BY_MODEL, MODEL, probability
from identity.evidence.reading import Pairs, StoredEvidence
from identity.matching import OUTVOTED
from identity.stewardship.between import Between, Votes
from identity.stewardship.decisions import Decision
from identity.stewardship.kinds import BRIDGE, NEAR, REFUSED, WEAK

DOUBTFUL = (0.2, 0.8)
"""Posteriors between which a pair is worth a look."""
LEAST_REFUSED, LEAST_BRIDGE = 0.5, 0.25
"""How unsure a bridge is at least, and a merge that a hard limit refused (the pairs say one thing, the limit another), or that a rule
asked for between people of whom no other pair was kept."""


@dataclass(frozen=True, slots=True, eq=False)
class Doubts:
    """Pairs of one kind, before their records are named.

    `cluster` and `beyond` are the smallest records of the two clusters (the same if they are one), `odds` how likely these are one person;
    `records` are those at stake, `unsure` from 0 to 1; `why` names for each pair what made it one of this kind. Of refused merges `by` is
    what would have made one (a rule; MODEL), and `votes` are those of all pairs; of bridges `part` is the smaller part's records.
    """

    kind: str
    left: Ints
    right: Ints
    cluster: Ints
    beyond: Ints
    odds: Floats
    unsure: Floats
    records: Ints
    pattern: Ints
    why: tuple[str, ...]
    part: Ints | None = None
    by: tuple[str, ...] | None = None
    votes: tuple[Votes, ...] | None = None

    def where(self, kept: npt.NDArray[np.bool_]) -> Doubts:
        """Some of them."""
        some: dict[str, Any] = {}
        for name in (field.name for field in fields(self) if field.name != "kind"):
            of = getattr(self, name)
            some[name] = of[kept] if isinstance(of, np.ndarray) else None if of is None else tuple(compress(of, kept.tolist()))
        return replace(self, **some)

    def votes_on(self, i: int) -> Votes | None:
        """Of a merge that other pairs refused: how all of them vote."""
        return self.votes[i] if self.votes is not None and self.why[i] == OUTVOTED else None


def doubts(evidence: StoredEvidence) -> Iterator[Doubts]:
    """All pairs worth a look, kind by kind."""
    near = evidence.near()
    yield from _apart(evidence, near)
    inside = evidence.inside()
    clusters = evidence.clusters()
    yield _bridges(evidence, inside, clusters)
    if evidence.document.engine == MODEL:
        yield _weak(evidence, inside, clusters)


def _apart(evidence: StoredEvidence, near: Pairs) -> Iterator[Doubts]:
    """Of every two clusters that are nearly one the best pair; of those that something would have made one that.

    How likely they are one goes by all pairs between them: the best of many is good by chance. Where these refused it, it is no likelier
    than not, whatever the pairs that were kept come to: those that were not kept were counted then.
    """
    sizes = evidence.cluster_sizes()
    document = evidence.document
    width = document.records + 1
    compared = document.compared == document.records * (document.records - 1) // 2 and not document.left_out
    likely = Between(near, sizes, width, compared=compared)
    refused, kept_by = evidence.refused()
    scored = _scored(refused, near, width)
    limits = tuple(document.limits[limit] for limit in kept_by.tolist())
    outvoted = np.array([limit == OUTVOTED for limit in limits], bool)
    odds = likely.odds(scored)
    least = np.where(outvoted & ~np.isnan(odds), 0.0, LEAST_REFUSED)
    odds = np.where(outvoted, np.minimum(odds, 0.0), odds)
    found = _doubts(REFUSED, scored, odds, np.maximum(np.nan_to_num(entropy(odds)), least), sizes, limits)
    yield replace(found, by=tuple(document.rules[rule] for rule in refused.rule.tolist()), votes=tuple(likely.votes(scored)))
    near = near.where((probability(likely.odds(near)) >= DOUBTFUL[0]) & ~np.isin(likely.codes(near), likely.codes(refused)))
    codes = likely.codes(near)
    order = np.lexsort((near.right, near.left, -near.odds, codes))
    best = near.where(order[np.diff(codes[order], prepend=-1) != 0])
    odds = likely.odds(best)
    yield _doubts(NEAR, best, odds, entropy(odds), sizes, ("",) * len(best))


def _scored(some: Pairs, near: Pairs, width: int) -> Pairs:
    """The same pairs with the odds that are kept of them."""
    wanted, known = (np.minimum(p.left, p.right) * width + np.maximum(p.left, p.right) for p in (some, near))
    order = np.argsort(known)
    at = order[np.minimum(np.searchsorted(known[order], wanted), max(len(known) - 1, 0))] if len(known) else np.zeros(len(wanted), np.int64)
    found = known[at] == wanted if len(known) else np.zeros(len(wanted), bool)
    odds, pattern = np.full(len(wanted), np.nan), np.full(len(wanted), -1, np.int64)
    odds[found], pattern[found] = near.odds[at[found]], near.pattern[at[found]]
    return Pairs(some.cluster, some.left, some.right, some.beyond, pattern, pattern, some.rule, odds)


def _bridges(evidence: StoredEvidence, inside: Pairs, clusters: Mapping[str, npt.NDArray[np.float64]]) -> Doubts:
    """Clusters that hang together by one pair of two parts of two and more records."""
    bridged = np.flatnonzero(~np.isnan(clusters["bridge_l"]))
    left, right, cluster, records, part = (
        clusters[name][bridged].astype(np.int64) for name in ("bridge_l", "bridge_r", "cluster", "records", "part")
    )
    none = np.full(len(bridged), -1, np.int64)
    pairs = _scored(Pairs(cluster, left, right, cluster, none, none, none, np.empty(0)), inside, evidence.document.records + 1)
    odds = pairs.odds if evidence.document.engine == MODEL else np.full(len(bridged), np.nan)
    unsure = np.maximum(np.nan_to_num(entropy(odds)), LEAST_BRIDGE)
    return Doubts(BRIDGE, left, right, cluster, cluster, odds, unsure, records, pairs.pattern, ("",) * len(bridged), part)


def _weak(evidence: StoredEvidence, inside: Pairs, clusters: Mapping[str, npt.NDArray[np.float64]]) -> Doubts:
    """Pairs that joined although they are doubtful; of a larger cluster only its weakest link: others hold it beside a doubtful pair."""
    weak = inside.where((inside.rule == BY_MODEL) & (probability(inside.odds) <= DOUBTFUL[1]))
    links = (clusters[name].astype(np.int64).tolist() for name in ("weakest_l", "weakest_r"))
    weakest = dict(zip(clusters["cluster"].astype(np.int64).tolist(), zip(*links, strict=True), strict=True))
    pairs = zip(weak.left.tolist(), weak.right.tolist(), strict=True)
    weak = weak.where(np.array([weakest.get(c, pair) == pair for c, pair in zip(weak.cluster.tolist(), pairs, strict=True)], bool))
    return _doubts(WEAK, weak, weak.odds, entropy(weak.odds), evidence.cluster_sizes(), ("",) * len(weak))


def _doubts(kind: str, pairs: Pairs, odds: Floats, unsure: Floats, sizes: Ints, why: tuple[str, ...]) -> Doubts:
    apart = pairs.cluster != pairs.beyond
    records = sizes[pairs.cluster] + np.where(apart, sizes[pairs.beyond], 0)
    return Doubts(kind, pairs.left, pairs.right, pairs.cluster, pairs.beyond, odds, unsure, records, pairs.pattern, why)


class Decided:
    """What stewards have decided, by number: of these pairs of records, and of any two of these two people, nothing is asked again."""

    def __init__(self, evidence: StoredEvidence, decisions: Iterable[Decision], secret: bytes) -> None:
        self.width = evidence.document.records + 1
        pairs, people = [], []
        clusters: dict[int, int] = {}
        for decision in decisions:
            if (decision.entity, decision.space) != (evidence.entity, evidence.space) or decision.b is None:
                continue
            found = [rec for name in decision.records if (rec := evidence.rec_of(name, secret)) is not None]
            if len(found) == 2:
                pairs.append(found)
                ids = [member.id360 for member in evidence.named(found).values()]
                for id360 in ids:
                    if id360 not in clusters:
                        clusters[id360] = min(member.rec for member in evidence.members(id360))
                people += [[clusters[id360] for id360 in ids]] if len(set(ids)) == 2 else []
        self.pairs, self.people = (self._codes(np.array(some, np.int64).reshape(-1, 2).T) for some in (pairs, people))

    def _codes(self, two: Ints) -> Ints:
        return np.asarray(two.min(axis=0, initial=self.width) * self.width + two.max(axis=0, initial=0), np.int64)

    def without(self, some: Doubts) -> Doubts:
        """What is left to ask."""
        pairs, people = self._codes(np.array([some.left, some.right])), self._codes(np.array([some.cluster, some.beyond]))
        return some.where(~np.isin(pairs, self.pairs) & ~((some.cluster != some.beyond) & np.isin(people, self.people)))


def entropy(odds: Floats) -> Floats:
    """How unsure a pair is, in bits: 1 at fifty-fifty."""
    p = np.clip(probability(np.nan_to_num(odds)), 1e-9, 1 - 1e-9)
    return np.where(np.isnan(odds), np.nan, -(p * np.log2(p) + (1 - p) * np.log2(1 - p)))
