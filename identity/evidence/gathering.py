"""The evidence for what an engine found: which of its pairs are kept, and what is counted of all. Touches no database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from identity.clustering import Ints
from identity.cohesion import NONE, Cohesion, cohesion
from identity.constraints import Floats
from identity.evidence.document import BINS, MODEL, RULES, Document, probability
from identity.matching import DECISION, Edges, FactorBits, Matching, Refusals, Scored

NEAR_ODDS = -10.0
"""Pairs across clusters are kept from these odds (log2) on."""
MOST_NEAR = 2
"""At most as many pairs across clusters as this times the records; those with the best odds stay."""


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """What is to be written for one (entity, space): `document` without `firsts`, `run` and `fits`; `tables` by kind; arrays as bytes."""

    document: Document
    tables: Mapping[str, pa.Table]
    patterns: bytes
    odds: bytes
    combinations: bytes


def gather_evidence(found: Matching) -> Evidence | None:
    """The evidence for what an engine found, if it gave any. Touches no database."""
    scored, edges = found.scored, found.edges
    if edges is None:
        return None
    engine = MODEL if scored is not None else RULES
    if scored is None:
        scored = as_scored(edges, len(found.labels))
    pairs = KeptPairs(found.labels, scored, edges, engine)
    stars = edges.left * len(edges.rules) + edges.rule if engine == RULES else None
    tables = {
        "inside": pairs.inside_table(),
        "near": pairs.near_table(),
        "refused": refused_table(found.labels, found.refusals),
        "cluster": cluster_table(edges, cohesion(found.labels, edges.left, edges.right, edges.bits, stars=stars)),
    }
    patterns, odds, combinations = (part.tobytes() for part in (pairs.patterns, pairs.odds.astype(np.float32), pairs.combinations))
    return Evidence(_document(found, pairs, engine), tables, patterns, odds, combinations)


def as_scored(edges: Edges, count: int) -> Scored:
    """Exact rules as a model sees them: a factor per rule, whose level k says that k records (255: or more) have the value; 0: differ."""
    low, high = np.minimum(edges.left, edges.right), np.maximum(edges.left, edges.right)
    codes, of = np.unique(low * max(count, 1) + high, return_inverse=True)
    names = [rule for rule in edges.rules if rule != DECISION]
    levels = np.zeros((len(codes), len(names)), np.uint8)
    for factor, name in enumerate(names):
        mine = np.flatnonzero((edges.rule == edges.rules.index(name)) & np.isfinite(edges.bits))
        levels[of[mine], factor] = np.clip(np.rint(count / np.exp2(edges.bits[mine])), 2, 255)
    bits = (0.0, 0.0, *(float(np.log2(max(count, 1) / k)) for k in range(2, 256)))
    told = ("not known to agree", "", *(f"same, on {k} records" for k in range(2, 256)))
    odds = np.asarray(bits)[levels].sum(axis=1)
    factors = tuple(FactorBits(name, told, bits) for name in names)
    none = np.zeros(len(codes), np.uint64)
    return Scored(codes // max(count, 1), codes % max(count, 1), odds, levels, none, factors, (), 0.0)


class KeptPairs:
    """The pairs worth keeping: those inside clusters, scored or only joined, and the near ones across."""

    def __init__(self, labels: Ints, scored: Scored, edges: Edges, engine: str) -> None:
        self.labels, self.scored, self.edges = labels, scored, edges
        count = max(len(labels), 1)
        held = labels[scored.left] == labels[scored.right]
        self.held = held
        near = np.flatnonzero(~held & (scored.odds > NEAR_ODDS))
        self.left_out = max(len(near) - MOST_NEAR * count, 0)
        if self.left_out:
            near = np.sort(near[np.lexsort((near, -scored.odds[near]))[: MOST_NEAR * count]])
        self.near, self.inside = near, np.flatnonzero(held)
        kept = np.concatenate([self.inside, near])
        code = _codes(scored.levels[kept], [len(factor.levels) for factor in scored.factors])
        _, first, pattern = np.unique(code, return_index=True, return_inverse=True)
        self.patterns, self.odds = scored.levels[kept[first]], scored.odds[kept[first]]
        self.combinations, proposed = np.unique(scored.rules[kept], return_inverse=True)
        self.pattern, self.proposed = pattern.astype(np.int64), proposed.astype(np.int64)
        # what joined a pair, and pairs that were joined without ever being scored
        joined = np.minimum(edges.left, edges.right) * count + np.maximum(edges.left, edges.right)
        order = np.lexsort((edges.rule, joined))
        order = order[np.diff(joined[order], prepend=-1) != 0]
        self.joined, self.by, self.count, self.engine = joined[order], edges.rule[order], count, engine

    def inside_table(self) -> pa.Table:
        scored, n = self.scored, len(self.inside)
        codes = scored.left[self.inside] * self.count + scored.right[self.inside]
        at = np.minimum(np.searchsorted(self.joined, codes), max(len(self.joined) - 1, 0))
        known = self.joined[at] == codes if len(self.joined) else np.zeros(n, bool)
        rule = np.where(known, self.by[at], NONE) if len(self.joined) else np.full(n, NONE, np.int64)
        unscored = np.ones(len(self.joined), bool)
        unscored[at[known]] = False
        more = self.joined[unscored]
        left, right = np.concatenate([codes, more]) // self.count, np.concatenate([codes, more]) % self.count
        none = np.full(len(more), NONE, np.int64)
        order = self._order(left, right)
        columns = {
            "cluster": self.labels[left], "l": left, "r": right, "pattern": np.concatenate([self.pattern[:n], none]),
            "proposed": np.concatenate([self.proposed[:n], none]), "rule": np.concatenate([rule, self.by[unscored]]),
        }  # fmt: skip
        return pa.table({name: pa.array(values[order].astype(np.int32)) for name, values in columns.items()})

    def _order(self, left: Ints, right: Ints) -> Ints:
        """By cluster, then records. Sorted nearly, as pairs are, they are sorted soon."""
        order = np.argsort(left * self.count + right, kind="stable")
        return order[np.argsort(self.labels[left[order]], kind="stable")]

    def near_table(self) -> pa.Table:
        left, right = self.scored.left[self.near], self.scored.right[self.near]
        one, other = np.concatenate([left, right]), np.concatenate([right, left])
        n = len(self.inside)
        order = self._order(one, other)
        columns = {
            "cluster": self.labels[one], "l": one, "r": other, "beyond": self.labels[other],
            "pattern": np.tile(self.pattern[n:], 2), "proposed": np.tile(self.proposed[n:], 2),
        }  # fmt: skip
        return pa.table({name: pa.array(values[order].astype(np.int32)) for name, values in columns.items()})


def _codes(levels: npt.NDArray[np.uint8], sizes: Sequence[int]) -> Ints:
    """One number per row of levels, the same for the same row; numbered anew before it would outgrow 63 bits."""
    code, span = np.zeros(len(levels), np.int64), 1
    for f, size in enumerate(sizes):
        if span * size >= 1 << 63:
            values, code = np.unique(code, return_inverse=True)
            span = len(values)
        code, span = code * size + levels[:, f], span * size
    return code


def refused_table(labels: Ints, found: Refusals | None) -> pa.Table:
    """The merges that were refused, in order of clusters and records."""
    none = np.empty(0, np.int64)
    left, right, rule, limit = (found.left, found.right, found.rule, found.limit) if found else (none,) * 4
    columns = {"cluster": labels[left], "l": left, "r": right, "beyond": labels[right], "rule": rule, "kept_by": limit}
    order = np.lexsort((right, left, labels[left]))
    return pa.table({name: pa.array(values[order].astype(np.int32)) for name, values in columns.items()})


def cluster_table(edges: Edges, found: Cohesion) -> pa.Table:
    """How clusters hang together, with the records of their weakest edge and of their bridge, NULL if they have none."""
    low, high = np.minimum(edges.left, edges.right), np.maximum(edges.left, edges.right)
    bridged = found.bridge != NONE
    bridge = np.where(bridged, found.bridge, 0)

    def only(values: Ints | Floats) -> pa.Array:
        return pa.array(values[bridge] if len(values) else np.zeros(len(bridge)), mask=~bridged)

    return pa.table(
        {
            "cluster": found.cluster, "records": found.records,
            "weakest_l": low[found.weakest], "weakest_r": high[found.weakest], "weakest": edges.bits[found.weakest],
            "bridge_l": only(low), "bridge_r": only(high), "bridge": only(edges.bits), "part": found.part,
        }
    )  # fmt: skip


def _document(found: Matching, pairs: KeptPairs, engine: str) -> Document:
    scored = pairs.scored
    sizes = np.bincount(found.labels)
    sizes = sizes[sizes > 0].astype(np.int64)
    several, clusters = np.unique(sizes, return_counts=True)
    inside = across = ()
    if engine == MODEL:
        whole = np.clip(np.floor(scored.odds), BINS[0], BINS[-1]).astype(np.int64) - BINS[0]
        inside, across = (tuple(np.bincount(whole[of], minlength=len(BINS)).tolist()) for of in (pairs.held, ~pairs.held))
    limits = found.refusals.limits if found.refusals else ()
    return Document(
        engine, len(found.labels), pairs.edges.rules, limits, scored.factors, scored.blocking, scored.prior, scored.household,
        compared=len(scored.left) if engine == MODEL else 0, inside=inside, across=across,
        expected=_expected(pairs, found.labels) if engine == MODEL else (0.0, 0.0),
        pairs=int((sizes * (sizes - 1) // 2).sum()), sizes=dict(zip(several.tolist(), clusters.tolist(), strict=True)),
        left_out=pairs.left_out, yields=found.yields, shared=found.shared, proposals=found.blocking, model=found.model,
    )  # fmt: skip


def _expected(pairs: KeptPairs, labels: Ints) -> tuple[float, float]:
    """Pairs that the scores say are one person: inside clusters (one never scored counts as its cluster's average), and across."""
    likely = probability(pairs.scored.odds)
    of = labels[pairs.scored.left[pairs.held]]
    total, scored = np.bincount(of, likely[pairs.held], len(labels)), np.bincount(of, minlength=len(labels))
    size = np.bincount(labels, minlength=len(labels)).astype(np.float64)
    average = np.divide(total, scored, out=np.ones(len(labels)), where=scored > 0)
    return float((size * (size - 1) / 2 * average).sum()), float(likely[~pairs.held].sum())
