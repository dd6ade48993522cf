"""What is worth a steward's look in one version of the crosswalk: ordered by records at stake × how unsure it is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from shlex import quote

import numpy as np

from identity.evidence.document import MODEL, probability
from identity.evidence.limits import told_limit
from identity.evidence.reading import Member, StoredEvidence, key_texts
from identity.exact_rules import CAP
from identity.stewardship.between import Votes
from identity.stewardship.binding import key_hash
from identity.stewardship.decisions import DIFFERENT, SAME, Decision, RecordName
from identity.stewardship.doubts import Decided, Doubts, doubts
from identity.stewardship.kinds import BLOCK, BRIDGE, CHURN, CROWD, KINDS, REFUSED, WEAK
from identity.versions.history import MERGED, SPLIT

CROWD_UNSURE, BLOCK_UNSURE, CHURN_UNSURE = 0.05, 0.0001, 0.1
"""How unsure a value on as many records as one may link (the more have it, the surer it is nobody's), a block too large to compare (other
rules propose its pairs too), or a moved id is taken to be: there is no score for any."""
SAID = 3
"""The most factors that are told of a pair for one person, and against."""


@dataclass(frozen=True, slots=True)
class Item:
    """Something to look at. `a` and `b` name the pair of records that it hangs on (`ids` are whose they are), if there is one.

    near match: not one, and might be · refused merge: not one although something says so; `why` is the limit that refused it · weak link:
    one, by this doubtful pair · bridge: one, and hanging on this pair · shared value: on so many records that it links nobody · over-cap
    block: so many records that they were not compared (`why`: the rule) · id churn: records changed their id (`why`: merged, split).
    `posterior` is how likely it is one person: by the pair, of two people by the mean of the `pairs` between their records (½ at most where
    these refused it), of which this one alone says `of_pair`. `votes` are those of all these pairs, of a merge that they refused; `by` is
    what would have made it (a rule; "model"). `speaks_for` and `speaks_against` are what weighs most in the pair, with bits. `detail` says
    the rest; `decide` are commands that settle it.
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
    why: str = ""
    speaks_for: tuple[str, ...] = ()
    speaks_against: tuple[str, ...] = ()
    pairs: int = 1
    of_pair: float | None = None
    by: str = ""
    votes: Votes | None = None

    @property
    def weight(self) -> float:
        """What the queue is ordered by."""
        return self.records * self.unsure


class Queue(list[Item]):
    """The weightiest items, and how many there are in all: per kind, and for refused merges, blocks and churn per reason."""

    def __init__(self, items: Sequence[Item] = (), totals: Counter[tuple[str, str]] | None = None) -> None:
        super().__init__(items)
        self.totals: Counter[tuple[str, str]] = totals or Counter()


def review(
    evidence: StoredEvidence, secret: bytes, decisions: Sequence[Decision] = (), limit: int = 20, kinds: Collection[str] = KINDS
) -> Queue:
    """The `limit` weightiest items of one (entity, space). What was decided, of the very pair or of the two people, is left out."""
    found = [item for item in (*_crowds(evidence), *_blocks(evidence), *_churn(evidence)) if item.kind in kinds]
    totals = Counter((item.kind, item.why) for item in found)
    decided = Decided(evidence, decisions, secret)
    for some in doubts(evidence):
        if some.kind in kinds:
            left = decided.without(some)
            totals.update((some.kind, why) for why in left.why)
            found += _named(evidence, left, limit)
    return ordered(found, totals, limit)


def ordered(found: Sequence[Item], totals: Counter[tuple[str, str]], limit: int) -> Queue:
    """The weightiest first."""
    return Queue(sorted(found, key=lambda i: (-i.weight, i.kind, i.a or "", i.b or "", i.ids, i.detail))[:limit], totals)


def _named(evidence: StoredEvidence, found: Doubts, limit: int) -> Iterator[Item]:
    """The weightiest of these, with their records named."""
    order = np.lexsort((found.right, found.left, -found.records * found.unsure))[:limit]
    members, sizes = evidence.named([*found.left[order].tolist(), *found.right[order].tolist()]), evidence.cluster_sizes()
    for i in order.tolist():
        cluster, beyond = int(found.cluster[i]), int(found.beyond[i])
        pairs = int(sizes[cluster] * sizes[beyond]) if cluster != beyond else 1
        yield _item(evidence, found, i, members[int(found.left[i])], members[int(found.right[i])], pairs)


def _item(evidence: StoredEvidence, found: Doubts, i: int, a: Member, b: Member, pairs: int) -> Item:
    pattern = int(found.pattern[i])
    unsure, alone = round(float(found.unsure[i]), 4), _likely(evidence.odds[pattern]) if pattern >= 0 else None
    a, b = sorted((a, b), key=lambda m: m.rec)
    commands = tuple(f"c360 decide {verdict} {quote(str(a))} {quote(str(b))} --reason '…'" for verdict in (SAME, DIFFERENT))
    return Item(
        found.kind, evidence.entity, evidence.space, int(found.records[i]), unsure, _likely(found.odds[i]), str(a), str(b),
        tuple(dict.fromkeys((a.id360, b.id360))), _detail(found, i), commands, found.why[i], *_speaks(evidence, pattern),
        pairs, alone, found.by[i] if found.by else "", found.votes_on(i),
    )  # fmt: skip


def _likely(odds: float) -> float | None:
    return None if np.isnan(odds) else round(float(probability(np.array([odds]))[0]), 4)


def _detail(found: Doubts, i: int) -> str:
    records = int(found.records[i])
    if found.kind == BRIDGE and found.part is not None:
        return f"{int(found.part[i])} and {records - int(found.part[i])} records hang together by this pair alone"
    if found.kind == WEAK:
        return f"{records} records are one by it"
    by = f" by the rule {found.by[i]}" if found.by and found.by[i] != MODEL else ""
    votes = found.votes_on(i)
    limit = f"; {told_limit(found.why[i])}" if found.kind == REFUSED else ""
    return f"{records} records would be one{by}{limit}" + (f": {votes}" if votes else "")


def _speaks(evidence: StoredEvidence, pattern: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What weighs most of a pair, for one person and against."""
    if pattern < 0:
        return (), ()
    document = evidence.document
    levels = zip(document.factors, evidence.patterns[pattern].tolist(), strict=True)
    bars = [(factor.bits[level], f"{factor.name} {factor.levels[level]}".strip()) for factor, level in levels]
    if document.household is not None:
        bars.append((float(evidence.odds[pattern]) - document.prior - sum(bits for bits, _ in bars), "may be one household"))
    bars.sort()
    told = [(bits, f"{name} ({bits:+.1f})") for bits, name in bars if abs(bits) >= 0.5]
    return tuple(t for bits, t in reversed(told) if bits > 0)[:SAID], tuple(t for bits, t in told if bits < 0)[:SAID]


def record_name(member: Member, secret: bytes) -> RecordName:
    """A record as decisions name it."""
    table = member.table
    key = key_texts(member.key)
    if table.personal:
        return RecordName(table.source, table.table, (key_hash(secret, table.source, table.table, key),), hashed=True)
    return RecordName(table.source, table.table, key)


def _crowds(evidence: StoredEvidence) -> Iterator[Item]:
    """Values on too many records to be anybody's."""
    generic = evidence.document.model.generic if evidence.document.model else ()
    told = [
        (v.records, f"a value of {v.rule} (#{v.keyed_hash}) is on {v.records:,} records and links nobody") for v in evidence.document.shared
    ]
    told += [
        (g.records, f"a value of {g.attribute} (#{g.keyed_hash}) is nobody's: on {g.records:,} records, not compared") for g in generic
    ]
    for records, detail in told:
        unsure = round(CROWD_UNSURE * min(CAP / max(records, 1), 1.0) ** 2, 6)
        yield Item(CROWD, evidence.entity, evidence.space, records, unsure, None, None, None, (), detail, ())


def _blocks(evidence: StoredEvidence) -> Iterator[Item]:
    """Blocks too large to compare: the largest one by one, the others of each rule together."""
    place = (evidence.entity, evidence.space)
    for rule in evidence.document.proposals:
        for name, records in rule.largest:
            detail = f"{records:,} records agree in {rule.rule} (#{name}): more than the cap, even cut further; not compared by this rule"
            yield Item(BLOCK, *place, records, BLOCK_UNSURE, None, None, None, (), detail, (), rule.rule)
        if rest := rule.left_out - sum(records for _, records in rule.largest):
            detail = f"{rest:,} more records in smaller blocks over the cap of {rule.rule} were not compared by it"
            yield Item(BLOCK, *place, rest, BLOCK_UNSURE, None, None, None, (), detail, (), rule.rule)


def _churn(evidence: StoredEvidence) -> Iterator[Item]:
    """Ids whose records went elsewhere in the run that made this version."""
    crosswalk = evidence.crosswalk
    rows = crosswalk.reader.execute(
        "SELECT event, id360, other_id, records FROM xw.id_event WHERE run = ? AND (entity, space) = (?, ?) AND event IN (?, ?) "
        "ORDER BY records DESC, id360",
        [crosswalk.version, evidence.entity, evidence.space, MERGED, SPLIT],
    ).fetchall()
    for event, id360, other, records in rows:
        said = f"{id360} was merged into {other}" if event == MERGED else f"{id360} was split off from {other}"
        detail = f"{said} in version {crosswalk.version}: {records:,} record{'s' * (records != 1)} changed their id"
        shown = other if event == MERGED else id360
        yield Item(
            CHURN, evidence.entity, evidence.space, int(records or 0), CHURN_UNSURE, None, None, None, (id360, other), detail,
            (f"c360 why {shown}",), event,
        )  # fmt: skip
