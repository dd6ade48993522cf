"""What stewards decided: two records are one person or are not, or a record's person keeps an id.

They name records by source key, never by id360, so that they hold over every rebuild. `decision_log`, beside
this module, keeps them in a file.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from identity.errors import UnknownDecision

SAME, DIFFERENT, PIN, WITHDRAW = "same", "different", "pin", "withdraw"


@dataclass(frozen=True, slots=True)
class RecordName:
    """A source record: its key's values as text, or (`hashed`) one HMAC of them."""

    source: str
    table: str
    key: tuple[str, ...]
    hashed: bool = False

    def __str__(self) -> str:
        return f"{self.source}.{self.table}:{'#' + self.key[0][:12] if self.hashed else written_key(self.key)}"


def written_key(key: Sequence[object]) -> str:
    """A record's key as people write it: its parts with commas between; a JSON array where a comma of a part's own would be in doubt."""
    parts = [str(part) for part in key]
    doubtful = len(parts) > 1 and (parts[0].startswith("[") or any("," in part for part in parts))
    return json.dumps(parts, ensure_ascii=False, separators=(",", ":")) if doubtful else ",".join(parts)


@dataclass(frozen=True, slots=True)
class Decision:
    """One entry that says something of records. `b` is None for a pin, `id360` for all else. Times are UTC; `until` None: for ever."""

    verdict: str
    entity: str
    space: str
    a: RecordName
    b: RecordName | None
    id360: int | None
    reason: str
    by: str
    at: datetime
    until: datetime | None
    id: str = ""

    def __str__(self) -> str:
        return f"{self.id} ({self.verdict} {self.a} {self.b or self.id360})"

    def says_as(self, other: Decision) -> bool:
        """Whether both say the same, of the same records in whatever order, for as long."""

        mine, theirs = (of.until.replace(microsecond=0) if of.until else None for of in (self, other))  # as the file keeps it
        return self.says_of(other) and mine == theirs

    def says_of(self, other: Decision) -> bool:
        """Whether both say the same, of the same records in whatever order, for however long."""

        def said(of: Decision) -> tuple[object, ...]:
            return of.verdict, of.entity, of.space, frozenset(of.records), of.id360

        return said(self) == said(other)

    @property
    def records(self) -> tuple[RecordName, ...]:
        return (self.a,) if self.b is None else (self.a, self.b)


@dataclass(frozen=True, slots=True)
class Decisions:
    """All decisions of a project in the order of the file, and which entries were withdrawn."""

    entries: tuple[Decision, ...] = ()
    withdrawn: frozenset[str] = frozenset()

    def active(self, now: datetime | None = None) -> tuple[Decision, ...]:
        """What holds now: neither withdrawn nor expired."""
        moment = now or datetime.now(UTC)
        return tuple(d for d in self.entries if d.id not in self.withdrawn and (d.until is None or d.until > moment))

    def digest(self, now: datetime | None = None) -> str:
        """A text that tells whether what holds is still the same."""
        return hashlib.sha256("\n".join(sorted(d.id for d in self.active(now))).encode()).hexdigest()[:16]

    def find(self, which: str) -> Decision:
        """The entry with this id, or the one with this number in the file (from 1). Raises: UnknownDecision."""
        found = next((d for d in self.entries if d.id == which), None)
        if found is None and which.isdigit() and 0 < int(which) <= len(self.entries):
            found = self.entries[int(which) - 1]
        if found is None:
            raise UnknownDecision(f"there is no decision {which}", hint="`c360 decide list` shows all")
        return found
