"""How a decision stands in one version of the crosswalk: in force, or waiting for the next resolve."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from identity.evidence.reading import StoredEvidence
from identity.stewardship.decisions import PIN, SAME, Decision

HOLDS, WAITS, GONE = "holds", "waits", "no record"


def standing(evidence: StoredEvidence, decision: Decision, secret: bytes) -> tuple[str, Sequence[int]]:
    """HOLDS, if the version says what the decision says; WAITS, if it does not; GONE, if it does not have both records. And its records."""
    found = [evidence.rec_of(name, secret) for name in decision.records]
    recs = [rec for rec in found if rec is not None]
    if len(recs) < len(found):
        return GONE, recs
    return (HOLDS if in_force(decision, {member.id360 for member in evidence.named(recs).values()}) else WAITS), recs


def in_force(decision: Decision, ids: Collection[int]) -> bool:
    """Whether a version says what a decision says, whose records have these ids in it."""
    return decision.id360 in ids if decision.verdict == PIN else (len(ids) == 1) == (decision.verdict == SAME)
