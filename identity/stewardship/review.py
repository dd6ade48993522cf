"""What is worth a steward's look in one version of the crosswalk: ordered by records at stake × how unsure it is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from shlex import quote

import numpy as np

from identity.clustering import Ints
from identity.constraints import Floats
from identity.evidence.reading import Member, StoredEvidence, key_texts
from identity.evidence.writing import BY_MODEL, MODEL, probability
from identity.stewardship.binding import key_hash
from identity.stewardship.decisions import DIFFERENT, SAME, Decision, RecordName

NEAR, REFUSED, WEAK, BRIDGE, CROWD, CHURN = "near match", "refused merge", "weak link", "bridge", "shared value", "id churn"
DOUBTFUL = (0.2, 0.8)
"""Posteriors between which a pair is worth a look."""
TOP = 5_000
"""At most so many pairs of each kind are looked at."""
CROWD_UNSURE, BLOCK_UNSURE, CHURN_UNSURE = 0.01, 0.0001, 0.1
"""How unsure a value on too many records, a block too large to compare (other rules propose its pairs too), or a moved id is taken to
be: there is no score for any."""


@dataclass(frozen=True, slots=True)
class Item:
    """Something to look at. `a` and `b` name the pair of records that it hangs on (`ids` are whose they are), if there is one.

    near match: not one, and might be · refused merge: not one although the pair alone says so · weak link: one, by this doubtful pair ·
    bridge: one, and hanging on this pair · shared value: on so many records that it links nobody · id churn: records changed their id.
    `posterior` is how likely the pair is one person. `detail` says the rest; `decide` are commands that settle it.
    """

    kind: str
    entity: str
    space: str
    records: int
    unsure: float
    posterior: float | None
    a: str | None
    b: str | None
    ids: tuple[int, ...]
    detail: str
    decide: tuple[str, ...]

    @property
    def weight(self) -> float:
        """What the queue is ordered by."""
        return self.records * self.unsure


@dataclass(frozen=True, slots=True, eq=False)
class _Found:
    """Pairs of one kind, before their records are named: `parts` are the records at stake on either side."""

    kind: str
    left: Ints
    right: Ints
    odds: Floats
    unsure: Floats
    records: Ints
    detail: tuple[str, ...]


def review(evidence: StoredEvidence, secret: bytes, decisions: Sequence[Decision] = (), limit: int = 20) -> list[Item]:
    """The `limit` weightiest items of one (entity, space). What was decided, of the very pair or of the two people, is left out."""
    found = [*_crowds(evidence), *_churn(evidence)]
    decided = _Decided(evidence, decisions, secret)
    for some in (_apart(evidence), *_together(evidence)):
        found += _named(evidence, some, decided, limit)
    return sorted(found, key=lambda i: (-i.weight, i.kind, i.a or "", i.b or "", i.ids, i.detail))[:limit]


def _apart(evidence: StoredEvidence) -> _Found:
    """Near matches and refused merges: for every two clusters their best pair."""
    near = evidence.near()
    likely = probability(near.odds)
    near = near.where(likely >= DOUBTFUL[0])
    low, high = np.minimum(near.cluster, near.beyond), np.maximum(near.cluster, near.beyond)
    order = np.lexsort((near.right, near.left, -near.odds, high, low))
    first = np.ones(len(order), bool)
    first[1:] = (np.diff(low[order]) != 0) | (np.diff(high[order]) != 0)
    best = near.where(order[first])
    sizes = evidence.cluster_sizes()
    records = sizes[best.cluster] + sizes[best.beyond]
    unsure = entropy(best.odds)
    refused = probability(best.odds) > DOUBTFUL[1]
    unsure = np.where(refused, 0.5, unsure)  # the pair is sure, the answer is another: something is wrong with one of them
    kept = "; other pairs, a value that differs, a decision or the size of the whole keep them apart"
    detail = tuple(f"{n} records would be one{kept if r else ''}" for n, r in zip(records.tolist(), refused.tolist(), strict=True))
    return _Found(NEAR, best.left, best.right, best.odds, unsure, records, detail)


def _together(evidence: StoredEvidence) -> Iterator[_Found]:
    """Clusters that hang on a bridge, or on a doubtful pair."""
    clusters = evidence.clusters()
    bridged = np.flatnonzero(~np.isnan(clusters["bridge_l"]))
    left, right = clusters["bridge_l"][bridged].astype(np.int64), clusters["bridge_r"][bridged].astype(np.int64)
    records, part = clusters["records"][bridged].astype(np.int64), clusters["part"][bridged].astype(np.int64)
    odds = clusters["bridge"][bridged]
    odds = np.where(np.isfinite(odds), odds, np.nan)
    detail = tuple(
        f"{p} and {n - p} records hang together by this pair alone" for p, n in zip(part.tolist(), records.tolist(), strict=True)
    )
    sure = odds if evidence.document.engine == MODEL else np.full(len(odds), np.nan)
    yield _Found(BRIDGE, left, right, sure, np.maximum(np.nan_to_num(entropy(sure)), 0.25), records, detail)
    if evidence.document.engine != MODEL:
        return
    inside = evidence.inside()
    weak = inside.where((inside.rule == BY_MODEL) & (probability(inside.odds) <= DOUBTFUL[1]))
    # of a larger cluster only its weakest link counts: others hold it beside a doubtful pair
    links = (clusters[name].astype(np.int64).tolist() for name in ("weakest_l", "weakest_r"))
    weakest = dict(zip(clusters["cluster"].astype(np.int64).tolist(), zip(*links, strict=True), strict=True))
    pairs = zip(weak.left.tolist(), weak.right.tolist(), strict=True)
    weak = weak.where(np.array([weakest.get(c, pair) == pair for c, pair in zip(weak.cluster.tolist(), pairs, strict=True)], bool))
    counted = evidence.cluster_sizes()[weak.cluster]
    detail = tuple(f"{n} records are one by it" for n in counted.tolist())
    yield _Found(WEAK, weak.left, weak.right, weak.odds, entropy(weak.odds), counted, detail)


def _named(evidence: StoredEvidence, found: _Found, decided: _Decided, limit: int) -> Iterator[Item]:
    """The weightiest of these that nobody has decided, with their records named."""
    order = np.lexsort((found.right, found.left, -found.records * found.unsure))[:TOP]
    told = 0
    for start in range(0, len(order), limit):
        some = order[start : start + limit]
        members = evidence.named([*found.left[some].tolist(), *found.right[some].tolist()])
        for i in some.tolist():
            a, b = members[int(found.left[i])], members[int(found.right[i])]
            if decided.settles(a, b):
                continue
            yield _item(evidence, found, i, a, b)
            told += 1
        if told >= limit:
            return


def _item(evidence: StoredEvidence, found: _Found, i: int, a: Member, b: Member) -> Item:
    posterior = None if np.isnan(found.odds[i]) else round(float(probability(found.odds[i : i + 1])[0]), 4)
    kind = REFUSED if found.kind == NEAR and posterior is not None and posterior > DOUBTFUL[1] else found.kind
    commands = tuple(f"c360 decide {verdict} {quote(str(a))} {quote(str(b))} --reason '…'" for verdict in (SAME, DIFFERENT))
    return Item(
        kind, evidence.entity, evidence.space, int(found.records[i]), round(float(found.unsure[i]), 4), posterior, str(a), str(b),
        tuple(dict.fromkeys((a.id360, b.id360))), found.detail[i], commands,
    )  # fmt: skip


class _Decided:
    """What stewards have decided, by record and by person. Where keys are personal, decisions name records by a keyed hash."""

    def __init__(self, evidence: StoredEvidence, decisions: Iterable[Decision], secret: bytes) -> None:
        self.secret = secret
        self.pairs: set[frozenset[RecordName]] = set()
        self.people: set[frozenset[int]] = set()
        for decision in decisions:
            if (decision.entity, decision.space) == (evidence.entity, evidence.space) and decision.b is not None:
                self.pairs.add(frozenset((decision.a, decision.b)))
                recs = [rec for name in decision.records if (rec := evidence.rec_of(name, secret)) is not None]
                self.people.add(frozenset(m.id360 for m in evidence.named(recs).values()))

    def settles(self, a: Member, b: Member) -> bool:
        """Whether these two records were decided, or any two of their two people."""
        named = frozenset(record_name(m, self.secret) for m in (a, b))
        return named in self.pairs or (a.id360 != b.id360 and frozenset((a.id360, b.id360)) in self.people)


def record_name(member: Member, secret: bytes) -> RecordName:
    """A record as decisions name it."""
    table = member.table
    key = key_texts(member.key)
    if table.personal:
        return RecordName(table.source, table.table, (key_hash(secret, table.source, table.table, key),), hashed=True)
    return RecordName(table.source, table.table, key)


def _crowds(evidence: StoredEvidence) -> Iterator[Item]:
    """Values on too many records, and blocks too large to compare."""
    place = (evidence.entity, evidence.space)
    for value in evidence.document.shared:
        detail = f"a value of {value.rule} (#{value.keyed_hash}) is on {value.records:,} records and links nobody"
        yield Item(CROWD, *place, value.records, CROWD_UNSURE, None, None, None, (), detail, ())
    for rule in evidence.document.proposals:
        if rule.left_out:
            detail = f"{rule.oversize_blocks:,} blocks of {rule.rule} were too large: {rule.left_out:,} records were not compared by it"
            yield Item(CROWD, *place, rule.left_out, BLOCK_UNSURE, None, None, None, (), detail, ())
    for generic in evidence.document.model.generic if evidence.document.model else ():
        detail = f"a value of {generic.attribute} (#{generic.keyed_hash}) is nobody's: on {generic.records:,} records, it is not compared"
        yield Item(CROWD, *place, generic.records, CROWD_UNSURE, None, None, None, (), detail, ())


def _churn(evidence: StoredEvidence) -> Iterator[Item]:
    """Ids of the version before whose records went elsewhere."""
    crosswalk = evidence.crosswalk
    rows = crosswalk.reader.execute(
        "SELECT event, id360, other_id, records FROM xw.id_event WHERE run = ? AND (entity, space) = (?, ?) AND other_id IS NOT NULL "
        "ORDER BY records DESC, id360 LIMIT 1000",
        [crosswalk.version, evidence.entity, evidence.space],
    ).fetchall()
    for event, id360, other, records in rows:
        said = f"{id360} was merged into {other}" if event == "merged" else f"{id360} was split off from {other}"
        detail = f"{said} in version {crosswalk.version}: {records:,} record{'s' * (records != 1)} changed their id"
        shown = other if event == "merged" else id360
        yield Item(
            CHURN, evidence.entity, evidence.space, int(records or 0), CHURN_UNSURE, None, None, None, (id360, other), detail,
            (f"c360 why {shown}",),
        )  # fmt: skip


def entropy(odds: Floats) -> Floats:
    """How unsure a pair is, in bits: 1 at fifty-fifty."""
    p = np.clip(probability(np.nan_to_num(odds)), 1e-9, 1 - 1e-9)
    return np.where(np.isnan(odds), np.nan, -(p * np.log2(p) + (1 - p) * np.log2(1 - p)))
