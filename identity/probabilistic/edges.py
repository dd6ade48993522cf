"""What is known of pairs, from all sides, as one weight each: the model's, the exact rules', the stewards'."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from identity.cardinality import Holdings, Limited
from identity.clustering import Ints, components
from identity.constraints import Pairs
from identity.matching import DECISION, OUTVOTED, TOO_LARGE, Edges, Records, Refusals, Refused
from identity.probabilistic.correlation import FORBIDDEN, REQUIRED, UNSCORED
from identity.probabilistic.factors import Floats

MODEL = "model"
"""The rule of an edge that the model alone put there."""
BY_RULE = 12_000
"""Weight of a pair that agrees on an exact rule: log odds in thousandths."""
MOST = 8_000
"""No pair weighs more or less by the model: what is certain once over needs no more to be weighed against the rest of a cluster."""
FAR = 1_000_000
"""Nor do uncapped odds count as more, so that their sums stay whole numbers."""
_LIMITS = (OUTVOTED, TOO_LARGE, DECISION)


@dataclass(frozen=True, slots=True, eq=False)
class Weighted:
    """Pairs, each once, ordered: `weight` in thousandths of a natural log odds, FORBIDDEN or REQUIRED; `rule` an index of `rules`,
    of forbidden pairs one of `limits`. `odds` are the model's alone, uncapped (0 where it has none); None if nobody asks for them."""

    count: int
    left: Ints
    right: Ints
    weight: Ints
    rule: Ints
    rules: tuple[str, ...]
    limits: tuple[str, ...]
    cannot: Pairs
    odds: Ints | None = None

    def forbidding(self, left: Ints, right: Ints, limit: Ints) -> Weighted:
        """The same, with further pairs that must never be one, but for those that stewards made one. Itself if there is nothing new.

        `limit` counts the limits that `weighted` was given.
        """
        if not len(left):
            return self
        required = self.weight == REQUIRED
        together = components(self.count, self.left[required], self.right[required])
        apart = together[left] != together[right]
        known = self.weight == FORBIDDEN
        codes, first = np.unique(_code(left[apart], right[apart], self.count), return_index=True)
        new = ~np.isin(codes, _code(self.left[known], self.right[known], self.count))
        own = limit[apart][first[new]] + len(_LIMITS)
        return self._with(codes[new], FORBIDDEN, own) if new.any() else self

    def undecided(self) -> Weighted:
        """The same without the pairs that stewards made one."""
        free = self.weight != REQUIRED
        odds = None if self.odds is None else self.odds[free]
        return replace(self, left=self.left[free], right=self.right[free], weight=self.weight[free], rule=self.rule[free], odds=odds)

    def joining_whole(self, labels: Ints) -> Weighted:
        """The same, so that where a steward made two records one, their clusters by `labels` become one, unless that is forbidden."""
        required, forbidden = self.weight == REQUIRED, self.weight == FORBIDDEN
        records = np.arange(self.count, dtype=np.int64)
        group = components(self.count, np.concatenate([self.left[required], records]), np.concatenate([self.right[required], labels]))
        torn = group[self.left[forbidden]][group[self.left[forbidden]] == group[self.right[forbidden]]]
        whole = np.setdiff1d(group[self.left[required]], torn)
        members = np.flatnonzero(np.isin(group, whole) & (group != records))
        codes = _code(group[members], members, self.count)
        return self._with(codes, REQUIRED, np.full(len(codes), self.rules.index(DECISION), np.int64))

    def _with(self, codes: Ints, weight: int, rule: Ints) -> Weighted:
        return _distinct(
            self,
            np.concatenate([codes, _code(self.left, self.right, self.count)]),
            np.concatenate([np.full(len(codes), weight, np.int64), self.weight]),
            np.concatenate([rule, self.rule]),
            None if self.odds is None else np.concatenate([np.zeros(len(codes), np.int64), self.odds]),
        )


def weighted(
    records: Records, left: Ints, right: Ints, odds: Floats, exact: Edges | None, limits: Iterable[str] = (), *, uncapped: bool = False
) -> Weighted:
    """All edges of some records: scored pairs with their natural log odds, pairs of exact rules, decisions.

    `limits` name what further pairs will be forbidden for. With `uncapped` the model's odds are kept beside the weights.
    """
    rules = (MODEL, *(exact.rules if exact else ()))
    if DECISION not in rules:
        rules = (*rules, DECISION)
    empty = Weighted(records.count, *(np.empty(0, np.int64),) * 4, rules, (*_LIMITS, *limits), records.cannot)
    parts = [(records.cannot, FORBIDDEN, _LIMITS.index(DECISION)), (records.must, REQUIRED, rules.index(DECISION))]
    codes = [_code(pairs[:, 0], pairs[:, 1], records.count) for pairs, _, _ in parts]
    weights = [np.full(len(pairs), weight, np.int64) for pairs, weight, _ in parts]
    rule = [np.full(len(pairs), index, np.int64) for pairs, _, index in parts]
    if exact is not None:
        codes.append(_code(exact.left, exact.right, records.count))
        weights.append(np.full(len(exact.left), BY_RULE, np.int64))
        rule.append(exact.rule + 1)
    codes.append(left * records.count + right)
    thousandths = np.rint(odds * 1000)
    weights.append(np.clip(thousandths, -MOST, MOST).astype(np.int64))
    rule.append(np.zeros(len(left), np.int64))
    alone = None
    if uncapped:
        alone = np.zeros(sum(map(len, codes)), np.int64)
        alone[len(alone) - len(left) :] = np.clip(thousandths, -FAR, FAR)
    return _distinct(empty, np.concatenate(codes), np.concatenate(weights), np.concatenate(rule), alone)


def _distinct(edges: Weighted, codes: Ints, weights: Ints, rule: Ints, odds: Ints | None) -> Weighted:
    """Each pair once: the first that speaks of it counts, and the odds that the model has of it, whoever speaks first."""
    every = codes
    codes, first = np.unique(every, return_index=True)
    count = max(edges.count, 1)
    if odds is not None:
        odds, alone = np.zeros(len(codes), np.int64), odds
        np.add.at(odds, np.searchsorted(codes, every), alone)
    return replace(edges, left=codes // count, right=codes % count, weight=weights[first], rule=rule[first], odds=odds)


def _code(left: Ints, right: Ints, count: int) -> Ints:
    return np.minimum(left, right) * count + np.maximum(left, right)


def inside(labels: Ints, edges: Weighted) -> Edges:
    """Why the records of each cluster are one."""
    held = (labels[edges.left] == labels[edges.right]) & (edges.weight > 0)
    bits = np.where(edges.weight[held] >= REQUIRED, np.inf, edges.weight[held] / (1000 * np.log(2)))
    return Edges(edges.left[held], edges.right[held], edges.rule[held], bits, edges.rules)


def refused(labels: Ints, records: Records, edges: Weighted) -> tuple[Refused, ...]:
    """Which records the stewards keep apart although something else would join them."""
    if not len(records.cannot):
        return ()
    would = edges.weight > 0
    found = []
    for row, (one, other) in enumerate(records.cannot.tolist()):
        across = _between(labels, edges.left[would], edges.right[would], edges.rule[would], labels[one], labels[other])
        found += [Refused(a, b, edges.rules[rule], row) for a, b, rule in across[:1]]
    return tuple(found)


def refusals(
    labels: Ints,
    edges: Weighted,
    left: Ints,
    right: Ints,
    odds: Floats,
    exact: Edges | None,
    most: int,
    limits: Sequence[Limited] = (),
) -> Refusals:
    """Which clusters are two although a scored pair (of natural log `odds` above 0) or an exact rule speaks for one; and what refused it.

    `edges` are all that was clustered by, in which the pairs spoken of may be forbidden; `limits` the first of the limits that it names.
    """
    would = np.flatnonzero((odds > 0) & (labels[left] != labels[right]))
    pairs, weight, rule = _code(left[would], right[would], edges.count), odds[would], np.zeros(len(would), np.int64)
    if exact is not None:
        more = np.flatnonzero(labels[exact.left] != labels[exact.right])
        pairs = np.concatenate([pairs, _code(exact.left[more], exact.right[more], edges.count)])
        weight = np.concatenate([weight, np.full(len(more), BY_RULE / 1000)])
        rule = np.concatenate([rule, exact.rule[more] + 1])
    low, high = pairs // max(edges.count, 1), pairs % max(edges.count, 1)
    clusters = _code(labels[low], labels[high], edges.count)
    order = np.lexsort((rule, pairs, -weight, clusters))
    best = order[np.diff(clusters[order], prepend=-1) != 0]
    clusters = clusters[best]
    barred = np.flatnonzero(edges.weight == FORBIDDEN)
    apart, first = np.unique(_code(labels[edges.left[barred]], labels[edges.right[barred]], edges.count), return_index=True)
    sizes = np.bincount(labels, minlength=edges.count)
    together = sizes[clusters // max(edges.count, 1)] + sizes[clusters % max(edges.count, 1)]
    limit = np.where(together > most, _LIMITS.index(TOO_LARGE), _LIMITS.index(OUTVOTED))
    if limits:
        spoken_for = np.flatnonzero(_between_all(labels, edges, clusters, sizes) > 0)  # else it is not the limit that keeps them apart
        one, other = clusters[spoken_for] // edges.count, clusters[spoken_for] % edges.count
        for nth in reversed(range(len(limits))):
            limit[spoken_for[Holdings.of(limits[nth], labels).exceeded(one, other)]] = len(_LIMITS) + nth
    at = np.searchsorted(apart, clusters)
    known = np.isin(clusters, apart)
    limit[known] = edges.rule[barred[first[at[known]]]]
    return Refusals(low[best], high[best], rule[best], limit, edges.rules, (OUTVOTED, f"{TOO_LARGE} {most}", *edges.limits[2:]))


def _between_all(labels: Ints, edges: Weighted, clusters: Ints, sizes: Ints) -> Ints:
    """All that speaks for and against each pair of clusters (codes, in order), as clustering adds it up; decisions and limits aside."""
    free = np.abs(edges.weight) < REQUIRED
    codes = _code(labels[edges.left[free]], labels[edges.right[free]], edges.count)
    asked = np.isin(codes, clusters)
    at = np.searchsorted(clusters, codes[asked])
    total = UNSCORED * sizes[clusters // max(edges.count, 1)] * sizes[clusters % max(edges.count, 1)]
    np.add.at(total, at, edges.weight[free][asked] - UNSCORED)
    return total


def _between(labels: Ints, left: Ints, right: Ints, rule: Ints, one: int, other: int) -> list[tuple[int, int, int]]:
    across = ((labels[left] == one) & (labels[right] == other)) | ((labels[left] == other) & (labels[right] == one))
    return list(zip(left[across].tolist(), right[across].tolist(), rule[across].tolist(), strict=True))
