"""Reading the households that a version of the crosswalk keeps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from identity.crosswalk import Crosswalk
from identity.evidence.reading import Member, StoredEvidence
from identity.households.mates import table_of


@dataclass(frozen=True, slots=True)
class Together:
    """Two people are of household `household`. `a` and `b` are the pair of their records that says so most, with `bits` (log2 of the
    odds that they are of one household and not one person, nor strangers); None if only others of the household connect them."""

    household: int
    a: str | None
    b: str | None
    bits: float | None

    def __str__(self) -> str:
        by = f"{self.a} – {self.b}: {self.bits:+.1f} bits" if self.bits is not None else "others of it connect them"
        return f"of one household, {self.household} ({by})"


@dataclass(frozen=True, slots=True)
class HouseholdEvidence:
    """A household: its `people` by id360, each with its records, and of each two of them the pair of records that says so most,
    surest first."""

    entity: str
    space: str
    household: int
    people: tuple[tuple[int, tuple[str, ...]], ...]
    pairs: tuple[Together, ...]


def why_household(evidence: StoredEvidence, household: int) -> HouseholdEvidence | None:
    """Who is of a household (by an id of now, or one merged into it), and why; None if this evidence knows no such household."""
    crosswalk, table = evidence.crosswalk, evidence.crosswalk.households_of(evidence.entity, evidence.space)
    household = crosswalk.canonical(household)
    rows = crosswalk.reader.execute(f"SELECT k0 FROM xw.{table.name} WHERE id360 = ? ORDER BY k0", [household]).fetchall() if table else []
    people = {int(person): evidence.members(int(person)) for (person,) in rows}
    if not people:
        return None
    whose = {member.rec: member for members in people.values() for member in members}
    surest: dict[frozenset[int], Together] = {}
    for left, right, weight in crosswalk.reader.execute(
        f"SELECT l, r, weight FROM xw.{table_of(evidence.entity, evidence.space)} "
        "WHERE list_contains($recs, l) AND list_contains($recs, r) ORDER BY weight DESC, l, r",
        {"recs": list(whose)},
    ).fetchall():
        a, b = whose[left], whose[right]
        if a.id360 != b.id360:
            surest.setdefault(frozenset((a.id360, b.id360)), Together(household, str(a), str(b), _bits(weight)))
    named = tuple((person, tuple(str(member) for member in members)) for person, members in people.items())
    return HouseholdEvidence(evidence.entity, evidence.space, household, named, tuple(surest.values()))


def household_of(crosswalk: Crosswalk, entity: str, space: str, id360: int) -> int | None:
    """The household of a person, None if it is of none."""
    table = crosswalk.households_of(entity, space)
    rows = crosswalk.reader.execute(f"SELECT id360 FROM xw.{table.name} WHERE k0 = ?", [id360]).fetchall() if table else []
    return int(rows[0][0]) if rows else None


def together(evidence: StoredEvidence, one: tuple[Member, ...], other: tuple[Member, ...]) -> Together | None:
    """What makes two people, by all their records, one household; None if they are not of one."""
    crosswalk, place = evidence.crosswalk, (evidence.entity, evidence.space)
    household = household_of(crosswalk, *place, one[0].id360)
    if household is None or household != household_of(crosswalk, *place, other[0].id360):
        return None
    mine, theirs = ({m.rec: m for m in members} for members in (one, other))
    rows = crosswalk.reader.execute(
        f"SELECT l, r, weight FROM xw.{table_of(*place)} WHERE (list_contains($a, l) AND list_contains($b, r)) "
        "OR (list_contains($b, l) AND list_contains($a, r)) ORDER BY weight DESC, l, r LIMIT 1",
        {"a": list(mine), "b": list(theirs)},
    ).fetchall()
    if not rows:
        return Together(household, None, None, None)
    left, right, weight = rows[0]
    a, b = (left, right) if left in mine else (right, left)
    return Together(household, str(mine[a]), str(theirs[b]), _bits(weight))


def _bits(weight: int) -> float:
    """Log2 odds of a weight."""
    return round(float(weight / 1000 / np.log(2)), 2)
