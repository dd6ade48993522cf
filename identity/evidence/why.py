"""Why two records are one person, or are not; and how a person's records hang together. From stored evidence alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from identity.clustering import Ints
from identity.cohesion import spanning_forest
from identity.constraints import Floats
from identity.evidence.document import MODEL
from identity.evidence.limits import told_limit
from identity.evidence.reading import KeptApart, Member, Pairs, StoredEvidence
from identity.evidence.waterfall import Unmet, Waterfall, waterfall
from identity.households.reading import Together, together
from identity.matching import OUTVOTED
from identity.stewardship.decisions import Decision
from identity.stewardship.review import record_name
from identity.stewardship.standing import in_force

CERTAIN = 1e6
"""More bits than any evidence has: of a pair that a rule or a steward joined."""


@dataclass(frozen=True, slots=True)
class PairEvidence:
    """Two records, held against each other. `proposed` are the blocking rules that had them compared; `joined` what made them one by
    itself ("model", an exact rule, "decision"), if anything. `waterfall` is None if they were joined without being compared.

    `live`: read and compared just now, for no pair of them was kept; `unmet` then tells what each other rule lacked. What was
    `proposed` all the same had less than identity.evidence.gathering.NEAR_ODDS bits when it was resolved.
    """

    a: str
    b: str
    proposed: tuple[str, ...] = ()
    joined: str | None = None
    waterfall: Waterfall | None = None
    live: bool = False
    unmet: tuple[Unmet, ...] = ()


@dataclass(frozen=True, slots=True)
class Why:
    """Are records `a` and `b` one, and why. `path` are the strongest pairs that lead from one to the other, if they are; `direct` is
    their own pair, if it is known. `across` are the best pairs between their two clusters, if they are not one.

    `decisions` are those of stewards that hold for these records or on the path. If something would have made them one, `spoke` says
    what, and `kept_apart` which limit refused it, in words. `together`: they are two people of one household. Where the other pairs
    between the two refused it, `unkept` are how many of these nothing was kept of, and `example` is one of them.
    """

    entity: str
    space: str
    a: str
    b: str
    id360_a: int
    id360_b: int
    path: tuple[PairEvidence, ...] = ()
    direct: PairEvidence | None = None
    across: tuple[PairEvidence, ...] = ()
    decisions: tuple[str, ...] = ()
    together: Together | None = None
    spoke: str = ""
    kept_apart: str = ""
    unkept: int = 0
    example: tuple[str, str] | None = None

    @property
    def same(self) -> bool:
        """Whether the crosswalk says that they are one person."""
        return self.id360_a == self.id360_b


@dataclass(frozen=True, slots=True)
class ClusterEvidence:
    """How the records of one id hang together. `strongest` pairs connect them all (a maximum spanning tree), weakest first; `bridge`
    is a pair without which two parts of two or more records would fall apart, `parts` their records.

    `cohesion` is the share of all pairs of records that speak for one person; `mean` the mean odds (log2) of those compared.
    """

    entity: str
    space: str
    id360: int
    records: tuple[str, ...]
    strongest: tuple[PairEvidence, ...]
    bridge: PairEvidence | None
    parts: tuple[int, int] | None
    compared: int
    cohesion: float
    mean: float | None
    near: tuple[PairEvidence, ...]
    decisions: tuple[str, ...]


def why(evidence: StoredEvidence, a: Member, b: Member, decisions: Sequence[Decision] = (), secret: bytes = b"") -> Why:
    """Why two records are one, or are not. Their own pair is None in the answer if nothing was kept of it. Under the project's `secret`
    decisions name records whose keys are personal."""
    mine, theirs = evidence.members(a.id360), evidence.members(b.id360)
    members = {m.rec: m for m in (*mine, *theirs)}
    found = Why(evidence.entity, evidence.space, str(a), str(b), a.id360, b.id360)
    found = _of_one(evidence, found, a, b, members) if found.same else _of_two(evidence, found, a, b, mine, theirs)
    touched = {found.a, found.b} | {name for step in found.path for name in (step.a, step.b)}
    return replace(found, decisions=_decisions(evidence, decisions, [m for m in members.values() if str(m) in touched], secret))


def _of_one(evidence: StoredEvidence, found: Why, a: Member, b: Member, members: dict[int, Member]) -> Why:
    """The way between two records of one person."""
    inside = evidence.inside(min(members))
    return replace(
        found,
        path=_told(evidence, inside.where(path(inside, a.rec, b.rec)), members),
        direct=next(iter(_told(evidence, inside.where(_between(inside, a.rec, b.rec)), members)), None),
    )


def _of_two(evidence: StoredEvidence, found: Why, a: Member, b: Member, mine: tuple[Member, ...], theirs: tuple[Member, ...]) -> Why:
    """What speaks for one person of two, and what kept them apart."""
    members = {m.rec: m for m in (*mine, *theirs)}
    near = evidence.near(_cluster(mine))
    near = near.where(near.beyond == _cluster(theirs))
    rest = near.where((near.left != a.rec) | (near.right != b.rec))
    refused = evidence.kept_apart(_cluster(mine), _cluster(theirs))
    hidden, example = unkept(mine, theirs, near, asked=(a.rec, b.rec)) if refused and refused.limit == OUTVOTED else (0, None)
    return replace(
        found,
        direct=next(iter(_told(evidence, near.where(_between(near, a.rec, b.rec)), members)), None),
        across=_told(evidence, rest.where(np.argsort(-rest.odds, kind="stable")[:3]), members),
        together=together(evidence, mine, theirs),
        spoke=_spoke(refused, members) if refused else "",
        kept_apart=told_limit(refused.limit) if refused else "",
        unkept=hidden,
        example=example,
    )


def _spoke(refused: KeptApart, members: Mapping[int, Member]) -> str:
    """What spoke for one person, in words."""
    by = "what the model makes of" if refused.rule == MODEL else f"the rule {refused.rule} on"
    return f"{by} {' and '.join(str(members[rec]) for rec in refused.pair if rec in members)}"


def _between(pairs: Pairs, one: int, other: int) -> npt.NDArray[np.bool_]:
    """Which of the pairs is that of these two records."""
    low, high = min(one, other), max(one, other)
    return np.asarray((np.minimum(pairs.left, pairs.right) == low) & (np.maximum(pairs.left, pairs.right) == high))


def _cluster(members: Sequence[Member]) -> int:
    """What evidence calls their cluster: its smallest record, which need not be the first (one that came later has a large number)."""
    return min(member.rec for member in members)


def unkept(
    mine: Sequence[Member], theirs: Sequence[Member], near: Pairs, *, asked: tuple[int, int] | None = None
) -> tuple[int, tuple[str, str] | None]:
    """How many pairs between two people are not among the `near` ones that were kept, and one of them by name. The pair that is `asked` for
    is none of them: it is shown anyway."""
    kept = {frozenset(pair) for pair in zip(near.left.tolist(), near.right.tolist(), strict=True)} | (
        {frozenset(asked)} if asked else set()
    )
    example = next(((str(one), str(two)) for one in mine for two in theirs if frozenset((one.rec, two.rec)) not in kept), None)
    return len(mine) * len(theirs) - len(kept), example


def why_cluster(evidence: StoredEvidence, id360: int, decisions: Sequence[Decision] = (), secret: bytes = b"") -> ClusterEvidence | None:
    """How the records of an id hang together; None if it has none here. `secret` as in `why`."""
    members = {m.rec: m for m in evidence.members(id360)}
    if not members:
        return None
    inside, near = evidence.inside(min(members)), evidence.near(min(members))
    weight = _weight(inside)
    joining = np.flatnonzero(weight > 0)
    vertices, ends = np.unique(np.concatenate([inside.left[joining], inside.right[joining]]), return_inverse=True)
    left, right = ends[: len(joining)], ends[len(joining) :]
    tree = joining[spanning_forest(len(vertices), left, right, weight[joining])]
    bridge, parts = _bridge(evidence, inside, members)
    beyond = near.where(np.argsort(-near.odds, kind="stable")[:3])
    if len(beyond):
        members |= evidence.named(beyond.right.tolist())
    scored = inside.odds[~np.isnan(inside.odds)]
    possible = len(vertices) * (len(vertices) - 1) // 2
    own = [m for m in members.values() if m.id360 == id360]
    return ClusterEvidence(
        entity=evidence.entity,
        space=evidence.space,
        id360=id360,
        records=tuple(map(str, own)),
        strongest=_told(evidence, inside.where(tree[np.argsort(weight[tree], kind="stable")]), members),
        bridge=bridge,
        parts=parts,
        compared=len(scored),
        cohesion=len(joining) / possible if possible else 1.0,
        mean=float(scored.mean()) if len(scored) else None,
        near=_told(evidence, beyond, members),
        decisions=_decisions(evidence, decisions, own, secret),
    )


def _bridge(evidence: StoredEvidence, inside: Pairs, members: dict[int, Member]) -> tuple[PairEvidence | None, tuple[int, int] | None]:
    found = evidence.clusters(min(members))
    if not len(found["cluster"]) or np.isnan(found["bridge_l"][0]):
        return None, None
    pair = inside.where((inside.left == found["bridge_l"][0]) & (inside.right == found["bridge_r"][0]))
    part = int(found["part"][0])
    return next(iter(_told(evidence, pair, members)), None), (part, len(members) - part)


def path(pairs: Pairs, start: int, end: int) -> Ints:
    """Indices of the pairs on the way whose weakest pair is as strong as can be: their own pair, where it speaks for them."""
    weight = _weight(pairs)
    own = np.flatnonzero(_between(pairs, start, end))
    if len(own) and weight[own[0]] > 0:
        return own
    vertices, ends = np.unique(np.concatenate([pairs.left, pairs.right]), return_inverse=True)
    left, right = ends[: len(pairs)], ends[len(pairs) :]
    beside: dict[int, list[tuple[int, int]]] = {}
    for edge in spanning_forest(len(vertices), left, right, weight).tolist():
        beside.setdefault(int(pairs.left[edge]), []).append((int(pairs.right[edge]), edge))
        beside.setdefault(int(pairs.right[edge]), []).append((int(pairs.left[edge]), edge))
    waiting: list[tuple[int, list[int]]] = [(start, [])]
    seen = {start}
    while waiting:
        at, way = waiting.pop()
        if at == end:
            return np.array(way, np.int64)
        for beyond, edge in beside.get(at, ()):
            if beyond not in seen:
                seen.add(beyond)
                waiting.append((beyond, [*way, edge]))
    return np.empty(0, np.int64)


def _weight(pairs: Pairs) -> Floats:
    """How strongly each pair holds: what rules and decisions joined holds for sure."""
    return np.where(np.isnan(pairs.odds), CERTAIN, np.where(pairs.rule > 0, np.maximum(pairs.odds, 17.0), pairs.odds))


def _told(evidence: StoredEvidence, pairs: Pairs, members: dict[int, Member]) -> tuple[PairEvidence, ...]:
    found = []
    document = evidence.document
    for i in range(len(pairs)):
        pattern, rule = int(pairs.pattern[i]), int(pairs.rule[i])
        taken = waterfall(document, evidence.patterns[pattern].tolist(), float(evidence.odds[pattern])) if pattern >= 0 else None
        found.append(
            PairEvidence(
                str(members[int(pairs.left[i])]), str(members[int(pairs.right[i])]), evidence.proposed(int(pairs.proposed[i])),
                document.rules[rule] if rule >= 0 else None, taken,
            )
        )  # fmt: skip
    return tuple(found)


def _decisions(evidence: StoredEvidence, decisions: Sequence[Decision], members: Sequence[Member], secret: bytes) -> tuple[str, ...]:
    """Those about these records only: a decision on one of them and a stranger explains nothing here."""
    here = [d for d in decisions if (d.entity, d.space) == (evidence.entity, evidence.space)]
    ids = {record_name(member, secret): member.id360 for member in members} if here else {}
    found = []
    for d in here:
        if ids.keys() >= set(d.records):
            until = f" until {d.until:%Y-%m-%d}" if d.until else ""
            waits = "" if in_force(d, {ids[record] for record in d.records}) else "; it waits for the next resolve"
            found.append(f"{d.id}: {d.verdict} {d.a} {d.b or d.id360}{until} · {d.reason} ({d.by}, {d.at:%Y-%m-%d}){waits}")
    return tuple(found)


def best_pair(evidence: StoredEvidence, one: int, other: int) -> tuple[Member, Member] | None:
    """Of two ids the pair of records that speaks most for one person; the first of each if nothing is kept. None if one has none here."""
    mine, theirs = evidence.members(one), evidence.members(other)
    if not mine or not theirs:
        return None
    near = evidence.near(_cluster(mine))
    near = near.where(near.beyond == _cluster(theirs))
    if not len(near):
        return mine[0], theirs[0]
    best = int(np.argmax(near.odds))
    by_rec = {member.rec: member for member in (*mine, *theirs)}
    return by_rec[int(near.left[best])], by_rec[int(near.right[best])]
