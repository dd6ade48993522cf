"""How a decision stands in one version of the crosswalk: in force, or waiting for the next resolve."""

from __future__ import annotations

from collections.abc import Sequence

from identity.evidence.reading import StoredEvidence
from identity.stewardship.decisions import PIN, SAME, Decision

HOLDS, WAITS, GONE = "holds", "waits", "no record"


def standing(evidence: StoredEvidence, decision: Decision, secret: bytes) -> tuple[str, Sequence[int]]:
    """HOLDS, if the version says what the decision says; WAITS, if it does not; GONE, if it does not have both records. And its records."""
    found = [evidence.rec_of(name, secret) for name in decision.records]
    recs = [rec for rec in found if rec is not None]
    if len(recs) < len(found):
        return GONE, recs
    ids = {member.id360 for member in evidence.named(recs).values()}
    says_so = decision.id360 in ids if decision.verdict == PIN else (len(ids) == 1) == (decision.verdict == SAME)
    return (HOLDS if says_so else WAITS), recs
