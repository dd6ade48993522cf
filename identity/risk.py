"""Which merges of a run would do most harm if they were wrong: many records moved on little evidence."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from identity.clustering import Ints
from identity.constraints import Floats
from identity.matching import Edges
from identity.versions.stable_ids import NO_ID

MOST = 10


@dataclass(frozen=True, slots=True, eq=False)
class Merging:
    """The records of one (entity, space): `before[rec]` their id of the run before or NO_ID, `after[rec]` of this one; `firsts`
    are the first recs of the source tables, `edges` why records are one."""

    entity: str
    space: str
    before: Ints
    after: Ints
    firsts: Ints
    edges: Edges


@dataclass(frozen=True, slots=True)
class RiskyMerge:
    """Records of several earlier ids that are `id360` now: `parts` as (earlier id, records), of `sources` source tables.

    `rules` are the rules that joined parts, with the number of pairs. `bits` is the evidence for the part that hangs by least: its
    best pair per rule, summed; None if a steward decided all. `risk` is records that change their id / (1 + bits).
    """

    entity: str
    space: str
    id360: int
    parts: tuple[tuple[int, int], ...]
    records: int
    sources: int
    rules: tuple[tuple[str, int], ...]
    bits: float | None
    risk: float


def riskiest(merging: Merging) -> list[RiskyMerge]:
    """The ten riskiest, worst first."""
    known = merging.before != NO_ID
    # of the parts of a merge all but one have another id than before: only such ids are worth a look
    known &= np.isin(merging.after, merging.after[known & (merging.before != merging.after)])
    pairs, sizes = np.unique(np.stack([merging.after[known], merging.before[known]]), axis=1, return_counts=True)
    ids, first, parts = np.unique(pairs[0], return_index=True, return_counts=True)
    merged = parts > 1
    ids, first, parts = ids[merged], first[merged], parts[merged]
    if not len(ids):
        return []
    joins = _crossing(merging, ids)
    bits = _weakest(merging, joins, ids, parts)
    moved = np.array([sizes[f : f + n].sum() - sizes[f : f + n].max() for f, n in zip(first, parts, strict=True)])
    risk = moved / (1 + np.maximum(bits, 0))
    return [
        _told(
            merging, joins, int(ids[i]), pairs[1, first[i] : first[i] + parts[i]], sizes[first[i] : first[i] + parts[i]], bits[i], risk[i]
        )
        for i in np.lexsort((ids, -risk))[:MOST]
    ]


def _crossing(merging: Merging, ids: Ints) -> Ints:
    """The edges of the merged ids that join records of different earlier ids, or a new record."""
    edges, before = merging.edges, merging.before
    one, other = before[edges.left], before[edges.right]
    differ = np.flatnonzero((one != other) | (one == NO_ID))
    return differ[np.isin(merging.after[edges.left[differ]], ids)]


def _weakest(merging: Merging, joins: Ints, ids: Ints, parts: Ints) -> Floats:
    """Per merged id the evidence for the part with the least of it; 0 if some part hangs by nothing that is known."""
    edges = merging.edges
    recs = np.concatenate([edges.left[joins], edges.right[joins]])
    rule, bits = np.tile(edges.rule[joins], 2), np.nan_to_num(np.tile(edges.bits[joins], 2), nan=0.0, posinf=np.inf)
    part, whole = merging.before[recs], merging.after[recs]
    of = np.flatnonzero(part != NO_ID)
    of = of[np.lexsort((-bits[of], rule[of], part[of], whole[of]))]
    best = np.ones(len(of), bool)
    best[1:] = (np.diff(whole[of]) != 0) | (np.diff(part[of]) != 0) | (np.diff(rule[of]) != 0)
    of = of[best]
    new_part = np.ones(len(of), bool)
    new_part[1:] = (np.diff(whole[of]) != 0) | (np.diff(part[of]) != 0)
    starts = np.flatnonzero(new_part)
    sums = np.add.reduceat(bits[of], starts) if len(starts) else np.empty(0)
    at = np.searchsorted(ids, whole[of][starts])
    weakest = np.full(len(ids), np.inf)
    np.minimum.at(weakest, at, sums)
    weakest[np.bincount(at, minlength=len(ids)) < parts] = 0.0
    return weakest


def _told(merging: Merging, joins: Ints, id360: int, parts: Ints, sizes: Ints, bits: float, risk: float) -> RiskyMerge:
    members = np.flatnonzero(merging.after == id360)
    sources = np.unique(np.searchsorted(merging.firsts, members, side="right"))
    edges = joins[merging.after[merging.edges.left[joins]] == id360]
    rules, pairs = np.unique(merging.edges.rule[edges], return_counts=True)
    named = tuple((merging.edges.rules[rule], int(count)) for rule, count in zip(rules, pairs, strict=True))
    order = np.lexsort((parts, -sizes))
    shown = None if np.isinf(bits) else round(float(bits), 2)
    return RiskyMerge(
        merging.entity, merging.space, id360, tuple((int(parts[i]), int(sizes[i])) for i in order), len(members), len(sources), named,
        shown, round(float(risk), 4),
    )  # fmt: skip
